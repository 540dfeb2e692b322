//! Kills at any moment: afterwards the target is the source, and everything was counted once.

use super::Stage;
use crate::support::http_exchange::{Request, Upstream, proxy};
use crate::support::job::full;
use crate::support::s3::{MAKES, Make};
use crate::support::s3_faults::S3Faults;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

#[test]
fn a_run_that_is_killed_again_and_again_copies_all_the_same() {
    for (from, to) in [(MAKES[0], MAKES[0]), (MAKES[1], MAKES[1]), (Make::Ministack, Make::SeaweedFs)] {
        let mut stage = Stage::new(from, to);
        stage.define("", "", "", "concurrency = 8", "lease = \"1s\"\nmax_attempts = 1000\nmax_batch = 40");
        stage.job.set("MILKRUN_LEASE_MARGIN", "-5s");
        let objects: u64 = if full() { 3000 } else { 400 };
        stage.fill(usize::try_from(objects).unwrap());
        let kills: u64 = if full() { 60 } else { 15 };
        let (mut hits, mut under_way) = (0, 0);
        for kill in 0..kills {
            // On a fast machine it is over before so many kills.
            if stage.job.status()["state"] == "complete" {
                break;
            }
            let mut running = stage.job.cli().spawn(&["--json", "run", "assets"]);
            // The first one finds out what the server can do, for a second.
            std::thread::sleep(Duration::from_millis(if kill == 0 { 1200 } else { 80 + 23 * (kill % 11) }));
            hits += u64::from(running.signal("KILL"));
            running.wait();
            let moved = stage.job.status()["progress"]["moved"].as_u64().unwrap();
            under_way += u64::from((1..objects).contains(&moved));
        }
        println!("{from:?} to {to:?}: {hits} kills, {under_way} of them on the way");
        assert!(hits > 3 && under_way > 0, "{from:?} to {to:?}: {hits} of {kills} hit, {under_way} on the way");
        let reply = stage.run();
        assert_eq!(reply["outcome"], "complete", "{from:?} to {to:?}: {reply}");
        let progress = &reply["progress"];
        let counted = ["moved", "skipped", "failed", "conflicts"].map(|name| progress[name].as_u64().unwrap());
        assert_eq!(counted.iter().sum::<u64>(), objects, "{progress}");
        assert_eq!(counted[2..], [0, 0], "{progress}");
        stage.assert_same("");
        assert_eq!(stage.to.open_uploads(&stage.runtime), 0);
    }
}

#[test]
fn a_server_that_fails_in_every_way_costs_no_object() {
    for make in MAKES {
        let seed = rand::random();
        println!("seed {seed} before {make:?}");
        let mut stage = Stage::new(make, make);
        let faults = S3Faults::before(&stage.to.endpoint, seed, 12);
        let (from, to) = (stage.from.endpoint.clone(), stage.to.endpoint.clone());
        (stage.from.endpoint, stage.to.endpoint) = (faults.url(), faults.url());
        stage.define("", "", "", "concurrency = 8", "lease = \"1s\"\nmax_attempts = 1000\nmax_batch = 50");
        (stage.from.endpoint, stage.to.endpoint) = (from, to);
        stage.job.set("MILKRUN_LEASE_MARGIN", "-5s");
        stage.fill(300);
        let (kills, objects, at_once) = (6, 300, 8);
        for kill in 0..kills {
            let mut running = stage.job.cli().spawn(&["--json", "run", "assets", "--time-limit", "20s"]);
            std::thread::sleep(Duration::from_millis(900 + 200 * kill));
            running.signal("KILL");
            running.wait();
        }
        for _ in 0..3 {
            stage.job.call(&["run", "assets", "--time-limit", "20s"]);
        }
        faults.calm();
        let reply = stage.run();
        assert_eq!(reply["outcome"], "complete", "seed {seed}, {make:?}: {reply}");
        let progress = &reply["progress"];
        let counted = ["moved", "skipped", "failed", "conflicts"].map(|name| progress[name].as_u64().unwrap());
        assert_eq!(counted.iter().sum::<u64>(), objects, "seed {seed}, {make:?}: {progress}");
        assert_eq!(counted[2..], [0, 0], "seed {seed}, {make:?}: {progress}");
        stage.assert_same("");
        assert_eq!(stage.to.open_uploads(&stage.runtime), 0);
        let injected = faults.injected();
        assert!(injected.iter().all(|(_, count)| *count > 0), "seed {seed}: {injected:?}");
        let most = objects + kills * at_once + injected.iter().map(|(_, count)| count).sum::<u64>();
        // And the one that tries out what the server can do.
        assert!(faults.copies() <= most + 2, "seed {seed}, {make:?}: {} copies, {most} allowed", faults.copies());
    }
}

