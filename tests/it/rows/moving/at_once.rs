//! Several at once: two that write the same batch, many that make the same target.

use super::shop;
use crate::rows::stage::{KINDS, Kind, LIMIT, Stage, effort, range};
use milkrun::engine::migration::Migration;
use milkrun::fault::Class;

#[test]
fn two_writers_of_one_batch_count_it_once_between_them() {
    for kind in KINDS {
        let stage = Stage::new(kind);
        let definition = shop(&stage, 30);
        let (one, two) = (stage.open(&definition), stage.open(&definition));
        let (moved, skipped) = stage.run(async {
            one.prepare(LIMIT).await.expect("the target");
            let range = range(&one).await.expect("rows");
            let (mut moved, mut skipped) = (0, 0);
            let mut after = None;
            while let Some(read) = one.read(&range, after.as_ref(), 5, LIMIT).await.expect("a batch") {
                let effort = effort();
                let (first, second) = tokio::join!(one.write(&read.batch, &effort), two.write(&read.batch, &effort));
                for result in [first, second] {
                    match result {
                        Ok(outcome) => {
                            moved += outcome.moved;
                            skipped += outcome.skipped;
                            assert_eq!(outcome.aside, []);
                        }
                        // The one that came second is told to try again.
                        Err(fault) => assert_eq!(fault.class, Class::Transient, "{kind:?}: {fault}"),
                    }
                }
                after = Some(read.end);
            }
            (moved, skipped)
        });
        assert_eq!(moved, 20, "{kind:?}");
        assert!(skipped <= 20, "{kind:?}");
        assert_eq!(stage.verify_all(&definition, 100).equal, 20);
    }
}

#[test]
fn a_target_that_many_make_at_once_is_made() {
    for kind in [Kind::MariaDb, Kind::Postgres] {
        let stage = Stage::new(kind);
        stage.execute("CREATE TABLE orders (id BIGINT NOT NULL PRIMARY KEY)");
        for round in 0..40 {
            let definition = stage.definition(
                "table = \"orders\"\nkey = [\"id\"]",
                &format!("table = \"made_{round}\"\nkey = [\"id\"]\ncreate = true\n[target.columns]\nid = \"id\"\ndocument = \"$document\""),
            );
            let all: Vec<_> = (0..6).map(|_| stage.open(&definition)).collect();
            stage.run(async {
                let made = futures_util::future::join_all(all.iter().map(|rows| rows.prepare(LIMIT))).await;
                for made in made {
                    made.unwrap_or_else(|error| panic!("{kind:?}: {error}"));
                }
                for rows in all {
                    rows.close().await;
                }
            });
            assert_eq!(stage.rows(&format!("SELECT id, document FROM made_{round}")).len(), 0, "{kind:?}");
        }
    }
}
