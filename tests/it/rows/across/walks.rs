//! Each side of a comparison is walked by its own index, whichever way its columns stand.

use super::pair::{Pair, pairs};
use crate::rows::stage::{Kind, LIMIT, range};
use milkrun::engine::migration::Migration as _;
use milkrun::spec::RowsDefinition;

#[test]
fn a_target_whose_key_stands_the_other_way_round_is_walked_too() {
    for kinds in pairs() {
        let pair = Pair::new(kinds);
        pair.source.execute("CREATE TABLE visits (a INT NOT NULL, b VARCHAR(9) NOT NULL, n INT, PRIMARY KEY (a, b))");
        for place in 0..30 {
            pair.source.execute(&format!("INSERT INTO visits VALUES ({}, 'b{}', {place})", place % 6, place / 6));
        }
        let source = "table = \"visits\"\nkey = [\"a\", \"b\"]";
        let target = "table = \"visited\"\nkey = [\"b\", \"a\"]\ncreate = true\n[target.columns]\na = \"a\"\nb = \"b\"\nn = \"n\"";
        let definition = Pair::definition(source, target, "");
        assert_eq!(pair.move_all(&definition, 7).moved, 30);
        pair.target.execute("INSERT INTO visited (a, b, n) VALUES (2, 'b9', 1), (9, 'b2', 1)");
        for size in [1, 4, 100] {
            let found = pair.verify_all(&definition, size, None);
            assert_eq!((found.equal, found.extra), (30, 2), "{found:?}");
            let mut extra: Vec<_> = found.examples.iter().map(|(key, kind)| (key.json(), *kind)).collect();
            extra.sort();
            assert_eq!(extra, [("[\"2\",\"b9\"]".to_owned(), "extra"), ("[\"9\",\"b2\"]".to_owned(), "extra")]);
        }
    }
}

/// What a sweep over so many keys finds, in steps of up to `size` of them.
fn sweep(pair: &Pair, definition: &RowsDefinition, size: u64, keys: u64) -> Vec<String> {
    let rows = pair.open(definition);
    pair.source.run(async {
        let range = range(&rows).await.expect("there are rows");
        let (mut after, mut found, mut scanned) = (None, Vec::new(), 0);
        while let Some(read) = rows.sweep(&range, after.as_ref(), size, LIMIT).await.expect("a sweep") {
            assert!(read.scanned <= size, "{} of {size}", read.scanned);
            scanned += read.scanned;
            found.extend(read.found.iter().map(milkrun::cursor::Cursor::json));
            after = Some(read.end);
        }
        assert_eq!((scanned, after.as_ref()), (keys, Some(&range.bound)));
        found
    })
}

/// Items whose target is gone are found, wherever they are, and nothing else: not beside targets of other rows, nor in stretches
/// that hold more targets than items.
#[test]
fn a_sweep_finds_exactly_what_has_no_target() {
    for (from, to) in pairs() {
        for filter in ["", "where = \"b <> 1\""] {
            let pair = Pair::new((from, to));
            pair.source.execute("CREATE TABLE visits (a INT NOT NULL, b BIGINT NOT NULL, n INT, PRIMARY KEY (a, b))");
            for place in 0..60 {
                // Keys that are ordered otherwise as texts, and some below zero.
                pair.source.execute(&format!("INSERT INTO visits VALUES ({}, {}, {place})", place % 3 * 9, place - 30));
            }
            let source = format!("table = \"visits\"\nkey = [\"a\", \"b\"]\n{filter}");
            let target = "table = \"visited\"\nkey = [\"a\", \"b\"]\ncreate = true\n[target.columns]\na = \"a\"\nb = \"b\"\n\
                          again = \"b\"\nn = \"n\"";
            let definition = Pair::definition(&source, target, "");
            let items = if filter.is_empty() { 60 } else { 59 };
            assert_eq!(pair.move_all(&definition, 7).moved, items);
            assert_eq!(pair.target.one("SELECT COUNT(*) FROM visited WHERE again = b"), items.to_string());
            let sweep = |size: u64| sweep(&pair, &definition, size, 60);
            let nothing: [&str; 0] = [];
            assert_eq!(sweep(20), nothing);
            // As many targets as before, and others.
            pair.target.execute("DELETE FROM visited WHERE a = 9 AND b IN (-29, -26, 28) OR a = 18 AND b = 29");
            for b in 100..103 {
                pair.target.execute(&format!("INSERT INTO visited (a, b, again, n) VALUES (0, {b}, 1, 1)"));
            }
            let missing = ["[\"9\",\"-29\"]", "[\"9\",\"-26\"]", "[\"9\",\"28\"]", "[\"18\",\"29\"]"];
            for size in [1, 7, 20, 60, 1000] {
                assert_eq!(sweep(size), missing, "{size}");
            }
            for b in 1000..1200 {
                pair.target.execute(&format!("INSERT INTO visited (a, b, again, n) VALUES (0, {b}, 1, 1)"));
            }
            for size in [7, 60] {
                assert_eq!(sweep(size), missing, "{size}");
            }
        }
    }
}

/// PostgreSQL, which has no statistics of a table that was just filled, reads no more of it for a stretch than the stretch holds.
#[test]
fn a_sweep_reads_each_target_once() {
    const ROWS: u64 = 20_000;
    let pair = Pair::new((Kind::Postgres, Kind::Postgres));
    pair.source.execute("CREATE TABLE visits (a INT NOT NULL, b INT NOT NULL, n INT, PRIMARY KEY (a, b))");
    pair.source.execute(&format!(
        "INSERT INTO visits SELECT i / 4, i % 4, i FROM generate_series(1, {ROWS}) i; ANALYZE visits"
    ));
    pair.target.execute("CREATE TABLE visited (a INT NOT NULL, b INT NOT NULL, n INT, PRIMARY KEY (a, b)) WITH (autovacuum_enabled = false)");
    let source = "table = \"visits\"\nkey = [\"a\", \"b\"]";
    let target = "table = \"visited\"\nkey = [\"a\", \"b\"]\n[target.columns]\na = \"a\"\nb = \"b\"\nn = \"n\"";
    let definition = Pair::definition(source, target, "");
    assert_eq!(pair.move_all(&definition, 5000).moved, ROWS);
    let rows = pair.open(&definition);
    pair.source.run(async {
        let range = range(&rows).await.expect("there are rows");
        let mut after = None;
        while let Some(read) = rows.sweep(&range, after.as_ref(), 2000, LIMIT).await.expect("a sweep") {
            assert!(read.found.is_empty(), "{:?}", read.found);
            after = Some(read.end);
        }
        // A session says what it has read when it ends.
        rows.close().await;
    });
    let entries = || -> u64 {
        let read = "SELECT COALESCE(SUM(idx_tup_read), 0) FROM pg_stat_user_indexes WHERE relname = 'visited'";
        pair.target.one(read).parse().expect("a number")
    };
    let started = std::time::Instant::now();
    while entries() < ROWS {
        assert!(started.elapsed() < LIMIT, "{} of {ROWS} targets were read", entries());
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert!(entries() < 2 * ROWS, "{} index entries for {ROWS} targets", entries());
}
