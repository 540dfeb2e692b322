//! Sources that do not fit: tables, keys, columns, rows that a policy hides.

use super::{GOOD_TARGET, problems, shop, shown};
use crate::rows::stage::{KINDS, Kind, LIMIT, Stage, range};
use milkrun::engine::migration::Migration as _;
use milkrun::fault::Class;
use milkrun::rows::RowsError;
use milkrun::sql::ConnectOptions;

#[test]
fn a_source_that_does_not_fit() {
    for kind in KINDS {
        let stage = shop(kind);
        let found = problems(&stage, "table = \"ordrs\"\nkey = [\"id\"]", GOOD_TARGET);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].field, "source.table");
        assert!(found[0].message.starts_with("there is no table `ordrs` in `"), "{}", found[0].message);

        let found = problems(&stage, "table = \"open_orders\"\nkey = [\"id\"]", GOOD_TARGET);
        assert!(shown(&found)[0].contains("is a view"), "{found:?}");

        let found = problems(
            &stage,
            "table = \"orders\"\nkey = [\"idd\"]\nexclude = [\"stats\"]\n[[source.related]]\nname = \"status\"\n\
             table = \"order_items\"\nkey = [\"n\"]\non = { order_id = \"id\" }",
            "table = \"history\"\nkey = [\"id\"]\ncreate = true\n[target.columns]\nid = \"idd\"\nx = \"cod\"\ndocument = \"$document\"",
        );
        assert_eq!(
            shown(&found),
            [
                "source.key: the table `orders` has no column `idd`",
                "source.related[0].name: `status` is also a column of `orders`: the document would have the name twice",
                "source.related[0].on: no index of `order_items` begins with `order_id`",
                "source.related[0].key: `n` does not tell the rows of one array apart: their order would be left to chance",
                "source.exclude[0]: the table `orders` has no column `stats`",
                "target.columns.id: the table `orders` has no column `idd`",
                "target.columns.x: the table `orders` has no column `cod`",
            ],
            "{kind:?}"
        );
        assert_eq!(found[0].hint, "did you mean `id`?");
        assert_eq!(found[4].hint, "did you mean `status`?");
        let index = found[2].hint.strip_prefix("run: ").expect("an index");
        stage.database.execute(index.trim_end_matches(';'));
        let found = problems(
            &stage,
            "table = \"orders\"\nkey = [\"id\"]\n[[source.related]]\nname = \"items\"\ntable = \"order_items\"\nkey = [\"id\"]\non = { order_id = \"id\" }",
            GOOD_TARGET,
        );
        assert_eq!(found, [], "{kind:?}");

        let found = problems(
            &stage,
            "table = \"orders\"\nkey = [\"code\", \"weight\"]",
            "table = \"history\"\nkey = [\"code\", \"weight\"]\ncreate = true\n[target.columns]\ncode = \"code\"\nweight = \"weight\"\ndocument = \"$document\"",
        );
        let said = shown(&found);
        assert_eq!(said[0], "source.key: `code` takes NULL: rows without a key would never be seen");
        assert!(
            said[1].starts_with("source.key: `weight` is of the type ")
                && said[1].ends_with(", which cannot be walked in order"),
            "{}",
            said[1]
        );
        assert_eq!(said[2], "source.key: no unique index of `orders` has exactly the columns `code`, `weight`");
        assert!(found[2].hint.contains("CREATE UNIQUE INDEX"), "{}", found[2].hint);

        let found = problems(&stage, "table = \"orders\"\nkey = [\"id\"]\nwhere = \"sttus = 'F'\"", GOOD_TARGET);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].field, "source.where", "{found:?}");

        let found = problems(&stage, "table = \"orders\"\nkey = [\"id\"]\nwhere = \"status = 'F' AND\"", GOOD_TARGET);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].field, "source.where", "{found:?}");
        let (said, hint) = (&found[0].message, &found[0].hint);
        assert!(said.starts_with("is no condition that the database understands: "), "{kind:?}: {said}");
        assert!(kind == Kind::Sqlite || said.contains("a syntax error"), "{kind:?}: {said}");
        assert!(!said.contains("bug") && hint.contains("behind WHERE"), "{kind:?}: {said}; {hint}");
    }
}

#[test]
fn rows_that_a_policy_hides_are_never_passed_over_in_silence() {
    let mut stage = Stage::new(Kind::Postgres);
    let role = format!("hidden_{}", stage.one("SELECT current_database()::text"));
    stage.execute(&format!(
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, tenant INTEGER NOT NULL); INSERT INTO orders VALUES (1, 1), (2, 2);
         CREATE TABLE history (id INTEGER PRIMARY KEY, document TEXT);
         CREATE ROLE {role} LOGIN PASSWORD 'hunter2'; GRANT ALL ON orders, history TO {role};
         CREATE POLICY own ON orders USING (tenant = 1)"
    ));
    let url = stage.database.url();
    let (head, database) = url.rsplit_once('/').expect("a URL");
    let (_, host) = head.rsplit_once('@').or_else(|| head.rsplit_once("//")).expect("a host");
    stage.options = ConnectOptions::from_url(&format!("postgres://{role}:hunter2@{host}/{database}")).expect("a URL");
    let definition =
        stage.definition("table = \"orders\"\nkey = [\"id\"]", &GOOD_TARGET.replace("create = true\n", ""));
    let rows = stage.open(&definition);
    // The policy comes into force while milkrun is at work.
    let range = stage.run(range(&rows)).expect("rows");
    stage.execute("ALTER TABLE orders ENABLE ROW LEVEL SECURITY");
    let fault = stage.run(rows.read(&range, None, 100, LIMIT)).expect_err("hidden rows");
    assert_eq!(fault.class, Class::Fatal, "{fault}");
    let said = fault.to_string();
    assert!(said.contains("row-level security would hide rows") && said.contains("BYPASSRLS"), "{said}");
    drop(rows);
    let found = match stage.try_open(&definition) {
        Err(RowsError::Problems(problems)) => problems,
        other => panic!("{:?}", other.map(|_| ()).map_err(|error| error.to_string())),
    };
    assert_eq!(found[0].field, "source.table", "{found:?}");
    assert!(found[0].message.contains("row-level security of `orders`") && found[0].hint.contains("BYPASSRLS"));
    stage.execute(&format!("ALTER ROLE {role} BYPASSRLS"));
    assert_eq!(stage.move_all(&definition, 100).moved, 2);
}
