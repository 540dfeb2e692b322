//! Files move, rows follow, and a rollback puts everything back.

use super::{NEW, Stage, USUAL, bytes_of, good, urls};
use crate::support::file_server::answer;
use crate::support::s3::{MAKES, Make};
use crate::support::servers::Kind;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

const KINDS: [Kind; 3] = [Kind::Sqlite, Kind::MariaDb, Kind::Postgres];

#[test]
fn files_arrive_rows_follow_and_a_rollback_puts_them_back() {
    for (kind, make) in KINDS.into_iter().flat_map(|kind| MAKES.map(|make| (kind, make))) {
        let mut stage = Stage::new(kind, make, good);
        stage.define_usual("");
        stage.fill(60);
        let before = stage.rows();
        let plan = stage.job.reply(&["plan", "photos"]);
        assert_eq!(plan["problems"], serde_json::json!([]), "{plan:#}");
        assert_eq!(plan["sample_document"]["types"]["image/png"], 20, "{plan:#}");
        // Two requests for each file, in one run of some seconds.
        let files = plan["requests"].as_u64().unwrap() / 2;
        assert!((60..200).contains(&files) && plan["runs"] == 1, "{plan:#}");
        assert!(plan["cost_usd"].as_f64().unwrap() > 0.0, "{plan:#}");
        assert_eq!(stage.rows(), before, "plan changes nothing");

        let reply = stage.run();
        assert_eq!(reply["outcome"], "complete", "{kind:?} {make:?}: {reply}");
        let (old, new) = stage.assert_sound(&before);
        let gone: usize = before.iter().filter(|row| row[3].as_deref() == Some("1")).map(|row| urls(row).len()).sum();
        assert_eq!(old, gone, "rows that do not match stay");
        assert!(new > 80, "{new}");
        let status = stage.job.status();
        // Of 60 rows 8 are deleted; 3 of the others have neither a document nor photos.
        let empty = before.iter().filter(|row| row[3].as_deref() == Some("0") && urls(row).is_empty()).count();
        assert_eq!(status["progress"]["moved"], 52 - empty, "{status}");
        assert_eq!(status["progress"]["skipped"], empty, "{status}");
        let marked = "SELECT COUNT(*) FROM profiles WHERE state = 'active' AND moved_at IS NOT NULL";
        assert_eq!(usize::try_from(stage.job.database.number(marked)).unwrap(), 52 - empty);
        let verified = stage.job.reply(&["verify", "photos"]);
        assert_eq!((&verified["checked"], &verified["equal"]), (&52.into(), &52.into()), "{verified}");
        assert_eq!(stage.open_uploads(), []);

        let rolled = stage.job.reply(&["rollback", "photos"]);
        assert_eq!(rolled["outcome"], "complete", "{rolled}");
        assert_eq!((&rolled["rolled_back"], &rolled["changed"]), (&(52 - empty).into(), &0.into()), "{rolled}");
        assert_eq!(stage.rows(), before, "{kind:?} {make:?}");
        let marked = "SELECT COUNT(*) FROM profiles WHERE state = 'rolled_back' AND moved_at IS NULL";
        assert_eq!(usize::try_from(stage.job.database.number(marked)).unwrap(), 52 - empty);
        // Again: there is nothing left to be put back.
        let rolled = stage.job.reply(&["rollback", "photos"]);
        assert_eq!((&rolled["rolled_back"], &rolled["unchanged"]), (&0.into(), &(52 - empty).into()), "{rolled}");
        assert_eq!(stage.job.status()["state"], "paused");
    }
}

