//! The target table as `create = true` makes it, and as the catalog would describe it.

use super::document::table as quoted_table;
use super::tables::Tables;
use crate::spec::{ColumnValue, Definition};
use crate::sql::Dialect;
use crate::sql::catalog::{Column, Index, Table};
use crate::sql::statement::Statement;

/// `CREATE TABLE IF NOT EXISTS` for the target; `None` if the source or a mapped column is missing.
pub(super) fn statement(definition: &Definition, tables: &Tables) -> Option<Statement> {
    let dialect = tables.make.dialect();
    let table = table(definition, tables)?;
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
        statement.sql(if column.nullable { " NULL, " } else { " NOT NULL, " });
    }
    statement.sql("PRIMARY KEY (");
    for (place, name) in definition.target.key.iter().enumerate() {
        statement.sql(if place == 0 { "" } else { ", " }).name(name);
    }
    statement.sql("))");
    if dialect == Dialect::MySql {
        statement.sql(" ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4");
    }
    Some(statement)
}

/// The table that the statement makes.
pub(super) fn table(definition: &Definition, tables: &Tables) -> Option<Table> {
    let source = tables.source.as_ref()?;
    let columns = definition
        .target
        .columns
        .iter()
        .map(|(name, value)| column(tables.make.dialect(), source, definition, name, value))
        .collect::<Option<Vec<_>>>()?;
    let target = &definition.target;
    Some(Table {
        schema: target.schema.clone().unwrap_or_else(|| tables.default_schema.clone()),
        name: target.table.clone(),
        columns,
        indexes: vec![Index {
            name: "PRIMARY".to_owned(),
            columns: target.key.clone(),
            unique: true,
            primary: true,
            usable: true,
        }],
        engine: (tables.make.dialect() == Dialect::MySql).then(|| "InnoDB".to_owned()),
        ..Table::default()
    })
}

fn column(
    dialect: Dialect,
    source: &Table,
    definition: &Definition,
    name: &str,
    value: &ColumnValue,
) -> Option<Column> {
    let in_key = definition.target.key.iter().any(|key| key == name);
    if let ColumnValue::Column(from) = value {
        let from = source.column(from)?;
        return Some(Column {
            name: name.to_owned(),
            nullable: from.nullable && !in_key,
            generated: false,
            has_default: false,
            ..from.clone()
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
