//! Naughty names: whatever a file or a key column is called, the object and the URL that the row gets agree.

use super::{NEW, Stage, bytes_of, good};
use crate::support::s3::Make;
use crate::support::servers::Kind;

/// Of every kind that has broken something somewhere.
const NAUGHTY: [&str; 30] = [
    "plain.png",
    "with blank.png",
    "plus+and%20percent.png",
    "100%.png",
    "?query=1&x#top.png",
    "quote\"and'apostrophe.png",
    "back\\slash.png",
    "tab\there.png",
    "line\nbreak.png",
    "return\rhere.png",
    "Ω≈ç√∫˜µ≤≥÷.png",
    "田中さんにあげて下さい.png",
    "👾🚚.png",
    "e\u{301}cole.png",
    "\u{202e}gnp.evil",
    "\u{feff}bom.png",
    "\u{0}nul.png",
    "../../etc/passwd",
    "..",
    ".",
    "a/b/c.png",
    "//double",
    "<script>alert(1)</script>.png",
    "'; DROP TABLE profiles; --",
    "${jndi:ldap://h/a}",
    "{name}{id}{digest}",
    "%00",
    "%2e%2e%2f",
    "\u{7f}delete",
    " leading and trailing ",
];

#[test]
fn objects_and_urls_agree_whatever_files_are_called() {
    for (kind, make) in [(Kind::Postgres, Make::Ministack), (Kind::MariaDb, Make::SeaweedFs)] {
        let mut stage = Stage::new(kind, make, good);
        stage.define(
            "photos/{id}/{n}-{name}",
            "[[source.files]]\ncolumn = \"document\"",
            "",
            "",
            "stop_when_failed = \"100%\"",
        );
        // And every byte: a server that makes paths of keys cannot keep them all.
        let every = (1..=255_u32).filter_map(char::from_u32).map(|character| format!("a{character}b.png"));
        let every = every.filter(|_| make.keeps_keys());
        let names: Vec<String> = NAUGHTY.map(str::to_owned).into_iter().chain(every).collect();
        for (id, name) in (1..).zip(&names) {
            let url = stage.server.url(&format!("/{}", urlencoding::encode(name)));
            stage.job.database.execute(&format!("INSERT INTO profiles (id, document) VALUES ({id}, '{url}')"));
        }
        let reply = stage.run();
        assert_eq!(reply["outcome"], "complete", "{reply}");
        assert_eq!(reply["progress"]["failed"], 0, "{kind:?}: {:#}", stage.job.reply(&["failed", "photos"]));
        for (row, name) in stage.rows().iter().zip(&names) {
            let url = row[1].as_deref().unwrap();
            let parsed = url::Url::parse(url).unwrap();
            assert_eq!(parsed.as_str(), url, "no client changes it on the way");
            let key = urlencoding::decode(url.strip_prefix(NEW).unwrap()).unwrap().into_owned();
            // What was asked for is what a client makes of the URL.
            let path = url::Url::parse(&stage.server.url(&format!("/{}", urlencoding::encode(name)))).unwrap();
            assert_eq!(stage.object(&key), Some(bytes_of(path.path())), "{name:?} {key:?}");
        }
    }
}

#[test]
fn objects_and_urls_agree_whatever_key_columns_hold() {
    let mut stage = Stage::new(Kind::Postgres, Make::Ministack, good);
    stage.job.database.execute("CREATE TABLE people (name TEXT COLLATE \"C\" PRIMARY KEY, photo TEXT NOT NULL)");
    stage.define("p/{row.name}/x", "[[source.files]]\ncolumn = \"photo\"", "", "", "stop_when_failed = \"100%\"");
    let text = std::fs::read_to_string(stage.job.folder().join("migrations/photos.toml")).unwrap();
    stage.job.define(&text.replace("\"profiles\"", "\"people\"").replace("key = [\"id\"]", "key = [\"name\"]"));
    let url = stage.server.url("/a.png");
    let bytes = (1..=255_u32).filter_map(char::from_u32).map(|character| format!("a{character}b"));
    let names: Vec<String> = bytes.chain(NAUGHTY.iter().map(|name| name.replace('\0', "0"))).collect();
    let mut names: Vec<&String> = names.iter().collect();
    names.sort();
    names.dedup();
    for name in &names {
        let quoted = name.replace('\'', "''");
        stage
            .job
            .database
            .execute(&format!("INSERT INTO people VALUES (E'{}', '{url}')", quoted.replace('\\', "\\\\")));
    }
    let reply = stage.run();
    assert_eq!(reply["outcome"], "complete", "{reply}");
    let failed = stage.job.reply(&["failed", "photos"]);
    let failed: Vec<&str> =
        failed["items"].as_array().unwrap().iter().map(|item| item["key"][0].as_str().unwrap()).collect();
    for row in stage.job.database.rows("SELECT name, photo FROM people ORDER BY name") {
        let (name, photo) = (row[0].as_deref().unwrap(), row[1].as_deref().unwrap());
        let dotted = name.split('/').any(|segment| matches!(segment, "." | ".."));
        assert_eq!(failed.contains(&name), dotted, "{name:?}");
        if dotted {
            assert_eq!(photo, url);
            continue;
        }
        assert_eq!(url::Url::parse(photo).unwrap().as_str(), photo);
        let key = urlencoding::decode(photo.strip_prefix(NEW).unwrap()).unwrap();
        assert_eq!(key, format!("p/{name}/x"));
        assert_eq!(stage.object(&key), Some(bytes_of("/a.png")), "{name:?}");
    }
}
