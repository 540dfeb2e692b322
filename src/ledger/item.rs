//! The sort keys of the ledger: what each record is called, readable in the DynamoDB console.

use crate::digest;
use time::{OffsetDateTime, UtcOffset};

/// Checkpoints of the walk, one a shard.
pub const MOVE: &str = "move#";
/// Checkpoints of `verify`, one a shard.
pub const VERIFY: &str = "verify#";
/// Checkpoints of `rollback`, one a shard.
pub const ROLLBACK: &str = "rollback#";
/// Uploads that one run begins and another ends, one an object.
pub const UPLOAD: &str = "upload#";
/// How far both sides of an object were read, one an object.
pub const READ: &str = "read#";
/// Which version of a target is a copy of which version of its source, one an object.
pub const PAIR: &str = "pair#";
/// Dead letters, one a source key.
pub const DEAD: &str = "dead#";
/// Run records, in the order of their time.
pub const RUN: &str = "run#";
/// What operators did, in the order of its time.
pub const OPERATOR: &str = "operator#";

/// Keys beyond this many bytes stand in an item as a digest: the store takes 1,024 bytes with the prefix.
pub const MAX_KEY_BYTES: usize = 900;

/// The one record of the whole migration.
pub fn state() -> String {
    "state".to_owned()
}

/// The checkpoint of a shard: `move#0000`.
pub fn shard(number: u32) -> String {
    format!("{MOVE}{number:04}")
}

/// The checkpoint of a shard's verification: `verify#0000`.
pub fn verify(number: u32) -> String {
    format!("{VERIFY}{number:04}")
}

/// The checkpoint of a shard's rollback: `rollback#0000`.
pub fn rollback(number: u32) -> String {
    format!("{ROLLBACK}{number:04}")
}

/// What the hosts bear that files are fetched from.
pub fn hosts() -> String {
    "rate#hosts".to_owned()
}

/// The dead letter of a source key, given as a JSON array: `dead#["17"]`.
///
/// Above [`MAX_KEY_BYTES`] it is `dead#sha256:` and lower-case hex; the caller keeps the whole key in the body, always.
pub fn dead(key_json: &str) -> String {
    named(DEAD, key_json)
}

/// The upload of an object, given its key as a JSON array: `upload#["photos/17/1-a.jpg"]`; above [`MAX_KEY_BYTES`] as [`dead`].
pub fn upload(key_json: &str) -> String {
    named(UPLOAD, key_json)
}

fn named(prefix: &str, key_json: &str) -> String {
    if key_json.len() <= MAX_KEY_BYTES {
        return format!("{prefix}{key_json}");
    }
    format!("{prefix}sha256:{}", digest::sha256(key_json))
}

/// How far an object was read, given its source key as a JSON array; above [`MAX_KEY_BYTES`] as [`dead`].
pub fn read(key_json: &str) -> String {
    named(READ, key_json)
}

/// The pair of versions of an object, given its source key as a JSON array; above [`MAX_KEY_BYTES`] as [`dead`].
pub fn pair(key_json: &str) -> String {
    named(PAIR, key_json)
}

/// The record of a run: `run#2026-11-21T20:51:00.123456Z#<request id>`.
pub fn run(time: OffsetDateTime, id: &str) -> String {
    format!("{RUN}{}#{id}", sortable(time))
}

/// Up to when the migration's rate is given out.
pub fn rate() -> String {
    "rate".to_owned()
}

/// What an operator did: `operator#2026-11-21T20:51:00.123456Z`.
pub fn operator(time: OffsetDateTime) -> String {
    format!("{OPERATOR}{}", sortable(time))
}

/// RFC 3339 in UTC with six fraction digits, always: so times sort as text. Holds for the years 0 to 9999.
pub fn sortable(time: OffsetDateTime) -> String {
    let utc = time.to_offset(UtcOffset::UTC);
    let (year, month, day) = utc.to_calendar_date();
    let (hour, minute, second, micros) = utc.to_hms_micro();
    format!("{year:04}-{:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z", u8::from(month))
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn items_read_as_designed() {
        assert_eq!(state(), "state");
        assert_eq!(rate(), "rate");
        assert_eq!(shard(0), "move#0000");
        assert_eq!(verify(12), "verify#0012");
        assert_eq!(dead(r#"["17"]"#), r#"dead#["17"]"#);
        let time = datetime!(2026-11-21 20:51:00.000_004 UTC);
        assert_eq!(run(time, "a-b"), "run#2026-11-21T20:51:00.000004Z#a-b");
        assert_eq!(operator(time), "operator#2026-11-21T20:51:00.000004Z");
    }

    #[test]
    fn a_long_key_becomes_a_digest_just_above_the_limit() {
        let key = |bytes: usize| format!("[\"{}\"]", "x".repeat(bytes - 4));
        assert_eq!(dead(&key(900)).len(), DEAD.len() + 900);
        let long = dead(&key(901));
        assert!(long.starts_with("dead#sha256:"), "{long}");
        assert_eq!(long.len(), "dead#sha256:".len() + 64);
        assert_ne!(long, dead(&key(902)));
        assert_eq!(
            dead(&"a".repeat(1000)),
            "dead#sha256:41edece42d63e8d9bf515a9ba6932e1c20cbc9f5a5d134645adb5db1b9737ea3",
            "as sha256sum prints it"
        );
    }

    #[test]
    fn times_sort_as_text_whatever_their_zone_and_fraction() {
        let times = [
            datetime!(2026-09-30 23:59:59.999_999 UTC),
            datetime!(2026-10-01 02:00:00 +2),
            datetime!(2026-10-01 00:00:00.000_001 UTC),
            datetime!(2026-10-01 00:00:00.1 UTC),
            datetime!(2026-10-01 00:00:01 UTC),
        ];
        let texts = times.map(sortable);
        assert!(texts.is_sorted(), "{texts:?}");
        assert_eq!(texts[1], "2026-10-01T00:00:00.000000Z");
    }
}
