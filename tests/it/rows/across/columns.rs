//! Every column type from every database into a table that is created in every other.

use super::pair::{Pair, pairs};
use crate::rows::carry::{cases, poison};
use crate::rows::cases::{Case, POSTGRES_TYPES, column};
use crate::rows::stage::{Kind, LIMIT, effort, range};
use milkrun::cursor::{Cursor, KeyPart};
use milkrun::engine::migration::Migration as _;
use milkrun::fault::Class;
use serde_json::Value;
use std::fmt::Write as _;

/// A table with a column for each case, and in it a row for each that has no other value; row 0 has none at all.
fn fill(pair: &Pair, from: Kind, cases: &[Case]) {
    if from == Kind::Postgres {
        pair.source.execute(POSTGRES_TYPES);
    }
    let null = if from == Kind::MariaDb { " NULL" } else { "" };
    let columns: Vec<String> =
        cases.iter().enumerate().map(|(at, (kind, ..))| format!("c{at} {}", column(kind, null))).collect();
    pair.source.execute(&format!(
        "CREATE TABLE ours (id INTEGER NOT NULL PRIMARY KEY, odd INTEGER NOT NULL DEFAULT 0, {});
         INSERT INTO ours (id) VALUES (0)",
        columns.join(", ")
    ));
    for (at, (_, value, _)) in cases.iter().enumerate() {
        pair.source.database.execute(&format!("INSERT INTO ours (id, c{at}) VALUES ({}, {value})", at + 1));
    }
}

fn mapped(cases: &[Case]) -> String {
    let mut columns = "id = \"id\"".to_owned();
    for at in 0..cases.len() {
        let _ = write!(columns, "\nc{at} = \"c{at}\"");
    }
    columns
}

#[test]
fn every_type_arrives_and_what_cannot_is_set_aside() {
    for kinds in pairs() {
        let (from, to) = kinds;
        let pair = Pair::new(kinds);
        let cases = cases(from);
        fill(&pair, from, &cases);
        let target = format!("table = \"theirs\"\nkey = [\"id\"]\ncreate = true\n[target.columns]\n{}", mapped(&cases));
        let definition = Pair::definition("table = \"ours\"\nkey = [\"id\"]", &target, "");
        let rows = pair.open(&definition);
        pair.source.run(rows.prepare(LIMIT)).expect("the target");
        // One by one, as the engine does once a batch has failed.
        let mut refused = Vec::new();
        let all = pair.source.run(range(&rows)).expect("a range");
        for id in 0..=cases.len() {
            let batch = rows.fetch(&all, &[Cursor(vec![KeyPart::Int(id.to_string())])]);
            match pair.source.run(rows.write(&batch, &effort())) {
                Ok(outcome) => assert_eq!((outcome.moved, outcome.aside), (1, vec![]), "{id}"),
                Err(fault) => {
                    assert_eq!(fault.class, Class::Poison, "{}: {}", cases[id - 1].0, fault.message);
                    refused.push((cases[id - 1].0, cases[id - 1].1));
                }
            }
        }
        let expected: Vec<(&str, &str)> = poison(from, to).iter().map(|(kind, value, _)| (*kind, *value)).collect();
        assert_eq!(refused, expected);

        let (count, missing) = (cases.len() as u64 + 1, refused.len() as u64);
        let verified = pair.verify_all(&definition, 40, None);
        let found = (verified.checked, verified.equal, verified.missing, verified.different, verified.extra);
        assert_eq!(found, (count, count - missing, missing, 0, 0), "{:?}", verified.examples);

        // And all that can be held at once.
        for (kind, value) in &refused {
            let at = cases.iter().position(|case| (case.0, case.1) == (*kind, *value)).expect("a case");
            pair.source.database.execute(&format!("UPDATE ours SET odd = 1 WHERE id = {}", at + 1));
        }
        pair.target.execute("DELETE FROM theirs");
        let whole = Pair::definition("table = \"ours\"\nkey = [\"id\"]\nwhere = \"odd = 0\"", &target, "");
        let moved = pair.move_all(&whole, 30);
        assert_eq!((moved.moved, moved.skipped, moved.aside), (count - missing, 0, vec![]));
        let again = pair.move_all(&whole, 50);
        assert_eq!((again.moved, again.skipped, again.aside), (0, count - missing, vec![]));
        documents(&pair, kinds, &cases);
    }
}

/// What the target's own documents say of the values that arrived, against what the source's say.
fn documents(pair: &Pair, (from, to): (Kind, Kind), cases: &[Case]) {
    let stage = &pair.target;
    let definition = stage.definition(
        "table = \"theirs\"\nkey = [\"id\"]",
        "table = \"said\"\nkey = [\"id\"]\ncreate = true\n[target.columns]\nid = \"id\"\ndocument = \"$document\"",
    );
    stage.move_all(&definition, 100);
    let rows = stage.rows("SELECT CAST(id AS {{TEXT||CHAR||TEXT}}), document FROM said");
    for row in rows {
        let id: usize = row[0].as_deref().expect("an id").parse().expect("a number");
        let document: Value = serde_json::from_str(row[1].as_deref().expect("a document")).expect("JSON");
        for (at, (kind, value, expected)) in cases.iter().enumerate() {
            let found = &document[format!("c{at}")];
            if at + 1 != id {
                assert!(found.is_null(), "{kind}");
                continue;
            }
            let expected: Value = serde_json::from_str(expected).expect("JSON");
            assert!(
                from == to && *found == expected || alike(&expected, found),
                "{from:?} {kind} {value:.80} in {to:?}: {found:.200} for {expected:.200}"
            );
        }
    }
}

/// The same value in the words of another type.
fn alike(ours: &Value, theirs: &Value) -> bool {
    let word = |value: &Value| match value {
        Value::Bool(yes) => u8::from(*yes).to_string(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let (one, other) = (word(ours), word(theirs));
    let whole = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    if ours == theirs || one == other {
        return true;
    }
    // Arrays arrive as the text that PostgreSQL prints of them, JSON in a column of text as its text.
    if ours.is_array() || ours.is_object() {
        return other.starts_with(['{', '[']);
    }
    match (one.parse::<f64>(), other.parse::<f64>()) {
        #[allow(clippy::float_cmp, reason = "the same number it has to be")]
        (Ok(one_number), Ok(other_number)) => {
            !(whole(&one) && whole(&other))
                && (one_number == other_number || {
                    #[allow(clippy::cast_possible_truncation, reason = "a number of single precision as such")]
                    let single = |number: f64| number as f32;
                    single(one_number) == single(other_number)
                })
        }
        _ => bare(&one) == bare(&other),
    }
}

/// A time without what says whether it has a zone, and without zeros at its end.
fn bare(time: &str) -> String {
    let time = time.trim_end_matches('Z').replace('T', " ");
    if time.contains('.') { time.trim_end_matches('0').trim_end_matches('.').to_owned() } else { time }
}
