//! What a column's type means here: its JSON form, whether it can be a key, how its values are compared.

use super::form::Form;
use super::key::KeyKind;
use super::landing::{FillKind, Width};
use crate::sql::Dialect;
use crate::sql::catalog::Column;

/// How a column's values are written in a document.
pub(super) fn form(dialect: Dialect, column: &Column) -> Form {
    match dialect {
        Dialect::MySql => mysql_form(column),
        Dialect::Postgres => match &column.element {
            Some(element) => postgres_array(element, column.fraction),
            None => postgres_form(&column.base, column.fraction),
        },
        Dialect::Sqlite => Form::Dynamic,
    }
}

fn mysql_form(column: &Column) -> Form {
    if column.is_json {
        return Form::Json;
    }
    let digits = column.fraction.unwrap_or(0);
    match column.base.as_str() {
        "tinyint" | "smallint" | "mediumint" | "int" | "integer" | "bigint" => {
            // Zeros on the left are no JSON.
            if column.type_name.to_ascii_lowercase().contains("zerofill") { Form::Unsigned } else { Form::Number }
        }
        "year" | "bit" => Form::Unsigned,
        "float" | "double" | "real" => Form::Float,
        "decimal" | "numeric" | "date" | "time" | "uuid" | "inet4" | "inet6" => Form::Plain,
        "datetime" => Form::Timestamp { digits, zulu: false },
        "timestamp" => Form::Timestamp { digits, zulu: true },
        "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" | "vector" => Form::Base64,
        "geometry" | "point" | "linestring" | "polygon" | "multipoint" | "multilinestring" | "multipolygon"
        | "geometrycollection" | "geomcollection" => Form::Geometry,
        "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" => {
            Form::Text { convert: column.charset.as_deref() != Some("utf8mb4") }
        }
        _ => Form::Text { convert: true },
    }
}

/// Types of PostgreSQL's own of which `to_json` writes what their output function says.
const PRINTED: [&str; 46] = [
    "text",
    "varchar",
    "bpchar",
    "char",
    "name",
    "bool",
    "float4",
    "float8",
    "money",
    "interval",
    "timetz",
    "inet",
    "cidr",
    "macaddr",
    "macaddr8",
    "bit",
    "varbit",
    "xml",
    "tsvector",
    "tsquery",
    "point",
    "line",
    "lseg",
    "box",
    "path",
    "polygon",
    "circle",
    "int4range",
    "int8range",
    "numrange",
    "tsrange",
    "tstzrange",
    "daterange",
    "int4multirange",
    "int8multirange",
    "nummultirange",
    "tsmultirange",
    "tstzmultirange",
    "datemultirange",
    "oid",
    "xid",
    "cid",
    "tid",
    "pg_lsn",
    "xid8",
    "jsonpath",
];

/// A type that every database of PostgreSQL's has.
pub(super) fn is_built_in(base: &str) -> bool {
    PRINTED.contains(&base) || !matches!(postgres_form(base, None), Form::ToJsonText)
}

fn postgres_form(base: &str, fraction: Option<u32>) -> Form {
    let digits = fraction.unwrap_or(6);
    match base {
        "int2" | "int4" | "int8" => Form::Number,
        "numeric" | "date" | "uuid" => Form::Plain,
        "timestamp" => Form::Timestamp { digits, zulu: false },
        "timestamptz" => Form::Timestamp { digits, zulu: true },
        "time" => Form::Time { digits },
        "bytea" => Form::Base64,
        "json" | "jsonb" => Form::Json,
        printed if PRINTED.contains(&printed) => Form::ToJson,
        _ => Form::ToJsonText,
    }
}

fn postgres_array(element: &str, fraction: Option<u32>) -> Form {
    match postgres_form(element, fraction) {
        Form::Number | Form::Json | Form::ToJson => Form::ToJson,
        Form::Plain if element != "numeric" => Form::ToJson,
        Form::Plain | Form::ToJsonText => Form::TextArray,
        form => Form::Array(Box::new(form)),
    }
}

