//! Columns that are written with the URLs, of types that are no texts: they take what is written, and get back what they held.

use super::{NEW, Stage, good};
use crate::support::file_server::answer;
use crate::support::s3::Make;
use crate::support::servers::Kind;

const DOCUMENT: &str = "[[source.files]]\ncolumn = \"document\"";

#[test]
fn a_state_may_be_an_enumeration() {
    for kind in [Kind::Postgres, Kind::MariaDb] {
        let mut stage = Stage::new(kind, Make::Ministack, |asked, stream| {
            if asked.path == "/gone.png" { answer(stream, "404 Not Found", "", b"") } else { good(asked, stream) }
        });
        let database = &stage.job.database;
        if kind == Kind::Postgres {
            database.execute("CREATE TYPE progress AS ENUM ('active', 'failed', 'rolled_back')");
            database.execute("ALTER TABLE profiles ADD progress progress");
        } else {
            database.execute("ALTER TABLE profiles ADD progress ENUM ('active', 'failed', 'rolled_back')");
        }
        for (id, path) in [(1, "/a.png"), (2, "/gone.png")] {
            let url = stage.server.url(path);
            database.execute(&format!("INSERT INTO profiles (id, document) VALUES ({id}, '{url}')"));
        }
        let columns = "[target.columns]\nprogress = \"$state\"";
        stage.define("photos/{id}/{name}", DOCUMENT, "", columns, "stop_when_failed = \"100%\"");
        let reply = stage.run();
        assert_eq!((&reply["progress"]["moved"], &reply["progress"]["failed"]), (&1.into(), &1.into()), "{reply}");
        assert_eq!(stage.job.status()["dead"], serde_json::json!({"gone": 1}), "{kind:?}");
        let states = |stage: &Stage| -> Vec<String> {
            let text = if kind == Kind::Postgres { "progress::text" } else { "progress" };
            let rows = stage.job.database.rows(&format!("SELECT {text} FROM profiles ORDER BY id"));
            rows.into_iter().map(|row| row[0].clone().unwrap()).collect()
        };
        assert_eq!(states(&stage), ["active", "failed"], "{kind:?}");
        assert_eq!(stage.job.call(&["rollback", "photos"]).reply()["rolled_back"], 1, "{kind:?}");
        assert_eq!(states(&stage), ["rolled_back", "failed"], "{kind:?}");
    }
}

#[test]
fn bytes_that_a_column_held_come_back_as_they_were() {
    let mut stage = Stage::new(Kind::MariaDb, Make::Ministack, good);
    stage.job.database.execute("ALTER TABLE profiles ADD mark VARBINARY(200)");
    let url = stage.server.url("/a.png");
    let row = format!("INSERT INTO profiles (id, document, mark) VALUES (1, '{url}', X'00FF41')");
    stage.job.database.execute(&row);
    stage.define("photos/{id}/{name}", DOCUMENT, "", "[target.columns]\nmark = \"$run\"", "");
    assert_eq!(stage.run()["progress"]["moved"], 1);
    let now = |stage: &Stage| stage.job.database.rows("SELECT document, HEX(mark) FROM profiles").remove(0);
    assert!(now(&stage)[0].as_deref().unwrap().starts_with(NEW), "{:?}", now(&stage));
    assert_ne!(now(&stage)[1].as_deref(), Some("00FF41"));
    assert_eq!(stage.job.call(&["rollback", "photos"]).reply()["rolled_back"], 1);
    assert_eq!(now(&stage), [Some(url), Some("00FF41".to_owned())]);
}
