//! From the source to a target in another database: what is read of each row, and which of it fills which column.

use super::super::carry::Carry;
use super::super::landing::FillKind;
use crate::cursor::{Cursor, KeyPart};
use crate::sql::bulk;
use crate::sql::grid::{Form, Grid};
use crate::sql::native::Native;
use crate::sql::{Dialect, bulk::Column};
use std::ops::Range;
use std::sync::Arc;

/// One target, and what a row that is read for it holds: the parts of its key first, then `selected`.
#[derive(Clone, Debug)]
pub(super) struct Route {
    /// Columns of the source's key.
    pub(super) parts: usize,
    /// SQL of those of its own.
    pub(super) printed: Vec<String>,
    /// What is read behind them: SQL over the source's row.
    pub(super) selected: Vec<String>,
    /// PostgreSQL: `printed` and `selected` without casts, where every value is printed so too. `None`: some are not, or are bytes.
    pub(super) bare: Option<(Vec<String>, Vec<String>)>,
    /// Both PostgreSQL: all that is read as the source keeps it, and in which forms, where the target takes those.
    pub(super) native: Option<Whole>,
    /// Which of `selected` may be of any length, and SQL of how many bytes each has.
    pub(super) long: Vec<(usize, String)>,
    /// Which of all columns read is the document; it is the last one.
    pub(super) document: Option<usize>,
    /// What fills the target's columns, one for each of `into`.
    pub(super) fills: Vec<Fill>,
    /// Where the rows go.
    pub(super) into: bulk::Table,
    /// The target's key, in the order of the source's.
    pub(super) key: Vec<KeyColumn>,
    /// How the parts of keys travel.
    pub(super) carries: Vec<Carry>,
    /// Triggers of the target may drop or change what is inserted, or it is not known that none does.
    pub(super) meddled: bool,
}

/// A row as a server keeps it.
#[derive(Clone, Debug)]
pub(super) struct Whole {
    /// SQL of the parts of its key, and of what is read behind them.
    pub(super) printed: Vec<String>,
    pub(super) selected: Vec<String>,
    /// Their forms, and that of the column that says whether it is too large, where there is one.
    pub(super) forms: Arc<[Native]>,
}

/// A column of the target's key: how a value that arrives as text is compared with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KeyColumn {
    pub(super) name: String,
    /// The type in which MySQL unpacks the text; empty elsewhere.
    pub(super) unpacked: &'static str,
    pub(super) turn: Column,
}

/// A target column and what fills it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fill {
    pub(super) origin: Origin,
    /// How the target compares it.
    pub(super) kind: FillKind,
    /// SQL of the target's value `h` as the text that was sent for it.
    pub(super) held: String,
    /// Of a column of the source: how its values travel.
    pub(super) carry: Option<Carry>,
}

impl Fill {
    /// How its values are turned, if they are.
    pub(super) fn turning(&self) -> Option<&Carry> {
        self.carry.as_ref().filter(|carry| !carry.is_plain())
    }

    /// How those that the target holds are settled, if they are.
    pub(super) fn settling(&self) -> Option<&Carry> {
        self.carry.as_ref().filter(|carry| !carry.is_settled())
    }

    /// They travel as bytes.
    pub(super) fn is_bytes(&self) -> bool {
        self.carry.as_ref().is_some_and(Carry::is_bytes)
    }
}

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// A column of what was read.
    Cell(usize),
    /// The document.
    Document,
    /// The document's SHA-256.
    Digest,
    /// The batch's time, as the database's own type or as a text that says that it is UTC.
    Now {
        as_text: bool,
    },
    Run,
    Definition,
}

impl Route {
    /// Whose SQL the target speaks.
    pub(super) fn dialect(&self) -> Dialect {
        self.into.dialect
    }

    /// The fills that take part in comparisons, as the same-database path has them: all but the moments, the run and the
    /// definition, and the digest where the document that it follows from is there too.
    pub(super) fn compared(&self) -> impl Iterator<Item = (usize, &Fill)> {
        let document = self.fills.iter().any(|fill| fill.origin == Origin::Document);
        self.fills.iter().enumerate().filter(move |(_, fill)| match fill.origin {
            Origin::Cell(_) | Origin::Document => true,
            Origin::Digest => !document,
            Origin::Now { .. } | Origin::Run | Origin::Definition => false,
        })
    }

