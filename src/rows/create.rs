//! Target tables as `create = true` makes them, and as the catalog would describe them.

use super::carry::{Side, fit_into_a_row, made};
use super::destination::{self, Destination};
use super::document::table as quoted_table;
use super::faults::RowsError;
use super::tables::Tables;
use crate::spec::{ColumnValue, RowsDefinition};
use crate::sql::Dialect;
use crate::sql::catalog::{Column, Index, Table};
use crate::sql::statement::Statement;

/// `CREATE TABLE IF NOT EXISTS` for each target that is missing and may be created.
pub(super) fn statements(definition: &RowsDefinition, tables: &Tables) -> Result<Vec<Statement>, RowsError> {
    destination::all(definition, tables)
        .iter()
        .filter(|destination| destination.found.is_none() && destination.create)
        .map(|destination| statement(tables, destination))
        .collect::<Option<_>>()
        .ok_or(RowsError::Shape("the catalog"))
}

/// `None` if the source or a mapped column is missing.
fn statement(tables: &Tables, destination: &Destination<'_>) -> Option<Statement> {
    let dialect = tables.target_make.dialect();
    let table = table(tables, destination)?;
    let mut statement = Statement::new(dialect);
    statement.sql("CREATE TABLE IF NOT EXISTS ");
    statement.sql(&quoted_table(dialect, Some(&table.schema), &table.name)).sql(" (");
    for column in &table.columns {
        statement.name(&column.name).sql(" ").sql(&column.type_name);
        match (dialect, &column.charset, &column.collation) {
            (Dialect::MySql, Some(charset), Some(collation)) => {
                statement.sql(" CHARACTER SET ").sql(charset).sql(" COLLATE ").sql(collation);
            }
            (Dialect::Postgres, _, Some(collation)) => {
                statement.sql(" COLLATE ").sql(collation);
            }
            (Dialect::Sqlite, _, Some(collation)) => {
                statement.sql(" COLLATE ").name(collation);
            }
            _ => {}
        }
        // Said in either case: MySQL makes a first TIMESTAMP without either what nobody asked for.
        statement.sql(if column.nullable { " NULL" } else { " NOT NULL" });
        if column.is_json && column.base == "longtext" {
            // MariaDB's JSON.
            statement.sql(" CHECK (json_valid(").name(&column.name).sql("))");
        }
        statement.sql(", ");
    }
    statement.sql("PRIMARY KEY (");
    for (place, name) in destination.key.iter().enumerate() {
        statement.sql(if place == 0 { "" } else { ", " }).name(name);
    }
    statement.sql("))");
    if dialect == Dialect::MySql {
        statement.sql(" ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4");
    }
    Some(statement)
}

/// The table that the statement makes.
pub(super) fn table(tables: &Tables, destination: &Destination<'_>) -> Option<Table> {
    let source = destination.source?;
    let columns = destination.columns.iter().map(|(name, value)| column(tables, source, destination.key, name, value));
    let mut columns: Vec<Column> = columns.collect::<Option<_>>()?;
    if tables.make != tables.target_make {
        fit_into_a_row(tables.target_make, &mut columns, destination.key);
    }
    Some(Table {
        schema: destination.schema.unwrap_or(&tables.target_default_schema).to_owned(),
        name: destination.table.to_owned(),
        columns,
        indexes: vec![Index {
            name: "PRIMARY".to_owned(),
            columns: destination.key.to_vec(),
            unique: true,
            primary: true,
            usable: true,
        }],
        engine: (tables.target_make.dialect() == Dialect::MySql).then(|| "InnoDB".to_owned()),
        ..Table::default()
    })
}

fn column(tables: &Tables, source: &Table, key: &[String], name: &str, value: &ColumnValue) -> Option<Column> {
    let dialect = tables.target_make.dialect();
    if let ColumnValue::Column(from) = value {
        let from = source.column(from)?;
        let made = if tables.is_across {
            made(Side { make: tables.make, column: from }, tables.target_make)
        } else {
            // What it computes or counts up, the copy holds as it was.
            Column { generated: false, has_default: false, ..from.clone() }
        };
        return Some(Column {
            name: name.to_owned(),
            nullable: from.nullable && !key.iter().any(|key| key == name),
            ..made
        });
    }
    let (type_name, base) = match (value, dialect) {
        (ColumnValue::Document, Dialect::MySql) => ("longtext", "longtext"),
        (ColumnValue::Now, Dialect::MySql) => ("datetime(6)", "datetime"),
        (ColumnValue::Run, Dialect::MySql) => ("varchar(255)", "varchar"),
        (ColumnValue::Now, Dialect::Postgres) => ("timestamptz", "timestamptz"),
        (ColumnValue::Digest | ColumnValue::Definition, Dialect::Postgres) => ("char(64)", "bpchar"),
        (ColumnValue::Digest | ColumnValue::Definition, _) => ("char(64)", "char"),
        (_, Dialect::Sqlite) => ("TEXT", "text"),
        _ => ("text", "text"),
    };
    let text = dialect == Dialect::MySql && base != "datetime";
    Some(Column {
        name: name.to_owned(),
        type_name: type_name.to_owned(),
        base: base.to_owned(),
        resolved: type_name.to_owned(),
        charset: text.then(|| "utf8mb4".to_owned()),
        collation: text.then(|| "utf8mb4_bin".to_owned()),
        length: match value {
            ColumnValue::Digest | ColumnValue::Definition => Some(64),
            ColumnValue::Run if dialect == Dialect::MySql => Some(255),
            _ => None,
        },
        fraction: (base == "datetime").then_some(6),
        ..Column::default()
    })
}
