//! What is said of a bucket, of whichever kind the migration is.

use crate::spec::problem::{Path, Problems};

/// A key has but 1,024 bytes.
const LONGEST_PREFIX: usize = 512;

/// Whether a bucket can have this name.
pub(super) fn is_name(name: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-');
    (3..=63).contains(&name.len()) && name.bytes().all(legal)
}

/// The same, and what to write where it cannot.
pub(super) fn name(path: &Path, name: &str, problems: &mut Problems) -> bool {
    let good = is_name(name);
    if !good {
        problems.add(path, "is not a name that a bucket can have", "write `bucket = \"user-files\"`");
    }
    good
}

/// A text that goes into a header or a call.
pub(super) fn plain(path: &Path, value: Option<String>, problems: &mut Problems) -> Option<String> {
    if value.as_deref().is_some_and(|text| text.is_empty() || text.chars().any(char::is_control)) {
        problems.add(path, "is empty, or holds a control character", "correct it, or leave it out");
    }
    value
}

/// Where S3 is.
pub(super) fn endpoint(path: &Path, value: Option<String>, problems: &mut Problems) -> Option<String> {
    let value = plain(path, value, problems);
    let no_server = |text: &str| {
        url::Url::parse(text)
            .map_or(true, |url| !matches!(url.scheme(), "http" | "https") || !url.username().is_empty())
    };
    if value.as_deref().is_some_and(no_server) {
        problems.add(path, "is no URL of a server", "write `endpoint = \"http://127.0.0.1:9000\"`, or leave it out");
    }
    value
}

/// What keys begin with.
pub(super) fn prefix(path: &Path, value: Option<String>, problems: &mut Problems) -> String {
    let prefix = value.unwrap_or_default();
    if prefix.len() > LONGEST_PREFIX {
        problems.add(path, "is longer than 512 bytes", "a key has but 1,024 of them");
    }
    prefix
}
