//! What a history has to hold, assembled here from plain SELECTs: nothing of milkrun's own code takes part.

use super::database::{Database, TextRow};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashMap};

/// How a column appears in a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A JSON number.
    Number,
    /// A JSON string: the database's own text.
    Text,
    /// An ISO 8601 string of a column that declares six fraction digits.
    Moment,
    /// The value itself.
    Json,
}

/// A column of a source.
#[derive(Clone, Debug)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// How it appears.
    pub form: Form,
}

/// A table with what is related to it.
#[derive(Clone, Debug)]
pub struct Source {
    /// The table.
    pub table: &'static str,
    /// Its `where`; empty: all rows.
    pub filter: &'static str,
    /// The key, which orders rows.
    pub key: &'static [&'static str],
    /// All its columns, in the table's order.
    pub columns: Vec<Column>,
    /// A related table's name in the document.
    pub name: &'static str,
    /// The parent's column that a related table refers to.
    pub parent: &'static str,
    /// The column that refers to it.
    pub child: &'static str,
    /// What is related.
    pub related: Vec<Source>,
}

/// A document for each source key, as a history should hold it.
pub type Documents = BTreeMap<String, Value>;

/// What the history should hold.
pub fn expected(database: &Database, source: &Source) -> Documents {
    let mut documents = Documents::new();
    let place = source.columns.iter().position(|column| column.name == source.key[0]).expect("the key is a column");
    for (row, document) in assemble(database, source) {
        let key = row[place].clone().expect("keys are not NULL");
        assert!(documents.insert(key, document).is_none(), "the test's own source has unique keys");
    }
    documents
}

/// The rows of a source with the documents that stand for them, in the order of its key.
fn assemble(database: &Database, source: &Source) -> Vec<(TextRow, Value)> {
    let names: Vec<&str> = source.columns.iter().map(|column| column.name).collect();
    let filter = if source.filter.is_empty() { String::new() } else { format!(" WHERE {}", source.filter) };
    let query = format!("SELECT {} FROM {}{filter} ORDER BY {}", names.join(", "), source.table, source.key.join(", "));
    let rows = database.rows(&query);
    // Arrays of each related table, by the value that refers to their parent.
    let mut related = Vec::new();
    for child in &source.related {
        let place = names.iter().position(|name| *name == child.parent).expect("the parent's column is there");
        let refers = child.columns.iter().position(|column| column.name == child.child).expect("the child's is too");
        let mut arrays: HashMap<String, Vec<Value>> = HashMap::new();
        for (row, document) in assemble(database, child) {
            if let Some(parent) = row[refers].clone() {
                arrays.entry(parent).or_default().push(document);
            }
        }
        related.push((place, child, arrays));
    }
    rows.into_iter()
        .map(|row| {
            let mut document = Map::new();
            for (column, value) in source.columns.iter().zip(&row) {
                document.insert(column.name.to_owned(), json(column.form, value.as_deref()));
            }
            for (place, child, arrays) in &related {
                let children = row[*place].as_ref().and_then(|parent| arrays.get(parent)).cloned();
                document.insert(child.name.to_owned(), Value::Array(children.unwrap_or_default()));
            }
            (row, Value::Object(document))
        })
        .collect()
}

fn json(form: Form, value: Option<&str>) -> Value {
    let Some(value) = value else { return Value::Null };
    match form {
        Form::Number | Form::Json => serde_json::from_str(value).unwrap_or_else(|error| panic!("{value}: {error}")),
        Form::Text => Value::String(value.to_owned()),
        Form::Moment => {
            // PostgreSQL's text leaves out the zeros at the end.
            let (second, fraction) = value.split_once('.').unwrap_or((value, ""));
            Value::String(format!("{}.{fraction:0<6}", second.replacen(' ', "T", 1)))
        }
    }
}

/// What the history holds: every row of it, so that a key which is there twice is seen.
pub fn actual(database: &Database, table: &str, key: &str) -> Vec<(String, Value)> {
    let rows = database.rows(&format!("SELECT {key}, document FROM {table} ORDER BY {key}"));
    rows.into_iter()
        .map(|mut row| {
            let document = row.remove(1).expect("a document is not NULL");
            let key = row.remove(0).expect("a key is not NULL");
            let value = serde_json::from_str(&document).unwrap_or_else(|error| panic!("{key}: {error}: {document}"));
            (key, value)
        })
        .collect()
}

/// Exactly one row of history for each expected document, and each equal to it.
#[track_caller]
pub fn assert_complete(database: &Database, source: &Source, table: &str, key: &str) {
    assert_equal(&expected(database, source), actual(database, table, key));
}

/// As `assert_complete`, over what was read before.
#[track_caller]
pub fn assert_equal(expected: &Documents, actual: Vec<(String, Value)>) {
    let wrong = differences(expected, actual);
    let shown = wrong.iter().take(5).cloned().collect::<Vec<_>>().join("\n");
    assert!(wrong.is_empty(), "{} of {} documents are wrong:\n{shown}", wrong.len(), expected.len());
}

/// What is lost, doubled, foreign or different.
pub fn differences(expected: &Documents, actual: Vec<(String, Value)>) -> Vec<String> {
    let mut seen: HashMap<String, u32> = HashMap::new();
    let mut wrong = Vec::new();
    for (key, document) in actual {
        *seen.entry(key.clone()).or_default() += 1;
        match expected.get(&key) {
            None => wrong.push(format!("{key}: nothing of the kind was to be moved")),
            Some(right) if !same(right, &document) => wrong.push(format!("{key}: is {document}\n  should be {right}")),
            Some(_) => {}
        }
    }
    for key in expected.keys() {
        match seen.get(key).copied().unwrap_or_default() {
            1 => {}
            0 => wrong.push(format!("{key}: lost")),
            times => wrong.push(format!("{key}: there {times} times")),
        }
    }
    wrong
}

/// Equality as JSON: the order of an object's members and the spelling of a number do not matter.
pub fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => {
            left == right || (left.is_f64() || right.is_f64()) && left.as_f64() == right.as_f64()
        }
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left.iter().all(|(name, left)| right.get(name).is_some_and(|right| same(left, right)))
        }
        (left, right) => left == right,
    }
}

/// The columns that take part in a comparison of two histories, byte for byte: all but `$now`, `$run` and `$definition`.
pub fn fingerprint(database: &Database, table: &str, columns: &str) -> Vec<TextRow> {
    database.rows(&format!("SELECT {columns} FROM {table} ORDER BY 1"))
}