/// What a column holds as a part of a key; the word to refuse it by if it cannot be one.
pub(super) fn key_kind(dialect: Dialect, column: &Column) -> Result<KeyKind, String> {
    let base = column.base.to_ascii_lowercase();
    let refused = || Err(base.clone());
    if column.is_json {
        return Err("json".to_owned());
    }
    match dialect {
        Dialect::MySql => match base.as_str() {
            "tinyint" | "smallint" | "mediumint" | "int" | "integer" | "bigint" | "year" => Ok(KeyKind::Int),
            "decimal" | "numeric" => Ok(KeyKind::Decimal),
            "date" | "time" | "datetime" | "timestamp" => Ok(KeyKind::Time),
            "uuid" => Ok(KeyKind::Uuid),
            "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" => Ok(KeyKind::Binary),
            "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" => Ok(KeyKind::Text),
            _ => refused(),
        },
        Dialect::Postgres if column.element.is_some() => Err("array".to_owned()),
        Dialect::Postgres => match base.as_str() {
            "int2" | "int4" | "int8" => Ok(KeyKind::Int),
            "numeric" => Ok(KeyKind::Decimal),
            "date" | "time" | "timetz" | "timestamp" | "timestamptz" | "interval" => Ok(KeyKind::Time),
            "uuid" => Ok(KeyKind::Uuid),
            "bytea" => Ok(KeyKind::Binary),
            "text" | "varchar" | "bpchar" => Ok(KeyKind::Text),
            _ => refused(),
        },
        Dialect::Sqlite => {
            let has = |words: &[&str]| words.iter().any(|word| base.contains(word));
            if has(&["real", "floa", "doub"]) {
                Err("float".to_owned())
            } else if ["enum", "set", "bit", "json", "jsonb"].contains(&base.as_str()) {
                refused()
            } else if has(&["int"]) {
                Ok(KeyKind::Int)
            } else if has(&["char", "clob", "text"]) {
                Ok(KeyKind::Text)
            } else if base.is_empty() || has(&["blob", "binary"]) {
                Ok(KeyKind::Binary)
            } else if has(&["date", "time"]) {
                Ok(KeyKind::Time)
            } else if has(&["uuid"]) {
                Ok(KeyKind::Uuid)
            } else {
                Ok(KeyKind::Decimal)
            }
        }
    }
}

/// How a target's column is compared with what would be written there.
pub(super) fn fill_kind(dialect: Dialect, column: &Column) -> FillKind {
    match (dialect, column.base.as_str()) {
        (Dialect::MySql, "json") | (Dialect::Postgres, "jsonb") => FillKind::Json,
        (Dialect::MySql, "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" | "enum" | "set")
        | (Dialect::Postgres, "text" | "varchar" | "bpchar" | "json") => FillKind::Text,
        (Dialect::MySql, "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob") => FillKind::Binary,
        (Dialect::MySql, "float" | "double" | "real") => FillKind::Float,
        (Dialect::Sqlite, _) => FillKind::Stored,
        _ => FillKind::Value,
    }
}

/// How the bytes of a column's values are counted.
pub(super) fn width(dialect: Dialect, column: &Column) -> Width {
    match (dialect, column.base.as_str()) {
        (Dialect::MySql, "tinyint" | "year") | (Dialect::Postgres, "bool") => Width::Fixed(1),
        (Dialect::MySql, "smallint") | (Dialect::Postgres, "int2") => Width::Fixed(2),
        (Dialect::MySql, "mediumint" | "int" | "integer" | "float" | "date")
        | (Dialect::Postgres, "int4" | "float4" | "date" | "oid") => Width::Fixed(4),
        (Dialect::MySql, "bigint" | "double" | "real" | "time" | "datetime" | "timestamp" | "bit")
        | (Dialect::Postgres, "int8" | "float8" | "time" | "timestamp" | "timestamptz" | "money") => Width::Fixed(8),
        (Dialect::MySql, "uuid") | (Dialect::Postgres, "uuid" | "timetz" | "interval") => Width::Fixed(16),
        (Dialect::Postgres, "text" | "varchar" | "bpchar" | "bytea") | (Dialect::MySql | Dialect::Sqlite, _) => {
            Width::Bytes
        }
        (Dialect::Postgres, _) => Width::Text,
    }
}
