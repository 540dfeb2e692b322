//! Parts of keys: one of the source as the target holds it, so that it is found there, and back.

use super::super::key::KeyKind;
use super::super::types::key_kind;
use super::kind::Kind;
use super::number;
use super::step::uuid;
use super::time::{Calendar, clock, date, moment};
use super::typed::{Class, join, split};
use super::{Carry, Unfit};
use crate::cursor::KeyPart;
use crate::hex;
use crate::sql::Make;
use std::borrow::Cow;

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
            (_, KeyPart::Int(text) | KeyPart::Decimal(text)) => number::unpadded(text).as_bytes().to_owned(),
            // As the column is read: in UTC, and not saying so.
            (Make::Postgres, KeyPart::Time(text)) if self.source.1.base == "timestamptz" => {
                text.replacen("+00", "", 1).into_bytes()
            }
            // As the column is read: with its blanks.
            (Make::Postgres, KeyPart::Text(text)) if self.source.1.base == "bpchar" => {
                let length = self.source.1.length.and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
                format!("{text:<length$}").into_bytes()
            }
            (_, part) => part.text().as_bytes().to_owned(),
        };
        let turned = self.turn(&value)?;
        let text = |value: &[u8]| String::from_utf8(value.to_owned()).map_err(|_| Unfit::Written);
        if self.target.0 == Make::Sqlite {
            return Ok(match split(&turned)? {
                (Class::Integer, value) => KeyPart::Int(text(value)?),
                // As the key itself prints infinity, which SQL has no word for.
                (Class::Real, value) => KeyPart::Decimal(text(value)?.replace("inf", "9e999")),
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

    /// A part of the target's key as one of the source's, which may be there; `None` if the source cannot hold it.
    pub fn back(&self, part: &KeyPart) -> Option<KeyPart> {
        let (make, column) = &self.source;
        let text = part.text();
        let calendar = if *make == Make::Postgres { Calendar::Postgres } else { Calendar::MySql };
        let time = |text: Result<Cow<'_, str>, Unfit>| text.ok().map(|text| KeyPart::Time(text.into_owned()));
        match Kind::of(make.dialect(), column) {
            Kind::Int { least, most } => {
                let whole = number::decimal(number::unpadded(text), Some((WHOLE, 0)), false).ok()?;
                // MySQL's year zero.
                let least = if column.base == "year" { 0 } else { least };
                number::whole(&whole, least, most).ok().map(|whole| KeyPart::Int(whole.to_owned()))
            }
            Kind::Decimal { places, .. } => {
                let number = number::decimal(number::unpadded(text), places, *make == Make::Postgres).ok()?;
                Some(KeyPart::Decimal(number.into_owned()))
            }
            Kind::Date => time(date(text, calendar).map(Into::into)),
            Kind::Time { digits } => time(clock(text, calendar, digits)),
            Kind::Moment { digits, .. } => time(moment(text, calendar, digits)),
            Kind::Uuid => uuid(text).ok().map(|text| KeyPart::Uuid(text.to_owned())),
            Kind::Text { .. } if *make == Make::Postgres && text.contains('\0') => None,
            Kind::Text { .. } => Some(KeyPart::Text(text.to_owned())),
            Kind::Bytes { .. } => matches!(part, KeyPart::Binary(_)).then(|| part.clone()),
            Kind::Dynamic(_) => Some(match part {
                KeyPart::Time(text) | KeyPart::Uuid(text) => KeyPart::Text(text.clone()),
                KeyPart::Decimal(text) => match number::decimal(number::unpadded(text), Some((WHOLE, 0)), false) {
                    Ok(whole) if whole.parse::<i64>().is_ok() => KeyPart::Int(whole.into_owned()),
                    _ => part.clone(),
                },
                _ => part.clone(),
            }),
            _ => Some(KeyPart::Time(text.to_owned())),
        }
    }
}

/// Digits that a whole number has at most.
const WHOLE: u32 = 40;
