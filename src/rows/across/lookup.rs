//! Looking keys up in another database: all of them in one statement, whose text does not depend on them. Each answer says
//! which key it is of by its place, so that nothing is assumed of how either database writes or orders its keys.

use super::super::faults::RowsError;
use super::route::{KeyColumn, Route};
use crate::cursor::{Cursor, KeyPart};
use crate::sql::Dialect;
use crate::sql::statement::{Bind, Statement};

/// Keys that are looked up by one statement.
const ASKED: usize = 2000;

impl Route {
    /// Of the rows of the target with one of these keys: the key's place, counted from 0, and `shown`, SQL over `h`.
    pub(super) fn lookup(&self, keys: &[Cursor], shown: &[String]) -> Statement {
        let table = |statement: &mut Statement| {
            statement.sql(&self.into.name);
        };
        look_up(self.dialect(), ("h", &self.key), keys, shown, table)
    }
}

/// Keys that the target can hold, and their places.
pub(super) struct Held {
    pub(super) keys: Vec<Cursor>,
    places: Vec<usize>,
}

impl Held {
    /// By statements' worth.
    pub(super) fn of(route: &Route, keys: &[Cursor]) -> Vec<Self> {
        let held = |(place, key): (usize, &Cursor)| Some((place, route.target_cursor(key)?));
        let (places, keys): (Vec<usize>, Vec<Cursor>) = keys.iter().enumerate().filter_map(held).unzip();
        let part = |(keys, places): (&[Cursor], &[usize])| Self { keys: keys.to_vec(), places: places.to_vec() };
        keys.chunks(ASKED).zip(places.chunks(ASKED)).map(part).collect()
    }

    /// Takes half of them away.
    pub(super) fn second_half(&mut self) -> Self {
        let middle = self.keys.len() / 2;
        Self { keys: self.keys.split_off(middle), places: self.places.split_off(middle) }
    }

    pub(super) fn place(&self, answer: Option<&str>) -> Result<usize, RowsError> {
        let place = answer.and_then(|place| self.places.get(place.parse::<usize>().ok()?));
        place.copied().ok_or(RowsError::Shape("a lookup"))
    }
}

/// Looks keys up in what `table` appends, under `alias` and by the columns `key`.
pub(super) fn look_up(
    dialect: Dialect,
    (alias, key): (&str, &[KeyColumn]),
    keys: &[Cursor],
    shown: &[String],
    table: impl FnOnce(&mut Statement),
) -> Statement {
    let mut statement = Statement::new(dialect);
    statement.sql("SELECT ").sql(match dialect {
        Dialect::MySql => "CAST(v.n - 1 AS CHAR)",
        Dialect::Postgres => "(v.n - 1)::text",
        Dialect::Sqlite => "CAST(v.key AS TEXT)",
    });
    for one in shown {
        statement.sql(", ").sql(one);
    }
    statement.sql(" FROM ");
    match dialect {
        Dialect::MySql => {
            statement.sql("JSON_TABLE(").bind(Bind::Text(json(keys))).sql(", '$[*]' COLUMNS (n FOR ORDINALITY");
            for (place, part) in key.iter().enumerate() {
                statement.sql(&format!(", k{place} {} PATH '$[{place}]'", part.unpacked));
            }
            statement.sql(")) v STRAIGHT_JOIN ");
        }
        Dialect::Postgres => {
            statement.sql("unnest(");
            for place in 0..key.len() {
                let array = Bind::Text(array(keys, place));
                statement.sql(if place == 0 { "" } else { ", " }).bind(array).sql("::text::text[]");
            }
            statement.sql(") WITH ORDINALITY v (");
            for place in 0..key.len() {
                statement.sql(&format!("k{place}, "));
            }
            // Key by key: by statistics of an emptier table it might walk all of it.
            statement.sql(&format!("n) CROSS JOIN LATERAL (SELECT {alias}.* FROM "));
        }
        Dialect::Sqlite => {
            statement.sql("json_each(").bind(Bind::Text(typed(keys))).sql(") v CROSS JOIN ");
        }
    }
    table(&mut statement);
    statement.sql(" ").sql(alias).sql(if dialect == Dialect::Postgres { " WHERE " } else { " ON " });
    for (place, part) in key.iter().enumerate() {
        statement.sql(if place == 0 { "" } else { " AND " }).sql(alias).sql(".").name(&part.name).sql(" = ");
        let value = match dialect {
            Dialect::MySql | Dialect::Postgres => format!("v.k{place}"),
            // A blob, which JSON does not have, stands in a list of its own.
            Dialect::Sqlite => format!(
                "CASE json_type(v.value, '$[{place}]') WHEN 'array' THEN unhex(json_extract(v.value, '$[{place}][0]')) \
                 ELSE json_extract(v.value, '$[{place}]') END"
            ),
        };
        statement.sql(&part.turn.before).sql(&value).sql(&part.turn.behind);
    }
    if dialect == Dialect::Postgres {
        statement.sql(" OFFSET 0) ").sql(alias);
    }
    statement
}

