//! The catalog of MySQL and MariaDB, in one round trip.

use super::grants::granted;
use super::indexes::Indexes;
use super::{Column, Index, Table, json};
use crate::sql::statement::Statement;
use crate::sql::{Dialect, Make, Session, SqlError};
use std::time::Duration;

pub(super) async fn table(
    session: &mut Session,
    schema: &str,
    table: &str,
    limit: Duration,
) -> Result<Option<Table>, SqlError> {
    let maria = session.make() == Make::MariaDb;
    let mut ask = Statement::new(Dialect::MySql);
    ask.sql("SELECT 'table', table_schema, table_name, table_type, engine, table_rows FROM information_schema.tables");
    place(&mut ask, "table_schema", schema, table);
    ask.sql(
        "; SELECT 'column', column_name, column_type, data_type, is_nullable, character_set_name, collation_name, \
         numeric_precision, numeric_scale, datetime_precision, character_maximum_length, extra, column_default \
         FROM information_schema.columns",
    );
    place(&mut ask, "table_schema", schema, table);
    ask.sql(" ORDER BY ordinal_position; SELECT 'index', index_name, non_unique, column_name, sub_part, index_type, collation, ");
    ask.sql(if maria { "ignored = 'NO'" } else { "is_visible = 'YES'" });
    ask.sql(" FROM information_schema.statistics");
    place(&mut ask, "table_schema", schema, table);
    ask.sql(" ORDER BY index_name, seq_in_index");
    if maria {
        ask.sql("; SELECT 'check', check_clause FROM information_schema.check_constraints");
        place(&mut ask, "constraint_schema", schema, table);
    }
    // Who may not make triggers is shown none.
    ask.sql("; SELECT 'trigger', trigger_name FROM information_schema.triggers WHERE event_manipulation = 'INSERT'");
    ask.sql(" AND event_object_schema = ").literal(schema).sql(" AND event_object_table = ").literal(table);
    ask.sql("; SHOW GRANTS");
    let Some(mut found) = assemble(session.rows(&ask, limit).await?) else { return Ok(None) };
    let suspect = |column: &Column| {
        column.base == "longtext" && !column.is_json && column.collation.as_deref() == Some("utf8mb4_bin")
    };
    if maria && !found.is_view && found.columns.iter().any(suspect) {
        // Who may only read a table does not see its checks in the catalog, but does see its definition.
        let mut ask = Statement::new(Dialect::MySql);
        ask.sql("SHOW CREATE TABLE ").name(&found.schema).sql(".").name(&found.name);
        match session.rows(&ask, limit).await {
            Ok(rows) => {
                let definition = rows.first().and_then(|row| row.get(1)?.as_deref()).unwrap_or_default();
                let checked = json::checked_columns(definition);
                for column in found.columns.iter_mut().filter(|column| suspect(column)) {
                    column.is_json = checked.contains(&column.name);
                }
            }
            Err(error) if error.code() == Some("1142") => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Some(found))
}

/// Names are literals here, not values, so that the whole needs no preparing.
pub(super) fn place(statement: &mut Statement, schema_column: &str, schema: &str, table: &str) {
    statement.sql(" WHERE ").sql(schema_column).sql(" = ").literal(schema).sql(" AND table_name = ").literal(table);
}

fn assemble(rows: Vec<Vec<Option<String>>>) -> Option<Table> {
    let mut table = None;
    let mut columns = Vec::new();
    let mut indexes = Indexes::default();
    let mut checks = Vec::new();
    let mut triggers = false;
    let mut grants = Vec::new();
    for row in rows {
        let mut cells = row.into_iter();
        let mut next = || cells.next().flatten();
        match next().as_deref() {
            Some("table") => {
                table = Some(Table {
                    schema: next()?,
                    name: next()?,
                    is_view: next()?.contains("VIEW"),
                    engine: next(),
                    rows_estimate: next().and_then(|rows| rows.parse().ok()).unwrap_or(0),
                    ..Table::default()
                });
            }
            Some("column") => columns.push(column(&mut next)?),
            Some("index") => part(&mut indexes, &mut next)?,
            Some("check") => checks.push(next().unwrap_or_default()),
            Some("trigger") => triggers = true,
            Some(line) if line.starts_with("GRANT ") || line.starts_with("REVOKE ") => grants.push(line.to_owned()),
            _ => {}
        }
    }
    for column in &mut columns {
        let check = format!("json_valid(`{}`)", column.name.replace('`', "``"));
        column.is_json |= column.base == "longtext" && checks.contains(&check);
    }
    let table = table?;
    let rights = granted(grants.iter().map(String::as_str), &table.schema, &table.name);
    Some(Table { columns, indexes: indexes.into_found(), insert_triggers: triggers || !rights.triggers, ..table })
}

fn column(next: &mut impl FnMut() -> Option<String>) -> Option<Column> {
    let name = next()?;
    let type_name = next()?;
    let base = next()?.to_ascii_lowercase();
    let nullable = next()? == "YES";
    let charset = next();
    let collation = next();
    let mut number = || next().and_then(|number| number.parse::<u64>().ok());
    let precision = number().and_then(|number| u32::try_from(number).ok());
    let scale = number().and_then(|number| u32::try_from(number).ok());
    let fraction = number().and_then(|number| u32::try_from(number).ok());
    let length = number();
    let extra = next().unwrap_or_default();
    // MariaDB writes the absence of a default for a column that takes NULL as the word.
    let default = next().filter(|default| default != "NULL");
    Some(Column {
        unsigned: type_name.contains(" unsigned"),
        length: if base == "bit" { precision.map(u64::from) } else { length },
        is_json: base == "json",
        generated: ["VIRTUAL GENERATED", "STORED GENERATED", "PERSISTENT"].iter().any(|word| extra.contains(word)),
        has_default: default.is_some() || extra.contains("auto_increment") || extra.contains("DEFAULT_GENERATED"),
        replaces_null: extra.contains("auto_increment") || (base == "timestamp" && !nullable),
        resolved: type_name.clone(),
        name,
        type_name,
        base,
        nullable,
        charset,
        collation,
        precision,
        scale,
        fraction,
        element: None,
        domain: None,
    })
}

fn part(indexes: &mut Indexes, next: &mut impl FnMut() -> Option<String>) -> Option<()> {
    let name = next()?;
    let unique = next()? == "0";
    let column = next();
    let prefix = next();
    let kind = next()?;
    let ascending = next().as_deref() == Some("A");
    let visible = next().as_deref() == Some("1");
    let usable = visible && kind == "BTREE" && ascending;
    let index = Index { primary: name == "PRIMARY", columns: Vec::new(), unique, usable, name };
    indexes.part(index, column.filter(|_| prefix.is_none()), ascending, true);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mysqls_own_answers() {
        let row = |text: &str| text.split('|').map(|cell| (cell != "-").then(|| cell.to_owned())).collect::<Vec<_>>();
        let table = assemble(vec![
            row("table|shop|orders|BASE TABLE|InnoDB|12"),
            row("column|id|bigint unsigned|bigint|NO|-|-|20|0|-|-|auto_increment|-"),
            row("column|at|datetime(6)|datetime|NO|-|-|-|-|6|-|DEFAULT_GENERATED|CURRENT_TIMESTAMP(6)"),
            row("column|j|json|json|YES|-|-|-|-|-|-||-"),
            row("column|g|int|int|YES|-|-|10|0|-|-|STORED GENERATED|-"),
            row("index|PRIMARY|0|id|-|BTREE|A|1"),
            row("index|e|0|id|-|BTREE|A|1"),
            row("index|e|0|-|-|BTREE|A|1"),
            row("index|e|0|at|-|BTREE|A|1"),
            row("index|hidden|1|at|-|BTREE|A|0"),
            row("GRANT SELECT, TRIGGER ON `shop`.* TO `milkrun`@`%`"),
        ])
        .unwrap();
        assert!(!table.insert_triggers);
        assert!(table.column("id").unwrap().unsigned && table.column("id").unwrap().has_default);
        assert!(table.column("at").unwrap().has_default && !table.column("at").unwrap().generated);
        assert!(table.column("j").unwrap().is_json && table.column("g").unwrap().generated);
        assert_eq!(table.rows_estimate, 12);
        assert!(table.primary().unwrap().unique && table.primary().unwrap().usable);
        let expression = &table.indexes[1];
        assert_eq!(
            (expression.columns.as_slice(), expression.unique, expression.usable),
            (&["id".to_owned()][..], false, true)
        );
        assert!(!table.indexes[2].usable);
    }

    #[test]
    fn triggers_that_could_not_be_seen_may_be_there() {
        let ask = |more: &[&str]| {
            let cells = |text: &str| text.split('|').map(|cell| Some(cell.to_owned())).collect::<Vec<_>>();
            let rows = std::iter::once(&"table|shop|orders|BASE TABLE|InnoDB|12").chain(more).map(|text| cells(text));
            assemble(rows.collect()).unwrap().insert_triggers
        };
        assert!(ask(&["GRANT SELECT, INSERT ON `shop`.* TO `milkrun`@`%`"]));
        assert!(ask(&["GRANT TRIGGER ON `shop`.`items` TO `milkrun`@`%`"]));
        assert!(!ask(&["GRANT TRIGGER ON `shop`.`orders` TO `milkrun`@`%`"]));
        assert!(ask(&["GRANT ALL PRIVILEGES ON *.* TO `milkrun`@`%`", "trigger|audit"]));
    }
}
