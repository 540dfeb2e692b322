//! Reading from the source: a page of items, as many as a batch has bytes for.

use super::super::faults::RowsError;
use super::super::key::KeyError;
use super::super::link::{Deadline, without_warnings};
use super::super::mapping::{Mapping, Stretch};
use super::super::phrase::count;
use super::route::Route;
use crate::cursor::Cursor;
use crate::sql::grid::{Grid, Page};
use crate::sql::statement::Statement;
use crate::sql::{Dialect, Session};
use std::borrow::Cow;
use std::time::SystemTime;

/// Items, in the order of the source's key.
pub(super) struct Items {
    pub(super) page: Grid,
    /// There are more behind them.
    pub(super) is_cut: bool,
    /// The one behind them is too large to be read.
    pub(super) too_large: Option<Cursor>,
    /// It is its related rows that are too many.
    pub(super) is_crowded: bool,
}

/// How much is read at once, and how.
#[derive(Clone, Copy)]
pub(super) struct Most {
    pub(super) items: u64,
    /// Of a page.
    pub(super) bytes: u64,
    /// Of an item.
    pub(super) item: u64,
    /// As the source keeps it, where the target takes that: to be written, and not looked at.
    pub(super) whole: bool,
}

impl Mapping {
    /// The first items of a stretch.
    pub(super) async fn read_items(
        &self,
        session: &mut Session,
        route: &Route,
        stretch: &Stretch<'_>,
        pass_started: SystemTime,
        most: Most,
        deadline: Deadline,
    ) -> Result<Items, RowsError> {
        let statement = self.page(route, stretch, pass_started, most)?;
        let Page { rows: mut page, mut is_cut } =
            session.read_many(&statement, route.form(most.whole), most.bytes, deadline.left()).await?;
        without_warnings(session, deadline).await?;
        is_cut |= page.len() as u64 == most.items;
        let large = (0..page.len()).find(|&row| is_too_large(route, &page, row, most.item));
        let too_large = match large {
            Some(row) => Some(self.key_at(&page, row)?),
            None => None,
        };
        if let Some(row) = large {
            page.truncate(row);
            is_cut = true;
        }
        Ok(Items { page, is_cut, too_large, is_crowded: false })
    }

    /// The key of a row that was read.
    pub(super) fn key_at(&self, page: &Grid, row: usize) -> Result<Cursor, KeyError> {
        let parts: Vec<Option<String>> =
            (0..self.key().columns.len()).map(|part| page.printed(row, part).map(Cow::into_owned)).collect();
        self.key().read(&parts, 0)
    }

    /// Key, selected columns and document of the first items of a stretch. A document that is too large is cut or left
    /// out before it travels.
    pub(super) fn page(
        &self,
        route: &Route,
        stretch: &Stretch<'_>,
        pass_started: SystemTime,
        most: Most,
    ) -> Result<Statement, KeyError> {
        let mut statement = self.statement();
        // PostgreSQL would evaluate a document that is named twice, twice: LIMIT is the fence that it is put behind.
        let fenced = self.dialect == Dialect::Postgres && route.document.is_some();
        statement.sql("SELECT ");
        if fenced {
            for place in 0..route.parts + route.selected.len() {
                statement.sql(&format!("d.c{place}, "));
            }
            statement.sql("CASE WHEN octet_length(d.document) <= ");
            count(&mut statement, most.item);
            statement.sql(" THEN d.document END FROM (SELECT ");
        }
        for (place, one) in route.asked(most.item, most.whole).iter().enumerate() {
            statement.sql(if place == 0 { "" } else { ", " }).sql(one);
        }
        if route.document.is_some() {
            statement.sql(", ");
            match self.dialect {
                Dialect::MySql => {
                    statement.sql("LEFT(CAST(").sql(&self.landing.document).sql(" AS BINARY), ");
                    count(&mut statement, most.item.saturating_add(1));
                    statement.sql(")");
                }
                Dialect::Postgres | Dialect::Sqlite => {
                    statement.sql(&self.landing.document);
                }
            }
        }
        self.items(&mut statement, stretch, pass_started)?;
        statement.sql(" ORDER BY ");
        self.key().order(&mut statement, "t", false);
        statement.sql(" LIMIT ");
        count(&mut statement, most.items);
        if fenced {
            statement.sql(") d (");
            for place in 0..route.parts + route.selected.len() {
                statement.sql(&format!("c{place}, "));
            }
            statement.sql("document)");
        }
        Ok(statement)
    }

    /// The bytes of one item.
    pub(super) fn measure(&self, route: &Route, key: &Cursor, pass_started: SystemTime) -> Result<Statement, KeyError> {
        let length = |x: &str| match self.dialect {
            Dialect::Sqlite => format!("COALESCE(length(CAST({x} AS BLOB)), 0)"),
            Dialect::MySql | Dialect::Postgres => format!("COALESCE(OCTET_LENGTH({x}), 0)"),
        };
        let lengths: Vec<String> = match route.document {
            Some(_) => vec![length(&self.landing.document)],
            None => route.selected.iter().map(|one| length(one)).collect(),
        };
        let mut statement = self.statement();
        statement.sql("SELECT ").sql(&self.text(&format!("({})", lengths.join(" + "))));
        self.items(&mut statement, &Stretch::Keys(std::slice::from_ref(key)), pass_started)?;
        Ok(statement)
    }
}

fn is_too_large(route: &Route, page: &Grid, row: usize, most: u64) -> bool {
    if let Some(document) = route.document {
        return page.cell(row, document).is_none_or(|bytes| bytes.len() as u64 > most);
    }
    let columns = route.parts..route.parts + route.selected.len();
    route.is_left(page, row) || page.may_exceed(row, most) && page.bytes_of(row, &columns) > most
}
