//! Bad migration files: what an author reads, whole and word for word.

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

const CASES: &[Case] = &[
    ("a missing quote", &[(r#"table = "orders""#, r#"table = "orders"#)], &[]),
    ("a key twice", &[(r#"table = "orders""#, "table = \"orders\"\ntable = \"orders\"")], &[]),
    ("not the file's name", &[(r#""orders-history""#, r#""order-history""#)], &[]),
    ("a name with a blank", &[(r#""orders-history""#, r#""orders history""#)], &[]),
    ("no name and no kind", &[("name = \"orders-history\"\nkind = \"rows\"\n", "")], &[]),
    ("an empty kind of thing", &[(r#"kind = "rows""#, r#"kind = "row""#)], &[]),
    ("a kind of nobody's", &[(r#"kind = "rows""#, r#"kind = "tables""#)], &[]),
    ("files", &[(r#"kind = "rows""#, r#"kind = "files""#)], &[]),
    ("objects", &[(r#"kind = "rows""#, r#"kind = "objects""#)], &[]),
    ("cutover", &[(r#"kind = "rows""#, r#"kind = "cutover""#)], &[]),
    ("continuous", &[(r#"mode = "once""#, r#"mode = "continuous""#)], &[]),
    ("no such mode", &[(r#"mode = "once""#, r#"mode = "twice""#)], &[]),
    ("a misspelt field", &[(r#"table = "orders""#, r#"tabel = "orders""#)], &[]),
    ("a field of nowhere", &[("create = true", "create = true\ncolour = \"red\"")], &[]),
    ("a misspelt section", &[("[limits]", "[limit]")], &[]),
    ("fields of later versions", &[("key = [\"id\"]\nwhere", "key = [\"id\"]\nchanged = \"updated_at\"\noverlap = \"10m\"\nwhere"), (r#"batch_time = "1s""#, "shards = 4\nlanes = 2\nitems_per_second = 100\nbytes_per_second = \"1 MB\"\nstop_when_failed = \"10%\"\nsweep_every = \"1d\"\n[throttle]\nlag = \"1s\""), (r#"on = { order_id = "id" }"#, "on = { order_id = \"id\" }\ntarget = { table = \"x\" }")], &[]),
    ("sections of files", &[("[target]", "[source.http]\ntimeout = \"1s\"\n[[source.files]]\ncolumn = \"image\"\n[target]")], &[]),
    ("delete", &[(r#"after = "keep""#, r#"after = "delete""#)], &[]),
    ("wrong types", &[("key = [\"id\"]\nwhere", "key = \"id\"\nwhere"), ("create = true", r#"create = "yes""#), (r#"batch_time = "1s""#, "batch_time = 1\nmax_batch = \"many\"\nlog_keys = 1\nmax_sweeps = 1.5")], &[]),
    ("a wrong type within a list", &[(r#"exclude = ["card_number"]"#, r#"exclude = ["card_number", 3]"#)], &[]),
    ("one table for a list of them", &[("[[source.related]]", "[source.related]")], &[]),
    ("a section that is none", &[("[limits]\nbatch_time = \"1s\"\n", ""), (r#"mode = "once""#, "mode = \"once\"\nlimits = 3")], &[]),
    ("an empty source", &[("database = \"$SHOP_DATABASE_URL\"\ntable = \"orders\"\nkey = [\"id\"]\nwhere = \"status = 'cancelled'\"\nexclude = [\"card_number\"]\n", "")], &[]),
    ("a related table with nothing in it", &[("name = \"items\"\ntable = \"order_items\"\nkey = [\"id\"]\non = { order_id = \"id\" }\n", "")], &[]),
    ("no target", &[("[target]\ndatabase = \"$SHOP_DATABASE_URL\"\ntable = \"order_history\"\nkey = [\"order_id\"]\nafter = \"keep\"\ncreate = true\n[target.columns]\norder_id = \"id\"\nstatus = \"status\"\ndocument = \"$document\"\n", "")], &[]),
    ("a password in the URL", &[(r#""$SHOP_DATABASE_URL""#, r#""mysql://shop:hunter2@db/shop""#)], &[]),
    ("a password in the long form", &[(r#""$SHOP_DATABASE_URL""#, r#"{ url = "mysql://shop@db/shop", password = "hunter2" }"#)], &[]),
    ("a variable in the long form", &[(r#""$SHOP_DATABASE_URL""#, r#"{ url = "$SHOP_DATABASE_URL", pasword = "$SECRET" }"#)], &[]),
    ("a long form without a URL", &[(r#""$SHOP_DATABASE_URL""#, r#"{ ca = "" }"#)], &[]),
    ("a variable without its sign", &[(r#""$SHOP_DATABASE_URL""#, r#""SHOP_DATABASE_URL""#)], &[]),
    ("a variable with braces", &[(r#""$SHOP_DATABASE_URL""#, r#""${SHOP}""#)], &[]),
    ("a secret without a name", &[(r#""$SHOP_DATABASE_URL""#, r#""secret:#url""#)], &[]),
    ("a database of nobody's", &[(r#""$SHOP_DATABASE_URL""#, r#""oracle://db/shop""#)], &[]),
    ("a misspelt scheme", &[(r#""$SHOP_DATABASE_URL""#, r#""postgress://u@db/shop""#)], &[]),
    ("TLS switched off", &[(r#""$SHOP_DATABASE_URL""#, r#""postgres://u@db/shop?sslmode=disable""#)], &[]),
    ("a URL without a database", &[(r#""$SHOP_DATABASE_URL""#, r#""mysql://shop@db""#)], &[]),
    ("a number for a database", &[(r#""$SHOP_DATABASE_URL""#, "17")], &[]),
    ("an empty key", &[("key = [\"id\"]\nwhere", "key = []\nwhere")], &[]),
    ("a column twice in the key", &[("key = [\"id\"]\nwhere", "key = [\"id\", \"id\"]\nwhere")], &[]),
    ("an excluded key", &[(r#"exclude = ["card_number"]"#, r#"exclude = ["card_number", "id"]"#)], &[]),
    ("an excluded column that is copied", &[(r#"status = "status""#, "status = \"status\"\ncard = \"card_number\"")], &[]),
    ("an empty table", &[(r#"table = "orders""#, r#"table = """#)], &[]),
    ("an empty condition", &[(r#"where = "status = 'cancelled'""#, r#"where = " ""#)], &[]),
    ("a clock and dice", &[(r#"where = "status = 'cancelled'""#, r#"where = "closed_at < now() AND rand() < 0.5""#)], &[]),
    ("two statements", &[(r#"where = "status = 'cancelled'""#, r#"where = "1 = 1; DROP TABLE orders""#)], &[]),
    ("a parenthesis left open", &[(r#"where = "status = 'cancelled'""#, r#"where = "(a = 1 OR b = 2""#)], &[]),
    ("a foreign parameter", &[(r#"where = "status = 'cancelled'""#, r#"where = "closed_at < :now""#)], &[]),
    ("related tables of one name", &[("[target]", "[[source.related]]\nname = \"items\"\ntable = \"notes\"\nkey = [\"id\"]\non = { }\n[target]")], &[]),
    ("a target key that is no column", &[(r#"key = ["order_id"]"#, r#"key = ["id"]"#)], &[]),
    ("a target key fed by something else", &[("order_id = \"id\"\nstatus", "order_id = \"number\"\nstatus")], &[]),
    ("a target key fed by a word", &[("order_id = \"id\"\nstatus", "order_id = \"$run\"\nstatus")], &[]),
    ("a target key that is too short", &[("key = [\"id\"]\nwhere", "key = [\"shop\", \"id\"]\nwhere")], &[]),
    ("a target key that is fed twice", &[(r#"key = ["order_id"]"#, r#"key = ["order_id", "again"]"#), (r#"status = "status""#, r#"again = "id""#)], &[]),
    ("the source as target", &[(r#"table = "order_history""#, r#"table = "orders""#)], &[]),
    ("a related table as target", &[(r#"table = "order_history""#, r#"table = "order_items""#)], &[]),
    ("no document", &[("document = \"$document\"\n", "")], &[]),
    ("two documents", &[(r#"document = "$document""#, "document = \"$document\"\ncopy = \"$document\"")], &[]),
    ("a misspelt word", &[(r#""$document""#, r#""$documnet""#)], &[]),
    ("an unknown word", &[(r#"status = "status""#, r#"status = "$status""#)], &[]),
    ("no columns", &[("order_id = \"id\"\nstatus = \"status\"\ndocument = \"$document\"\n", "")], &[]),
    ("limits out of range", &[(r#"batch_time = "1s""#, "batch_time = \"0s\"\nmax_batch = 0\nmax_item = \"10 B\"\nlease = \"1h\"\nmax_attempts = -1\nmax_sweeps = 0")], &[]),
    ("limits that are none", &[(r#"batch_time = "1s""#, "batch_time = \"soon\"\nmax_item = \"8\"\nsettle = \"1 week\"")], &[]),
    ("many things at once", &[(r#"name = "orders-history""#, r#"name = "x""#), (r#"table = "orders""#, r#"tabel = "orders""#), ("create = true", "create = 1"), (r#""$document""#, r#""$doc""#), (r#"where = "status = 'cancelled'""#, r#"where = "a < now()""#)], &[]),
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
    assert!(CASES.len() >= 30);
    let mut wrong = Vec::new();
    for (name, edits, lines) in CASES {
        let expected = lines.iter().map(|line| format!("orders-history.toml: {line}")).collect::<Vec<_>>().join("\n");
        let found = match spec::parse("orders-history", &spoiled(edits)) {
            Ok(_) => "(accepted)".to_owned(),
            Err(error) => {
                if !lines.is_empty() { assert_eq!(error.problems.len(), lines.len(), "{name}: {error}"); }
                error.to_string()
            }
        };
        if found != expected {
            wrong.push(format!("{name}\n  expected:\n{expected}\n  found:\n{found}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
