//! Rows that were read, as the rows of a target that they become.

use super::super::landing::Stamp;
use super::super::phrase::stamp;
use super::cargo::Cargo;
use super::route::{Origin, Route};
use crate::digest::sha256;
use crate::sql::bulk::{Rows, Value};
use std::ops::Range;
use std::sync::Arc;

/// Some rows of a page on their way into a target.
pub(super) struct Shipment {
    cargo: Arc<Cargo>,
    /// Which of them.
    rows: Vec<usize>,
    origins: Vec<(Origin, bool)>,
    /// The columns of the page that are those of the target, one by one.
    in_line: Option<Range<usize>>,
    document: Option<usize>,
    /// Of the documents of `rows`, where they are needed.
    digests: Vec<String>,
    now: [String; 2],
    run: String,
    definition: String,
}

impl Shipment {
    pub(super) fn new(route: &Route, cargo: &Arc<Cargo>, rows: Vec<usize>, at: &Stamp, definition: &str) -> Self {
        let digest = |row: &usize| route.document.and_then(|column| cargo.cell(*row, column)).map(sha256);
        let digests = if route.is_digested() {
            rows.iter().map(|row| digest(row).unwrap_or_default()).collect()
        } else {
            Vec::new()
        };
        let now = stamp(at.now);
        Self {
            cargo: Arc::clone(cargo),
            rows,
            origins: route.fills.iter().map(|fill| (fill.origin, fill.is_bytes())).collect(),
            in_line: route.in_line(),
            document: route.document,
            digests,
            now: [format!("{}Z", now.replace(' ', "T")), now],
            run: at.run.clone(),
            definition: definition.to_owned(),
        }
    }

    /// Bytes of the items: of their documents or, where none is mapped, of the columns that are copied.
    pub(super) fn bytes(&self) -> u64 {
        if let Some(columns) = &self.in_line {
            return self.rows.iter().map(|row| self.cargo.bytes_of(*row, columns)).sum();
        }
        let written = self.origins.iter().any(|(origin, _)| *origin == Origin::Document);
        let columns: Vec<usize> = match self.document.filter(|_| written) {
            Some(document) => vec![document],
            None => self
                .origins
                .iter()
                .filter_map(|(origin, _)| if let Origin::Cell(column) = origin { Some(*column) } else { None })
                .collect(),
        };
        let cell = |row: &usize, column: &usize| self.cargo.cell(*row, *column).map_or(0, |bytes| bytes.len() as u64);
        self.rows.iter().map(|row| columns.iter().map(|column| cell(row, column)).sum::<u64>()).sum()
    }
}

impl Rows for Shipment {
    fn len(&self) -> usize {
        self.rows.len()
    }

    fn copied(&self, row: usize) -> Option<&[u8]> {
        self.cargo.copied(*self.rows.get(row)?, self.in_line.as_ref()?)
    }

    fn is_native(&self) -> bool {
        self.cargo.is_native()
    }

    fn value(&self, row: usize, column: usize) -> Value<'_> {
        let Some(&(origin, is_bytes)) = self.origins.get(column) else { return Value::Null };
        let cell = |column| {
            let bytes = self.rows.get(row).and_then(|&row| self.cargo.cell(row, column));
            bytes.map_or(Value::Null, |bytes| if is_bytes { Value::Bytes(bytes) } else { Value::Text(bytes) })
        };
        match origin {
            Origin::Cell(column) => cell(column),
            Origin::Document => self.document.map_or(Value::Null, cell),
            Origin::Digest => self.digests.get(row).map_or(Value::Null, |text| Value::Text(text.as_bytes())),
            Origin::Now { as_text: true } => Value::Text(self.now[0].as_bytes()),
            Origin::Now { as_text: false } => Value::Text(self.now[1].as_bytes()),
            Origin::Run => Value::Text(self.run.as_bytes()),
            Origin::Definition => Value::Text(self.definition.as_bytes()),
        }
    }
}
