//! Keys and cursors: the typed tuple that names a place in a source.

use serde::{Deserialize, Serialize};

/// One part of a key: the value's own text, exactly as its database printed it, and the kind that says how to bind it again.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyPart {
    /// An integer of up to 64 bits, signed or unsigned, in decimal.
    Int(String),
    /// A decimal number with its digits as stored.
    Decimal(String),
    /// A date, a time or both, as the database prints it in a UTC session.
    Time(String),
    /// A UUID.
    Uuid(String),
    /// Text.
    Text(String),
    /// Bytes, as lower-case hex.
    Binary(String),
}

impl KeyPart {
    /// The text without its kind, as replies and logs show it.
    pub fn text(&self) -> &str {
        match self {
            Self::Int(text)
            | Self::Decimal(text)
            | Self::Time(text)
            | Self::Uuid(text)
            | Self::Text(text)
            | Self::Binary(text) => text,
        }
    }
}

/// A key of the source, and so the place that a walk has reached.
///
/// Two cursors are never compared in Rust: only the database knows the order of its own collations.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cursor(pub Vec<KeyPart>);

impl Cursor {
    /// The parts as strings: the form of keys in replies.
    pub fn texts(&self) -> Vec<String> {
        self.0.iter().map(|part| part.text().to_owned()).collect()
    }

    /// The parts as a JSON array of strings: the form of keys inside the ledger's `item`, in logs and in messages.
    pub fn json(&self) -> String {
        serde_json::Value::from(self.texts()).to_string()
    }
}