#[test]
fn a_row_that_changes_under_way_is_read_again_and_what_it_says_is_kept() {
    for kind in KINDS {
        let (asked, go) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let (seen, wait) = (asked.clone(), go.clone());
        let mut stage = Stage::new(kind, Make::Ministack, move |request, stream| {
            seen.fetch_add(1, Ordering::SeqCst);
            while request.path.contains("/1/paper") && wait.load(Ordering::SeqCst) == 0 {
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            good(request, stream)
        });
        stage.define_usual("");
        stage.fill(4);
        let running = stage.job.cli().spawn(&["--json", "run", "photos", "--until-done"]);
        while asked.load(Ordering::SeqCst) == 0 {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        // The application adds a photo while the others are fetched.
        let added = stage.server.url("/added.png");
        stage.job.database.execute(&format!(
            "UPDATE profiles SET photos = '[{{\"original\": \"{added}\", \"user\": \"kept\"}}]' WHERE id = 1"
        ));
        go.store(1, Ordering::SeqCst);
        let reply = running.wait().expect(0).reply();
        assert_eq!(reply["outcome"], "complete", "{reply}");
        let row = &stage.rows()[0];
        assert_eq!(urls(row).len(), 2);
        assert!(urls(row).iter().all(|url| url.starts_with(NEW)), "{kind:?}: {row:?}");
        assert!(row[2].as_deref().unwrap().contains("kept"), "{row:?}");
        assert_eq!(stage.object("photos/1/2-added.png"), Some(bytes_of("/added.png")));
    }
}

#[test]
fn large_files_come_in_parts_of_known_and_of_unknown_length() {
    let body: Vec<u8> = b"\x89PNG".iter().copied().chain((0..5_000_000_u32).flat_map(u32::to_le_bytes)).collect();
    for make in MAKES {
        let whole = body.clone();
        let mut stage = Stage::new(Kind::Sqlite, make, move |asked, stream| {
            if asked.path.starts_with("/known") {
                return answer(stream, "200 OK", "Content-Type: image/png\r\n", &whole);
            }
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n")?;
            for chunk in whole.chunks(100_000) {
                write!(stream, "{:x}\r\n", chunk.len())?;
                stream.write_all(chunk)?;
                stream.write_all(b"\r\n")?;
            }
            stream.write_all(b"0\r\n\r\n")?;
            Ok(true)
        });
        stage.define("photos/{id}/{digest}{ext}", USUAL, "", "", "");
        for (id, path) in [(1, "/known.png"), (2, "/unknown.png")] {
            let url = stage.server.url(path);
            stage.job.database.execute(&format!("INSERT INTO profiles (id, document) VALUES ({id}, '{url}')"));
        }
        let reply = stage.job.call(&["run", "photos", "--until-done", "--memory-limit", "128MB"]).expect(0).reply();
        assert_eq!((&reply["outcome"], &reply["failed"]), (&"complete".into(), &0.into()), "{make:?}: {reply}");
        for row in stage.rows() {
            let url = row[1].as_deref().unwrap();
            let key = url.strip_prefix(NEW).unwrap_or_else(|| panic!("{make:?}: {row:?}"));
            assert_eq!(stage.object(key).as_deref(), Some(&*body), "{make:?}");
        }
        assert_eq!(stage.open_uploads(), [], "{make:?}");
        let verified = stage.job.reply(&["verify", "photos"]);
        assert_eq!(verified["equal"], 2, "{verified}");
    }
}

#[test]
fn what_a_row_knows_of_its_file_is_held_against_it() {
    let mut stage = Stage::new(Kind::Postgres, Make::Ministack, good);
    stage.define(
        "photos/{id}/{name}",
        "[[source.files]]\ncolumn = \"document\"\ndigest_column = \"sha256\"",
        "",
        "",
        "",
    );
    let right = milkrun::digest::sha256(bytes_of("/a.png"));
    for (id, digest) in [(1, right.as_str()), (2, &"0".repeat(64)), (3, "nonsense")] {
        let url = stage.server.url("/a.png");
        stage
            .job
            .database
            .execute(&format!("INSERT INTO profiles (id, document, sha256) VALUES ({id}, '{url}', '{digest}')"));
    }
    let reply = stage.run();
    assert_eq!((&reply["outcome"], &reply["progress"]["failed"]), (&"complete".into(), &2.into()), "{reply}");
    let failed = stage.job.reply(&["failed", "photos"]);
    for item in failed["items"].as_array().unwrap() {
        assert_eq!(item["class"], "mismatch", "{failed}");
    }
    assert_eq!(stage.object("photos/2/a.png"), None, "nothing is stored that is not what it should be");
    // Once the row is corrected, `retry` brings it over.
    stage.job.database.execute(&format!("UPDATE profiles SET sha256 = '{right}' WHERE id = 2"));
    let retried = stage.job.call(&["retry", "photos", "--class", "mismatch"]).reply();
    assert_eq!(retried["retried"], 2, "{retried}");
    stage.run();
    assert_eq!(stage.job.status()["progress"]["failed"], 1);
    assert_eq!(stage.object("photos/2/a.png"), Some(bytes_of("/a.png")));
}

#[test]
fn a_row_that_was_moved_twice_gets_back_what_it_said_the_second_time() {
    // The application signs its URLs anew: the same file, and the same object.
    let mut stage = Stage::new(Kind::Sqlite, Make::Ministack, |asked, stream| {
        let path = asked.path.split('?').next().unwrap();
        answer(stream, "200 OK", "Content-Type: image/png\r\n", &bytes_of(path))
    });
    stage.define("photos/{id}/{n}-{name}", "[[source.files]]\ncolumn = \"document\"", "", "", "");
    let signed = |id: u32, signature: u32| stage.server.url(&format!("/{id}.png?sig={signature}"));
    for id in 1..=3 {
        let url = signed(id, 1);
        stage.job.database.execute(&format!("INSERT INTO profiles (id, document) VALUES ({id}, '{url}')"));
    }
    assert_eq!(stage.run()["progress"]["moved"], 3);
    for id in [1, 3] {
        let url = signed(id, 2);
        stage.job.database.execute(&format!("UPDATE profiles SET document = '{url}' WHERE id = {id}"));
    }
    stage.job.reply(&["reset", "photos", "--confirm", "photos"]);
    assert_eq!(stage.run()["progress"]["moved"], 2);
    let rolled = stage.job.call(&["rollback", "photos"]).reply();
    assert_eq!((&rolled["rolled_back"], &rolled["changed"]), (&3.into(), &2.into()), "{rolled}");
    let now: Vec<_> = stage.rows().into_iter().map(|row| row[1].clone().unwrap()).collect();
    assert_eq!(now, [signed(1, 2), signed(2, 1), signed(3, 2)]);
}

#[test]
fn a_url_in_two_columns_is_held_against_what_either_of_them_says_of_it() {
    let mut stage = Stage::new(Kind::Sqlite, Make::Ministack, good);
    let second = "[[source.files]]\ncolumn = \"photos\"\npath = \"$[0].original\"\ndigest_column = \"sha256\"";
    let first = "[[source.files]]\ncolumn = \"document\"";
    let limits = "stop_when_failed = \"100%\"";
    stage.define("photos/{id}/{name}", &format!("{first}\n{second}"), "", "", limits);
    let url = stage.server.url("/small.png");
    for (id, digest) in [(1, milkrun::digest::sha256(bytes_of("/small.png"))), (2, "0".repeat(64))] {
        let photos = format!("[{{\"original\": \"{url}\"}}]");
        stage.job.database.execute(&format!(
            "INSERT INTO profiles (id, document, photos, sha256) VALUES ({id}, '{url}', '{photos}', '{digest}')"
        ));
    }
    let reply = stage.run();
    assert_eq!((&reply["progress"]["moved"], &reply["progress"]["failed"]), (&1.into(), &1.into()), "{reply}");
    assert_eq!(stage.job.status()["dead"], serde_json::json!({"mismatch": 1}));
    assert_eq!(urls(&stage.rows()[1]), [url.clone(), url.clone()], "all files of the row or none");
    assert_eq!(stage.object("photos/2/small.png"), None);

    // One of them asks for the original: these are two files, and one key is not enough for them.
    let first = format!("{first}\nrewrite = {{ from = \"small\", to = \"large\" }}");
    stage.define("other/{id}/{name}", &format!("{first}\n{second}"), "", "", limits);
    stage.job.reply(&["reset", "photos", "--confirm", "photos"]);
    stage.job.database.execute(&format!(
        "UPDATE profiles SET sha256 = NULL, document = '{url}', photos = '[{{\"original\": \"{url}\"}}]'"
    ));
    let reply = stage.run();
    assert_eq!((&reply["progress"]["moved"], &reply["progress"]["failed"]), (&0.into(), &2.into()), "{reply}");
    assert_eq!(stage.job.status()["dead"], serde_json::json!({"unstable": 2}));
    assert_eq!(urls(&stage.rows()[0]), [url.clone(), url]);
}

#[test]
fn what_is_in_the_way_is_never_written_over() {
    let calls = Arc::new(AtomicU32::new(0));
    let count = calls.clone();
    let mut stage = Stage::new(Kind::Sqlite, Make::Ministack, move |asked, stream| {
        let call = count.fetch_add(1, Ordering::SeqCst);
        let body = if asked.path.contains("unstable") {
            format!("\u{89}PNG{call}").into_bytes()
        } else {
            bytes_of(&asked.path)
        };
        answer(stream, "200 OK", "Content-Type: image/png\r\n", &body)
    });
    stage.define("photos/{id}/{name}", USUAL, "", "", "");
    // Somebody else's object, two files of one name in one row, and one URL twice.
    let other = milkrun::s3::Object {
        bucket: stage.bucket.clone(),
        key: "photos/1/a.png".to_owned(),
        ..milkrun::s3::Object::default()
    };
    let theirs = bytes::Bytes::from_static(b"theirs");
    let sum = milkrun::s3::Checksum::of(&theirs);
    stage.runtime.block_on(stage.s3.put(&other, theirs, sum, super::LIMIT)).unwrap();
    let url = |path: &str| stage.server.url(path);
    stage.job.database.execute(&format!(
        "INSERT INTO profiles (id, document, photos) VALUES
            (1, '{}', NULL), (2, '{}', '[{{\"original\": \"{}\"}}]'), (3, '{}', '[{{\"original\": \"{}\"}}]')",
        url("/a.png"),
        url("/x/b.png"),
        url("/y/b.png"),
        url("/c.png"),
        url("/c.png")
    ));
    let reply = stage.run();
    assert_eq!((&reply["progress"]["conflicts"], &reply["progress"]["moved"]), (&2.into(), &1.into()), "{reply}");
    assert_eq!(stage.object("photos/1/a.png").as_deref(), Some(&b"theirs"[..]));
    let row = &stage.rows()[2];
    assert_eq!(urls(row), [format!("{NEW}photos/3/c.png"), format!("{NEW}photos/3/c.png")]);

    // The row goes back, and the server has changed its mind about the bytes.
    let url = url("/unstable.png");
    stage.job.database.execute(&format!("INSERT INTO profiles (id, document) VALUES (4, '{url}')"));
    stage.job.reply(&["reset", "photos", "--confirm", "photos"]);
    stage.run();
    stage.job.database.execute(&format!("UPDATE profiles SET document = '{url}' WHERE id = 4"));
    stage.job.reply(&["reset", "photos", "--confirm", "photos"]);
    stage.run();
    let failed = stage.job.reply(&["failed", "photos"]);
    let of_four = failed["items"].as_array().unwrap().iter().find(|item| item["key"][0] == "4").unwrap();
    assert_eq!(of_four["class"], "unstable", "{failed}");
    assert_eq!(stage.rows()[3][1].as_deref(), Some(&*url), "the row stays as it was");
}

#[test]
fn an_object_that_somebody_has_replaced_is_different() {
    for make in MAKES {
        let mut stage = Stage::new(Kind::Sqlite, make, good);
        stage.define_usual("max_batch = 5");
        stage.fill(12);
        assert_eq!(stage.run()["outcome"], "complete");
        let items = stage.job.reply(&["verify", "photos"])["equal"].as_u64().unwrap();
        // One of three files of row 3 becomes something else of the same length, another one is gone.
        let key = "photos/3/2-photo0.png";
        let other = vec![b'x'; stage.object(key).unwrap().len()];
        stage.replace(key, &other);
        stage.replace("photos/11/1-paper.png", b"short");
        let verified = stage.job.call(&["verify", "photos"]).expect(3).reply();
        let count = |verified: &serde_json::Value, name: &str| verified[name].as_u64().unwrap();
        assert_eq!(count(&verified, "different"), 2, "{make:?}: {verified}");
        assert_eq!(count(&verified, "equal"), items - 2, "{make:?}: {verified}");
        let mut examples: Vec<_> = verified["examples"].as_array().unwrap().clone();
        examples.sort_by_key(|example| example["key"][0].as_str().map(str::len));
        assert_eq!(examples[0], serde_json::json!({"key": ["3"], "kind": "different"}), "{verified}");
        // A row is wrong once, however much of it is.
        stage.delete("photos/3/3-photo1.png");
        let verified = stage.job.call(&["verify", "photos"]).expect(3).reply();
        assert_eq!((count(&verified, "different"), count(&verified, "missing")), (1, 1), "{make:?}: {verified}");
        assert_eq!(count(&verified, "equal"), items - 2, "{make:?}: {verified}");
        assert_eq!(count(&verified, "checked"), items, "{make:?}: {verified}");
    }
}

#[test]
fn objects_that_no_row_points_at_are_named() {
    for (kind, make) in KINDS.into_iter().zip([MAKES[0], MAKES[1], MAKES[0]]) {
        let mut stage = Stage::new(kind, make, good);
        // Steps of the listing are smaller than the bucket.
        stage.define_usual("max_batch = 4");
        stage.fill(12);
        let before = stage.rows();
        assert_eq!(stage.run()["outcome"], "complete");
        let verified = stage.job.reply(&["verify", "photos"]);
        assert_eq!((&verified["outcome"], &verified["extra"]), (&"complete".into(), &0.into()), "{kind:?}: {verified}");
        // One row goes, with a paper and a photo; another one points elsewhere with one of its files.
        stage.job.database.execute("DELETE FROM profiles WHERE id = 1");
        stage.job.database.execute("UPDATE profiles SET document = 'https://elsewhere.example/x' WHERE id = 2");
        let verified = stage.job.call(&["verify", "photos"]).expect(3).reply();
        assert_eq!((&verified["extra"], &verified["missing"]), (&3.into(), &1.into()), "{kind:?}: {verified}");
        let mut extra: Vec<&str> = verified["examples"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|example| example["kind"] == "extra")
            .map(|example| example["key"][0].as_str().unwrap())
            .collect();
        extra.sort_unstable();
        assert_eq!(extra, ["1", "1", "2"], "{verified}");
        let listed = stage.listed("strays/");
        let listed: Vec<&str> = listed.iter().map(|line| line["object"].as_str().unwrap()).collect();
        assert_eq!(listed, ["photos/1/1-paper.png", "photos/1/2-photo0.png", "photos/2/1-paper.png"]);
        // What still waits for its row is nobody's loss: the row is `missing`, and the next run finds the object.
        let old = before[1][1].as_deref().unwrap();
        stage.job.database.execute(&format!("UPDATE profiles SET document = '{old}' WHERE id = 2"));
        let verified = stage.job.call(&["verify", "photos"]).expect(3).reply();
        assert_eq!((&verified["extra"], &verified["missing"]), (&2.into(), &1.into()), "{kind:?}: {verified}");
        // Objects of others are nobody's business.
        let foreign =
            milkrun::s3::Object { bucket: stage.bucket.clone(), key: "photos/99/1-x.png".into(), ..Default::default() };
        let body = bytes::Bytes::from_static(b"x");
        let checksum = milkrun::s3::Checksum::of(&body);
        stage.runtime.block_on(stage.s3.put(&foreign, body, checksum, super::LIMIT)).unwrap();
        let verified = stage.job.call(&["verify", "photos"]).expect(3).reply();
        assert_eq!(verified["extra"], 2, "{kind:?}: {verified}");
    }
}
