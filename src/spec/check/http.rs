//! `[source.http]`: what may be contacted, and how.

use super::required;
use crate::http::Guard;
use crate::spec::file::Ordered;
use crate::spec::files::{HttpSource, TextRef};
use crate::spec::problem::{Path, Problems};
use crate::spec::transfer::HttpSection;
use crate::spec::{reference, schema, units};
use std::ops::RangeInclusive;

/// Headers that are the client's own business.
const OURS: [&str; 10] = [
    "host",
    "connection",
    "content-length",
    "transfer-encoding",
    "accept-encoding",
    "range",
    "if-range",
    "te",
    "upgrade",
    "expect",
];
/// Headers that hold secrets.
const SECRET: [&str; 3] = ["authorization", "proxy-authorization", "cookie"];
/// The largest object that S3 takes in the parts that it is given.
const MAX_BYTES: RangeInclusive<u64> = 1..=(5 << 40);

pub(super) fn check(path: &Path, section: HttpSection, problems: &mut Problems) -> Option<HttpSource> {
    let at = path.key("allow_hosts");
    let allow_hosts = required(&at, section.allow_hosts, problems).and_then(|hosts| {
        if hosts.is_empty() {
            problems.add(&at, "is empty, so that no file could be fetched", schema::example(&at));
        }
        each(&at, &hosts, problems, |host| Guard::new(std::slice::from_ref(host), &[]));
        problems.sound(&at).then_some(hosts)
    });
    let at = path.key("allow_addresses");
    let allow_addresses = section.allow_addresses.unwrap_or_default();
    each(&at, &allow_addresses, problems, |place| Guard::new(&[], std::slice::from_ref(place)));
    let headers = headers(&path.key("headers"), section.headers.unwrap_or_default(), problems);
    let concurrency = number(&path.key("concurrency"), section.concurrency, 16, problems);
    let per_host = number(&path.key("per_host"), section.per_host, 8, problems);
    let max_bytes = size(&path.key("max_bytes"), section.max_bytes, problems);
    Some(HttpSource {
        allow_hosts: allow_hosts?,
        allow_addresses: problems.sound(&at).then_some(allow_addresses)?,
        headers: headers?,
        concurrency: concurrency?,
        per_host: per_host?,
        max_bytes: max_bytes?,
    })
}

fn each<T>(
    path: &Path,
    written: &[String],
    problems: &mut Problems,
    understand: impl Fn(&String) -> Result<T, crate::http::GuardError>,
) {
    for (place, text) in written.iter().enumerate() {
        if let Err(error) = understand(text) {
            let message = error.to_string();
            let (message, hint) = message.split_once(": ").unwrap_or((&message, ""));
            problems.add(&path.index(place), message, hint);
        }
    }
}

pub(super) fn headers(path: &Path, written: Ordered, problems: &mut Problems) -> Option<Vec<(String, TextRef)>> {
    let mut headers: Vec<(String, TextRef)> = Vec::new();
    for (name, text) in written.0 {
        let at = path.key(&name);
        let lower = name.to_ascii_lowercase();
        if hyper::header::HeaderName::from_bytes(name.as_bytes()).is_err() {
            problems.add(&at, "is no name of a header", "letters, digits and `-`, as in `Authorization`");
        } else if OURS.contains(&lower.as_str()) {
            problems.add(&at, "is what milkrun itself sends", "leave it out");
        } else if headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(&name)) {
            problems.add(&at, "is there a second time", "names of headers differ in more than upper and lower case");
        } else if let Some(value) = value(&at, &lower, &text, problems) {
            headers.push((name, value));
        }
    }
    problems.sound(path).then_some(headers)
}

fn value(path: &Path, name: &str, text: &str, problems: &mut Problems) -> Option<TextRef> {
    if text.starts_with('$') {
        return reference::variable(path, text, problems).map(TextRef::Env);
    }
    if text.starts_with("secret:") {
        return reference::secret(path, text, problems).map(TextRef::Secret);
    }
    if SECRET.contains(&name) {
        problems.add(path, "is a secret written down", "write `\"secret:NAME-OR-ARN\"` or `\"$NAME\"`");
        return None;
    }
    if hyper::header::HeaderValue::from_str(text).is_err() {
        problems.add(path, "holds what no header can", "write it in one line of ASCII");
        return None;
    }
    Some(TextRef::Literal(text.to_owned()))
}

fn number(path: &Path, written: Option<i64>, default: u32, problems: &mut Problems) -> Option<u32> {
    let Some(number) = written else { return Some(default) };
    let value = u32::try_from(number).ok().filter(|value| (1..=256).contains(value));
    if value.is_none() {
        problems.add(path, format!("`{number}` is out of range"), "write 1 to 256");
    }
    value
}

fn size(path: &Path, written: Option<String>, problems: &mut Problems) -> Option<u64> {
    let Some(text) = written else { return Some(5 << 30) };
    match units::bytes(&text) {
        Some(bytes) if MAX_BYTES.contains(&bytes) => return Some(bytes),
        Some(_) => problems.add(path, format!("`{text}` is out of range"), "write 1 B to 5120 GB"),
        None => {
            let hint = format!("{}: a whole number with `B`, `KB`, `MB` or `GB`", schema::example(path));
            problems.add(path, format!("`{text}` is not a size"), hint);
        }
    }
    None
}