#[test]
fn runs_that_overlap_do_the_same_once() {
    let mut stage = Stage::new(Make::Ministack, Make::Ministack);
    stage.define("", "", "", "concurrency = 8", "lease = \"1s\"\nmax_attempts = 1000\nmax_batch = 20");
    // A lease that is over before it begins: whoever comes takes over.
    stage.job.set("MILKRUN_LEASE_MARGIN", "-60s");
    stage.fill(300);
    let running: Vec<_> = (0..3).map(|_| stage.job.cli().spawn(&["--json", "run", "assets", "--until-done"])).collect();
    for one in running {
        one.wait();
    }
    stage.job.set("MILKRUN_LEASE_MARGIN", "0s");
    let reply = stage.run();
    assert_eq!(reply["outcome"], "complete", "{reply}");
    let progress = &reply["progress"];
    let counted = ["moved", "skipped", "failed", "conflicts"].map(|name| progress[name].as_u64().unwrap());
    assert_eq!((counted.iter().sum::<u64>(), counted[2] + counted[3]), (300, 0), "{progress}");
    stage.assert_same("");
}

#[test]
fn a_source_that_changes_under_the_copy_is_copied_whole_and_again() {
    let mut stage = Stage::new(Make::Ministack, Make::SeaweedFs);
    stage.define("mode = \"continuous\"", "", "", "concurrency = 4", "sweep_every = \"1s\"\nmax_batch = 10");
    let body = |version: u32| vec![u8::try_from(version % 251).unwrap(); 300_000];
    for n in 0..40 {
        stage.put(&format!("k{n:02}"), &body(0));
    }
    let running = stage.job.cli().spawn(&["--json", "run", "assets", "--until-done"]);
    for version in 1..=6 {
        for n in (0..40).step_by(3) {
            stage.put(&format!("k{n:02}"), &body(version));
        }
    }
    running.wait();
    // Whole in any case: never a mixture of two versions.
    for (key, whole) in stage.to.all(&stage.runtime) {
        assert!(whole.bytes.len() == 300_000 && whole.bytes.iter().all(|byte| *byte == whole.bytes[0]), "{key}");
    }
    for _ in 0..3 {
        std::thread::sleep(Duration::from_millis(1100));
        stage.run();
    }
    stage.assert_same("");
    let status = stage.job.status();
    assert_eq!((&status["progress"]["conflicts"], &status["progress"]["failed"]), (&0.into(), &0.into()), "{status}");
}

/// At what a run is killed: one object's upload begins, a part of another one's arrives, a third one's is completed.
fn is_deadly(death: usize, request: &Request) -> bool {
    let path = &request.path;
    match death {
        0 => path.contains("/a?uploads"),
        1 => path.contains("/b?") && path.contains("partNumber=2"),
        _ => {
            let is_part = path.contains("partNumber=");
            path.contains("/c?")
                && !is_part
                && String::from_utf8_lossy(&request.body).contains("CompleteMultipartUpload")
        }
    }
}

