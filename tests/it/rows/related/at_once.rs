//! Items that two write at once, and one that changes while it is copied.

use super::{assert_copied, count, shop};
use crate::rows::stage::{KINDS, Kind, LIMIT, Stage, effort, range, walk};
use milkrun::engine::migration::Migration;
use milkrun::fault::Class;

#[test]
fn two_writers_of_one_batch_copy_it_once_between_them() {
    for kind in KINDS {
        let stage = Stage::new(kind);
        let definition = shop(&stage, 30);
        let (one, two) = (stage.open(&definition), stage.open(&definition));
        let moved = stage.run(async {
            one.prepare(LIMIT).await.expect("the targets");
            let range = range(&one).await.expect("rows");
            let (mut moved, mut after) = (0, None);
            while let Some(read) = one.read(&range, after.as_ref(), 5, LIMIT).await.expect("a batch") {
                let effort = effort();
                let (first, second) = tokio::join!(one.write(&read.batch, &effort), two.write(&read.batch, &effort));
                for result in [first, second] {
                    match result {
                        Ok(outcome) => {
                            moved += outcome.moved;
                            assert_eq!(outcome.aside, []);
                        }
                        Err(fault) => assert_eq!(fault.class, Class::Transient, "{kind:?}: {fault}"),
                    }
                }
                after = Some(read.end);
            }
            moved
        });
        assert_eq!(moved, 20, "{kind:?}");
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
