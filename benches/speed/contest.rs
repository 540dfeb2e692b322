//! Several ways to do the same work, one after the other in every round, each beginning a round in turn; medians, and ratios.

use super::timed::Took;
use std::time::Duration;

const ROUNDS: usize = 5;

/// One way to do the work.
pub(crate) struct Side<'a> {
    /// What the table calls it.
    pub(crate) name: &'static str,
    /// Does all of the work once, after it has made room for itself; only what is timed is in what it answers.
    pub(crate) run: Box<dyn FnMut() -> Took + 'a>,
}

impl<'a> Side<'a> {
    pub(crate) fn new(name: &'static str, run: impl FnMut() -> Took + 'a) -> Self {
        Self { name, run: Box::new(run) }
    }
}

/// What is compared.
#[derive(Clone, Copy)]
pub(crate) enum Measure {
    /// Items per second.
    Rate,
    /// Items per second of the client's processor time.
    Processor,
}

/// A ratio that is promised.
pub(crate) struct Promise {
    /// Whose measure,
    pub(crate) of: &'static str,
    /// over whose,
    pub(crate) over: &'static str,
    /// is at least this.
    pub(crate) least: f64,
    pub(crate) measure: Measure,
}

/// Runs all sides, once to warm up and then in [`ROUNDS`] rounds, prints a table, and says whether every promise was kept.
pub(crate) fn contest(title: &str, items: i64, what: &str, mut sides: Vec<Side<'_>>, promises: &[Promise]) -> bool {
    println!("\n{title}: {items} {what}");
    for side in &mut sides {
        (side.run)();
    }
    let mut took: Vec<Vec<Took>> = vec![Vec::new(); sides.len()];
    for round in 0..ROUNDS {
        for at in 0..sides.len() {
            let at = (at + round) % sides.len();
            took[at].push((sides[at].run)());
        }
    }
    let mut lines: Vec<(String, Vec<Took>)> =
        sides.iter().zip(took).map(|(side, took)| (side.name.to_owned(), took)).collect();
    for (at, side) in sides.iter().enumerate().rev() {
        let within = lines[at].1.iter().map(|took| Some(Took { wall: took.chunks?, ..Took::default() }));
        if let Some(within) = within.collect() {
            lines.insert(at + 1, (format!("{}, its chunks", side.name), within));
        }
    }
    println!("| | seconds of each round | {what}/s | client's processor s | client's peak MiB |");
    println!("| --- | --- | ---: | ---: | ---: |");
    let rates: Vec<f64> = lines.iter().map(|(_, took)| rate(items, took)).collect();
    for ((name, took), rate) in lines.iter().zip(&rates) {
        let rounds: Vec<String> = took.iter().map(|took| format!("{:.2}", took.wall.as_secs_f64())).collect();
        let cpu = median(took.iter().filter_map(|took| took.cpu).collect());
        let peak = median(took.iter().filter_map(|took| took.peak_kib).collect());
        let cpu = cpu.map_or_else(|| "–".to_owned(), |cpu: Duration| format!("{:.2}", cpu.as_secs_f64()));
        let peak = peak.map_or_else(|| "–".to_owned(), |peak| (peak / 1024).to_string());
        println!("| {name} | {} | {rate:.0} | {cpu} | {peak} |", rounds.join(" "));
    }
    let at = |name: &str| lines.iter().position(|(known, _)| known == name).expect("a side of that name");
    let of = |name: &str, measure: Measure| match measure {
        Measure::Rate => rates[at(name)],
        Measure::Processor => {
            let cpu = median(lines[at(name)].1.iter().filter_map(|took| took.cpu).collect()).expect("a client");
            1.0 / cpu.as_secs_f64().max(0.01)
        }
    };
    promises.iter().fold(true, |kept, Promise { of: ours, over, least, measure }| {
        let ratio = of(ours, *measure) / of(over, *measure);
        let verdict = if ratio >= *least { "kept" } else { "MISSED" };
        let what = match measure {
            Measure::Rate => "",
            Measure::Processor => ", by processor time",
        };
        println!("{ours} over {over}{what}: {ratio:.2}, promised {least:.2}: {verdict}");
        kept && ratio >= *least
    })
}

/// Items per second at the median.
fn rate(items: i64, took: &[Took]) -> f64 {
    let items = f64::from(i32::try_from(items).expect("few enough"));
    items / median(took.iter().map(|took| took.wall).collect()).expect("rounds").as_secs_f64()
}

fn median<T: Ord + Copy>(mut values: Vec<T>) -> Option<T> {
    values.sort();
    values.get(values.len() / 2).copied()
}
