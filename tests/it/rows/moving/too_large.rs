//! What is too large is named, never cut, and nothing of its batch stays.

use super::{SOURCE, TARGET, shop};
use crate::rows::stage::{KINDS, Kind, LIMIT, Stage, effort, range, walk};
use milkrun::engine::migration::Migration;
use milkrun::fault::Class;

#[test]
fn a_document_above_max_item_is_named_and_nothing_stays() {
    for kind in KINDS {
        let stage = Stage::new(kind);
        shop(&stage, 9);
        stage.execute("{{||ALTER TABLE orders MODIFY note TEXT;||ALTER TABLE orders ALTER note TYPE text;}}");
        stage.execute(&format!("UPDATE orders SET note = '{}' WHERE id = 15", "0123456789".repeat(110)));
        let definition = stage.limited(SOURCE, TARGET, "max_item = \"1 KB\"");
        let rows = stage.open(&definition);
        stage.run(async {
            rows.prepare(LIMIT).await.expect("the target");
            let fault = walk(&rows, 100, &effort()).await.expect_err("too large");
            assert_eq!(fault.class, Class::TooLarge, "{fault}");
            assert_eq!(fault.key.map(|key| key.json()), Some(r#"["15"]"#.to_owned()), "{kind:?}");
        });
        assert_eq!(stage.one("SELECT CAST(COUNT(*) AS {{TEXT||CHAR||TEXT}}) FROM history"), "0");
    }
}

#[test]
fn a_large_target_that_was_there_hides_no_other() {
    for kind in KINDS {
        let stage = Stage::new(kind);
        shop(&stage, 9);
        stage.execute("{{||ALTER TABLE orders MODIFY note TEXT;||ALTER TABLE orders ALTER note TYPE text;}}");
        let large = |length: usize| "0123456789".repeat(length);
        stage.execute(&format!("UPDATE orders SET note = '{}' WHERE id = 6", large(300)));
        stage.move_all(&stage.definition(SOURCE, TARGET), 100);
        stage.execute(&format!(
            "DELETE FROM history WHERE order_id IN (9, 15); UPDATE orders SET note = '{}' WHERE id = 15",
            large(110)
        ));
        let rows = stage.open(&stage.limited(SOURCE, TARGET, "max_item = \"1 KB\""));
        let fault = stage.run(walk(&rows, 100, &effort())).expect_err("too large");
        assert_eq!((fault.class, fault.key.map(|key| key.json())), (Class::TooLarge, Some(r#"["15"]"#.to_owned())));
        assert_eq!(stage.one("SELECT CAST(COUNT(*) AS {{TEXT||CHAR||TEXT}}) FROM history"), "4", "{kind:?}");
        // What is there already is not in the way.
        stage.execute("UPDATE orders SET note = 'n5' WHERE id = 15");
        let outcome = stage.run(walk(&rows, 100, &effort())).expect("a walk");
        assert_eq!((outcome.moved, outcome.skipped), (2, 4), "{kind:?}");
    }
}

#[test]
fn a_document_that_the_server_cannot_build_is_an_error_never_a_cut_one() {
    let stage = Stage::new(Kind::MariaDb);
    stage.execute(
        "CREATE TABLE orders (id INT PRIMARY KEY);
         CREATE TABLE order_items (id INT PRIMARY KEY, order_id INT NOT NULL, text VARCHAR(2000) NOT NULL, KEY (order_id));
         INSERT INTO orders VALUES (1), (2), (3);
         INSERT INTO order_items SELECT seq, 2, REPEAT('x', 2000) FROM seq_1_to_9000;
         INSERT INTO order_items VALUES (10000, 3, 'y');",
    );
    let definition = stage.definition(
        "table = \"orders\"\nkey = [\"id\"]\n[[source.related]]\nname = \"items\"\ntable = \"order_items\"\nkey = [\"id\"]\n\
         on = { order_id = \"id\" }",
        "table = \"history\"\nkey = [\"id\"]\ncreate = true\n[target.columns]\nid = \"id\"\ndocument = \"$document\"",
    );
    let rows = stage.open(&definition);
    stage.run(async {
        rows.prepare(LIMIT).await.expect("the target");
        let fault = walk(&rows, 100, &effort()).await.expect_err("too large");
        assert_eq!(fault.class, Class::TooLarge, "{fault}");
    });
    assert_eq!(stage.one("SELECT CAST(COUNT(*) AS CHAR) FROM history"), "0");
    // In a plain SELECT it is only a warning, with a NULL: the comparison must not take that for a difference.
    stage.execute("INSERT INTO history VALUES (2, 'x')");
    stage.run(async {
        let fault = walk(&rows, 100, &effort()).await.expect_err("too large");
        assert_eq!(fault.class, Class::TooLarge, "{fault}");
        let range = range(&rows).await.expect("rows");
        let fault = rows.verify(&range, None, 100, None, LIMIT).await.expect_err("too large");
        assert_eq!(fault.class, Class::TooLarge, "{fault}");
    });
}
