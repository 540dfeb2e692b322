//! How fast files go: no faster than the migration's own limit, and no faster than their server bears.

use super::{NEW, Stage, bytes_of};
use crate::support::file_server::answer;
use crate::support::job::full;
use crate::support::s3::Make;
use crate::support::servers::Kind;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Rows of one photo each.
fn fill(stage: &Stage, rows: u64) {
    let values: Vec<String> =
        (1..=rows).map(|id| format!("({id}, '{}')", stage.server.url(&format!("/{id}.png")))).collect();
    for some in values.chunks(500) {
        stage.job.database.execute(&format!("INSERT INTO profiles (id, document) VALUES {}", some.join(", ")));
    }
}

fn arrived(stage: &Stage) -> i64 {
    stage.job.database.number(&format!("SELECT COUNT(*) FROM profiles WHERE document LIKE '{NEW}%'"))
}

/// Within 2 % over a minute; a shorter time is judged less strictly, for the machine's own hiccups weigh more in it.
#[test]
fn a_job_keeps_to_fifty_a_second() {
    let (time, off) = if full() { (Duration::from_mins(1), 0.02) } else { (Duration::from_secs(8), 0.15) };
    let mut stage = Stage::new(Kind::MariaDb, Make::Ministack, super::good);
    stage.define("photos/{id}/{name}", "[[source.files]]\ncolumn = \"document\"", "", "", "items_per_second = 50");
    fill(&stage, time.as_secs() * 75);
    let seconds = format!("{}s", time.as_secs() + 10);
    let mut running = stage.job.cli().spawn(&["--json", "run", "photos", "--until-done", "--time-limit", &seconds]);
    let (mut seen, mut first, mut last) = (0, None, None);
    let patience = Instant::now() + Duration::from_mins(1) + time;
    while first.is_none_or(|(at, _): (Instant, i64)| at.elapsed() < time) && Instant::now() < patience {
        std::thread::sleep(Duration::from_millis(15));
        let count = arrived(&stage);
        if count != seen {
            seen = count;
            last = Some((Instant::now(), count));
            first = first.or(last);
        }
    }
    running.signal("TERM");
    running.wait();
    let ((from, before), (to, after)) = first.zip(last).expect("something was moved");
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let rate = (after - before) as f64 / (to - from).as_secs_f64();
    println!("{rate:.2} files/s");
    assert!((rate / 50.0 - 1.0).abs() <= off, "{rate}");
}

/// What a server was asked in each second since the first request: how often it answered, and how often it refused.
#[derive(Default)]
struct Seconds {
    first: Option<Instant>,
    asked: Vec<[u32; 2]>,
}

#[test]
fn a_server_that_bears_a_hundred_in_a_second_is_held_there_without_a_dead_letter() {
    const BEARS: u32 = 100;
    let time = if full() { 60 } else { 16 };
    let seconds = Arc::new(Mutex::new(Seconds::default()));
    let count = seconds.clone();
    let mut stage = Stage::new(Kind::Postgres, Make::Ministack, move |asked, stream| {
        let is_too_many = {
            let mut seconds = count.lock().unwrap();
            let second = seconds.first.get_or_insert_with(Instant::now).elapsed().as_secs();
            let second = usize::try_from(second).unwrap();
            if seconds.asked.len() <= second {
                seconds.asked.resize(second + 1, [0, 0]);
            }
            let is_too_many = seconds.asked[second][0] >= BEARS;
            seconds.asked[second][usize::from(is_too_many)] += 1;
            is_too_many
        };
        if is_too_many {
            return answer(stream, "429 Too Many Requests", "", b"later");
        }
        answer(stream, "200 OK", "Content-Type: image/png\r\n", &bytes_of(&asked.path))
    });
    stage.define("photos/{id}/{name}", "[[source.files]]\ncolumn = \"document\"", "", "", "");
    fill(&stage, u64::from(BEARS) * time);
    let reply = stage.run();
    assert_eq!((&reply["outcome"], &reply["progress"]["failed"]), (&"complete".into(), &0.into()), "{reply}");
    let asked = seconds.lock().unwrap().asked.clone();
    // The first seconds learn what it bears, the last one is not whole.
    let settled = &asked[asked.len() / 4..asked.len() - 1];
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let of = |place: usize| f64::from(settled.iter().map(|second| second[place]).sum::<u32>()) / settled.len() as f64;
    let (rate, refused) = (of(0), of(1));
    println!("{rate:.1} files/s of {BEARS}, {refused:.1}/s refused: {asked:?}");
    // What else the machine does may be why it is less; never why it is more.
    assert!(!full() || rate >= 80.0, "{rate}: {asked:?}");
    assert!(refused < 10.0, "it is held there, not run into: {refused} refused in a second: {asked:?}");
}
