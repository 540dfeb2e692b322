//! Definitions that do not fit their database: everything at once, with what to do.

mod condition;
mod related;
mod source;
mod target;

use super::stage::{Kind, Stage};
use milkrun::rows::RowsError;
use milkrun::spec::Problem;

fn problems(stage: &Stage, source: &str, target: &str) -> Vec<Problem> {
    match stage.try_open(&stage.definition(source, target)) {
        Err(RowsError::Problems(problems)) => problems,
        Err(error) => panic!("{error}"),
        Ok(_) => Vec::new(),
    }
}

fn shown(problems: &[Problem]) -> Vec<String> {
    problems.iter().map(|problem| format!("{}: {}", problem.field, problem.message)).collect()
}

const GOOD_TARGET: &str =
    "table = \"history\"\nkey = [\"id\"]\ncreate = true\n[target.columns]\nid = \"id\"\ndocument = \"$document\"";

fn shop(kind: Kind) -> Stage {
    let stage = Stage::new(kind);
    stage.execute(
        "CREATE TABLE orders (id INTEGER NOT NULL PRIMARY KEY, status VARCHAR(10), code VARCHAR(10), weight {{REAL||FLOAT||REAL}} NOT NULL);
         CREATE TABLE order_items (id INTEGER NOT NULL PRIMARY KEY, order_id INTEGER NOT NULL, n INTEGER NOT NULL);
         CREATE VIEW open_orders AS SELECT * FROM orders;
         CREATE TABLE old (id INTEGER NOT NULL PRIMARY KEY, doc {{TEXT||VARCHAR(100)||VARCHAR(100)}}, must INTEGER NOT NULL);",
    );
    stage
}
