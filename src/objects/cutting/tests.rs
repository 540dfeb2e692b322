//! Keys of many shapes, listed from memory: whatever they look like, shards are disjoint and hold them all, and mostly they are alike.

use super::end::end;
use super::gap::common;
use super::measure::Measure;
use super::patch::{Patch, Piece, cut};
use super::probing::cuts;
use super::{Listing, Page};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::sync::atomic::{AtomicU32, Ordering};

/// Keys in the order of bytes, or in another one.
struct Keys {
    sorted: Vec<String>,
    asked: AtomicU32,
    /// After so many answers there are no more.
    most: u32,
}

impl Keys {
    fn of(mut keys: Vec<String>) -> Self {
        keys.sort_unstable();
        keys.dedup();
        Self { sorted: keys, asked: AtomicU32::new(0), most: u32::MAX }
    }

    /// The first pages, as a survey knows them.
    fn first(&self, pages: usize) -> Patch {
        let mut patch = Patch::default();
        for page in self.sorted.chunks(1000).take(pages) {
            patch.extend(&page.iter().map(String::as_str).collect::<Vec<_>>());
        }
        patch
    }

    /// How many keys each shard holds. They follow each other, so that each key is in one.
    fn sizes(&self, cuts: &[String]) -> Vec<usize> {
        assert!(cuts.is_sorted_by(|one, other| one < other), "{cuts:?}");
        assert!(cuts.iter().all(|cut| self.sorted.binary_search(cut).is_ok()), "a cut is a key: {cuts:?}");
        let up_to = |cut: &String| self.sorted.partition_point(|key| key <= cut);
        let ends: Vec<usize> = std::iter::once(0).chain(cuts.iter().map(up_to)).chain([self.sorted.len()]).collect();
        ends.windows(2).map(|pair| pair[1] - pair[0]).collect()
    }
}

impl Listing for Keys {
    async fn behind(&self, after: &str, most: u64) -> Option<Page> {
        if self.asked.fetch_add(1, Ordering::SeqCst) >= self.most {
            return None;
        }
        let from = self.sorted.partition_point(|key| key.as_str() <= after);
        let to = self.sorted.len().min(from + usize::try_from(most).unwrap());
        Some(Page { keys: self.sorted[from..to].to_vec(), more: to < self.sorted.len() })
    }
}

fn hex(random: &mut StdRng, digits: usize) -> String {
    (0..digits).map(|_| char::from_digit(random.random_range(0..16), 16).unwrap()).collect()
}

fn uuid(random: &mut StdRng) -> String {
    [8, 4, 4, 4, 12].map(|digits| hex(random, digits)).join("-")
}

fn date(random: &mut StdRng, years: std::ops::Range<u32>) -> String {
    let (year, month, day) = (random.random_range(years), random.random_range(1..13), random.random_range(1..29));
    format!("{year}/{month:02}/{day:02}/")
}

/// What keys look like; whether parts of them are alike for sure.
fn shapes(random: &mut StdRng, count: u32) -> Vec<(&'static str, bool, Vec<String>)> {
    let mut of = |make: &dyn Fn(&mut StdRng, u32) -> String| (0..count).map(|n| make(random, n)).collect::<Vec<_>>();
    let one_of = |random: &mut StdRng, some: &[&str]| some[random.random_range(0..some.len())].to_owned();
    vec![
        ("uuids", true, of(&|random, _| uuid(random))),
        ("one long prefix", true, of(&|random, _| format!("some/very/long/prefix/that/never/ends/{}", uuid(random)))),
        ("dates", true, of(&|random, _| format!("{}{}", date(random, 2019..2024), uuid(random)))),
        (
            "logs",
            true,
            of(&|random, n| {
                let (hour, minute) = (random.random_range(0..24), random.random_range(0..60));
                format!("logs/{}{hour:02}:{minute:02}.gz{n}", date(random, 2022..2024))
            }),
        ),
        ("numbers", true, of(&|_, n| format!("img/{n:08}.jpg"))),
        ("numbers of any length", true, of(&|_, n| format!("{n}.jpg"))),
        (
            "ideographs",
            true,
            of(&|random, _| {
                let text: String =
                    (0..4).map(|_| char::from_u32(random.random_range(0x4e00..0x9fff)).unwrap()).collect();
                format!("写真/{text}")
            }),
        ),
        (
            "99 of 100 under one prefix",
            true,
            of(&|random, _| {
                let prefix =
                    if random.random_bool(0.99) { "big/".to_owned() } else { one_of(random, &["aaa/", "zzz/"]) };
                format!("{prefix}{}", uuid(random))
            }),
        ),
        (
            "folders of all sorts",
            false,
            of(&|random, _| {
                format!("{}{}", one_of(random, &["日本", "é", "Ω", "a", "B", "/", "~", "🧨"]), hex(random, 5))
            }),
        ),
        (
            "two ends",
            false,
            of(&|random, n| {
                if n == 0 { "\u{10ffff}".to_owned() } else { format!("!{}", uuid(random)) }
            }),
        ),
        ("one character", false, of(&|_, n| "x".repeat(1 + n as usize % 1000))),
    ]
}