/// `[["1", "a"], …]`: all parts as texts.
fn json(keys: &[Cursor]) -> String {
    let mut text = String::from("[");
    for (place, key) in keys.iter().enumerate() {
        text.push_str(if place == 0 { "[" } else { ",[" });
        for (place, part) in key.0.iter().enumerate() {
            text.push_str(if place == 0 { "" } else { "," });
            text.push_str(&serde_json::Value::from(part.text()).to_string());
        }
        text.push(']');
    }
    text.push(']');
    text
}

/// The same for SQLite, whose values have types of their own.
fn typed(keys: &[Cursor]) -> String {
    let mut text = String::from("[");
    for (place, key) in keys.iter().enumerate() {
        text.push_str(if place == 0 { "[" } else { ",[" });
        for (place, part) in key.0.iter().enumerate() {
            text.push_str(if place == 0 { "" } else { "," });
            match part {
                KeyPart::Int(number) => text.push_str(number),
                KeyPart::Binary(hex) => {
                    text.push_str("[\"");
                    text.push_str(hex);
                    text.push_str("\"]");
                }
                KeyPart::Decimal(number) if is_json_number(number) => text.push_str(number),
                part => text.push_str(&serde_json::Value::from(part.text()).to_string()),
            }
        }
        text.push(']');
    }
    text.push(']');
    text
}

/// An infinite one is a number to SQLite alone.
fn is_json_number(text: &str) -> bool {
    text.trim_start_matches('-') == "9e999" || serde_json::from_str::<serde_json::Number>(text).is_ok()
}

/// One part of each key as PostgreSQL writes an array of texts.
fn array(keys: &[Cursor], part: usize) -> String {
    let mut text = String::from("{");
    for (place, key) in keys.iter().enumerate() {
        text.push_str(if place == 0 { "\"" } else { ",\"" });
        for character in key.0.get(part).map_or("", KeyPart::text).chars() {
            if matches!(character, '"' | '\\') {
                text.push('\\');
            }
            text.push(character);
        }
        text.push('"');
    }
    text.push('}');
    text
}

/// Appends one part of a key, as [`look_up`] would unpack it.
pub(super) fn bound_key(statement: &mut Statement, key: &Cursor, place: usize) {
    let Some(part) = key.0.get(place) else { return };
    let text = || Bind::Text(part.text().to_owned());
    match (statement.dialect(), part) {
        (Dialect::Postgres, _) => statement.bind(text()).sql("::text"),
        (Dialect::Sqlite, KeyPart::Int(number)) => statement.bind(number.parse().map_or_else(|_| text(), Bind::Int)),
        (Dialect::Sqlite, KeyPart::Binary(_)) => statement.sql("unhex(").bind(text()).sql(")"),
        (Dialect::Sqlite, KeyPart::Decimal(number)) if is_json_number(number) => {
            // The plus takes the cast's affinity away: it would make numbers of the texts that it is compared with.
            statement.sql("+CAST(").bind(text()).sql(" AS REAL)")
        }
        _ => statement.bind(text()),
    };
}
