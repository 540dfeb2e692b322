//! What the database user may do.

use super::grants::granted;
use crate::sql::statement::Statement;
use crate::sql::{Dialect, Make, Session, SqlError};
use std::time::Duration;

/// What the user of a session may do with a table. Of a table that does not exist: what it could do once it is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a right of its own")]
pub struct Privileges {
    /// Read every column.
    pub select: bool,
    /// Insert into every column.
    pub insert: bool,
    /// Update every column.
    pub update: bool,
    /// Delete rows.
    pub delete: bool,
    /// Create tables in the schema.
    pub create: bool,
    /// PostgreSQL: there is no such schema.
    pub schema_is_missing: bool,
    /// MySQL and MariaDB: make triggers on the table, and so see those that there are.
    pub triggers: bool,
    /// The columns that may be read, if the table exists.
    pub select_columns: Vec<String>,
    /// The columns that may be inserted into, if the table exists.
    pub insert_columns: Vec<String>,
}

/// What the user may do with a table. `schema` defaults to the session's.
pub async fn privileges(
    session: &mut Session,
    schema: Option<&str>,
    table: &str,
    limit: Duration,
) -> Result<Privileges, SqlError> {
    let schema = schema.unwrap_or(session.default_schema()).to_owned();
    match session.make() {
        Make::MySql | Make::MariaDb => mysql(session, &schema, table, limit).await,
        Make::Postgres => postgres(session, &schema, table, limit).await,
        Make::Sqlite => sqlite(session, &schema, table, limit).await,
    }
}

/// A name and what may be done with that column: read, insert, update.
type ColumnRights = (String, bool, bool, bool);

/// The privileges of whole tables follow from those of all columns; those of a table that is not there from `otherwise`.
fn gathered(columns: Vec<ColumnRights>, otherwise: Privileges) -> Privileges {
    if columns.is_empty() {
        return otherwise;
    }
    Privileges {
        select: columns.iter().all(|column| column.1),
        insert: columns.iter().all(|column| column.2),
        update: columns.iter().all(|column| column.3),
        select_columns: columns.iter().filter(|column| column.1).map(|column| column.0.clone()).collect(),
        insert_columns: columns.into_iter().filter(|column| column.2).map(|column| column.0).collect(),
        ..otherwise
    }
}

/// The catalog's columns show the rights of the session itself, whichever level or role they come from; rights that no
/// column has stand in the grants alone. These also show the hash of the password, so they are read and dropped here.
async fn mysql(session: &mut Session, schema: &str, table: &str, limit: Duration) -> Result<Privileges, SqlError> {
    let mut ask = Statement::new(Dialect::MySql);
    ask.sql("SELECT column_name, privileges FROM information_schema.columns");
    super::mysql::place(&mut ask, "table_schema", schema, table);
    ask.sql(" ORDER BY ordinal_position; SHOW GRANTS");
    let rows = session.rows(&ask, limit).await?;
    let mut columns = Vec::new();
    let mut lines = Vec::new();
    for row in &rows {
        match row.as_slice() {
            [Some(name), Some(rights)] => {
                let may = |right: &str| rights.split(',').any(|word| word == right);
                columns.push((name.clone(), may("select"), may("insert"), may("update")));
            }
            [Some(line)] => lines.push(line.as_str()),
            _ => {}
        }
    }
    Ok(gathered(columns, granted(lines, schema, table)))
}

async fn postgres(session: &mut Session, schema: &str, table: &str, limit: Duration) -> Result<Privileges, SqlError> {
    let mut ask = Statement::new(Dialect::Postgres);
    ask.sql(
        "SELECT pg_catalog.has_schema_privilege(n.oid, 'USAGE'), pg_catalog.has_schema_privilege(n.oid, 'CREATE') \
         FROM pg_catalog.pg_namespace n WHERE n.nspname = ",
    );
    ask.literal(schema).sql(
        "; SELECT a.attname, pg_catalog.has_column_privilege(a.attrelid, a.attnum, 'SELECT'), \
         pg_catalog.has_column_privilege(a.attrelid, a.attnum, 'INSERT'), \
         pg_catalog.has_column_privilege(a.attrelid, a.attnum, 'UPDATE'), \
         pg_catalog.has_table_privilege(a.attrelid, 'DELETE') \
         FROM pg_catalog.pg_attribute a WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attrelid = (SELECT c.oid",
    );
    super::postgres::place(&mut ask, schema, table);
    ask.sql(") ORDER BY a.attnum");
    let (mut schema_is_missing, mut usage, mut create, mut delete) = (true, false, false, None);
    let mut columns = Vec::new();
    for row in session.rows(&ask, limit).await? {
        let yes = |place: usize| row.get(place).is_some_and(|cell| cell.as_deref() == Some("t"));
        if row.len() == 2 {
            (schema_is_missing, usage, create) = (false, yes(0), yes(1));
        } else if let Some(Some(name)) = row.first() {
            delete = Some(usage && yes(4));
            columns.push((name.clone(), usage && yes(1), usage && yes(2), usage && yes(3)));
        }
    }
    // Who creates a table owns it.
    let owner = usage && create;
    let otherwise = Privileges {
        select: owner,
        insert: owner,
        update: owner,
        delete: delete.unwrap_or(owner),
        create: owner,
        schema_is_missing,
        ..Privileges::default()
    };
    Ok(gathered(columns, otherwise))
}

/// A file has no users: it can be written or it cannot.
async fn sqlite(session: &mut Session, schema: &str, table: &str, limit: Duration) -> Result<Privileges, SqlError> {
    let name = schema.to_owned();
    let writable = session
        .with_sqlite(limit, move |connection| {
            let read_only = connection.is_readonly(name.as_str()).unwrap_or(true);
            let path = connection.path().unwrap_or_default().to_owned();
            Ok(!read_only && std::fs::OpenOptions::new().append(true).open(path).is_ok())
        })
        .await?;
    let names: Vec<String> = super::table(session, Some(schema), table, limit)
        .await?
        .map(|table| table.columns.into_iter().map(|column| column.name).collect())
        .unwrap_or_default();
    let otherwise = Privileges {
        select: true,
        insert: writable,
        update: writable,
        delete: writable,
        create: writable,
        ..Privileges::default()
    };
    Ok(gathered(names.into_iter().map(|name| (name, true, writable, writable)).collect(), otherwise))
}
