//! Bad migration files of kind `objects`: what an author reads, whole and word for word.

use milkrun::spec::{self, Definition, ObjectsDefinition};

/// A good file, which each case spoils.
const GOOD: &str = r#"name = "assets-to-eu"
kind = "objects"
mode = "once"
[source]
bucket = "assets-us"
prefix = "images/"
region = "us-east-1"
role = "arn:aws:iam::123456789012:role/reader"
expected_owner = "123456789012"
[target]
bucket = "assets-eu"
prefix = "images/"
kms_key = "alias/assets"
[copy]
metadata = "keep"
tags = "keep"
acl = "drop"
storage_class = "keep"
existing = "skip-same"
delete_extra = false
concurrency = 64
"#;

/// What is replaced in the good file by what, and every line of the message.
type Case = (&'static [(&'static str, &'static str)], &'static [&'static str]);

const CASES: &[Case] = &[
    (
        &[("bucket = \"assets-us\"\n", ""), ("[target]\nbucket = \"assets-eu\"\n", "[target]\n")],
        &[
            r#"source.bucket: is missing; write `bucket = "assets-us"`"#,
            r#"target.bucket: is missing; write `bucket = "user-files"`"#,
        ],
    ),
    (
        &[("\"assets-eu\"", "\"Assets EU\"")],
        &[r#"target.bucket: is not a name that a bucket can have; write `bucket = "user-files"`"#],
    ),
    (
        &[("\"assets-eu\"", "\"assets-us\"")],
        &[
            "target.prefix: overlaps with the source, so that copies would be copied; name another bucket, or a prefix that neither begins with the other's nor is the beginning of it",
        ],
    ),
    (
        &[("\"assets-eu\"\nprefix = \"images/\"", "\"assets-us\"\nprefix = \"images/eu/\"")],
        &[
            "target.prefix: overlaps with the source, so that copies would be copied; name another bucket, or a prefix that neither begins with the other's nor is the beginning of it",
        ],
    ),
    (
        &[("\"123456789012\"\n[target]", "\"acme\"\n[target]")],
        &[r#"source.expected_owner: is no account; write its twelve digits, as in `expected_owner = "123456789012"`"#],
    ),
    (
        &[("region = \"us-east-1\"", "endpoint = \"127.0.0.1:9000\"")],
        &[r#"source.endpoint: is no URL of a server; write `endpoint = "http://127.0.0.1:9000"`, or leave it out"#],
    ),
    (&[("metadata = \"keep\"", "metadata = \"kep\"")], &["copy.metadata: `kep` is unknown; did you mean `keep`?"]),
    (&[("acl = \"drop\"", "acl = \"public-read\"")], &["copy.acl: `public-read` is unknown; write `acl = \"drop\"`"]),
    (&[("acl = \"drop\"", "acl = \"kep\"")], &["copy.acl: `kep` is unknown; did you mean `keep`?"]),
    (
        &[("storage_class = \"keep\"", "storage_class = \"STANDARD_AI\"")],
        &["copy.storage_class: `STANDARD_AI` is unknown; did you mean `STANDARD_IA`?"],
    ),
    (
        &[("existing = \"skip-same\"", "existing = \"overwrite\"")],
        &["copy.existing: `overwrite` is unknown; write `existing = \"skip-same\"`"],
    ),
    (&[("concurrency = 64", "concurrency = 0")], &["copy.concurrency: `0` is out of range; write 1 to 256"]),
    (
        &[("delete_extra = false", "delete_extra = true"), ("region = ", "inventory = \"s3://inv\"\nregion = ")],
        &[
            r#"source.inventory: does not name an object; write `inventory = "s3://inventories/assets-us/daily/2026-01-31T01-00Z/manifest.json"`"#,
            "copy.delete_extra: `true` is no share; write how many of the target's objects may be deleted by a sweep, as in `delete_extra = \"1%\"`",
        ],
    ),
    (
        &[
            ("[source]", "[source]\ndatabase = \"$URL\"\nwhere = \"1 = 1\""),
            ("kms_key", "create = true\nurl = \"x\"\nkms_key"),
        ],
        &[
            "source.database: belongs to migrations of kind `rows` and `files`; leave it out, or correct `kind`",
            "source.where: belongs to migrations of kind `rows` and `files`; leave it out, or correct `kind`",
            "target.url: belongs to migrations of kind `files`; leave it out, or correct `kind`",
        ],
    ),
    (
        &[("[copy]", "[throttle]\nquery = \"SELECT 1\"\nabove = 1\n[copy]")],
        &[
            "throttle.database: is missing; write `database = \"$QUEUE_DATABASE_URL\"`: a bucket has none that could be asked",
        ],
    ),
    (
        &[("[copy]", "[copy]\ncolour = \"red\"")],
        &[
            "copy.colour: is not a field of `copy`; its fields are `metadata`, `tags`, `acl`, `storage_class`, `existing`, `delete_extra` and `concurrency`",
        ],
    ),
];

fn objects(text: &str) -> ObjectsDefinition {
    match spec::parse("assets-to-eu", text).unwrap_or_else(|error| panic!("{error}")) {
        Definition::Objects(objects) => *objects,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_good_file_is_good() {
    let plain = GOOD.split("[copy]").next().unwrap();
    assert_eq!(objects(plain), objects(GOOD), "those are the defaults");
}

#[test]
fn every_bad_file_says_all_that_is_wrong_with_it() {
    let mut wrong = Vec::new();
    for (edits, lines) in CASES {
        let text = edited(edits);
        let expected = lines.iter().map(|line| format!("assets-to-eu.toml: {line}")).collect::<Vec<_>>().join("\n");
        let found = match spec::parse("assets-to-eu", &text) {
            Ok(_) => "(accepted)".to_owned(),
            Err(error) => error.to_string(),
        };
        if found != expected {
            wrong.push(format!("expected:\n{expected}\nfound:\n{found}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn every_change_of_meaning_shows() {
    let of = |edit: (&str, &str)| {
        let objects = objects(&edited(&[edit]));
        (objects.digest, objects.identity)
    };
    let plain = of(("once", "once"));
    for same in [("concurrency = 64", "concurrency = 3"), ("role/reader", "role/other"), ("us-east-1", "us-east-2")] {
        assert_eq!(of(same), plain, "{same:?}");
    }
    for acceptable in [
        ("tags = \"keep\"", "tags = \"drop\""),
        ("acl = \"drop\"", "acl = \"keep\""),
        ("acl = \"drop\"", "acl = \"fail\""),
        ("acl = \"drop\"", "acl = \"bucket-owner-full-control\""),
        ("skip-same", "replace-older"),
        ("alias/assets", "alias/other"),
    ] {
        let other = of(acceptable);
        assert!(other.0 != plain.0 && other.1 == plain.1, "{acceptable:?}");
    }
    for another in [("\"assets-eu\"", "\"other\""), ("prefix = \"images/\"\nregion", "prefix = \"i/\"\nregion")] {
        assert!(of(another).1 != plain.1, "{another:?}");
    }
}

fn edited(edits: &[(&str, &str)]) -> String {
    edits.iter().fold(GOOD.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "the good file has no `{from}`");
        text.replacen(from, to, 1)
    })
}
