//! A row as it was read, and the URLs in it.

use super::columns::Columns;
use super::naming::Naming;
use super::spans::{self, Found, NoStrings};
use crate::cursor::Cursor;
use crate::spec::FilesSource;
use std::ops::Range;

/// A row: its key, and the text of each column that is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) key: Cursor,
    pub(super) values: Vec<Option<String>>,
}

/// One URL of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    /// Which of `[[source.files]]` it belongs to.
    pub(super) file: usize,
    /// Its number within the row, from 1.
    pub(super) number: u32,
    /// What the row says.
    pub(super) url: String,
    /// Where in the column's text.
    span: Range<usize>,
    /// It stands within a JSON document.
    quoted: bool,
    /// It points at an object of the target already.
    pub(super) arrived: bool,
}

/// A row whose URLs cannot be told; without a value of it.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// A column that should be JSON is none.
    #[error("the column `{0}` holds no JSON: correct the row, or leave it out by `where`")]
    NotJson(String),
    /// A path ends at what is no string.
    #[error("the path into the column `{0}` leads to something that is no text: correct `path`, or the row")]
    NotText(String),
}

impl Row {
    /// The text of a column.
    pub(super) fn value(&self, columns: &Columns, name: &str) -> Option<&str> {
        self.values.get(columns.place(name)?)?.as_deref()
    }

    /// Its URLs, in the order of the definition and of each document. An empty text is none.
    pub(super) fn links(
        &self,
        source: &FilesSource,
        columns: &Columns,
        naming: &Naming,
    ) -> Result<Vec<Link>, Unreadable> {
        let (mut links, mut number) = (Vec::new(), 0);
        for (place, file) in source.files.iter().enumerate() {
            let Some(text) = self.value(columns, &file.column) else { continue };
            let found = match &file.path {
                None => vec![Found { span: 0..text.len(), text: text.to_owned() }],
                Some(_) if text.trim().is_empty() => Vec::new(),
                Some(path) => spans::strings(text, path).map_err(|why| match why {
                    NoStrings::NotJson => Unreadable::NotJson(file.column.clone()),
                    NoStrings::NotText => Unreadable::NotText(file.column.clone()),
                })?,
            };
            for Found { span, text: url } in found {
                if url.trim().is_empty() {
                    continue;
                }
                number += 1;
                let arrived = naming.is_ours(&url);
                links.push(Link { file: place, number, url, span, quoted: file.path.is_some(), arrived });
            }
        }
        Ok(links)
    }

    /// The texts of its columns once these links say something else: the place of each column, and what it then holds.
    pub(super) fn rewritten(
        &self,
        source: &FilesSource,
        columns: &Columns,
        links: &[(Link, String)],
    ) -> Vec<(usize, String)> {
        let mut changed: Vec<(usize, String)> = Vec::new();
        // From the back, so that places before stay what they are.
        let mut ordered: Vec<&(Link, String)> = links.iter().collect();
        ordered.sort_by_key(|(link, _)| std::cmp::Reverse(link.span.start));
        for (link, url) in ordered {
            let Some(file) = source.files.get(link.file) else { continue };
            let Some(place) = columns.place(&file.column) else { continue };
            let new = if link.quoted { serde_json::Value::from(url.as_str()).to_string() } else { url.clone() };
            let at = changed.iter().position(|(known, _)| *known == place);
            let at = at.unwrap_or_else(|| {
                let before = self.values.get(place).cloned().flatten().unwrap_or_default();
                changed.push((place, before));
                changed.len() - 1
            });
            if let Some((_, text)) = changed.get_mut(at) {
                text.replace_range(link.span.clone(), &new);
            }
        }
        changed
    }
}
