//! What the database itself keeps: rows that another table refers to, and those of which a trigger makes something else.

use super::{STAGES, left, purged};
use crate::rows::stage::{Kind, LIMIT, Stage, effort, walk};
use milkrun::fault::Class;

#[test]
fn what_another_table_refers_to_is_named_and_all_else_leaves() {
    for (kind, keys) in STAGES {
        let stage = Stage::new(kind);
        let definition = purged(&stage, 9, keys);
        stage.execute(
            "CREATE TABLE payments (id INTEGER PRIMARY KEY, order_id BIGINT NOT NULL, FOREIGN KEY (order_id) REFERENCES orders (id));
             INSERT INTO payments VALUES (1, 9)",
        );
        let rows = stage.open(&definition);
        let warned = rows.warnings().iter().any(|it| it.contains("`payments` refers to `orders`"));
        assert!(warned, "{kind:?}: {:?}", rows.warnings());
        stage.run(rows.prepare(LIMIT)).expect("the target");
        let fault = stage.run(walk(&rows, 100, &effort())).expect_err("it is referred to");
        assert_eq!(fault.class, Class::Poison, "{kind:?}: {fault}");
        assert!(fault.to_string().contains("still refers to it"), "{kind:?}: {fault}");
        assert_eq!(stage.rows("SELECT order_id FROM history").len(), 0, "{kind:?}");
        assert_eq!(left(&stage)[0], "3 6 9 12 15 18 21 24 27", "{kind:?}");
    }
}

#[test]
fn a_trigger_that_keeps_rows_is_an_error() {
    let stage = Stage::new(Kind::Postgres);
    let definition = purged(&stage, 9, true);
    stage.execute(
        "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
         CREATE TRIGGER keep BEFORE DELETE ON orders FOR EACH ROW WHEN (OLD.id = 9) EXECUTE FUNCTION keep()",
    );
    let rows = stage.open(&definition);
    assert!(rows.warnings().iter().any(|it| it.contains("triggers of `orders`")), "{:?}", rows.warnings());
    stage.run(rows.prepare(LIMIT)).expect("the target");
    let fault = stage.run(walk(&rows, 100, &effort())).expect_err("it is kept");
    assert_eq!(fault.class, Class::Poison, "{fault}");
    assert!(fault.to_string().contains("keeps rows from being deleted"), "{fault}");
    assert_eq!(stage.rows("SELECT order_id FROM history").len(), 0);
}

#[test]
fn a_copy_that_a_trigger_changes_keeps_its_row() {
    let stage = Stage::new(Kind::Postgres);
    let definition = purged(&stage, 9, true);
    let rows = stage.open(&definition);
    stage.run(rows.prepare(LIMIT)).expect("the target");
    stage.execute(
        "CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.document := '{}'; RETURN NEW; END $$;
         CREATE TRIGGER spoil BEFORE INSERT ON history FOR EACH ROW WHEN (NEW.order_id = 9) EXECUTE FUNCTION spoil()",
    );
    let outcome = stage.move_all(&definition, 100);
    assert_eq!((outcome.moved, outcome.aside.len()), (6, 0));
    assert_eq!(left(&stage)[0], "3 9 12 21");
    let outcome = stage.move_all(&definition, 100);
    assert_eq!((outcome.moved, outcome.aside.len()), (0, 1), "what is there differs");
}
