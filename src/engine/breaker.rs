//! The breaker: where too many of a run's items cannot be moved, something is wrong that is no item's own fault.

use super::checkpoint::Counters;
use super::migration::Aside;
use crate::plural::counted as many;

/// So many items of a run have to have passed before a share of them says anything.
const JUDGED_AFTER: u64 = 100;

/// `100%`: it never is.
const OFF: u32 = 10_000;

/// Whether a run is to stop, and why. `limit` is `stop_when_failed` in hundredths of a percent; `last` is the last item
/// set aside, with its key as it may be shown.
pub(super) fn judge(counted: &Counters, limit: u32, last: Option<(&Aside, String)>) -> Option<String> {
    let (items, bad) = (counted.items(), counted.conflicts + counted.failed);
    // Of none at all the first one is too many, whatever comes after it.
    let judged_after = if limit == 0 { 1 } else { JUDGED_AFTER };
    if limit >= OFF
        || items < judged_after
        || bad == 0
        || bad.saturating_mul(10_000) < items.saturating_mul(u64::from(limit))
    {
        return None;
    }
    let last = last.map_or_else(String::new, |(aside, key)| {
        format!("; the last one is {key}, {}: {}", aside.class, aside.message)
    });
    Some(format!(
        "{bad} of the {items} items of this run could not be moved ({}, {} failed): {}, and \
         `stop_when_failed` is {}; see `failed`, mend the cause, then `resume`, and `retry` for those set aside{last}",
        many(counted.conflicts, "conflict"),
        counted.failed,
        percent(bad.saturating_mul(10_000) / items),
        percent(u64::from(limit)),
    ))
}

fn percent(hundredths: u64) -> String {
    match (hundredths / 100, hundredths % 100) {
        (whole, 0) => format!("{whole}%"),
        (whole, rest) if rest % 10 == 0 => format!("{whole}.{}%", rest / 10),
        (whole, rest) => format!("{whole}.{rest:02}%"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cursor::{Cursor, KeyPart};

    fn counted(moved: u64, conflicts: u64, failed: u64) -> Counters {
        Counters { moved, conflicts, failed, ..Counters::default() }
    }

    #[test]
    fn it_is_judged_after_a_hundred_items_and_by_their_share() {
        for (counters, limit, stops) in [
            (counted(0, 0, 99), 1000, false),
            (counted(0, 0, 100), 1000, true),
            (counted(90, 0, 10), 1000, true),
            (counted(91, 4, 5), 1000, false),
            (counted(90, 5, 5), 1000, true),
            (counted(99_000, 0, 999), 1000, false),
            (counted(1_000, 0, 0), 0, false),
            (counted(1_000, 0, 1), 0, true),
            (counted(0, 0, 1), 0, true),
            (counted(40, 1, 0), 0, true),
            (counted(40, 1, 0), 1, false),
            (counted(1, 0, 999), 9_999, false),
            (counted(0, 500, 500), 9_999, true),
            (counted(0, 500, 500), 10_000, false),
        ] {
            assert_eq!(judge(&counters, limit, None).is_some(), stops, "{counters:?} at {limit}");
        }
    }

    #[test]
    fn the_reason_says_how_many_and_what_the_last_was() {
        let key = Cursor(vec![KeyPart::Int("17".into())]);
        let aside = Aside { key, class: "poison", message: "refused".into() };
        let reason = judge(&counted(81, 1, 18), 250, Some((&aside, "[\"17\"]".into()))).unwrap();
        assert_eq!(
            reason,
            "19 of the 100 items of this run could not be moved (1 conflict, 18 failed): 19%, and `stop_when_failed` is \
             2.5%; see `failed`, mend the cause, then `resume`, and `retry` for those set aside; the last one is [\"17\"], \
             poison: refused"
        );
    }
}
