//! Keys of whole numbers as lists that two databases can be asked for and that are compared as they are: a key that stands in
//! both lists is in both tables. What stands in one alone is looked up, so that nothing depends on the lists being complete.

use super::super::faults::RowsError;
use super::super::key::{Key, KeyError, KeyKind, Side};
use super::super::link::{Deadline, rows};
use super::super::mapping::{Mapping, Stretch};
use super::super::phrase::count;
use super::Across;
use crate::cursor::{Cursor, KeyPart};
use crate::sql::statement::Statement;
use crate::sql::{Dialect, Session};
use std::cmp::Ordering;
use std::collections::HashSet;
use std::time::SystemTime;

/// Digits and sign of a whole number of 64 bits, and what stands between two.
const WIDEST: u64 = 21;

/// Keys: for each of their parts the digits of all, with commas between them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct List(Vec<String>);

impl List {
    /// What a statement made by [`list`] has answered.
    async fn ask(session: &mut Session, statement: &Statement, deadline: Deadline) -> Result<Self, RowsError> {
        let row = rows(session, statement, deadline).await?.pop().ok_or(RowsError::Shape("a list of keys"))?;
        Ok(Self(row.into_iter().map(Option::unwrap_or_default).collect()))
    }

    pub(super) fn len(&self) -> u64 {
        let commas = |part: &String| part.bytes().filter(|byte| *byte == b',').count() as u64;
        self.0.first().filter(|part| !part.is_empty()).map_or(0, |part| commas(part) + 1)
    }

    /// The last one in their order, whichever the list stands in: an aggregate need not keep the order of the query beneath it.
    pub(super) fn last(&self) -> Option<Cursor> {
        let mut parts: Vec<_> = self.0.iter().map(|part| part.split(',')).collect();
        let (mut last, mut key) = (Vec::new(), Vec::with_capacity(parts.len()));
        loop {
            key.extend(parts.iter_mut().filter_map(Iterator::next).filter(|number| !number.is_empty()));
            if key.is_empty() {
                return Some(last).filter(|last| !last.is_empty()).map(cursor);
            }
            if last.is_empty()
                || key.iter().zip(&last).map(|(one, other)| order(one, other)).find(|one| one.is_ne())
                    == Some(Ordering::Greater)
            {
                std::mem::swap(&mut last, &mut key);
            }
            key.clear();
        }
    }

    /// Those that do not stand in the other one, in their order.
    pub(super) fn without(&self, other: &Self) -> Vec<Cursor> {
        if self == other {
            return Vec::new();
        }
        let there: HashSet<Vec<&str>> = other.keys().collect();
        let mut alone: Vec<_> = self.keys().filter(|key| !there.contains(key)).collect();
        alone.sort_by_cached_key(|key| numbers(key));
        alone.into_iter().map(cursor).collect()
    }

    fn keys(&self) -> impl Iterator<Item = Vec<&str>> {
        let mut parts: Vec<_> = self.0.iter().filter(|part| !part.is_empty()).map(|part| part.split(',')).collect();
        std::iter::from_fn(move || {
            parts.iter_mut().map(Iterator::next).collect::<Option<Vec<_>>>().filter(|key| !key.is_empty())
        })
    }
}

fn cursor(key: Vec<&str>) -> Cursor {
    Cursor(key.into_iter().map(|part| KeyPart::Int(part.to_owned())).collect())
}

/// The order of two whole numbers as a database writes them, by their digits: there are as many of them as rows.
fn order(one: &str, other: &str) -> Ordering {
    match (one.strip_prefix('-'), other.strip_prefix('-')) {
        (None, None) => (one.len(), one).cmp(&(other.len(), other)),
        (Some(one), Some(other)) => (other.len(), other).cmp(&(one.len(), one)),
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
    }
}

/// By which keys are sorted.
fn numbers(key: &[&str]) -> Vec<i128> {
    key.iter().map(|part| part.parse().unwrap_or_default()).collect()
}

impl Across {
    /// Both keys are whole numbers, in one order, and so many of them make no value that either database would cut.
    pub(super) fn lists(&self, mapping: &Mapping, sessions: (&Session, &Session), keys: u64) -> bool {
        let (theirs, places) = &self.target_key;
        let numbers =
            |key: &Key| key.dialect != Dialect::Sqlite && key.columns.iter().all(|column| column.kind == KeyKind::Int);
        let packet = sessions.0.max_packet().min(sessions.1.max_packet());
        numbers(mapping.key())
            && numbers(theirs)
            && places.iter().copied().eq(0..mapping.key().columns.len())
            && keys.saturating_mul(WIDEST) < packet / 2
    }

