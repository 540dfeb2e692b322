//! What is larger than an item may be is found before it is fetched, and is set aside alone: a copied row, or a related one.

use super::pair::{Pair, pairs};
use crate::rows::stage::{Kind, LIMIT, effort, range, walk};
use milkrun::engine::migration::Migration;
use milkrun::fault::Class;

const SOURCE: &str = r#"
table = "papers"
key = ["id"]
[[source.related]]
name = "notes"
table = "notes"
key = ["id"]
on = { paper_id = "id" }
[source.related.target]
table = "notes_archive"
key = ["id"]
create = true
[source.related.target.columns]
id = "id"
words = "words"
"#;

const TARGET: &str = r#"
table = "archive"
key = ["id"]
create = true
[target.columns]
id = "id"
body = "body"
"#;

#[test]
fn a_large_row_and_a_large_related_row_are_set_aside() {
    for kinds in pairs() {
        let pair = Pair::new(kinds);
        let long = "x".repeat(100_000);
        pair.source.execute(&format!(
            "CREATE TABLE papers (id INT NOT NULL PRIMARY KEY, body {{{{TEXT||LONGTEXT||TEXT}}}});
             CREATE TABLE notes (id INT NOT NULL PRIMARY KEY, paper_id INT NOT NULL, words {{{{TEXT||LONGTEXT||TEXT}}}});
             CREATE INDEX notes_of ON notes (paper_id);
             INSERT INTO papers VALUES (1, 'a'), (2, 'b'), (3, NULL), (4, '{long}'), (5, 'e'), (6, 'f');
             INSERT INTO notes VALUES (1, 1, 'n'), (2, 2, '{long}'), (3, 3, NULL), (4, 4, 'n'), (5, 5, 'n'), (6, 5, 'o')"
        ));
        let definition = Pair::definition(SOURCE, TARGET, "max_item = \"64 KB\"");
        let rows = pair.open(&definition);
        let (mut moved, mut large, mut sizes) = (0, Vec::new(), Vec::new());
        pair.source.run(async {
            rows.prepare(LIMIT).await.expect("the target");
            let range = range(&rows).await.expect("a range");
            let mut after = None;
            while let Some(read) = rows.read(&range, after.as_ref(), 4, LIMIT).await.expect("a batch") {
                let end = read.end.texts().join("/");
                match rows.write(&read.batch, &effort()).await {
                    Ok(outcome) => moved += outcome.moved,
                    Err(fault) => {
                        assert_eq!((fault.class, read.scanned), (Class::TooLarge, 1), "{end}: {fault}");
                        large.push(end);
                    }
                }
                sizes.push(read.scanned);
                after = Some(read.end);
            }
        });
        assert_eq!((moved, large), (4, vec!["2".to_owned(), "4".to_owned()]), "{sizes:?}");
        let count = |sql: &str| pair.target.one(sql);
        assert_eq!(count("SELECT CAST(COUNT(*) AS CHAR(9)) FROM archive").trim(), "4");
        assert_eq!(count("SELECT CAST(COUNT(*) AS CHAR(9)) FROM notes_archive").trim(), "4");
    }
}

/// In a plain SELECT MariaDB cuts what it cannot build, or makes NULL of it, and only warns.
#[test]
fn a_document_that_mariadb_cannot_build_is_an_error_never_a_cut_one() {
    let pair = Pair::new((Kind::MariaDb, Kind::Sqlite));
    pair.source.execute(
        "CREATE TABLE orders (id INT PRIMARY KEY);
         CREATE TABLE order_items (id INT PRIMARY KEY, order_id INT NOT NULL, text VARCHAR(2000) NOT NULL, KEY (order_id));
         INSERT INTO orders VALUES (1), (2), (3);
         INSERT INTO order_items SELECT seq, 2, REPEAT('x', 2000) FROM seq_1_to_9000;
         INSERT INTO order_items VALUES (10000, 3, 'y');",
    );
    let definition = Pair::definition(
        "table = \"orders\"\nkey = [\"id\"]\n[[source.related]]\nname = \"items\"\ntable = \"order_items\"\nkey = [\"id\"]\n\
         on = { order_id = \"id\" }",
        "table = \"history\"\nkey = [\"id\"]\ncreate = true\n[target.columns]\nid = \"id\"\ndocument = \"$document\"",
        "",
    );
    let rows = pair.open(&definition);
    pair.source.run(async {
        rows.prepare(LIMIT).await.expect("the target");
        let fault = walk(&rows, 100, &effort()).await.expect_err("too large");
        assert_eq!(fault.class, Class::TooLarge, "{fault}");
        let range = range(&rows).await.expect("rows");
        let fault = rows.verify(&range, None, 100, None, LIMIT).await.expect_err("too large");
        assert_eq!(fault.class, Class::TooLarge, "{fault}");
    });
    assert_eq!(pair.target.rows("SELECT id FROM history").len(), 0);
}

/// A document that has grown too large to be read differs from its copy. Where documents are compared as JSON, those after it are compared all
/// the same.
#[test]
fn what_has_grown_too_large_hides_no_other_from_a_comparison() {
    let pair = Pair::new((Kind::Sqlite, Kind::Postgres));
    pair.source.execute(
        "CREATE TABLE papers (id INTEGER NOT NULL PRIMARY KEY, body TEXT);
         INSERT INTO papers VALUES (1, 'a'), (2, 'b'), (3, 'c'), (4, 'd')",
    );
    pair.target.execute("CREATE TABLE archive (id int PRIMARY KEY, document jsonb)");
    let target = "table = \"archive\"\nkey = [\"id\"]\n[target.columns]\nid = \"id\"\ndocument = \"$document\"";
    let definition = Pair::definition("table = \"papers\"\nkey = [\"id\"]", target, "max_item = \"64 KB\"");
    assert_eq!(pair.move_all(&definition, 10).moved, 4);
    assert_eq!(pair.verify_all(&definition, 10, None).equal, 4);
    pair.source.execute(&format!("UPDATE papers SET body = '{}' WHERE id = 2", "x".repeat(100_000)));
    let found = pair.verify_all(&definition, 10, None);
    assert_eq!((found.checked, found.equal, found.different, found.extra), (4, 3, 1, 0), "{found:?}");
}
