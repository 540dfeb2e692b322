//! What hangs on a table's rows: foreign keys that refer to it, and what fires when a row of it is deleted.

use crate::sql::sqlite::failed;
use crate::sql::statement::Statement;
use crate::sql::{Dialect, Make, Session, SqlError};
use rusqlite::{Connection, params};
use std::time::Duration;

/// What happens, or fails, when rows of a table are deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bonds {
    /// Foreign keys of other tables, or of itself, that refer to it. On MySQL: of tables that the user may see.
    pub references: Vec<Reference>,
    /// Triggers fire. On MySQL: as far as the user may see them.
    pub delete_triggers: bool,
    /// PostgreSQL: a rule that does something else in place of it.
    pub delete_rule: Option<String>,
}

/// A foreign key, seen from the table that it refers to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reference {
    /// Its name; SQLite's have none.
    pub name: Option<String>,
    /// The schema of the table that has it.
    pub schema: String,
    /// The table that has it.
    pub table: String,
    /// Its column = the column that it refers to.
    pub columns: Vec<(String, String)>,
    /// What becomes of the rows that refer to one which is deleted: `CASCADE`, `SET NULL`, `SET DEFAULT`; otherwise it stays.
    pub on_delete: String,
    /// It is checked: nobody can insert a row that refers to none.
    pub enforced: bool,
}

impl Reference {
    /// Rows that refer to a deleted one are deleted or changed by the database itself.
    pub fn cascades(&self) -> bool {
        matches!(self.on_delete.as_str(), "CASCADE" | "SET NULL" | "SET DEFAULT")
    }
}

/// What hangs on the rows of a table that exists.
pub async fn bonds(session: &mut Session, schema: &str, table: &str, limit: Duration) -> Result<Bonds, SqlError> {
    let mut ask = Statement::new(match session.make() {
        Make::MySql | Make::MariaDb => Dialect::MySql,
        Make::Postgres => Dialect::Postgres,
        Make::Sqlite => {
            let (schema, table) = (schema.to_owned(), table.to_owned());
            return session.with_sqlite(limit, move |file| sqlite(file, &schema, &table).map_err(failed)).await;
        }
    });
    match ask.dialect() {
        Dialect::MySql => mysql(&mut ask, schema, table),
        _ => postgres(&mut ask, schema, table),
    }
    Ok(gathered(session.rows(&ask, limit).await?))
}

fn mysql(ask: &mut Statement, schema: &str, table: &str) {
    ask.sql(
        "SELECT 'key', k.constraint_name, k.table_schema, k.table_name, k.column_name, k.referenced_column_name, r.delete_rule, '1' \
         FROM information_schema.key_column_usage k JOIN information_schema.referential_constraints r \
         ON r.constraint_schema = k.constraint_schema AND r.constraint_name = k.constraint_name AND r.table_name = k.table_name \
         WHERE k.referenced_table_schema = ",
    );
    ask.literal(schema).sql(" AND k.referenced_table_name = ").literal(table);
    ask.sql(" ORDER BY k.table_schema, k.table_name, k.constraint_name, k.ordinal_position; ");
    ask.sql("SELECT 'trigger', trigger_name FROM information_schema.triggers WHERE event_manipulation = 'DELETE'");
    ask.sql(" AND event_object_schema = ").literal(schema).sql(" AND event_object_table = ").literal(table);
}

/// A key whose triggers are off, on either side, is not enforced; a partition's own copy of a key says nothing new.
fn postgres(ask: &mut Statement, schema: &str, table: &str) {
    ask.sql(
        "SELECT 'key', f.conname, n.nspname, c.relname, a.attname, p.attname, \
         CASE f.confdeltype WHEN 'c' THEN 'CASCADE' WHEN 'n' THEN 'SET NULL' WHEN 'd' THEN 'SET DEFAULT' ELSE 'NO ACTION' END, \
         CASE WHEN EXISTS (SELECT 1 FROM pg_catalog.pg_trigger g WHERE g.tgconstraint = f.oid AND g.tgrelid = f.conrelid) \
             AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_trigger g WHERE g.tgconstraint = f.oid AND g.tgenabled NOT IN ('O', 'A')) \
             THEN '1' ELSE '0' END \
         FROM pg_catalog.pg_constraint f JOIN pg_catalog.pg_class c ON c.oid = f.conrelid \
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         CROSS JOIN LATERAL unnest(f.conkey, f.confkey) WITH ORDINALITY u(ours, theirs, place) \
         JOIN pg_catalog.pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = u.ours \
         JOIN pg_catalog.pg_attribute p ON p.attrelid = f.confrelid AND p.attnum = u.theirs \
         WHERE f.contype = 'f' AND f.conparentid = 0 AND f.confrelid = (SELECT c.oid",
    );
    super::postgres::place(ask, schema, table);
    ask.sql(") ORDER BY n.nspname, c.relname, f.conname, u.place; ");
    ask.sql(
        "SELECT 'trigger', g.tgname FROM pg_catalog.pg_trigger g \
         WHERE NOT g.tgisinternal AND g.tgtype & 8 <> 0 AND g.tgenabled <> 'D' AND g.tgrelid = (SELECT c.oid",
    );
    super::postgres::place(ask, schema, table);
    ask.sql("); SELECT 'rule', r.rulename FROM pg_catalog.pg_rewrite r WHERE r.ev_type = '4' AND r.ev_enabled <> 'D' AND r.ev_class = (SELECT c.oid");
    super::postgres::place(ask, schema, table);
    ask.sql(")");
}

