//! Parts of keys: one of the source as the target holds it, so that it is found there; and back, by the way back.

use super::super::key::KeyKind;
use super::super::types::key_kind;
use super::typed::{Class, join, split};
use super::{Carry, Unfit};
use crate::cursor::KeyPart;
use crate::hex;
use crate::sql::Make;

impl Carry {
    /// A part of the source's key as a part of the target's. One that is [`Unfit`] is not there.
    pub fn part(&self, part: &KeyPart) -> Result<KeyPart, Unfit> {
        let bytes = |text: &str| hex::decode(text).ok_or(Unfit::Written);
        let value = match (self.source.0, part) {
            (Make::Sqlite, KeyPart::Int(text)) => join(Class::Integer, text.as_bytes()),
            (Make::Sqlite, KeyPart::Decimal(text)) => {
                // As SQLite writes a real, infinity too.
                let number: f64 = text.parse().map_err(|_| Unfit::Written)?;
                join(Class::Real, format!("{number:?}").as_bytes())
            }
            (Make::Sqlite, KeyPart::Binary(text)) => join(Class::Blob, &bytes(text)?),
            (Make::Sqlite, part) => join(Class::Text, part.text().as_bytes()),
            (_, KeyPart::Binary(text)) => bytes(text)?,
            (_, part) => part.text().as_bytes().to_owned(),
        };
        let turned = self.turn(&value)?;
        let text = |value: &[u8]| String::from_utf8(value.to_owned()).map_err(|_| Unfit::Written);
        if self.target.0 == Make::Sqlite {
            return Ok(match split(&turned)? {
                (Class::Integer, value) => KeyPart::Int(text(value)?),
                (Class::Real, value) => KeyPart::Decimal(text(value)?),
                (Class::Text, value) => KeyPart::Text(text(value)?),
                (Class::Blob, value) => KeyPart::Binary(hex::encode(value)),
            });
        }
        Ok(match key_kind(self.target.0.dialect(), &self.target.1).map_err(|_| Unfit::Written)? {
            KeyKind::Int => KeyPart::Int(text(&turned)?),
            KeyKind::Decimal => KeyPart::Decimal(text(&turned)?),
            KeyKind::Time => KeyPart::Time(text(&turned)?),
            KeyKind::Uuid => KeyPart::Uuid(text(&turned)?),
            KeyKind::Text => KeyPart::Text(text(&turned)?),
            KeyKind::Binary => KeyPart::Binary(hex::encode(&turned)),
        })
    }
}
