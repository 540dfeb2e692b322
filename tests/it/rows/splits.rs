//! Where a source is cut into shards: by a walk and by what the database estimates, over keys of every shape. No shard has more
//! than twice the mean.

use super::stage::{KINDS, Kind, LIMIT, Stage};
use milkrun::cursor::Cursor;
use milkrun::engine::migration::{Estimate, Migration};
use milkrun::rows::{By, Rows};
use std::fmt::Write;
use std::time::{Duration, SystemTime};

const ROWS: u64 = 6000;
const PARTS: u32 = 8;

/// A shape of key: name, columns, and the values of one row.
type Shape = (&'static str, &'static [&'static str], fn(u64) -> Vec<String>);

const SHAPES: [Shape; 6] = [
    ("uniform", &["BIGINT"], |i| vec![(i * 10).to_string()]),
    ("skewed", &["BIGINT"], |i| vec![(i * i * i).to_string()]),
    ("gapped", &["BIGINT"], |i| vec![(if i % 2 == 0 { i } else { 1_000_000_000_000 + i }).to_string()]),
    ("below zero", &["BIGINT"], |i| vec![(i64::try_from(i).unwrap() * 7 - 20_000).to_string()]),
    ("composite", &["INTEGER", "BIGINT"], |i| vec![(if i % 10 < 9 { 1 } else { i % 50 }).to_string(), i.to_string()]),
    ("text", &["VARCHAR(40)"], |i| {
        vec![format!("'{}-{i}'", ["alpha", "Beta", "beta", "émile", "zeta"][(i % 5) as usize])]
    }),
];

fn stage(kind: Kind, (_, types, row): Shape) -> (Stage, Vec<String>) {
    let stage = Stage::new(kind);
    let names: Vec<String> = (0..types.len()).map(|place| format!("k{place}")).collect();
    let columns: Vec<String> = names.iter().zip(types).map(|(name, of)| format!("{name} {of} NOT NULL")).collect();
    let key = names.join(", ");
    stage.execute(&format!("CREATE TABLE s ({}, x TEXT, PRIMARY KEY ({key}))", columns.join(", ")));
    for from in (0..ROWS).step_by(1000) {
        let mut insert = format!("INSERT INTO s ({key}, x) VALUES ");
        for i in from..from + 1000 {
            let comma = if i == from { "" } else { ", " };
            write!(insert, "{comma}({}, '{}')", row(i).join(", "), "x".repeat(100)).unwrap();
        }
        stage.execute(&insert);
    }
    stage.rows("{{SELECT 1||ANALYZE TABLE s||SELECT 1}}");
    if kind == Kind::Postgres {
        stage.execute("ANALYZE s");
    }
    (stage, names)
}

/// How many keys lie in each shard, as the database orders them.
fn sizes(stage: &Stage, names: &[String], cuts: &[Cursor]) -> Vec<usize> {
    let order = names.join(", ");
    let all = stage.rows(&format!("SELECT {order} FROM s ORDER BY {order}"));
    let place = |cut: &Cursor| {
        let texts: Vec<Option<String>> = cut.texts().into_iter().map(Some).collect();
        all.iter().position(|row| *row == texts).expect("a cut is a key") + 1
    };
    let ends: Vec<usize> = std::iter::once(0).chain(cuts.iter().map(place)).chain([all.len()]).collect();
    assert!(ends.is_sorted(), "{ends:?}");
    ends.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

/// All is counted, and what lies between the cuts is alike.
fn alike(stage: &Stage, names: &[String], rows: &Rows, bound: &Cursor, keys: u64) {
    let laid = stage.run(rows.lay_out(bound, SystemTime::now(), PARTS, LIMIT)).unwrap();
    assert_eq!(laid.expected, Estimate { keys, items: keys, exact: true });
    let sizes = sizes(stage, names, &laid.cuts);
    let mean = usize::try_from(keys).unwrap() / PARTS as usize;
    println!("{names:?}: {sizes:?}");
    assert!(sizes.len() == PARTS as usize && sizes.iter().all(|size| 2 * size <= 3 * mean), "{sizes:?}");
}

fn cut(kind: Kind, shape: Shape) {
    let (stage, names) = stage(kind, shape);
    let key = names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
    let columns = names.iter().map(|name| format!("{name} = \"{name}\"")).collect::<Vec<_>>().join("\n");
    let source = format!("table = \"s\"\nkey = [{key}]");
    let target =
        format!("table = \"h\"\nkey = [{key}]\ncreate = true\n[target.columns]\n{columns}\ndocument = \"$document\"");
    let rows = stage.open(&stage.definition(&source, &target));
    let bound = stage.run(rows.bound(None, LIMIT)).unwrap().unwrap();
    let exact = Estimate { keys: ROWS, items: ROWS, exact: true };
    let rough = |keys| Estimate { keys, items: keys, exact: false };
    for (by, expected) in
        [(By::Walk, exact), (By::Walk, rough(ROWS / 5)), (By::Walk, rough(ROWS * 3)), (By::Statistics, rough(ROWS))]
    {
        let cuts = stage.run(rows.cut(by, &bound, PARTS, expected, Duration::from_secs(20))).unwrap();
        let sizes = sizes(&stage, &names, &cuts);
        println!("{kind:?}, {}, {by:?} of {}: {sizes:?}", shape.0, expected.keys);
        let mean = usize::try_from(ROWS).unwrap() / sizes.len();
        assert!(sizes.iter().all(|&size| size <= 2 * mean), "{kind:?}, {}, {by:?}: {sizes:?}", shape.0);
        let serves = match (by, kind) {
            (By::Walk, _) => true,
            // Of the first of several columns the histogram leaves out what is frequent.
            (By::Statistics, Kind::Postgres) => shape.0 != "composite",
            (By::Statistics, Kind::MariaDb) => shape.1 == ["BIGINT"],
            (By::Statistics, Kind::Sqlite) => false,
        };
        assert_eq!(sizes.len(), if serves { PARTS as usize } else { 1 }, "{kind:?}, {}, {by:?}", shape.0);
    }
    alike(&stage, &names, &rows, &bound, ROWS);
    // What the statistics know nothing of is found when the pieces are counted.
    if shape.0 == "uniform" {
        stage.execute("INSERT INTO s (k0, x) SELECT k0 + 1000000, x FROM s");
        let bound = stage.run(rows.bound(None, LIMIT)).unwrap().unwrap();
        alike(&stage, &names, &rows, &bound, 2 * ROWS);
    }
    // A shard is worth having from ten keys on.
    for (keys, shards) in [(19, 0), (20, 1), (45, 3)] {
        let few = Estimate { keys, items: keys, exact: true };
        let cuts = stage.run(rows.cut(By::Walk, &bound, PARTS, few, LIMIT)).unwrap();
        assert_eq!(cuts.len(), shards);
    }
    stage.run(rows.close());
}

#[test]
fn keys_of_every_shape_are_cut_into_shards_that_are_alike() {
    for shape in SHAPES {
        for kind in KINDS {
            cut(kind, shape);
        }
    }
}
