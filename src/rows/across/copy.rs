//! A related table whose rows go to a table of their own, in the transaction of the items that they belong to.

use super::super::copy::{Branch, join};
use super::super::faults::RowsError;
use super::super::key::{Key, KeyError};
use super::super::mapping::{Mapping, Stretch};
use super::super::resolve::{each, key};
use super::super::tables::Tables;
use super::cargo::Cargo;
use super::route::Route;
use super::routing;
use crate::cursor::Cursor;
use crate::spec::RowsDefinition;
use crate::sql::grid::Grid;
use crate::sql::statement::Statement;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

/// The copy of one related table.
#[derive(Clone, Debug)]
pub(super) struct Copy {
    /// The related table's name, after those of the ones above it.
    pub(super) name: String,
    branches: Vec<Branch>,
    pub(super) route: Route,
    /// Its own key, in the source.
    key: Key,
    /// Parts of the item's key, which stand before those of its own.
    items: usize,
}

/// Related rows of a page's items.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Related {
    pub(super) cargo: Arc<Cargo>,
    /// The item that each of them belongs to, as a row of its page.
    pub(super) owners: Vec<usize>,
}

/// Those above before those beneath; `None` if something of the definition does not exist.
pub(super) fn copies(definition: &RowsDefinition, tables: &Tables) -> Option<Vec<Copy>> {
    let items = definition.source.key.len();
    each(definition, tables, tables.source.as_ref()?, &|found| {
        let source = found.destination.source?;
        Some(Copy {
            route: routing::route(tables, &found.destination, found.alias, items)?,
            key: key(tables.make.dialect(), source, found.destination.source_key)?,
            name: found.name,
            branches: found.branches,
            items,
        })
    })
}

impl Copy {
    /// The key of a related row that was read.
    pub(super) fn key_at(&self, page: &Grid, row: usize) -> Result<Cursor, KeyError> {
        let parts = self.items..self.items + self.key.columns.len();
        let parts: Vec<Option<String>> = parts.map(|part| page.text(row, part).map(str::to_owned)).collect();
        self.key.read(&parts, 0)
    }

    /// The related rows of the items of a stretch: the item's key, their own, and what is `shown` of them.
    pub(super) fn rows(
        &self,
        mapping: &Mapping,
        stretch: &Stretch<'_>,
        pass_started: SystemTime,
        shown: &[String],
    ) -> Result<Statement, KeyError> {
        let alias = self.branches.last().map_or("t", |branch| branch.alias.as_str());
        let mut statement = mapping.statement();
        statement.sql("SELECT ");
        mapping.key().print(&mut statement, "t");
        statement.sql(", ");
        self.key.print(&mut statement, alias);
        for one in shown {
            statement.sql(", ").sql(one);
        }
        mapping.items(&mut statement, stretch, pass_started)?;
        for branch in &self.branches {
            statement.sql(&join(mapping.dialect, branch));
        }
        Ok(statement)
    }

    /// Related rows that were read, beside the page of their items.
    pub(super) fn related(&self, items: &Grid, page: Grid) -> Result<Related, RowsError> {
        let key = |page: &Grid, row: usize| -> Vec<Vec<u8>> {
            (0..self.items).map(|part| page.cell(row, part).unwrap_or_default().to_vec()).collect()
        };
        let places: HashMap<Vec<Vec<u8>>, usize> = (0..items.len()).map(|row| (key(items, row), row)).collect();
        let owner = |row| places.get(&key(&page, row)).copied().ok_or(RowsError::Shape("related rows"));
        let owners = (0..page.len()).map(owner).collect::<Result<_, _>>()?;
        Ok(Related { owners, cargo: Arc::new(Cargo::of(&self.route, page)?) })
    }
}
