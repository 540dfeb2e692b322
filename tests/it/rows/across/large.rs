//! What is larger than an item may be is found before it is fetched, and is set aside alone: a copied row, or a related one.

use super::pair::{Pair, pairs};
use crate::rows::stage::{LIMIT, effort, range};
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
