//! Several at once: two that write the same batch, many that make the same target.

use super::shop;
use crate::rows::stage::{KINDS, Kind, LIMIT, Stage};
use crate::rows::writers::write_at_once;

#[test]
fn two_writers_of_one_batch_count_it_once_between_them() {
    for kind in KINDS {
        let stage = Stage::new(kind);
        let definition = shop(&stage, 30);
        let both = write_at_once(&stage, &definition);
        assert_eq!(both.moved, 20, "{kind:?}");
        assert!(both.skipped <= 20, "{kind:?}");
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
