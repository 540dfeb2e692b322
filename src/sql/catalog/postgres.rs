//! The catalog of PostgreSQL, in one round trip.

use super::indexes::Indexes;
use super::{Column, Index, Table};
use crate::sql::statement::Statement;
use crate::sql::{Dialect, Session, SqlError};
use std::time::Duration;

const TABLE: &str = "SELECT 'table', n.nspname, c.relname, c.relkind IN ('v', 'm'), CASE \
    WHEN c.relkind = 'p' THEN (SELECT sum(greatest(p.reltuples, 0)) FROM pg_catalog.pg_partition_tree(c.oid) t \
        JOIN pg_catalog.pg_class p ON p.oid = t.relid AND t.isleaf) \
    WHEN c.relkind IN ('r', 'm') AND c.reltuples < 0 THEN pg_catalog.pg_relation_size(c.oid) / 128 \
    ELSE greatest(c.reltuples, 0) END::int8, \
    (SELECT min(r.rulename) FROM pg_catalog.pg_rewrite r WHERE r.ev_class = c.oid AND r.ev_type = '3' AND r.ev_enabled <> 'D'), \
    EXISTS (SELECT 1 FROM pg_catalog.pg_trigger g WHERE g.tgrelid = c.oid AND NOT g.tgisinternal AND g.tgtype & 4 <> 0 \
        AND g.tgenabled <> 'D'), \
    c.relrowsecurity AND pg_catalog.row_security_active(c.oid)";

/// Domains are followed down to what they are made of, those of an array's elements too; the last step is the row that
/// counts.
const COLUMNS: &str = "WITH RECURSIVE kind(attnum, type, modifier, depth, needed) AS ( \
        SELECT a.attnum, a.atttypid, a.atttypmod, 0, a.attnotnull FROM pg_catalog.pg_attribute a \
        WHERE a.attrelid = (SELECT c.oid";
const COLUMNS_REST: &str = ") AND a.attnum > 0 AND NOT a.attisdropped \
        UNION ALL SELECT k.attnum, t.typbasetype, t.typtypmod, k.depth + 1, k.needed OR t.typnotnull \
        FROM kind k JOIN pg_catalog.pg_type t ON t.oid = k.type WHERE t.typtype = 'd'), \
    element(attnum, type, modifier) AS ( \
        SELECT k.attnum, t.typelem, k.modifier FROM kind k \
        JOIN pg_catalog.pg_type t ON t.oid = k.type AND t.typtype <> 'd' AND t.typcategory = 'A' \
        UNION ALL SELECT s.attnum, t.typbasetype, t.typtypmod \
        FROM element s JOIN pg_catalog.pg_type t ON t.oid = s.type WHERE t.typtype = 'd') \
    SELECT 'column', a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), t.typname, \
        pg_catalog.format_type(k.type, k.modifier), coalesce(e.modifier, k.modifier), k.depth, NOT k.needed, CASE WHEN co.collname = 'default' THEN NULL \
        WHEN cn.nspname = 'pg_catalog' THEN pg_catalog.quote_ident(co.collname) \
        ELSE pg_catalog.quote_ident(cn.nspname) || '.' || pg_catalog.quote_ident(co.collname) END, e.name, \
        a.attgenerated <> '' OR a.attidentity = 'a', (a.atthasdef AND a.attgenerated = '') OR a.attidentity <> '' \
    FROM kind k JOIN pg_catalog.pg_type t ON t.oid = k.type AND t.typtype <> 'd' \
    JOIN pg_catalog.pg_attribute a ON a.attnum = k.attnum AND a.attrelid = (SELECT c.oid";
const COLUMNS_END: &str = ") LEFT JOIN (SELECT s.attnum, s.modifier, t.typname AS name FROM element s \
        JOIN pg_catalog.pg_type t ON t.oid = s.type AND t.typtype <> 'd') e ON e.attnum = k.attnum \
    LEFT JOIN pg_catalog.pg_collation co ON co.oid = a.attcollation \
    LEFT JOIN pg_catalog.pg_namespace cn ON cn.oid = co.collnamespace ORDER BY a.attnum";

/// An index of another operator class or collation than the column's own sorts otherwise.
const INDEXES: &str = "SELECT 'index', x.relname, i.indisunique AND i.indimmediate AND i.indisvalid AND i.indpred IS NULL, \
        i.indisprimary, m.amname = 'btree' AND i.indisvalid AND i.indisready AND i.indpred IS NULL, a.attname, \
        o.opcdefault AND u.sorted = coalesce(a.attcollation, u.sorted), u.way & 1 \
    FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid \
    JOIN pg_catalog.pg_am m ON m.oid = x.relam \
    CROSS JOIN LATERAL unnest(i.indkey::int2[], i.indclass::oid[], i.indcollation::oid[], i.indoption::int2[]) \
        WITH ORDINALITY u(attnum, class, sorted, way, place) \
    LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = u.attnum AND u.attnum > 0 \
    LEFT JOIN pg_catalog.pg_opclass o ON o.oid = u.class \
    WHERE u.place <= i.indnkeyatts AND i.indrelid = (SELECT c.oid";