    /// Keys of the targets of a stretch that holds so many items, and of a few more. The stretch ends where the items do: of one
    /// that does not, PostgreSQL may read and sort all that is left before it takes the first ones, as long as it knows no
    /// better of a table that has just been filled.
    pub(super) async fn target_keys_listed(
        &self,
        target: &mut Session,
        (after, end): (Option<&Cursor>, &Cursor),
        most: u64,
        deadline: Deadline,
    ) -> Result<List, RowsError> {
        // What the target cannot hold is looked up, and not found.
        let statement = match (after.map(|after| self.route.target_cursor(after)), self.route.target_cursor(end)) {
            (None, Some(end)) => self.target_list(None, &end, most)?,
            (Some(Some(after)), Some(end)) => self.target_list(Some(&after), &end, most)?,
            _ => return Ok(List::default()),
        };
        List::ask(target, &statement, deadline).await
    }

    fn target_list(&self, after: Option<&Cursor>, end: &Cursor, most: u64) -> Result<Statement, KeyError> {
        let key = &self.target_key.0;
        list(key, most.saturating_add(most / 8 + 8), |statement| {
            statement.sql("SELECT ");
            key.order(statement, "h", false);
            statement.sql(" FROM ").sql(&self.route.into.name).sql(" h WHERE ");
            if let Some(after) = after {
                key.compare(statement, "h", Side::After, after)?;
                statement.sql(" AND ");
            }
            key.compare(statement, "h", Side::UpTo, end)?;
            statement.sql(" ORDER BY ");
            key.order(statement, "h", false);
            Ok(())
        })
    }
}

impl Mapping {
    /// Keys of the first items of a stretch.
    pub(super) async fn keys_listed(
        &self,
        source: &mut Session,
        stretch: &Stretch<'_>,
        (pass_started, most): (SystemTime, u64),
        deadline: Deadline,
    ) -> Result<List, RowsError> {
        let statement = self.list(stretch, pass_started, most)?;
        List::ask(source, &statement, deadline).await.map_err(|error| self.of_query(error))
    }

    fn list(&self, stretch: &Stretch<'_>, pass_started: SystemTime, most: u64) -> Result<Statement, KeyError> {
        list(self.key(), most, |statement| {
            statement.sql("SELECT ");
            self.key().order(statement, "t", false);
            self.walked(statement, stretch)?;
            self.filtered(statement, pass_started);
            statement.sql(" ORDER BY ");
            self.key().order(statement, "t", false);
            Ok(())
        })
    }
}

/// Has the database list the first keys of a query that answers a key's columns in its order.
fn list(
    key: &Key,
    most: u64,
    query: impl FnOnce(&mut Statement) -> Result<(), KeyError>,
) -> Result<Statement, KeyError> {
    let mut statement = Statement::new(key.dialect);
    for (place, column) in key.columns.iter().enumerate() {
        statement.sql(if place == 0 { "SELECT " } else { ", " });
        match key.dialect {
            Dialect::Postgres => statement.sql("string_agg(k.").name(&column.name).sql("::text, ',')"),
            Dialect::MySql | Dialect::Sqlite => statement.sql("GROUP_CONCAT(k.").name(&column.name).sql(")"),
        };
    }
    statement.sql(" FROM (");
    query(&mut statement)?;
    statement.sql(" LIMIT ");
    count(&mut statement, most);
    statement.sql(") k");
    Ok(statement)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(parts: &[&str]) -> List {
        List(parts.iter().map(|part| (*part).to_owned()).collect())
    }

    #[test]
    fn lists_are_compared_key_by_key_where_they_differ() {
        let ours = keys(&["1,1,12,-3", "1,2,1,4"]);
        assert_eq!((ours.len(), ours.last()), (4, Some(cursor(vec!["12", "1"]))));
        assert_eq!(ours.without(&keys(&["1,1,12,-3", "1,2,1,4"])), []);
        let theirs = keys(&["0,1,12,2", "1,1,1,12"]);
        assert_eq!(ours.without(&theirs), [cursor(vec!["-3", "4"]), cursor(vec!["1", "2"])]);
        assert_eq!(ours.without(&List::default()).len(), 4);
        let none = keys(&["", ""]);
        assert_eq!((none.len(), none.last(), none.without(&ours)), (0, None, Vec::new()));
        assert_eq!(ours.without(&none).len(), 4);
        for (numbers, last) in [("-12,-3,-100", "-3"), ("9,100,-100,99", "100"), ("0,-1", "0"), ("7", "7")] {
            assert_eq!(keys(&[numbers]).last(), Some(cursor(vec![last])), "{numbers}");
        }
        assert_eq!(keys(&["1,1,1", "-2,5,-7"]).last(), Some(cursor(vec!["1", "5"])));
    }
}
