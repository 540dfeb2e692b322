//! `verify --repair` and `--overwrite`, from the command line.

use crate::support::job::Job;
use crate::support::servers::Kind;
use crate::support::shop::Size;
use serde_json::{Value, json};

fn counts(reply: &Value) -> [u64; 6] {
    ["checked", "equal", "missing", "different", "extra", "repaired"].map(|name| reply[name].as_u64().unwrap())
}

#[test]
fn what_is_wrong_is_mended_as_far_as_that_was_asked_for() {
    for kind in [Kind::Sqlite, Kind::MariaDb, Kind::Postgres] {
        let job = Job::shop(
            kind,
            Size { orders: 300, closed: 120, items: 2, discounts: 1 },
            "settle = \"0s\"\nmax_batch = 7",
        );
        job.run_to_the_end();
        let nth = |place: u32| {
            job.database.number(&format!("SELECT order_id FROM order_history ORDER BY order_id LIMIT 1 OFFSET {place}"))
        };
        let (missing, refused, different) = ([nth(3), nth(4), nth(70)], nth(50), [nth(20), nth(119)]);
        for key in missing.iter().chain([&refused]) {
            job.database.execute(&format!("DELETE FROM order_history WHERE order_id = {key}"));
        }
        for key in different {
            job.database.execute(&format!("UPDATE order_history SET document = '{{}}' WHERE order_id = {key}"));
        }
        job.database.execute(&if kind == Kind::Sqlite {
            format!(
                "CREATE TRIGGER rule BEFORE INSERT ON order_history WHEN NEW.order_id = {refused} \
                 BEGIN SELECT RAISE(ABORT, 'no'); END"
            )
        } else {
            format!("ALTER TABLE order_history ADD CONSTRAINT rule CHECK (order_id <> {refused})")
        });
        // One that is refused keeps none of the others from being mended.
        let mended = job.call(&["verify", &job.name, "--repair"]).expect(3);
        let last = mended.reply();
        assert_eq!((&last["outcome"], counts(&last)), (&json!("complete"), [120, 114, 4, 2, 0, 3]), "{kind:?}: {last}");
        assert!(mended.stderr.contains("not repaired"), "{}", mended.stderr);

        let drop =
            if kind == Kind::Sqlite { "DROP TRIGGER rule" } else { "ALTER TABLE order_history DROP CONSTRAINT rule" };
        job.database.execute(drop);
        let line = job.cli().run(&["verify", &job.name, "--overwrite"]).expect(0).stdout;
        assert_eq!(
            line, "orders-history: complete, 120 checked, 117 equal, 1 missing, 2 different, 0 extra, 3 repaired\n",
            "{kind:?}"
        );
        assert_eq!(counts(&job.reply(&["verify", &job.name])), [120, 120, 0, 0, 0, 0], "{kind:?}");
        job.assert_complete();
    }
}
