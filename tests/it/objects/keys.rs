//! Keys are bytes, never paths.

use super::Stage;
use crate::support::s3::{ALL, Make};

/// Strings that are known to upset programs: words that are values somewhere, commands, markup, what looks the same and is not, what is not seen.
const NAUGHTY: [&str; 20] = [
    "undefined",
    "null",
    "NaN",
    "CON",
    "$(touch x)",
    "`id`",
    "<script>alert(1)</script>",
    "' OR 1=1 --",
    "{{7*7}}",
    "%00",
    "%s%n",
    "..;/x",
    "e\u{301}",
    "zero\u{200b}width",
    "\u{feff}mark",
    "line\u{2028}end",
    "شيء",
    "Z\u{351}\u{36b}algo",
    "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}",
    "\u{10fffd}",
];

/// What S3 allows and what often goes wrong.
fn oddities() -> Vec<String> {
    let mut keys: Vec<String> = [
        "../x",
        "a/../b",
        "./c",
        "d//e",
        "/lead",
        "trailing/",
        "a+b",
        "a b",
        "%2F",
        "100%",
        "c++ %2F?x=1&y#z",
        "~",
        "*",
        "'\"<>&",
        "back\\slash",
        "é",
        "日本語",
        "\u{202e}rtl",
        "🧨",
        "a.b-c_d",
        "-",
        "=",
        "?",
        "a/",
        "a",
        "a-b",
        "a/b",
        "\u{fffd}",
    ]
    .map(str::to_owned)
    .to_vec();
    keys.extend((1_u8..0x20).chain([0x7f]).map(|byte| format!("control/{}", char::from(byte))));
    keys.extend(NAUGHTY.map(str::to_owned));
    keys.push("x".repeat(1024));
    keys.push("ä".repeat(512));
    keys
}

/// SeaweedFS cannot show it, and Moto not of every key.
#[test]
fn every_key_that_s3_allows_arrives_under_its_own_name() {
    for make in ALL.into_iter().filter(|make| make.keeps_keys()) {
        let mut stage = Stage::new(make, make);
        stage.define("", "", "", "", "max_batch = 7");
        let mut keys = oddities();
        keys.retain(|key| make.takes(key));
        for key in &keys {
            stage.put(key, key.as_bytes());
        }
        let reply = stage.run();
        let moved = &reply["progress"]["moved"];
        assert_eq!((&reply["outcome"], moved), (&"complete".into(), &keys.len().into()), "{make:?}: {reply}");
        for key in &keys {
            assert_eq!(stage.to.get(&stage.runtime, key).as_deref(), Some(key.as_bytes()), "{make:?}: {key:?}");
        }
        let verified = stage.verify();
        let counted = (&verified["equal"], &verified["extra"]);
        assert_eq!(counted, (&keys.len().into(), &0.into()), "{make:?}: {verified}");
    }
}

#[test]
fn a_key_that_becomes_too_long_is_set_aside() {
    let mut stage = Stage::new(Make::Ministack, Make::Ministack);
    stage.define("", "", "prefix = \"eu/\"", "", "");
    stage.put(&"x".repeat(1022), b"long");
    stage.put("short", b"short");
    let reply = stage.run();
    assert_eq!((&reply["progress"]["moved"], &reply["progress"]["failed"]), (&1.into(), &1.into()), "{reply}");
    let failed = stage.job.reply(&["failed", "assets"]);
    assert!(failed["items"][0]["message"].as_str().unwrap().contains("1,024 bytes"), "{failed}");
}