#[tokio::test]
async fn shards_hold_every_key_once_and_are_about_equal() {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    for (shape, is_regular, keys) in shapes(&mut random, 20_000) {
        let keys = Keys::of(keys);
        for (pages, parts) in [(1, 4), (3, 7)] {
            keys.asked.store(0, Ordering::SeqCst);
            let cuts = cuts(&keys, keys.first(pages), parts).await;
            let (sizes, asked) = (keys.sizes(&cuts), keys.asked.load(Ordering::SeqCst));
            assert_eq!(sizes.iter().sum::<usize>(), keys.sorted.len());
            assert!(asked <= 96, "seed {seed}, {shape}: {asked} requests");
            if is_regular {
                let most = 2 * keys.sorted.len() / parts as usize;
                assert!(sizes.iter().all(|size| *size <= most), "seed {seed}, {shape} in {parts}: {sizes:?}");
                assert_eq!(sizes.len(), parts as usize, "seed {seed}, {shape}: {sizes:?}");
            }
        }
    }
}

#[tokio::test]
async fn whenever_the_time_is_up_shards_hold_every_key_once() {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    for (shape, _, keys) in shapes(&mut random, 5000) {
        let mut keys = Keys::of(keys);
        for most in [0, 1, 5, 12, 25, 40] {
            (keys.most, keys.asked) = (most, AtomicU32::new(0));
            let sizes = keys.sizes(&cuts(&keys, keys.first(1), 4).await);
            assert_eq!(sizes.iter().sum::<usize>(), keys.sorted.len(), "seed {seed}, {shape} after {most}");
        }
    }
}

#[tokio::test]
async fn the_end_is_found_and_nothing_is_behind_its_edge() {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    for (shape, _, keys) in shapes(&mut random, 3000) {
        let keys = Keys::of(keys);
        let found = end(&keys, &keys.sorted[10], 1000).await;
        assert!(!found.disordered, "{shape}");
        let last = keys.sorted.last().unwrap();
        // Where each key begins with the one before, questions come to an end earlier.
        if found.left > 0 {
            assert_eq!(&found.key, last, "seed {seed}, {shape}");
            assert!(found.edge.is_some_and(|edge| edge >= *last), "seed {seed}, {shape}");
        } else {
            assert_eq!(shape, "one character", "seed {seed}");
        }
    }
    let one = Keys::of(vec!["a".to_owned()]);
    assert_eq!(end(&one, "a", 20).await.key, "a");
}

/// A server that lists folders as a tree does: `a/` before `a-b`.
struct Tree(Keys);

impl Listing for Tree {
    async fn behind(&self, after: &str, most: u64) -> Option<Page> {
        let page = self.0.behind(&after.replace('/', "\u{1}"), most).await?;
        let keys = page.keys.into_iter().map(|key| key.replace('\u{1}', "/")).collect();
        Some(Page { keys, more: page.more })
    }
}

#[tokio::test]
async fn what_is_not_listed_in_the_order_of_bytes_is_not_cut() {
    let names = (0..6000).flat_map(|n| [format!("a{n:05}\u{1}x"), format!("a{n:05}-b")]);
    let tree = Tree(Keys::of(names.collect()));
    let mut first = Patch::default();
    let page = tree.behind("", 1000).await.unwrap();
    first.extend(&page.keys.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(cuts(&tree, first, 4).await, Vec::<String>::new());
}

#[test]
fn what_was_listed_as_a_whole_is_cut_exactly() {
    for (count, parts, shards) in [(1, 4, 1), (900, 4, 1), (1200, 4, 2), (2400, 4, 4), (10_000, 8, 8)] {
        let keys = Keys::of((0..count).map(|n| format!("{n:06}")).collect());
        let patch = keys.first(usize::MAX);
        let sizes = keys.sizes(&cut(&patch.pieces().collect::<Vec<_>>(), parts));
        assert_eq!(sizes.len(), shards, "{count}: {sizes:?}");
        let mean = count / shards;
        assert!(sizes.iter().all(|size| size.abs_diff(mean) <= 50), "{count}: {sizes:?}");
    }
    assert_eq!(cut(&[], 4), Vec::<String>::new());
    // What nobody knows the end of is never cut off.
    let unknown = [Piece { end: Some("a"), keys: 100.0 }, Piece { end: None, keys: 9900.0 }];
    assert_eq!(cut(&unknown, 4), ["a"]);
}

#[test]
fn a_measure_gives_back_the_place_of_what_it_has_made() {
    let seed: u64 = rand::random();
    let mut random = StdRng::seed_from_u64(seed);
    let keys: Vec<String> = (0..300).map(|_| format!("photos/{}.jpg", hex(&mut random, 12))).collect();
    let measure = Measure::of(keys.iter().enumerate().map(|(place, key)| (place % 7, key.as_str())));
    let mut before = (-1.0, String::new());
    for step in 0..100 {
        let there = f64::from(step) / 100.0;
        let key = measure.key(there);
        assert!((measure.place(&key) - there).abs() < 1e-6, "seed {seed}: {key}");
        assert!(before.0 < there && before.1 < key, "seed {seed}: {before:?} {key}");
        before = (there, key);
    }
    let mut sorted = keys.clone();
    sorted.sort_unstable();
    assert!(sorted.is_sorted_by(|one, other| measure.place(one) <= measure.place(other)), "seed {seed}");
    assert_eq!((common("日本a", "日本b"), common("é", "ê"), common("", "x")), (6, 0, 0));
}
