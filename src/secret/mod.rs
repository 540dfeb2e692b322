//! What must never be shown, and the store that keeps it.

mod store;

pub use store::{SecretError, SecretStore};

use std::fmt;

/// A password, or a text that holds one. Neither Debug nor Display shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps a text from being shown.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself: for the connection that needs it, never for a message.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_show_itself() {
        let secret = Some(Secret::new("hunter2"));
        assert_eq!(format!("{secret:?} {secret:#?}"), "Some((secret)) Some(\n    (secret),\n)");
        assert_eq!(secret.as_ref().map(Secret::expose), Some("hunter2"));
    }
}
