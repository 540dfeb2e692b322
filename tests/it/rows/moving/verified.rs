//! What verify finds of a batch: missing, different and extra targets, and those beyond the bound.

use super::shop;
use crate::rows::stage::{KINDS, LIMIT, Stage, range};
use milkrun::engine::migration::Migration;

#[test]
fn targets_beyond_the_bound_are_seen_piece_by_piece_once_the_first_pass_is_over() {
    for kind in KINDS {
        let stage = Stage::new(kind);
        let definition = shop(&stage, 10);
        stage.move_all(&definition, 100);
        for id in 101..=130 {
            stage.execute(&format!(
                "INSERT INTO history SELECT {id}, status, document, digest, definition, run, migrated_at FROM history WHERE order_id = 9"
            ));
        }
        let rows = stage.open(&definition);
        for size in [1, 4, 1000] {
            let mut range = stage.run(range(&rows)).expect("rows");
            for (open_end, expected) in [(true, 30), (false, 0)] {
                range.open_end = open_end;
                let (mut after, mut most, mut seen, mut checked) = (None, 0, Vec::new(), 0);
                while let Some(read) =
                    stage.run(rows.verify(&range, after.as_ref(), size, None, LIMIT)).expect("a stretch")
                {
                    most = most.max(read.batch.extra);
                    checked += read.batch.checked;
                    seen.push(read.batch.extra);
                    after = Some(read.end);
                    assert!(seen.len() < 100, "it goes round in circles");
                }
                assert_eq!((seen.iter().sum::<u64>(), checked), (expected, 6), "{kind:?} {size} {seen:?}");
                assert!(most <= 2 * size + 1, "{kind:?} {size} {seen:?}");
                assert_eq!(after, Some(range.bound.clone()), "{kind:?} {size}");
            }
        }
    }
}

#[test]
fn verify_finds_missing_different_and_extra() {
    for kind in KINDS {
        let stage = Stage::new(kind);
        let definition = shop(&stage, 30);
        stage.move_all(&definition, 7);
        stage.execute(
            "DELETE FROM history WHERE order_id = 15; UPDATE history SET document = 'x' WHERE order_id = 9; \
             UPDATE orders SET status = 'O' WHERE id = 6; DELETE FROM orders WHERE id >= 87; \
             INSERT INTO history SELECT 7, status, document, digest, definition, run, migrated_at FROM history WHERE order_id = 9",
        );
        for size in [1, 3, 1000] {
            let seen = stage.verify_all(&definition, size);
            // 6 no longer matches, 7 has no source, 87 and 90 are gone and lie beyond the last key.
            assert_eq!((seen.checked, seen.equal, seen.missing, seen.different), (17, 15, 1, 1), "{kind:?}");
            let extra: Vec<_> =
                seen.examples.iter().filter(|(_, kind)| *kind == "extra").map(|(key, _)| key.json()).collect();
            assert_eq!(extra.len() as u64, seen.extra, "{kind:?}");
            assert_eq!(extra, [r#"["6"]"#, r#"["7"]"#, r#"["87"]"#, r#"["90"]"#], "{kind:?} {size}");
        }
    }
}
