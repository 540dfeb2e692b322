//! Keys of every type are found again in another database, and those of its rows in the source.

use super::pair::{Pair, pairs};
use crate::rows::keys::{Keys, keys};
use crate::rows::stage::{Kind, LIMIT, effort, range};
use milkrun::cursor::Cursor;
use milkrun::engine::migration::Migration as _;
use milkrun::fault::Class;
use std::fmt::Write as _;

/// Keys with a part that the target cannot hold.
fn unheld(from: Kind, to: Kind, (types, value): (&[&str], &str)) -> bool {
    let is = |words: &[&str]| words.iter().any(|word| value.contains(word));
    match (from, to) {
        (Kind::MariaDb, Kind::Postgres) => is(&["0000-00-00"]),
        (Kind::Postgres, Kind::MariaDb) => is(&["infinity", "BC", "294276"]),
        (Kind::Sqlite, Kind::MariaDb | Kind::Postgres) => match types[0] {
            "INT" => is(&["text", "x'"]),
            "BLOB" => !is(&["x'"]),
            "NUMERIC" => is(&["9e999", "'"]) || (to == Kind::MariaDb && is(&["1e300"])),
            _ => false,
        },
        _ => false,
    }
}

fn check(pair: &Pair, (from, to): (Kind, Kind), number: usize, (types, values): Keys) {
    let names: Vec<String> = (0..types.len()).map(|at| format!("k{at}")).collect();
    let columns: Vec<String> = types.iter().zip(&names).map(|(kind, name)| format!("{name} {kind} NOT NULL")).collect();
    let source = &pair.source;
    source.execute(&format!(
        "CREATE TABLE orders{number} ({}, note VARCHAR(10), PRIMARY KEY ({}))",
        columns.join(", "),
        names.join(", ")
    ));
    for (at, value) in values.iter().enumerate() {
        source.database.execute(&format!("INSERT INTO orders{number} VALUES ({value}, 'n{at}')"));
    }
    let listed = names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
    let mut target =
        format!("table = \"history{number}\"\nkey = [{listed}]\ncreate = true\n[target.columns]\nnote = \"note\"\n");
    for name in &names {
        writeln!(target, "{name} = \"{name}\"").expect("room");
    }
    let definition = Pair::definition(&format!("table = \"orders{number}\"\nkey = [{listed}]"), &target, "");
    let rows = pair.open(&definition);
    source.run(rows.prepare(LIMIT)).expect("the target");
    let range = source.run(range(&rows)).expect("rows");

    // Each is found missing, and written by its name.
    let sweep = || {
        let (mut after, mut missing): (Option<Cursor>, Vec<Cursor>) = (None, Vec::new());
        while let Some(read) = source.run(rows.sweep(&range, after.as_ref(), 2, LIMIT)).expect("a sweep") {
            missing.extend(read.found);
            after = Some(read.end);
        }
        missing
    };
    let what = format!("{from:?} {types:?} in {to:?}");
    let missing = sweep();
    assert_eq!(missing.len(), values.len(), "{what}");
    let mut moved = 0;
    for key in &missing {
        match source.run(rows.write(&rows.fetch(&range, std::slice::from_ref(key)), &effort())) {
            Ok(outcome) => {
                assert_eq!((outcome.moved, outcome.aside), (1, vec![]), "{what}: {}", key.json());
                moved += 1;
            }
            Err(fault) => assert_eq!(fault.class, Class::Poison, "{what}: {}: {}", key.json(), fault.message),
        }
    }
    let unheld = values.iter().filter(|value| unheld(from, to, (types, value))).count();
    assert_eq!(moved, values.len() - unheld, "{what}");
    assert_eq!(sweep().len(), unheld, "{what}");
    let verified = pair.verify_all(&definition, 3, None);
    let (all, equal) = (values.len() as u64, moved as u64);
    let found = (verified.checked, verified.equal, verified.missing, verified.different, verified.extra);
    assert_eq!(found, (all, equal, all - equal, 0, 0), "{what}: {:?}", verified.examples);

    // Written again, each is known by its key.
    for key in &missing {
        if let Ok(outcome) = source.run(rows.write(&rows.fetch(&range, std::slice::from_ref(key)), &effort())) {
            assert_eq!((outcome.skipped, outcome.aside), (1, vec![]), "{what}: {}", key.json());
        }
    }
    source.execute(&format!("DELETE FROM orders{number}"));
    source.database.execute(&format!("INSERT INTO orders{number} VALUES ({}, 'n0')", values[0]));
    let gone = pair.verify_all(&definition, 2, None).extra;
    assert_eq!(gone, equal - u64::from(!self::unheld(from, to, (types, values[0]))), "{what}");
}

#[test]
fn keys_of_every_type_are_found_in_both_databases() {
    for kinds in pairs() {
        let pair = Pair::new(kinds);
        for (number, one) in keys(kinds.0).into_iter().enumerate() {
            check(&pair, kinds, number, one);
        }
    }
}
