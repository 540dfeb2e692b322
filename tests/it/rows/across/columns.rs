//! Every column type from every database into a table that is created in every other.

use super::pair::{Pair, pairs};
use crate::rows::carry::{cases, poison};
use crate::rows::cases::{Case, POSTGRES_TYPES, column};
use crate::rows::stage::{Kind, LIMIT, effort, range};
use crate::support::database::Database;
use base64::Engine as _;
use milkrun::cursor::{Cursor, KeyPart};
use milkrun::engine::migration::Migration as _;
use milkrun::fault::Class;
use serde_json::Value;
use std::fmt::Write as _;

/// A table with a column for each case, and in it a row for each that has no other value; row 0 has none at all.
pub(super) fn fill(source: &Database, from: Kind, cases: &[Case]) {
    if from == Kind::Postgres {
        source.execute(POSTGRES_TYPES);
    }
    let null = if from == Kind::MariaDb { " NULL" } else { "" };
    let columns: Vec<String> =
        cases.iter().enumerate().map(|(at, (kind, ..))| format!("c{at} {}", column(kind, null))).collect();
    source.execute(&format!(
        "CREATE TABLE ours (id INTEGER NOT NULL PRIMARY KEY, odd INTEGER NOT NULL DEFAULT 0, {});
         INSERT INTO ours (id) VALUES (0)",
        columns.join(", ")
    ));
    for (at, (_, value, _)) in cases.iter().enumerate() {
        source.execute(&format!("INSERT INTO ours (id, c{at}) VALUES ({}, {value})", at + 1));
    }
}

pub(super) fn mapped(cases: &[Case]) -> String {
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
        fill(&pair.source.database, from, &cases);
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
        assert_eq!(documents(&pair, kinds, &cases), count - missing);
    }
}

/// What the target's own documents say of the values that arrived, against what the source's say; how many there are.
fn documents(pair: &Pair, (from, to): (Kind, Kind), cases: &[Case]) -> u64 {
    let stage = &pair.target;
    let definition = stage.definition(
        "table = \"theirs\"\nkey = [\"id\"]",
        "table = \"said\"\nkey = [\"id\"]\ncreate = true\n[target.columns]\nid = \"id\"\ndocument = \"$document\"",
    );
    stage.move_all(&definition, 100);
    let rows = stage.rows("SELECT CAST(id AS {{TEXT||CHAR||TEXT}}), document FROM said");
    let told = rows.len() as u64;
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
            let single = ["FLOAT", "real", "float4"].iter().any(|word| kind.contains(word));
            assert!(
                from == to && *found == expected || alike(&expected, found, single),
                "{from:?} {kind} {value:.80} in {to:?}: {found:.200} for {expected:.200}"
            );
        }
    }
    told
}

