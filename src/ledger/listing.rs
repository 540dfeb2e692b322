//! Where a listing begins and ends, alike for both stores: items are in the order of their UTF-8 bytes.

use super::{Page, Record};

/// Where a listing begins.
#[derive(Debug, PartialEq)]
pub(super) enum Start<'a> {
    /// At the edge of the prefix.
    Edge,
    /// Beyond this item, which carries the prefix.
    Beyond(&'a str),
    /// Everything with the prefix lies behind.
    Past,
}

/// Where the items with `prefix` go on beyond `after`, which need not carry the prefix itself.
pub(super) fn start<'a>(prefix: &str, after: Option<&'a str>, newest_first: bool) -> Start<'a> {
    match after {
        Some(after) if after.starts_with(prefix) => Start::Beyond(after),
        Some(after) if (after < prefix) == newest_first => Start::Past,
        _ => Start::Edge,
    }
}

/// The least text above everything that carries `prefix`; `None` if there is none.
pub(super) fn end(prefix: &str) -> Option<String> {
    let mut rest = prefix.to_owned();
    while let Some(last) = rest.pop() {
        // Characters and their UTF-8 bytes have the same order; the surrogates are no characters.
        let next = if last == '\u{d7ff}' { Some('\u{e000}') } else { char::from_u32(u32::from(last) + 1) };
        if let Some(next) = next {
            rest.push(next);
            return Some(rest);
        }
    }
    None
}

/// A page of `most` out of records that were asked for with one more, which tells whether the page is the last.
pub(super) fn page(mut records: Vec<Record>, most: usize) -> Page {
    let more = records.len() > most;
    records.truncate(most);
    let next = if more { records.last().map(|record| record.item.clone()) } else { None };
    Page { records, next }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_starts_where_prefix_and_after_meet() {
        assert_eq!(start("dead#", None, false), Start::Edge);
        assert_eq!(start("dead#", Some("dead#5"), true), Start::Beyond("dead#5"));
        assert_eq!(start("dead#", Some("a"), false), Start::Edge);
        assert_eq!(start("dead#", Some("z"), false), Start::Past);
        assert_eq!(start("dead#", Some("z"), true), Start::Edge);
        assert_eq!(start("dead#", Some("a"), true), Start::Past);
    }

    #[test]
    fn a_listing_ends_right_above_its_prefix() {
        assert_eq!(end("dead#").as_deref(), Some("dead$"));
        assert_eq!(end("a\u{10ffff}\u{10ffff}").as_deref(), Some("b"));
        assert_eq!(end("\u{d7ff}").as_deref(), Some("\u{e000}"));
        assert_eq!(end("\u{10ffff}"), None);
        assert_eq!(end(""), None);
    }
}
