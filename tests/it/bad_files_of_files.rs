//! Bad migration files of kind `files`: what an author reads, whole and word for word.

use milkrun::spec;

/// A good file, which each case spoils.
const GOOD: &str = r#"name = "profile-photos"
kind = "files"
[source]
database = "$APP_DATABASE_URL"
table = "profiles"
key = ["tenant", "id"]
where = "deleted_at IS NULL"
[[source.files]]
column = "verification_url"
digest_column = "verification_sha256"
[[source.files]]
column = "photos"
path = "$[*].original"
rewrite = { from = "(/upload/)(?:[^/]+/)*?(v[0-9]+/)", to = "$1$2" }
[source.http]
allow_hosts = ["acct.blob.core.windows.net", "*.cloudinary.com"]
headers = { Authorization = "secret:photos-token" }
allow_addresses = ["127.0.0.1:8081"]
concurrency = 16
per_host = 8
max_bytes = "5 GB"
[target]
bucket = "user-files"
key = "photos/{tenant}/{id}/{n}-{name}"
url = "https://files.example.com/{key}"
content_types = ["image/*", "application/pdf"]
[target.columns]
photos_migrated_at = "$now"
migration_state = "$state"
"#;

/// What is replaced in the good file by what, and every line of the message.
type Case = (&'static [(&'static str, &'static str)], &'static [&'static str]);

const CASES: &[Case] = &[
    (
        &[("bucket = \"user-files\"\n", ""), ("url = \"https://files.example.com/{key}\"\n", "")],
        &[
            r#"target.bucket: is missing; write `bucket = "user-files"`"#,
            r#"target.url: is missing; write `url = "https://files.example.com/{key}"`"#,
        ],
    ),
    (
        &[("bucket = \"user-files\"", "bucket = \"User Files\"")],
        &[r#"target.bucket: is not a name that a bucket can have; write `bucket = "user-files"`"#],
    ),
    (
        &[("{tenant}/{id}/", "{id}/")],
        &[
            "target.key: leaves out `tenant` of the source's key, so that two rows could have one object; add `{tenant}`",
        ],
    ),
    (
        &[(r#"key = ["tenant", "id"]"#, r#"key = ["tenat", "id"]"#)],
        &[
            "target.key: leaves out `tenat` of the source's key, so that two rows could have one object; did you mean `tenant` where `source.key` has `tenat`? If not, add `{tenat}`",
        ],
    ),
    (
        &[("{n}-{name}", "photo.jpg")],
        &["target.key: would be the same for all files of a row; add `{n}`, the URL's number within the row"],
    ),
    (
        &[("{tenant}/{id}", "{tenant}{id}")],
        &[
            "target.key: has two values side by side; put a character between them, or 1 and 23 would be the same as 12 and 3",
        ],
    ),
    (
        &[("{n}-{name}", "{n}-{name")],
        &[
            r#"target.key: has a brace without its counterpart; write `key = "photos/{id}/{n}-{name}"`; a brace of its own is written twice"#,
        ],
    ),
    (
        &[(r#"key = "photos/{tenant}/{id}/{n}-{name}""#, r#"key = ["id"]"#)],
        &[r#"target.key: must be a string, not a list; write `key = "photos/{id}/{n}-{name}"`"#],
    ),
    (
        &[("/{key}", "/files")],
        &[
            r#"target.url: does not hold `{key}` once, behind some text; write `url = "https://files.example.com/{key}"`, with nothing else in braces"#,
        ],
    ),
    (
        &[("image/*\", \"application/pdf", "image\", \"*/*")],
        &[
            "target.content_types[0]: `image` is no content type; write a type such as `application/pdf`, or all of a kind, as `image/*`",
            "target.content_types[1]: `*/*` is no content type; write a type such as `application/pdf`, or all of a kind, as `image/*`",
        ],
    ),
    (
        &[("\"$state\"", "\"$digest\""), ("photos_migrated_at", "photos")],
        &[
            "target.columns.migration_state: `$digest` is nothing that is written with the URLs; write `$now`, `$state`, `$run` or `$definition`",
        ],
    ),
    (
        &[("photos_migrated_at", "photos")],
        &[
            "target.columns.photos: `photos` is a column of the key, of URLs or of digests; name a column that nothing else is in",
        ],
    ),
    (
        &[("allow_hosts = [\"acct.blob.core.windows.net\", \"*.cloudinary.com\"]\n", "")],
        &[
            r#"source.http.allow_hosts: is missing; write `allow_hosts = ["acct.blob.core.windows.net", "*.cloudinary.com"]`"#,
        ],
    ),
    (
        &[("\"*.cloudinary.com\"", "\"*\""), ("127.0.0.1:8081", "127.0.0.1")],
        &[
            "source.http.allow_hosts[1]: `*` is no host; write a name like `files.example.com`, or `*.example.com` for all below it",
            "source.http.allow_addresses[0]: `127.0.0.1` is no host with a port; write `host:port`, as in `127.0.0.1:8081`",
        ],
    ),
    (
        &[("secret:photos-token", "Bearer hunter2")],
        &["source.http.headers.Authorization: is a secret written down; write `\"secret:NAME-OR-ARN\"` or `\"$NAME\"`"],
    ),
    (
        &[("{ Authorization = \"secret:photos-token\" }", "{ Host = \"x\", \"a b\" = \"y\" }")],
        &[
            "source.http.headers.Host: is what milkrun itself sends; leave it out",
            "source.http.headers.\"a b\": is no name of a header; letters, digits and `-`, as in `Authorization`",
        ],
    ),
    (
        &[("concurrency = 16", "concurrency = 0"), ("\"5 GB\"", "\"much\"")],
        &[
            "source.http.concurrency: `0` is out of range; write 1 to 256",
            "source.http.max_bytes: `much` is not a size; write `max_bytes = \"5 GB\"`: a whole number with `B`, `KB`, `MB` or `GB`",
        ],
    ),
    (
        &[("$[*].original", "[*].original")],
        &[
            "source.files[1].path: does not begin with `$`, the whole document; write `$`, then `.name`, `[\"name\"]`, `[n]` or `[*]`, as in `$[*].original`",
        ],
    ),
    (
        &[("to = \"$1$2\"", "to = \"$1v$2\"")],
        &[
            "source.files[1].rewrite.to: names the group `1v`, which `from` does not have; write `${1}` where a letter, a digit or `_` comes behind it, and `$$` for a `$` of the URL",
        ],
    ),
    (
        &[("to = \"$1$2\"", "to = \"${1}v${3}\"")],
        &[
            "source.files[1].rewrite.to: names the group `3`, which `from` does not have; write `${1}` where a letter, a digit or `_` comes behind it, and `$$` for a `$` of the URL",
        ],
    ),
    (
        &[("path = \"$[*].original\"", "path = \"$[*].original\"\ndigest_column = \"sums\"")],
        &[
            "source.files[1].digest_column: stands beside a path to many URLs; leave it out, or name one URL by `path`: one digest cannot be that of many files",
        ],
    ),
    (
        &[("column = \"photos\"\npath = \"$[*].original\"\n", "column = \"verification_url\"\n")],
        &["source.files[1].column: names the same URLs a second time; name each column and path once"],
    ),
    (
        &[("column = \"verification_url\"", "column = \"id\"")],
        &["source.files[0].column: `id` is a column of the key, which never changes; name another column"],
    ),
    (
        &[("[target]", "[target]\ntable = \"copies\"\ncreate = true")],
        &[
            "target.table: belongs to migrations of kind `rows`; leave it out, or correct `kind`",
            "target.create: belongs to migrations of kind `rows` and `objects`; leave it out, or correct `kind`",
        ],
    ),
    (
        &[("where = ", "exclude = [\"x\"]\nwhere = ")],
        &["source.exclude: belongs to migrations of kind `rows`; leave it out, or correct `kind`"],
    ),
    (
        &[("bucket = ", "colour = \"red\"\nbucket = ")],
        &[
            "target.colour: is not a field of `target`; its fields are `key`, `columns`, `bucket`, `prefix`, `region`, `role`, `endpoint`, `kms_key`, `storage_class`, `cache_control`, `url` and `content_types`",
        ],
    ),
    (
        &[(
            "[target.columns]",
            "[[after_row]]\n[[after_row]]\nwebhook = \"hooks.example.com\"\n[[after_row]]\nwebhook = \"https://me:pw@hooks.example.com/\"\nheaders = { Authorization = \"Bearer x\" }\n[target.columns]",
        )],
        &[
            "after_row[0].webhook: is missing; write `webhook = \"$PROFILE_HOOK_URL\"`",
            "after_row[1].webhook: is no URL to POST to; write `webhook = \"$PROFILE_HOOK_URL\"`, or a URL with `https`",
            "after_row[2].webhook: holds a user or a password written down; write them by `headers`, as `secret:NAME-OR-ARN`",
            "after_row[2].headers.Authorization: is a secret written down; write `\"secret:NAME-OR-ARN\"` or `\"$NAME\"`",
        ],
    ),
    (
        &[
            ("deleted_at IS NULL", "deleted_at IS NULL AND \\\"Photos_migrated_at\\\" IS NULL AND photos <> '[]'"),
            ("[target.columns]", "[[after_row]]\nwebhook = \"$HOOK\"\n[target.columns]"),
        ],
        &[
            "source.where: names `photos`, which is written when a row follows: with `[[after_row]]` it has to match before and after; leave it out: rows that have followed are skipped in any case",
            "source.where: names `photos_migrated_at`, which is written when a row follows: with `[[after_row]]` it has to match before and after; leave it out: rows that have followed are skipped in any case",
        ],
    ),
    (
        &[("[target.columns]", "[[after_row]]\nwebhook = \"$HOOK\"\nurl = \"x\"\n[target.columns]")],
        &["after_row[0].url: is not a field of `after_row[0]`; its fields are `webhook` and `headers`"],
    ),
];

#[test]
fn the_good_file_is_good() {
    let files = spec::parse("profile-photos", GOOD).unwrap().into_files().unwrap();
    assert_eq!((files.source.files.len(), files.source.http.concurrency, files.target.columns.len()), (2, 16, 2));
    let plain = GOOD.replace("concurrency = 16\nper_host = 8\nmax_bytes = \"5 GB\"\n", "");
    let defaults = spec::parse("profile-photos", &plain).unwrap().into_files().unwrap();
    assert_eq!(defaults, files, "those are the defaults, and how files are fetched is no part of the digest");
    for to in ["${1}v$2", "$0", "a$$b", "$", "$-$1", "$1$", "${1"] {
        let text = GOOD.replace("$1$2", to);
        spec::parse("profile-photos", &text).unwrap_or_else(|error| panic!("{to}: {error}"));
    }
}

#[test]
fn every_bad_file_says_all_that_is_wrong_with_it() {
    let mut wrong = Vec::new();
    for (edits, lines) in CASES {
        let text = edits.iter().fold(GOOD.to_owned(), |text, (from, to)| {
            assert!(text.contains(from), "the good file has no `{from}`");
            text.replacen(from, to, 1)
        });
        let expected = lines.iter().map(|line| format!("profile-photos.toml: {line}")).collect::<Vec<_>>().join("\n");
        let found = match spec::parse("profile-photos", &text) {
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
    let of = |edits: &[(&str, &str)]| {
        let text = edits.iter().fold(GOOD.to_owned(), |text, (from, to)| {
            assert!(text.contains(from), "{from}");
            text.replacen(from, to, 1)
        });
        let files =
            spec::parse("profile-photos", &text).unwrap_or_else(|error| panic!("{error}")).into_files().unwrap();
        (files.digest, files.identity)
    };
    let plain = of(&[]);
    for same in [
        ("concurrency = 16", "concurrency = 3"),
        ("secret:photos-token", "$TOKEN"),
        ("\"$[*].original\"", "'$[*][\"original\"]'"),
    ] {
        assert_eq!(of(&[same]), plain, "{same:?}");
    }
    for acceptable in [
        ("deleted_at IS NULL", "1 = 1"),
        ("column = \"photos\"", "column = \"pictures\""),
        ("$[*].original", "$[*].large"),
        ("to = \"$1$2\"", "to = \"$1\""),
        ("\"image/*\", ", ""),
        ("\"$state\"", "\"$run\""),
    ] {
        let other = of(&[acceptable]);
        assert!(other.0 != plain.0 && other.1 == plain.1, "{acceptable:?}");
    }
    for another in [
        ("\"user-files\"", "\"other-files\""),
        ("{n}-{name}", "{name}"),
        ("files.example.com", "cdn.example.com"),
        ("\"profiles\"", "\"people\""),
        ("bucket = ", "prefix = \"x/\"\nbucket = "),
    ] {
        let other = of(&[another]);
        assert!(other.0 != plain.0 && other.1 != plain.1, "{another:?}");
    }
}