#[test]
fn a_run_that_is_killed_as_the_server_has_done_something_for_a_large_object_leaves_no_upload_open() {
    const DEATHS: usize = 3;
    let mut stage = Stage::new(Make::Ministack, Make::SeaweedFs);
    let server = Upstream::at(&stage.to.endpoint);
    let (met, dead) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (meeting, dying) = (met.clone(), dead.clone());
    let before = proxy(move |request| {
        let reply = server.forward(&request);
        let death = meeting.load(Ordering::SeqCst);
        if death == DEATHS || !is_deadly(death, &request) {
            return reply;
        }
        meeting.store(death + 1, Ordering::SeqCst);
        // Whoever has asked never hears of it.
        while dying.load(Ordering::SeqCst) == death {
            std::thread::sleep(Duration::from_millis(5));
        }
        None
    });
    stage.to.endpoint = before.url();
    stage.define("", "", "", "concurrency = 1", "lease = \"1s\"\nmax_attempts = 1000");
    stage.job.set("MILKRUN_LEASE_MARGIN", "-5s");
    for key in ["a", "b", "c"] {
        stage.put(key, &vec![7; 9 << 20]);
    }
    for death in 0..DEATHS {
        let mut running = stage.job.cli().spawn(&["--json", "run", "assets"]);
        let end = Instant::now() + Duration::from_mins(1);
        while met.load(Ordering::SeqCst) == death {
            assert!(Instant::now() < end && running.is_running(), "it never comes to death {death}");
            std::thread::sleep(Duration::from_millis(5));
        }
        running.signal("KILL");
        running.wait();
        dead.store(death + 1, Ordering::SeqCst);
    }
    let reply = stage.run();
    assert_eq!(reply["outcome"], "complete", "{reply}");
    let progress = &reply["progress"];
    let counted = ["moved", "skipped", "failed", "conflicts"].map(|name| progress[name].as_u64().unwrap());
    assert_eq!((counted[0] + counted[1], counted[2] + counted[3]), (3, 0), "{progress}");
    assert_eq!(stage.to.open_uploads(&stage.runtime), 0);
    stage.assert_same("");
}

#[test]
fn an_upload_whose_beginning_was_not_heard_of_is_not_left_open() {
    let mut stage = Stage::new(Make::Ministack, Make::SeaweedFs);
    let faults = S3Faults::before(&stage.to.endpoint, 0, 0);
    stage.to.endpoint = faults.url();
    stage.define("", "", "", "", "");
    stage.put("film", &vec![7; 20 << 20]);
    faults.lose_reply("POST ", "?uploads");
    let reply = stage.run();
    assert!(faults.has_lost_all());
    assert_eq!((&reply["outcome"], &reply["progress"]["moved"]), (&"complete".into(), &1.into()), "{reply}");
    assert_eq!(stage.to.open_uploads(&stage.runtime), 0);
    stage.assert_same("");
}

#[test]
fn an_upload_whose_parts_the_server_does_not_take_is_given_up_and_not_completed_for_ever() {
    let mut stage = Stage::new(Make::Ministack, Make::Ministack);
    let faults = S3Faults::before(&stage.to.endpoint, 0, 0);
    stage.to.endpoint = faults.url();
    stage.define("", "", "", "", "stop_when_failed = \"100%\"");
    stage.put("film", &vec![7; 9 << 20]);
    faults.refuse("POST ", "uploadId=", "400 Bad Request", "InvalidPart");
    let reply = stage.job.call(&["run", "assets", "--until-done"]).expect(3).reply();
    assert_eq!((&reply["outcome"], &reply["progress"]["failed"]), (&"complete".into(), &1.into()), "{reply}");
    let failed = stage.job.reply(&["failed", "assets"]);
    assert_eq!(failed["items"][0]["class"], "unstable", "{failed}");
    assert_eq!(stage.to.open_uploads(&stage.runtime), 0);
    faults.allow_all();
    stage.job.reply(&["retry", "assets"]);
    let reply = stage.run();
    assert_eq!((&reply["outcome"], &reply["progress"]["moved"]), (&"complete".into(), &1.into()), "{reply}");
    stage.assert_same("");
}