/// Tables above it and beneath it.
const KIN: &str = "WITH RECURSIVE up(oid) AS ( \
        SELECT i.inhparent FROM pg_catalog.pg_inherits i WHERE i.inhrelid = (SELECT c.oid";
const KIN_REST: &str = ") UNION SELECT i.inhparent FROM up JOIN pg_catalog.pg_inherits i ON i.inhrelid = up.oid), \
    down(oid) AS (SELECT i.inhrelid FROM pg_catalog.pg_inherits i WHERE i.inhparent = (SELECT c.oid";
const KIN_END: &str = ") UNION SELECT i.inhrelid FROM down JOIN pg_catalog.pg_inherits i ON i.inhparent = down.oid) \
    SELECT 'kin', n.nspname, c.relname FROM (SELECT up.oid FROM up UNION ALL SELECT down.oid FROM down) k \
    JOIN pg_catalog.pg_class c ON c.oid = k.oid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace";

pub(super) async fn table(
    session: &mut Session,
    schema: &str,
    table: &str,
    limit: Duration,
) -> Result<Option<Table>, SqlError> {
    let mut ask = Statement::new(Dialect::Postgres);
    place(ask.sql(TABLE), schema, table);
    place(ask.sql("; ").sql(COLUMNS), schema, table);
    place(ask.sql(COLUMNS_REST), schema, table);
    place(ask.sql(COLUMNS_END).sql("; ").sql(INDEXES), schema, table);
    place(ask.sql(") ORDER BY x.relname, u.place; ").sql(KIN), schema, table);
    place(ask.sql(KIN_REST), schema, table);
    ask.sql(KIN_END);
    Ok(assemble(session.rows(&ask, limit).await?))
}

/// Names are literals here, not values, so that the whole needs no preparing.
pub(super) fn place(statement: &mut Statement, schema: &str, table: &str) {
    statement
        .sql(" FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = ")
        .literal(schema)
        .sql(" AND c.relname = ")
        .literal(table)
        .sql(" AND c.relkind IN ('r', 'p', 'v', 'm', 'f')");
}

fn assemble(rows: Vec<Vec<Option<String>>>) -> Option<Table> {
    let mut table = None;
    let mut columns = Vec::new();
    let mut indexes = Indexes::default();
    let mut kin = Vec::new();
    for row in rows {
        let mut cells = row.into_iter();
        let mut next = || cells.next().flatten();
        match next().as_deref() {
            Some("kin") => kin.push((next()?, next()?)),
            Some("table") => {
                table = Some(Table {
                    schema: next()?,
                    name: next()?,
                    is_view: yes(next().as_deref()),
                    rows_estimate: next().and_then(|rows| rows.parse().ok()).unwrap_or(0),
                    insert_rule: next(),
                    insert_triggers: yes(next().as_deref()),
                    hides_rows: yes(next().as_deref()),
                    ..Table::default()
                });
            }
            Some("column") => columns.push(column(&mut next)?),
            Some("index") => {
                let name = next()?;
                let (unique, primary, usable) =
                    (yes(next().as_deref()), yes(next().as_deref()), yes(next().as_deref()));
                let column = next();
                let (own, descending) = (yes(next().as_deref()), next().as_deref() == Some("1"));
                let index = Index { name, columns: Vec::new(), unique, primary, usable };
                indexes.part(index, column, own && !descending, true);
            }
            _ => {}
        }
    }
    Some(Table { columns, indexes: indexes.into_found(), kin, ..table? })
}

fn column(next: &mut impl FnMut() -> Option<String>) -> Option<Column> {
    let name = next()?;
    let type_name = next()?;
    let base = next()?;
    let resolved = next()?;
    let modifier: i64 = next()?.parse().ok()?;
    let domain = (next()? != "0").then(|| type_name.clone());
    let nullable = yes(next().as_deref());
    let collation = next();
    let element = next();
    let measured = element.as_deref().unwrap_or(&base);
    let (mut precision, mut scale, mut fraction, mut length) = (None, None, None, None);
    if modifier >= 0 {
        match measured {
            "numeric" => {
                precision = u32::try_from(((modifier - 4) >> 16) & 0xffff).ok();
                // Eleven bits with a sign.
                scale = u32::try_from((((modifier - 4) & 0x7ff) ^ 1024) - 1024).ok();
            }
            "varchar" | "bpchar" => length = u64::try_from(modifier - 4).ok(),
            "bit" | "varbit" => length = u64::try_from(modifier).ok(),
            "time" | "timetz" | "timestamp" | "timestamptz" => fraction = u32::try_from(modifier).ok(),
            "interval" => fraction = u32::try_from(modifier & 0xffff).ok().filter(|digits| *digits <= 6),
            _ => {}
        }
    }
    Some(Column {
        is_json: base == "json" || base == "jsonb",
        unsigned: false,
        charset: None,
        generated: yes(next().as_deref()),
        replaces_null: false,
        has_default: yes(next().as_deref()),
        name,
        type_name,
        base,
        nullable,
        collation,
        precision,
        scale,
        fraction,
        length,
        element,
        domain,
        resolved,
    })
}

fn yes(cell: Option<&str>) -> bool {
    cell == Some("t")
}