/// The same value in the words of another type; of a number of single precision, the same one of those.
fn alike(ours: &Value, theirs: &Value, single: bool) -> bool {
    let word = |value: &Value| match value {
        Value::Bool(yes) => u8::from(*yes).to_string(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let (one, other) = (word(ours), word(theirs));
    if ours == theirs || one == other {
        return true;
    }
    if let Value::Array(_) | Value::Object(_) = ours {
        // JSON in a column of text is its text; an array is what PostgreSQL prints of it.
        // It says where it begins, unless that is 1.
        let elements = other.find("={").filter(|_| other.starts_with('[')).map_or(0, |at| at + 1);
        let told = [serde_json::from_str(&other).ok(), printed_array(&mut other[elements..].chars().peekable())];
        return told.iter().flatten().any(|told| same_json(ours, told, single));
    }
    if let Some(hex) = other.strip_prefix("\\x") {
        let byte = |place| u8::from_str_radix(&hex[place..place + 2], 16).expect("hex");
        let bytes: Vec<u8> = (0..hex.len()).step_by(2).map(byte).collect();
        return base64::engine::general_purpose::STANDARD.encode(bytes) == one;
    }
    if let (Some(one), Some(other)) = (plain_number(&one), plain_number(&other)) {
        return one == other || single && one.parse::<f32>().ok() == other.parse::<f32>().ok();
    }
    match (one.parse::<f64>(), other.parse::<f64>()) {
        #[allow(clippy::float_cmp, clippy::cast_possible_truncation, reason = "the same number it has to be")]
        (Ok(one), Ok(other)) => one == other || single && one as f32 == other as f32,
        _ => bare(&one) == bare(&other),
    }
}

/// The same JSON, its numbers by value, and its leaves in whatever words.
fn same_json(ours: &Value, theirs: &Value, single: bool) -> bool {
    match (ours, theirs) {
        (Value::Array(ours), Value::Array(theirs)) => {
            ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(ours, theirs)| same_json(ours, theirs, single))
        }
        (Value::Object(ours), Value::Object(theirs)) => {
            let same = |(name, ours)| theirs.get(name).is_some_and(|theirs| same_json(ours, theirs, single));
            ours.len() == theirs.len() && ours.iter().all(same)
        }
        (Value::Array(_) | Value::Object(_), theirs) if !theirs.is_string() => false,
        (Value::Null, theirs) => theirs.is_null(),
        // As an array prints it.
        (Value::Bool(yes), Value::String(text)) => text == if *yes { "t" } else { "f" },
        _ => alike(ours, theirs, single),
    }
}

/// What PostgreSQL prints of an array: `{1,NULL,"a b",{…}}`.
fn printed_array(text: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<Value> {
    let mut elements = Vec::new();
    if text.next()? != '{' {
        return None;
    }
    loop {
        match *text.peek()? {
            '}' => {
                text.next();
                return Some(Value::Array(elements));
            }
            ',' => {
                text.next();
            }
            '{' => elements.push(printed_array(text)?),
            '"' => {
                let mut word = String::new();
                text.next();
                loop {
                    match text.next()? {
                        '"' => break,
                        '\\' => word.push(text.next()?),
                        other => word.push(other),
                    }
                }
                elements.push(word.into());
            }
            _ => {
                let mut word = String::new();
                while !matches!(text.peek()?, ',' | '}') {
                    word.push(text.next()?);
                }
                elements.push(if word == "NULL" { Value::Null } else { word.into() });
            }
        }
    }
}

/// A decimal number's digits without zeros that say nothing; `None` of anything else.
fn plain_number(text: &str) -> Option<String> {
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |digits| ("-", digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_plain(whole) || !is_plain(fraction) {
        return None;
    }
    let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
    let sign = if whole.is_empty() && fraction.is_empty() { "" } else { sign };
    Some(format!("{sign}{}.{fraction}", if whole.is_empty() { "0" } else { whole }))
}

/// A time without what says whether it has a zone, and without zeros at its end.
fn bare(time: &str) -> String {
    let time = time.trim_end_matches('Z').trim_end_matches("+00").replace('T', " ");
    if time.contains('.') { time.trim_end_matches('0').trim_end_matches('.').to_owned() } else { time }
}

#[test]
fn the_oracle_sees_what_is_rounded_cut_or_rewritten() {
    let same = |one: &str, other: &str| {
        alike(&serde_json::from_str(one).expect("JSON"), &serde_json::from_str(other).expect("JSON"), false)
    };
    for (one, other) in [
        ("\"1.50\"", "1.5"),
        ("true", "1"),
        ("1e20", "100000000000000000000.0"),
        ("\"2020-01-02T03:04:05.100\"", "\"2020-01-02 03:04:05.1\""),
        ("[1, null, [\"a b\"]]", "\"{1,NULL,{\\\"a b\\\"}}\""),
        ("{\"a\": 1.0}", "\"{\\\"a\\\": 1}\""),
    ] {
        assert!(same(one, other), "{one} {other}");
    }
    for (one, other) in [
        ("0.1234567890123", "0.1234568"),
        ("\"0.123456789012345678901234567890\"", "0.12345678901234568"),
        ("[1, 2]", "\"{1,3}\""),
        ("[1, 2]", "\"{1}\""),
        ("{\"a\": 1}", "\"{\\\"a\\\": 2}\""),
        ("[null]", "\"{}\""),
        ("\"a\"", "\"b\""),
    ] {
        assert!(!same(one, other), "{one} {other}");
    }
}

/// The document of a row does not tell which database it went to.
#[test]
fn documents_of_every_type_are_those_of_the_same_database() {
    for kinds in pairs() {
        let (from, _) = kinds;
        let pair = Pair::new(kinds);
        let cases = cases(from);
        fill(&pair.source.database, from, &cases);
        let source = "table = \"ours\"\nkey = [\"id\"]";
        let target =
            "table = \"told\"\nkey = [\"id\"]\ncreate = true\n[target.columns]\nid = \"id\"\ndocument = \"$document\"";
        let all = cases.len() as u64 + 1;
        assert_eq!(pair.source.move_all(&pair.source.definition(source, target), 40).moved, all);
        let moved = pair.move_all(&Pair::definition(source, target, ""), 40);
        assert_eq!((moved.moved, moved.aside), (all, vec![]), "{kinds:?}");
        let told = |stage: &crate::rows::stage::Stage| {
            let mut rows = stage.rows("SELECT CAST(id AS {{TEXT||CHAR||TEXT}}), document FROM told");
            rows.sort();
            rows
        };
        let (here, there) = (told(&pair.source), told(&pair.target));
        assert_eq!((here.len() as u64, there.len() as u64), (all, all), "{kinds:?}");
        for (here, there) in here.iter().zip(&there) {
            assert_eq!(here, there, "{kinds:?}");
        }
    }
}
