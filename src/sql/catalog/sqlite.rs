//! The catalog of SQLite: asked piece by piece, since nothing has to travel.

use super::indexes::Indexes;
use super::{Column, Index, Table};
use crate::sql::sqlite::failed;
use crate::sql::statement::{Bind, Statement};
use crate::sql::{Dialect, Session, SqlError};
use rusqlite::{Connection, OptionalExtension as _, params};
use std::time::Duration;

pub(super) async fn table(
    session: &mut Session,
    schema: &str,
    table: &str,
    limit: Duration,
) -> Result<Option<Table>, SqlError> {
    let (schema, table) = (schema.to_owned(), table.to_owned());
    session.with_sqlite(limit, move |connection| describe(connection, &schema, &table).map_err(failed)).await
}

fn describe(connection: &Connection, schema: &str, table: &str) -> rusqlite::Result<Option<Table>> {
    let found = connection
        .query_row(
            "SELECT schema, name, type, wr FROM pragma_table_list WHERE schema = ?1 COLLATE NOCASE AND name = ?2 COLLATE NOCASE \
             AND type IN ('table', 'view', 'virtual')",
            params![schema, table],
            |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?, row.get::<_, bool>(3)?)),
        )
        .optional()?;
    let Some((schema, name, kind, without_rowid)) = found else { return Ok(None) };
    let mut columns = columns(connection, &schema, &name)?;
    let mut indexes = indexes(connection, &schema, &name, &columns)?;
    // A lone INTEGER PRIMARY KEY is the row's own number: it has no index of its own, and takes no NULL.
    let keys: Vec<usize> =
        columns.iter().enumerate().filter(|(_, (_, key))| *key > 0).map(|(place, _)| place).collect();
    if let [place] = keys.as_slice()
        && !without_rowid
        && !indexes.iter().any(|index| index.primary)
        && let Some((column, _)) = columns.get_mut(*place)
        && column.type_name.eq_ignore_ascii_case("integer")
    {
        column.nullable = false;
        column.has_default = true;
        let names = vec![column.name.clone()];
        indexes.insert(0, Index { name: "rowid".into(), columns: names, unique: true, primary: true, usable: true });
    }
    if without_rowid {
        for (column, key) in &mut columns {
            column.nullable &= *key == 0;
        }
    }
    let is_view = kind == "view";
    let mut triggers = Statement::new(Dialect::Sqlite);
    triggers
        .sql("SELECT EXISTS (SELECT 1 FROM ")
        .name(&schema)
        .sql(".sqlite_schema WHERE type = 'trigger' AND tbl_name = ")
        .bind(Bind::Text(name.clone()))
        .sql(" COLLATE NOCASE)");
    let insert_triggers = connection.query_row(triggers.text(), params![name], |row| row.get(0))?;
    Ok(Some(Table {
        insert_triggers,
        rows_estimate: if is_view { 0 } else { estimate(connection, &schema, &name, without_rowid) },
        columns: columns.into_iter().map(|(column, _)| column).collect(),
        indexes,
        is_view,
        schema,
        name,
        ..Table::default()
    }))
}

/// Each column, and its place in the primary key or 0.
fn columns(connection: &Connection, schema: &str, table: &str) -> rusqlite::Result<Vec<(Column, u32)>> {
    let mut ask = connection.prepare(
        "SELECT name, type, \"notnull\", dflt_value IS NOT NULL, pk, hidden FROM pragma_table_xinfo(?1, ?2) WHERE hidden <> 1 ORDER BY cid",
    )?;
    let mut columns = ask
        .query_map(params![table, schema], |row| {
            let type_name: String = row.get(1)?;
            let (base, numbers) = parts(&type_name);
            let hidden: u32 = row.get(5)?;
            let decimal = base == "decimal" || base == "numeric";
            let column = Column {
                name: row.get(0)?,
                nullable: !row.get::<_, bool>(2)?,
                has_default: row.get(3)?,
                generated: hidden == 2 || hidden == 3,
                precision: numbers.0.filter(|_| decimal),
                scale: numbers.1.filter(|_| decimal),
                length: numbers.0.filter(|_| !decimal).map(u64::from),
                resolved: type_name.clone(),
                type_name,
                base,
                ..Column::default()
            };
            Ok((column, row.get(4)?))
        })?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    for (column, _) in &mut columns {
        // Views have none.
        column.collation = connection
            .column_metadata(Some(schema), table, &column.name)
            .ok()
            .and_then(|(_, collation, ..)| Some(collation?.to_str().ok()?.to_owned()))
            .filter(|collation| !collation.eq_ignore_ascii_case("binary"));
    }
    Ok(columns)
}