fn gathered(rows: Vec<Vec<Option<String>>>) -> Bonds {
    let mut bonds = Bonds::default();
    for row in rows {
        let mut cells = row.into_iter().map(Option::unwrap_or_default);
        let mut next = || cells.next().unwrap_or_default();
        match next().as_str() {
            "key" => {
                let mut one = Reference { name: Some(next()), schema: next(), table: next(), ..Reference::default() };
                let pair = (next(), next());
                (one.on_delete, one.enforced) = (next(), next() == "1");
                bonds.part(one, pair);
            }
            "trigger" => bonds.delete_triggers = true,
            "rule" => bonds.delete_rule = Some(next()),
            _ => {}
        }
    }
    bonds
}

impl Bonds {
    /// The next column of a foreign key: those of one follow each other.
    fn part(&mut self, one: Reference, pair: (String, String)) {
        let same = |last: &Reference| last.name == one.name && last.schema == one.schema && last.table == one.table;
        match self.references.last_mut().filter(|last| same(last)) {
            Some(last) => last.columns.push(pair),
            None => self.references.push(Reference { columns: vec![pair], ..one }),
        }
    }
}

fn sqlite(file: &Connection, schema: &str, table: &str) -> rusqlite::Result<Bonds> {
    let mut bonds = Bonds::default();
    let enforced = file.query_row("PRAGMA foreign_keys", [], |row| row.get::<_, bool>(0))?;
    let mut keys = file.prepare(
        "SELECT l.name, f.id, f.\"from\", coalesce(f.\"to\", (SELECT k.name FROM pragma_table_xinfo(f.\"table\", l.schema) k WHERE k.pk = f.seq + 1)), \
         f.on_delete FROM pragma_table_list l JOIN pragma_foreign_key_list(l.name, l.schema) f \
         WHERE l.schema = ?1 COLLATE NOCASE AND f.\"table\" = ?2 COLLATE NOCASE ORDER BY l.name, f.id, f.seq",
    )?;
    let mut rows = keys.query(params![schema, table])?;
    while let Some(row) = rows.next()? {
        let one = Reference {
            name: Some(row.get::<_, i64>(1)?.to_string()),
            schema: schema.to_owned(),
            table: row.get(0)?,
            on_delete: row.get(4)?,
            enforced,
            columns: Vec::new(),
        };
        bonds.part(one, (row.get(2)?, row.get::<_, Option<String>>(3)?.unwrap_or_default()));
    }
    for one in &mut bonds.references {
        // What tells them apart here is a number, which is nobody's name.
        one.name = None;
    }
    let mut triggers = Statement::new(Dialect::Sqlite);
    triggers.sql("SELECT EXISTS (SELECT 1 FROM ").name(schema);
    triggers.sql(".sqlite_schema WHERE type = 'trigger' AND tbl_name = ?1 COLLATE NOCASE AND sql LIKE '%DELETE%')");
    bonds.delete_triggers = file.query_row(triggers.text(), params![table], |row| row.get(0))?;
    Ok(bonds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_columns_of_a_key_come_together() {
        let row = |text: &str| text.split('|').map(|cell| Some(cell.to_owned())).collect::<Vec<_>>();
        let bonds = gathered(vec![
            row("key|a|shop|items|shop_id|shop|CASCADE|1"),
            row("key|a|shop|items|order_id|id|CASCADE|1"),
            row("key|a|shop|notes|order_id|id|RESTRICT|0"),
            row("trigger|audit"),
        ]);
        let found: Vec<_> = bonds
            .references
            .iter()
            .map(|one| (one.table.as_str(), one.columns.len(), one.cascades(), one.enforced))
            .collect();
        assert_eq!(found, [("items", 2, true, true), ("notes", 1, false, false)]);
        assert!(bonds.delete_triggers && bonds.delete_rule.is_none());
    }
}
