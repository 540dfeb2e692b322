//! Whether a target is what would be written: each compared column by the SHA-256 of its text, so that no document travels
//! to be compared.

use super::super::carry::Carry;
use super::super::landing::FillKind;
use super::super::phrase::digest;
use super::cargo::Cargo;
use super::route::{Fill, Origin, Route};
use crate::digest::sha256;
use crate::sql::Dialect;
use crate::sql::grid::Grid;
use crate::sql::statement::{Bind, Statement};

/// The digests of an item's compared columns; `None` for NULL.
pub(super) type Print = Vec<Option<String>>;

impl Route {
    /// SQL of the digests of a target's compared columns, over `h`; of one that has to be settled the value.
    pub(super) fn held_prints(&self) -> Vec<String> {
        let print = |(_, fill): (usize, &Fill)| match fill.settling() {
            Some(_) => fill.held.clone(),
            None => digest_of(self.dialect(), &fill.held, fill.is_bytes()),
        };
        self.compared().map(print).collect()
    }

    /// The digests, from what that SQL has answered in the columns from `at` on.
    pub(super) fn held_print(&self, page: &Grid, row: usize, at: usize) -> Print {
        let print = |(place, (_, fill)): (usize, (usize, &Fill))| match fill.settling() {
            Some(carry) => page.cell(row, at + place).map(|held| sha256(carry.settled(held))),
            None => page.text(row, at + place).map(str::to_owned),
        };
        self.compared().enumerate().map(print).collect()
    }

    /// SQL of the digests of what would be written, over `t`; of what has to be turned the value.
    pub(super) fn read_prints(&self, dialect: Dialect, document: &str) -> Vec<String> {
        self.compared()
            .map(|(_, fill)| match fill.origin {
                Origin::Cell(column) => {
                    let read = self.shows(column).unwrap_or("NULL");
                    match fill.turning() {
                        Some(carry) if carry.is_long_text() => abridged(dialect, read),
                        Some(_) => read.to_owned(),
                        None => digest_of(dialect, read, fill.is_bytes()),
                    }
                }
                Origin::Digest => digest(dialect, &digest(dialect, document)),
                _ => digest(dialect, document),
            })
            .collect()
    }

    /// The digests, from what that SQL has answered in the columns from `at` on. What the target cannot hold equals nothing.
    pub(super) fn read_print(&self, page: &Grid, row: usize, at: usize) -> Print {
        let turned = |carry: &Carry, read: &[u8]| carry.turn(read).map(sha256).unwrap_or_default();
        let print = |(place, (_, fill)): (usize, (usize, &Fill))| match fill.turning() {
            Some(carry) if carry.is_long_text() => match page.cell(row, at + place)?.split_first()? {
                (b'#', digest) => Some(String::from_utf8_lossy(digest).into_owned()),
                (_, text) => Some(turned(carry, text)),
            },
            Some(carry) => page.cell(row, at + place).map(|read| turned(carry, read)),
            None => page.text(row, at + place).map(str::to_owned),
        };
        self.compared().enumerate().map(print).collect()
    }

    /// The digests of what would be written for a row that was read.
    pub(super) fn print(&self, cargo: &Cargo, row: usize) -> Print {
        let document = || self.document.and_then(|column| cargo.cell(row, column)).map(sha256);
        self.compared()
            .map(|(_, fill)| match fill.origin {
                Origin::Cell(column) => cargo.cell(row, column).map(sha256),
                Origin::Digest => document().map(sha256),
                _ => document(),
            })
            .collect()
    }

    /// The compared column that holds the document in a type that rewrites its text: its place among the compared ones.
    pub(super) fn rewritten(&self) -> Option<usize> {
        let rewrites = |(_, fill): (usize, &Fill)| fill.origin == Origin::Document && fill.kind == FillKind::Json;
        self.compared().position(rewrites)
    }

    /// The digests of documents as the target's JSON type would give them back, with their places.
    pub(super) fn rewrite(&self, documents: &[&str]) -> Statement {
        let mut statement = Statement::new(self.dialect());
        match self.dialect() {
            Dialect::MySql => {
                statement.sql("SELECT CAST(v.n - 1 AS CHAR), ");
                statement.sql(&digest(Dialect::MySql, "CAST(CAST(v.d AS JSON) AS CHAR)"));
                let list = serde_json::Value::from(documents.to_vec()).to_string();
                statement.sql(" FROM JSON_TABLE(").bind(Bind::Text(list));
                statement.sql(", '$[*]' COLUMNS (n FOR ORDINALITY, d LONGTEXT CHARACTER SET utf8mb4 PATH '$')) v");
            }
            Dialect::Postgres | Dialect::Sqlite => {
                statement.sql("SELECT (v.n - 1)::text, ").sql(&digest(Dialect::Postgres, "v.d::jsonb::text"));
                let list = serde_json::Value::from(documents.to_vec()).to_string();
                statement.sql(" FROM jsonb_array_elements_text(").bind(Bind::Text(list));
                statement.sql("::text::jsonb) WITH ORDINALITY v (d, n)");
            }
        }
        statement
    }

    /// Which columns differ, as a conflict's message says it.
    pub(super) fn conflict(&self, ours: &Print, theirs: &Print, related: &[&str]) -> String {
        let mut differing = Vec::new();
        let mut digests = String::new();
        for ((fill, what), (ours, theirs)) in self.compared().zip(ours.iter().zip(theirs)) {
            if ours != theirs {
                differing.push(format!("`{}`", self.name(fill)));
            }
            if let (Origin::Document, Some(ours), Some(theirs)) = (what.origin, ours, theirs) {
                digests = format!("; SHA-256 of the document: source {ours}, target {theirs}");
            }
        }
        differing.extend(related.iter().map(|name| format!("related `{name}`")));
        format!("the target exists and differs in {}{digests}", differing.join(", "))
    }
}

/// A text behind a mark, or its digest behind another one where it is long: only a short one has to be turned here.
fn abridged(dialect: Dialect, x: &str) -> String {
    let (digest, most) = (digest(dialect, x), 1024);
    match dialect {
        Dialect::MySql => format!("IF(OCTET_LENGTH({x}) > {most}, CONCAT('#', {digest}), CONCAT('=', {x}))"),
        Dialect::Postgres | Dialect::Sqlite => {
            format!("CASE WHEN octet_length({x}) > {most} THEN '#' || {digest} ELSE '=' || {x} END")
        }
    }
}

fn digest_of(dialect: Dialect, x: &str, is_bytes: bool) -> String {
    match dialect {
        Dialect::Postgres if is_bytes => format!("encode(sha256({x}), 'hex')"),
        _ => digest(dialect, x),
    }
}
