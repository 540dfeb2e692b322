//! From PostgreSQL to PostgreSQL rows travel in the form in which both keep them, where nobody has to look at them.

use super::pair::Pair;
use crate::rows::stage::{Kind, LIMIT, Stage, effort, walk};
use milkrun::engine::migration::Outcome;
use milkrun::fault::Class;
use milkrun::spec::RowsDefinition;

const COLUMNS: &str = "id INT8 NOT NULL, tenant VARCHAR(8) NOT NULL, paid BOOL, amount NUMERIC(12,2), rate NUMERIC, placed DATE, \
    at TIMESTAMPTZ(3), local TIMESTAMP, hour TIME, code CHAR(4), note VARCHAR(40), raw BYTEA, extra JSONB, told JSON, \
    token UUID, small INT2, PRIMARY KEY (tenant, id)";
const NAMES: [&str; 16] = [
    "tenant", "id", "paid", "amount", "rate", "placed", "at", "local", "hour", "code", "note", "raw", "extra", "told",
    "token", "small",
];
const ROWS: u64 = 500;

/// Visits of two tenants: each column is NULL in some, and at an edge of its type in others.
fn pair() -> Pair {
    let pair = Pair::new((Kind::Postgres, Kind::Postgres));
    pair.source.execute(&format!("CREATE TABLE visits ({COLUMNS})"));
    pair.source.execute(&format!(
        "INSERT INTO visits SELECT i - 250, 't' || i % 2, i % 3 = 0, i * 12.34, CASE i % 7 WHEN 0 THEN NULL WHEN 1 THEN 'NaN' ELSE 1e-9 * i END,
         CASE i % 5 WHEN 0 THEN NULL WHEN 1 THEN 'infinity' ELSE date '0001-01-01' - 200 + i END,
         timestamptz '2024-02-29 23:59:59.5+02' + i * interval '7 hours', CASE i % 4 WHEN 0 THEN NULL ELSE timestamp '-infinity' END,
         time '00:00' + i * interval '1.7 minutes', repeat('é', i % 4), CASE i % 6 WHEN 0 THEN NULL ELSE E'a\\tb\\\\' || i END,
         decode(md5(i::text), 'hex'), jsonb_build_object('n', i), json_build_array(i, NULL), md5(i::text)::uuid, i - 300
         FROM generate_series(1, {ROWS}) i"
    ));
    pair
}

fn definition(target: &str) -> RowsDefinition {
    let columns = NAMES.map(|name| format!("{name} = \"{name}\"\n")).concat();
    let target =
        format!("table = \"{target}\"\nkey = [\"tenant\", \"id\"]\ncreate = true\n[target.columns]\n{columns}");
    Pair::definition("table = \"visits\"\nkey = [\"tenant\", \"id\"]", &target, "")
}

/// All that a table holds.
fn contents(stage: &Stage, table: &str) -> String {
    let columns = NAMES.join(", ");
    stage.one(&format!("SELECT md5(string_agg(ROW({columns})::text, '|' ORDER BY tenant, id)) FROM {table}"))
}

#[test]
fn rows_arrive_as_they_were() {
    let pair = pair();
    let definition = definition("visited");
    let moved = pair.move_all(&definition, 33);
    assert_eq!((moved.moved, &moved.aside), (ROWS, &vec![]));
    assert_eq!(contents(&pair.target, "visited"), contents(&pair.source, "visits"));
    assert_eq!(pair.verify_all(&definition, 50, None).equal, ROWS);
    // Nothing of it is printed on the way.
    let rows = pair.open(&definition);
    let plans = pair.source.run(rows.query_plans(LIMIT)).expect("plans");
    let read = plans.iter().find(|plan| plan.purpose == "read").expect("what is read");
    let asked = read.statement.split(" FROM ").next().expect("columns");
    assert!(!asked.contains("::int") && !asked.contains("AT TIME ZONE"), "{asked}");
}

/// What is there already is compared as text, and counted as if all had come so.
#[test]
fn rows_that_are_there_are_compared_and_others_arrive() {
    let pair = pair();
    let plain = pair.move_all(&definition("visited"), 1000);
    let definition = definition("known");
    pair.source.run(pair.open(&definition).prepare(LIMIT)).expect("the target");
    let again = |size| -> Outcome {
        let rows = pair.open(&definition);
        pair.source.run(walk(&rows, size, &effort())).expect("a walk")
    };
    assert_eq!(again(1000).moved, ROWS);
    pair.target
        .execute("DELETE FROM known WHERE id % 3 = 0; UPDATE known SET amount = amount + 0.01 WHERE id IN (-100, 100)");
    for size in [1000, 40] {
        let outcome = again(size);
        let kept: u64 = pair.source.one("SELECT COUNT(*) FROM visits WHERE id % 3 <> 0").parse().expect("a number");
        let expected = if size == 1000 { (ROWS - kept, kept - 2) } else { (0, ROWS - 2) };
        assert_eq!((outcome.moved, outcome.skipped), expected, "{size}");
        let mut keys: Vec<_> = outcome.aside.iter().map(|aside| (aside.key.json(), aside.class)).collect();
        keys.sort();
        let key = |tenant: &str, id: i32| (format!("[\"{tenant}\",\"{id}\"]"), "conflict");
        assert_eq!(keys, [key("t0", -100), key("t0", 100)], "{size}");
    }
    // As many bytes, whichever way they came.
    let mut parts = Vec::new();
    for rest in ["id <> 1", "id = 1", "TRUE"] {
        pair.target.execute(&format!("DELETE FROM known WHERE {rest}"));
        parts.push(again(1000));
    }
    let bytes: Vec<u64> = parts.iter().map(|outcome| outcome.bytes).collect();
    assert_eq!(parts.iter().map(|outcome| outcome.moved).collect::<Vec<_>>(), [ROWS - 1, 1, ROWS]);
    assert_eq!((bytes[0] + bytes[1], bytes[2]), (plain.bytes, plain.bytes));
}

/// A row that the target refuses costs the others nothing.
#[test]
fn a_row_that_is_refused_is_found() {
    let pair = pair();
    let definition = definition("visited");
    let rows = pair.open(&definition);
    pair.source.run(rows.prepare(LIMIT)).expect("the target");
    pair.target.execute("ALTER TABLE visited ADD CHECK (small <> 7)");
    let fault = pair.source.run(walk(&rows, 1000, &effort())).expect_err("a refusal");
    assert_eq!(fault.class, Class::Poison, "{}", fault.message);
    assert_eq!(pair.target.one("SELECT COUNT(*) FROM visited"), "0");
}