fn indexes(
    connection: &Connection,
    schema: &str,
    table: &str,
    columns: &[(Column, u32)],
) -> rusqlite::Result<Vec<Index>> {
    let mut list = connection
        .prepare("SELECT name, \"unique\", origin, partial FROM pragma_index_list(?1, ?2) ORDER BY seq DESC")?;
    let mut parts = connection
        .prepare("SELECT name, cid, \"desc\", coll FROM pragma_index_xinfo(?1, ?2) WHERE \"key\" ORDER BY seqno")?;
    let listed = list
        .query_map(params![table, schema], |row| {
            let partial: bool = row.get(3)?;
            Ok(Index {
                name: row.get(0)?,
                columns: Vec::new(),
                unique: row.get::<_, bool>(1)? && !partial,
                primary: row.get::<_, String>(2)? == "pk",
                usable: !partial,
            })
        })?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let mut indexes = Indexes::default();
    for index in listed {
        let mut rows = parts.query(params![index.name, schema])?;
        while let Some(row) = rows.next()? {
            let collation: Option<String> = row.get(3)?;
            let own = |column: &Column| {
                collation
                    .as_deref()
                    .unwrap_or("BINARY")
                    .eq_ignore_ascii_case(column.collation.as_deref().unwrap_or("BINARY"))
            };
            let whole = row.get::<_, i64>(1)? >= 0;
            let name = row.get::<_, Option<String>>(0)?.filter(|_| whole);
            let column = columns.iter().map(|(column, _)| column).find(|column| Some(&column.name) == name.as_ref());
            // Any collation takes the same bytes for equal, and so does a column that has none.
            let alike = column.is_some_and(|column| own(column) || column.collation.is_none());
            indexes.part(index.clone(), name, column.is_some_and(own) && !row.get::<_, bool>(2)?, alike);
        }
    }
    Ok(indexes.into_found())
}

/// What ANALYZE counted; otherwise the largest row number, which is quick to find and at least the number of rows.
fn estimate(connection: &Connection, schema: &str, table: &str, without_rowid: bool) -> u64 {
    let mut counted = Statement::new(Dialect::Sqlite);
    counted
        .sql("SELECT max(CAST(stat AS INTEGER)) FROM ")
        .name(schema)
        .sql(".sqlite_stat1 WHERE tbl = ")
        .bind(Bind::Text(table.into()));
    let mut last = Statement::new(Dialect::Sqlite);
    last.sql("SELECT max(rowid) FROM ").name(schema).sql(".").name(table);
    let rows = match connection.query_row(counted.text(), params![table], |row| row.get::<_, Option<i64>>(0)) {
        Ok(Some(rows)) => rows,
        _ if without_rowid => 0,
        _ => connection.query_row(last.text(), [], |row| row.get::<_, Option<i64>>(0)).ok().flatten().unwrap_or(0),
    };
    u64::try_from(rows).unwrap_or(0)
}

/// `VARCHAR(40)` is `varchar` and 40.
fn parts(type_name: &str) -> (String, (Option<u32>, Option<u32>)) {
    let (base, rest) = type_name.split_once('(').unwrap_or((type_name, ""));
    let mut numbers = rest.trim_end_matches(')').split(',').map(|number| number.trim().parse().ok());
    (base.trim().to_ascii_lowercase(), (numbers.next().flatten(), numbers.next().flatten()))
}
