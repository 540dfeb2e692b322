//! The SQL that gives a value as text or, of bytes, as itself: the same where it is read and where it is compared.

use super::Side;
use super::kind::{Blanks, Kind};
use crate::sql::catalog::Column;
use crate::sql::{Dialect, Make};

/// Why a value is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// To be written to a column of the same type, or compared with one.
    Same,
    /// To be written to another column.
    Read,
    /// To be compared with what was written from another column.
    Held,
}

/// Text or bytes of the value `x`, a quoted column of `side`; NULL of NULL.
pub(super) fn print(side: Side<'_>, x: &str, mode: Mode) -> String {
    let dialect = side.make.dialect();
    match dialect {
        Dialect::MySql => mysql(side, x, mode),
        Dialect::Postgres => postgres(side, x, mode),
        Dialect::Sqlite => format!("milkrun_value({x})"),
    }
}

fn mysql(side: Side<'_>, x: &str, mode: Mode) -> String {
    let column = side.column;
    let declared = column.type_name.to_ascii_lowercase();
    match Kind::of(Dialect::MySql, column) {
        // Bits, and zeros on the left.
        Kind::Int { .. } if column.base == "bit" || column.base == "year" || declared.contains("zerofill") => {
            format!("CAST(CAST({x} AS UNSIGNED) AS CHAR)")
        }
        Kind::Decimal { places: Some((precision, scale)), .. } if declared.contains("zerofill") => {
            format!("CAST(CAST({x} AS DECIMAL({precision}, {scale})) AS CHAR)")
        }
        // Of single precision it would print six digits; of DOUBLE(10,2) two.
        Kind::Float { .. } => format!("CAST(({x} * 1e0) AS CHAR)"),
        Kind::Text { .. } | Kind::Json { rewritten: false } => format!("CONVERT({x} USING utf8mb4)"),
        Kind::Bytes { .. } => format!("CAST({x} AS BINARY)"),
        Kind::Printed if is_shape(&column.base) && mode == Mode::Same => format!("CAST({x} AS BINARY)"),
        Kind::Printed if is_shape(&column.base) => format!("ST_AsText({x})"),
        _ => format!("CAST({x} AS CHAR)"),
    }
}

fn postgres(side: Side<'_>, x: &str, mode: Mode) -> String {
    match Kind::of(Dialect::Postgres, side.column) {
        Kind::Bool => format!("{x}::int::text"),
        Kind::Bytes { .. } => x.to_owned(),
        Kind::Moment { zoned: true, .. } => format!("({x} AT TIME ZONE 'UTC')::text"),
        // A cast would take its blanks away, which are part of what a document shows, and of the value where no length fills it up.
        Kind::Text { blanks: Blanks::Filled, .. } if mode == Mode::Read => format!("textin(bpcharout({x}))"),
        Kind::Text { blanks: Blanks::Kept, .. } if side.column.base == "bpchar" => format!("textin(bpcharout({x}))"),
        // As the type prints itself: a cast adds the length of the network.
        Kind::Printed if side.column.base == "inet" => format!("textin(inet_out({x}))"),
        Kind::Printed if side.column.base == "money" && mode == Mode::Same => format!("{x}::numeric::text"),
        _ => format!("{x}::text"),
    }
}

/// PostgreSQL prints the values of the column as a cast to text would.
pub(in crate::rows) fn prints_itself(dialect: Dialect, column: &Column) -> bool {
    let base = column.base.as_str();
    dialect == Dialect::Postgres
        && matches!(
            base,
            "int2"
                | "int4"
                | "int8"
                | "numeric"
                | "float4"
                | "float8"
                | "date"
                | "time"
                | "timestamp"
                | "uuid"
                | "text"
                | "varchar"
                | "json"
                | "jsonb"
        )
}

/// A geometry of MySQL's.
pub(super) fn is_shape(base: &str) -> bool {
    matches!(
        base,
        "geometry"
            | "point"
            | "linestring"
            | "polygon"
            | "multipoint"
            | "multilinestring"
            | "multipolygon"
            | "geometrycollection"
            | "geomcollection"
    )
}

/// The type that a bound text is cast to on PostgreSQL: without a length or scale, so that it is the column that refuses what
/// the cast would cut or round.
pub(super) fn cast(side: Side<'_>) -> Option<String> {
    if side.make != Make::Postgres {
        return None;
    }
    let column = side.column;
    let unmeasured = matches!(
        column.element.as_deref().unwrap_or(&column.base),
        "numeric" | "varchar" | "bpchar" | "varbit" | "time" | "timetz" | "timestamp" | "timestamptz" | "interval"
    );
    Some(match column.base.as_str() {
        // Alone it is one bit.
        "bit" => "varbit".to_owned(),
        "_bit" => "_varbit".to_owned(),
        base if unmeasured => base.to_owned(),
        _ => column.resolved.clone(),
    })
}
