//! What cannot be purged without harm is refused before anything is touched.

use super::{KEYS, STAGES, left, purged};
use crate::rows::moving::shop;
use crate::rows::stage::{KINDS, Kind, Stage};
use milkrun::rows::RowsError;
use milkrun::spec::{After, RowsDefinition};

fn problems(stage: &Stage, definition: &RowsDefinition) -> Vec<String> {
    let Err(RowsError::Problems(problems)) = stage.try_open(definition) else {
        panic!("{:?}: it was taken", stage.kind)
    };
    problems.iter().map(ToString::to_string).collect()
}

#[test]
fn related_tables_that_cannot_be_held_are_refused() {
    let stage = Stage::new(Kind::Postgres);
    let definition = purged(&stage, 3, false);
    let said = problems(&stage, &definition);
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(
        said[0].starts_with("source.related[0].on: no foreign key of `order_items` refers to `orders`"),
        "{said:?}"
    );
    let sql = "ALTER TABLE \"public\".\"order_items\" ADD FOREIGN KEY (\"order_id\") REFERENCES \"public\".\"orders\" (\"id\");";
    assert!(said[0].contains(sql), "{said:?}");
    stage.execute(KEYS);
    stage.open(&definition);
    // One that nobody checks is none.
    stage.execute("ALTER TABLE parts DISABLE TRIGGER ALL");
    let said = problems(&stage, &definition);
    assert!(said.len() == 1 && said[0].contains("`parts`"), "{said:?}");
    let stage = Stage::new(Kind::MariaDb);
    let definition = purged(&stage, 3, false);
    stage.execute("ALTER TABLE parts ENGINE = Aria");
    let said = problems(&stage, &definition);
    assert!(said.len() == 1 && said[0].contains("storage engine Aria, which can neither lock"), "{said:?}");
}

#[test]
fn cascades_into_tables_that_are_not_named_are_refused() {
    for (kind, keys) in STAGES {
        for (rule, null) in [("CASCADE", " NOT NULL"), ("SET NULL", "")] {
            let stage = Stage::new(kind);
            let definition = purged(&stage, 3, keys);
            stage.execute(&format!(
                "CREATE TABLE payments (id INTEGER PRIMARY KEY, item_id BIGINT{null}, \
                 CONSTRAINT paid FOREIGN KEY (item_id) REFERENCES order_items (id) ON DELETE {rule})"
            ));
            let said = problems(&stage, &definition);
            let wanted = format!(" of `payments` is declared ON DELETE {rule}: ");
            assert!(said.len() == 1 && said[0].contains(&wanted), "{kind:?}: {said:?}");
            assert!(said[0].starts_with("source.related[0].table: the foreign key"), "{kind:?}: {said:?}");
        }
        // Along the way that is named they do no harm: what they would delete is gone by then.
        let stage = Stage::new(kind);
        let definition = shop(&stage, 3);
        if keys {
            stage.execute(&KEYS.replace(';', " ON DELETE CASCADE;"));
        }
        let definition = RowsDefinition {
            target: milkrun::spec::Target { after: After::Delete, ..definition.target.clone() },
            ..definition
        };
        assert_eq!(stage.move_all(&definition, 100).moved, 2, "{kind:?}");
        assert_eq!(left(&stage)[0], "3", "{kind:?}");
    }
}

#[test]
fn rows_that_several_items_share_are_refused() {
    for kind in KINDS {
        let stage = Stage::new(kind);
        stage.execute(
            "CREATE TABLE customers (id INTEGER PRIMARY KEY, name VARCHAR(20));
             CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER REFERENCES customers (id));",
        );
        let related = |name: &str, on: &str| {
            format!("[[source.related]]\nname = \"{name}\"\ntable = \"customers\"\nkey = [\"id\"]\non = {{ {on} }}\n")
        };
        let target = "table = \"history\"\nkey = [\"id\"]\ncreate = true\nafter = \"delete\"\n\
                      columns = { id = \"id\", document = \"$document\" }";
        let source = format!("table = \"orders\"\nkey = [\"id\"]\n{}", related("customers", "id = \"customer\""));
        let said = problems(&stage, &stage.definition(&source, target));
        assert!(
            said[0].contains("could belong to several of them, and would leave with the first"),
            "{kind:?}: {said:?}"
        );
        let source = format!("{source}{}", related("others", "id = \"id\""));
        let said = problems(&stage, &stage.definition(&source, target)).join("\n");
        assert!(said.contains("is the table of `source.related[0].table`: its rows would be deleted twice"), "{said}");
    }
}
