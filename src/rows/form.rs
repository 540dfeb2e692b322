//! How one column's value is written as JSON, in the SQL of its own database, so that nothing passes through a lossy type.

use crate::sql::Dialect;

/// The JSON form of a column type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// The database prints a JSON number: integers.
    Number,
    /// An integer that would print with leading zeros or as bits.
    Unsigned,
    /// A double, on MySQL.
    Double,
    /// A single-precision number, on MySQL: printed with six digits unless widened first.
    Float,
    /// The database's own text never needs an escape: decimals, dates, UUIDs.
    Plain,
    /// Text, escaped; of another character set than utf8mb4 if `convert`.
    Text {
        /// Convert to utf8mb4 first.
        convert: bool,
    },
    /// A date and time without zone, or in UTC (`zulu`), with this many fraction digits.
    Timestamp {
        /// Fraction digits.
        digits: u32,
        /// In UTC, with `Z`.
        zulu: bool,
    },
    /// A time of day with this many fraction digits, on PostgreSQL.
    Time {
        /// Fraction digits.
        digits: u32,
    },
    /// Bytes.
    Base64,
    /// JSON text: the value itself.
    Json,
    /// A shape, as well-known text, on MySQL.
    Geometry,
    /// What PostgreSQL's own `to_json` says: numbers, true and false, escaped text by the type's output function.
    ToJson,
    /// As `ToJson`, of the value as text: types that `to_json` would take apart.
    ToJsonText,
    /// An array whose elements, as text, are what is wanted.
    TextArray,
    /// An array whose elements have to be written one by one, keeping dimensions and NULLs.
    Array(Box<Form>),
    /// SQLite: by the value.
    Dynamic,
}

/// Literal JSON before a value, the SQL of it, literal JSON after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Written {
    /// `"`, or nothing.
    pub(super) quote: &'static str,
    /// SQL that yields text, or what CONCAT turns into the wanted text.
    pub(super) sql: String,
}

impl Form {
    /// The SQL that writes the value `x`, which is not NULL.
    pub(super) fn write(&self, dialect: Dialect, x: &str) -> Written {
        let bare = |sql: String| Written { quote: "", sql };
        let quoted = |sql: String| Written { quote: "\"", sql };
        match (self, dialect) {
            (Self::Unsigned, _) => bare(format!("CAST({x} AS UNSIGNED)")),
            (Self::Float, _) => bare(format!("{x} * 1e0")),
            (Self::Plain, _) => quoted(x.to_owned()),
            (Self::Text { convert: true }, _) => bare(format!("JSON_QUOTE(CONVERT({x} USING utf8mb4))")),
            (Self::Text { convert: false }, _) => bare(format!("JSON_QUOTE({x})")),
            (Self::Timestamp { zulu, .. }, Dialect::MySql) => {
                let iso = if *zulu {
                    format!("CONCAT(REPLACE({x}, ' ', 'T'), 'Z')")
                } else {
                    format!("REPLACE({x}, ' ', 'T')")
                };
                quoted(format!("CASE WHEN DAYOFMONTH({x}) = 0 OR MONTH({x}) = 0 THEN CONCAT({x}) ELSE {iso} END"))
            }
            (Self::Timestamp { digits, zulu }, _) => quoted(postgres_timestamp(x, *digits, *zulu)),
            (Self::Time { digits }, _) => quoted(format!("to_char({x}, 'HH24:MI:SS{}')", fraction(*digits))),
            (Self::Base64, Dialect::MySql) => quoted(format!("REPLACE(TO_BASE64({x}), '\\n', '')")),
            (Self::Base64, _) => quoted(format!("replace(encode({x}, 'base64'), chr(10), '')")),
            (Self::Geometry, _) => bare(format!("JSON_QUOTE(ST_AsText({x}))")),
            (Self::ToJson, _) => bare(format!("to_json({x})")),
            (Self::ToJsonText, _) => bare(format!("to_json({x}::text)")),
            (Self::TextArray, _) => bare(format!("to_json({x}::text[])")),
            (Self::Array(element), _) => bare(postgres_array(x, element)),
            (Self::Number | Self::Double | Self::Json | Self::Dynamic, _) => bare(x.to_owned()),
        }
    }
}

fn fraction(digits: u32) -> String {
    if digits == 0 { String::new() } else { format!(".FF{digits}") }
}

/// Infinite and BC dates have no ISO form: they stay as stored.
fn postgres_timestamp(x: &str, digits: u32, zulu: bool) -> String {
    let (at, z) = if zulu { (format!("{x} AT TIME ZONE 'UTC'"), "\"Z\"") } else { (x.to_owned(), "") };
    let fraction = fraction(digits);
    format!(
        "CASE WHEN {x} >= '0001-01-01' AND {x} < 'infinity' \
         THEN to_char({at}, 'YYYY-MM-DD\"T\"HH24:MI:SS{fraction}{z}') ELSE {x}::text END"
    )
}

/// `unnest` flattens every dimension; the brackets are put back where an element is the first or last of its dimensions.
fn postgres_array(x: &str, element: &Form) -> String {
    let written = element.write(Dialect::Postgres, "e.v");
    let quote = written.quote;
    let one = format!("CASE WHEN e.v IS NULL THEN 'null' ELSE concat('{quote}', {}, '{quote}') END", written.sql);
    let count = |place: &str| {
        (1..=6)
            .map(|level| {
                let size = (level..=6)
                    .map(|inner| format!("coalesce(array_length({x}, {inner}), 1)"))
                    .collect::<Vec<_>>()
                    .join(" * ");
                format!("(array_length({x}, {level}) IS NOT NULL AND {place} % ({size}) = 0)::int")
            })
            .collect::<Vec<_>>()
            .join(" + ")
    };
    let (opened, closed) = (count("(e.n - 1)"), count("e.n"));
    format!(
        "(SELECT coalesce(string_agg(concat(repeat('[', {opened}), {one}, repeat(']', {closed})), ',' ORDER BY e.n), '[]') \
         FROM unnest({x}) WITH ORDINALITY e (v, n))"
    )
}
