//! Bad migration files: what an author reads, whole and word for word.

mod condition;
mod databases;
mod fields;
mod head;
mod hostile;
mod limits;
mod related;
mod source;
mod target;
mod types;

use milkrun::spec;

/// A good file, which each case spoils.
const GOOD: &str = r#"name = "orders-history"
kind = "rows"
mode = "once"
[source]
database = "$SHOP_DATABASE_URL"
table = "orders"
key = ["id"]
where = "status = 'cancelled'"
exclude = ["card_number"]
[[source.related]]
name = "items"
table = "order_items"
key = ["id"]
on = { order_id = "id" }
[target]
database = "$SHOP_DATABASE_URL"
table = "order_history"
key = ["order_id"]
after = "keep"
create = true
[target.columns]
order_id = "id"
status = "status"
document = "$document"
[limits]
batch_time = "1s"
"#;

/// What is replaced in the good file by what, and every line of the message.
type Case = (&'static str, &'static [(&'static str, &'static str)], &'static [&'static str]);

/// The cases of every file.
const CASES: [&[Case]; 9] = [
    head::CASES,
    fields::CASES,
    types::CASES,
    databases::CASES,
    source::CASES,
    condition::CASES,
    related::CASES,
    target::CASES,
    limits::CASES,
];

fn spoiled(edits: &[(&str, &str)]) -> String {
    edits.iter().fold(GOOD.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "the good file has no `{from}`");
        text.replacen(from, to, 1)
    })
}

#[test]
fn the_good_file_is_good() {
    spec::parse("orders-history", GOOD).unwrap();
}

#[test]
fn every_bad_file_says_all_that_is_wrong_with_it() {
    let cases: Vec<&Case> = CASES.into_iter().flatten().collect();
    assert!(cases.len() >= 87);
    let mut wrong = Vec::new();
    for (name, edits, lines) in cases {
        let expected = lines.iter().map(|line| format!("orders-history.toml: {line}")).collect::<Vec<_>>().join("\n");
        let found = match spec::parse("orders-history", &spoiled(edits)) {
            Ok(_) => "(accepted)".to_owned(),
            Err(error) => error.to_string(),
        };
        if found != expected {
            wrong.push(format!("{name}\n  expected:\n{expected}\n  found:\n{found}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
