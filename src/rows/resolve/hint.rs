//! Which index a statement has to read by: the database's own idea of a better one costs a scan or a sort, batch after batch.

use crate::spec::Related;
use crate::sql::Dialect;
use crate::sql::catalog::{Column, Index, Table};
use crate::sql::statement::Statement;

/// Makes the database walk the key's own index: its idea of another one costs a sort of everything, batch after batch.
pub(super) fn hint(dialect: Dialect, table: &Table, key: &[String]) -> String {
    let index = table
        .indexes
        .iter()
        .filter(|index| index.usable && index.columns.starts_with(key))
        .min_by_key(|index| (index.columns.len(), !index.unique, !index.primary));
    match (dialect, index) {
        // A row number is the table itself.
        (Dialect::Sqlite, None) => " NOT INDEXED".to_owned(),
        (Dialect::Sqlite, Some(index)) if index.name == ROW_NUMBER => " NOT INDEXED".to_owned(),
        (dialect, index) => index.map(|index| pin(dialect, index)).unwrap_or_default(),
    }
}

/// The name that the catalog gives to SQLite's row number.
const ROW_NUMBER: &str = "rowid";

/// Makes the database look children up by an index that begins with the columns of `on`: by statistics of an emptier table
/// it may scan all of them for each row instead.
pub(super) fn child_hint(dialect: Dialect, one: &Related, child: &Table, parent: &Table) -> String {
    // Of columns of unlike types SQLite can use no index, and refuses to be told so.
    let alike = |(theirs, ours): &(String, String)| match (child.column(theirs), parent.column(ours)) {
        (Some(theirs), Some(ours)) => {
            let integer = |column: &Column| column.base.contains("int");
            theirs.base == ours.base || (integer(theirs) && integer(ours))
        }
        _ => false,
    };
    if dialect == Dialect::Sqlite && !one.on.iter().all(alike) {
        return String::new();
    }
    let serves = |index: &&Index| {
        let first = index.columns.get(..one.on.len());
        index.usable && first.is_some_and(|first| one.on.iter().all(|(theirs, _)| first.contains(theirs)))
    };
    let index = child.indexes.iter().filter(serves).min_by_key(|index| (!index.primary, index.columns.len()));
    index.filter(|index| index.name != ROW_NUMBER).map(|index| pin(dialect, index)).unwrap_or_default()
}

/// What follows a table's alias to have it read by this index and no other.
fn pin(dialect: Dialect, index: &Index) -> String {
    let mut statement = Statement::new(dialect);
    match dialect {
        Dialect::MySql => statement.sql(" FORCE INDEX (").name(&index.name).sql(")"),
        Dialect::Sqlite => statement.sql(" INDEXED BY ").name(&index.name),
        Dialect::Postgres => &mut statement,
    };
    statement.text().to_owned()
}
