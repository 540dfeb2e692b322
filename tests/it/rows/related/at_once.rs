//! Items that two write at once, and one that changes while it is copied.

use super::{assert_copied, count, shop};
use crate::rows::stage::{KINDS, Kind, LIMIT, Stage, effort, walk};
use crate::rows::writers::write_at_once;
use milkrun::fault::Class;

#[test]
fn two_writers_of_one_batch_copy_it_once_between_them() {
    for kind in KINDS {
        let stage = Stage::new(kind);
        let definition = shop(&stage, 30);
        assert_eq!(write_at_once(&stage, &definition).moved, 20, "{kind:?}");
        assert_copied(&stage);
    }
}

/// On MariaDB every statement sees the source as it is by then: what changed in between must not be torn apart.
#[test]
fn an_item_that_changes_while_it_is_copied_is_not_torn_apart() {
    let stage = Stage::new(Kind::MariaDb);
    let definition = shop(&stage, 12);
    let rows = stage.open(&definition);
    stage.run(rows.prepare(LIMIT)).expect("the targets");
    // When the words are copied the parts have been.
    stage.execute("CREATE TRIGGER late AFTER INSERT ON words_archive FOR EACH ROW UPDATE parts SET label = 'new' WHERE id = NEW.id AND id = 50");
    let fault = stage.run(walk(&rows, 100, &effort())).expect_err("a change");
    assert_eq!(fault.class, Class::Transient, "{fault}");
    assert_eq!(count(&stage, "archive"), "0");
    stage.execute("DROP TRIGGER late");
    assert_eq!(stage.run(walk(&rows, 100, &effort())).expect("a walk").moved, 8);
    assert_copied(&stage);
}