    /// What is read of a row that has no document, where it is not larger than `most` bytes; of a larger one what may be of
    /// any length stays where it is, and the last column says so.
    pub(super) fn shown(&self, most: u64) -> Vec<String> {
        self.shown_of(&self.selected, most)
    }

    /// All that is read of an item but its document: the parts of its key, and what is shown of it; `whole`: in no other form than the
    /// source keeps it in, where the target takes that.
    pub(super) fn asked(&self, most: u64, whole: bool) -> Vec<String> {
        let (printed, selected) = match (self.native.as_ref().filter(|_| whole), &self.bare) {
            (Some(native), _) => (&native.printed, &native.selected),
            (None, Some((printed, selected))) => (printed, selected),
            (None, None) => (&self.printed, &self.selected),
        };
        printed.iter().cloned().chain(self.shown_of(selected, most)).collect()
    }

    /// In which form that is read.
    pub(super) fn form(&self, whole: bool) -> Form<'_> {
        match (self.native.as_ref().filter(|_| whole), &self.bare) {
            (Some(native), _) => Form::Native(&native.forms),
            (None, Some(_)) => Form::Printed,
            (None, None) => Form::Cast,
        }
    }

    fn shown_of(&self, selected: &[String], most: u64) -> Vec<String> {
        let mut shown = selected.to_vec();
        if self.is_measured() {
            let lengths: Vec<&str> = self.long.iter().map(|(_, length)| length.as_str()).collect();
            let small = format!("{} <= {most}", lengths.join(" + "));
            for (place, _) in &self.long {
                if let Some(one) = shown.get_mut(*place) {
                    *one = format!("CASE WHEN {small} THEN {one} END");
                }
            }
            shown.push(format!("CASE WHEN {small} THEN '0' ELSE '1' END"));
        }
        shown
    }

    /// Rows say of themselves whether they are too large.
    fn is_measured(&self) -> bool {
        self.document.is_none() && !self.long.is_empty()
    }

    /// A row that was read is too large to be read whole.
    pub(super) fn is_left(&self, page: &Grid, row: usize) -> bool {
        self.is_measured() && page.cell(row, self.parts + self.selected.len()) == Some(b"1")
    }

    /// Some digest of the document is needed.
    pub(super) fn is_digested(&self) -> bool {
        self.fills.iter().any(|fill| fill.origin == Origin::Digest)
    }

    /// SQL of a column that is read.
    pub(super) fn shows(&self, column: usize) -> Option<&str> {
        let shown = match column.checked_sub(self.parts) {
            Some(place) => self.selected.get(place),
            None => self.printed.get((column + self.printed.len()).checked_sub(self.parts)?),
        };
        shown.map(String::as_str)
    }

    /// A key of the source as the target holds it; `None` if it cannot.
    pub(super) fn target_cursor(&self, key: &Cursor) -> Option<Cursor> {
        let part = |(carry, part): (&Carry, &KeyPart)| carry.part(part).ok();
        self.carries.iter().zip(&key.0).map(part).collect::<Option<_>>().map(Cursor)
    }

    /// A key of the target as the source would hold it; `None` if it cannot.
    pub(super) fn source_cursor(&self, key: &Cursor) -> Option<Cursor> {
        self.carries.iter().zip(&key.0).map(|(carry, part)| carry.back(part)).collect::<Option<_>>().map(Cursor)
    }

    /// The columns read that fill the target's, if those are all there is and stand in the same order.
    pub(super) fn in_line(&self) -> Option<Range<usize>> {
        in_line(&self.fills)
    }

    /// A column's name in the target.
    pub(super) fn name(&self, fill: usize) -> &str {
        self.into.columns.get(fill).map_or("", |column| column.name.as_str())
    }
}

/// The columns read that fill a target's, if those are all there is and stand in the same order.
pub(super) fn in_line(fills: &[Fill]) -> Option<Range<usize>> {
    let Origin::Cell(first) = fills.first()?.origin else { return None };
    let follows = |(place, fill): (usize, &Fill)| fill.origin == Origin::Cell(first + place);
    fills.iter().enumerate().all(follows).then_some(first..first + fills.len())
}
