//! A place in an inventory, and the cursor that it is: which version of the manifest and of the data file it is a place in goes along, so that
//! a later run goes on in the same ones or not at all.

use crate::cursor::{Cursor, KeyPart};
use crate::objects::walk;

/// How far one has come: data files are walked in the manifest's order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Point {
    /// The data file.
    pub(super) file: usize,
    /// Records of it that lie before the place.
    pub(super) records: u64,
}

/// A place in an inventory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The manifest's tag.
    pub(super) manifest: String,
    /// How far it is.
    pub(super) at: Point,
    /// The data file's tag; empty: it was not opened.
    pub(super) file: String,
    /// The key in the last record before it; empty: there is none.
    pub(super) key: String,
}

impl Place {
    /// The place that a cursor is; `None`: it is none.
    pub(super) fn of(cursor: &Cursor) -> Option<Self> {
        match cursor.0.as_slice() {
            [
                KeyPart::Text(manifest),
                KeyPart::Int(number),
                KeyPart::Text(file),
                KeyPart::Int(records),
                KeyPart::Text(key),
            ] => {
                let at = Point { file: number.parse().ok()?, records: records.parse().ok()? };
                Some(Self { manifest: manifest.clone(), at, file: file.clone(), key: key.clone() })
            }
            _ => None,
        }
    }

    /// The cursor that it is.
    pub(super) fn cursor(&self) -> Cursor {
        Cursor(vec![
            KeyPart::Text(self.manifest.clone()),
            KeyPart::Int(self.at.file.to_string()),
            KeyPart::Text(self.file.clone()),
            KeyPart::Int(self.at.records.to_string()),
            KeyPart::Text(self.key.clone()),
        ])
    }

    /// The tag of a data file, where this is a place in it.
    pub(super) fn tag_of(&self, file: usize) -> Option<&str> {
        Some(self.file.as_str()).filter(|tag| self.at.file == file && !tag.is_empty())
    }
}

/// The object in the last record before a place, as it is named everywhere else.
pub(in crate::objects) fn item(cursor: &Cursor) -> Option<Cursor> {
    Place::of(cursor).map(|place| walk::cursor(&place.key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_cursor_and_back_and_nothing_else_is_one() {
        let place = Place {
            manifest: "m".to_owned(),
            at: Point { file: 3, records: 17 },
            file: "f".to_owned(),
            key: "a, \"b\"\n".to_owned(),
        };
        assert_eq!(Place::of(&place.cursor()), Some(place.clone()));
        assert_eq!(item(&place.cursor()), Some(walk::cursor("a, \"b\"\n")));
        assert_eq!((place.tag_of(3), place.tag_of(2)), (Some("f"), None));
        for other in [walk::end(), walk::cursor("a"), Cursor(Vec::new()), Cursor(vec![KeyPart::Int("1".to_owned()); 5])]
        {
            assert!(Place::of(&other).is_none() && item(&other).is_none(), "{other:?}");
        }
    }

    #[test]
    fn places_follow_the_manifest_and_then_the_file() {
        let at = |file, records| Point { file, records };
        assert!(at(0, 900) < at(1, 0) && at(1, 0) < at(1, 1) && Point::default() <= at(0, 0));
    }
}
