//! How a value of one kind becomes a value of another, and what becomes of it there.

use super::super::affinity::Affinity;
use super::super::fit::{BINARY_FRACTION, BLANKS, FRACTION, Fit, PADDED, PART, ROUNDED, UNKNOWN, decimal, exact_if};
use super::kind::{Blanks, Kind, Room};
use super::step::Step;
use super::time::Calendar;
use crate::sql::Dialect;

/// The way of a value from one column to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) step: Step,
    pub(super) fit: Fit,
}

/// The way from a column of `from` to one of `to`, which is not SQLite's; what would become of the values if there is none.
#[allow(clippy::match_same_arms, reason = "pairs of one family stand together")]
pub(super) fn route((source, from): (Dialect, &Kind), (target, to): (Dialect, &Kind)) -> Result<Route, Fit> {
    let way = |step, fit: Fit| if let Fit::Changing(_) = fit { Err(fit) } else { Ok(Route { step, fit }) };
    let calendar = if target == Dialect::Postgres { Calendar::Postgres } else { Calendar::MySql };
    let special = target == Dialect::Postgres;
    match (from, to) {
        (Kind::Dynamic(affinity), _) => dynamic(*affinity, target, to),
        (_, Kind::Text { .. }) => text((source, from), (target, to)),
        (Kind::Int { least, most }, Kind::Int { least: lowest, most: highest }) => {
            way(Step::Int { least: *lowest, most: *highest }, exact_if(lowest <= least && most <= highest))
        }
        (Kind::Bool, Kind::Int { .. }) => way(Step::AsIs, Fit::Exact),
        (Kind::Int { .. } | Kind::Bool, Kind::Bool) => way(Step::Bool, exact_if(*from == Kind::Bool)),
        (Kind::Decimal { places, .. }, Kind::Int { least, most }) => {
            let fit = match places {
                Some((precision, 0)) => {
                    let largest = 10_i128.checked_pow(*precision).unwrap_or(i128::MAX) - 1;
                    exact_if(largest <= *most && -largest >= *least)
                }
                _ => ROUNDED,
            };
            way(Step::Int { least: *least, most: *most }, fit)
        }
        (Kind::Int { least, most }, Kind::Decimal { places, unsigned }) => {
            let fit = places.map_or(Fit::Exact, |places| decimal(digits(*least, *most), 0, places));
            way(Step::Decimal { places: *places, special }, signed(*least < 0, *unsigned, fit))
        }
        (Kind::Decimal { places: ours, unsigned: positive }, Kind::Decimal { places, unsigned }) => {
            let fit = match (ours, places) {
                (_, None) => Fit::Exact,
                // Those of more digits are found one by one.
                (None, Some(_)) => Fit::Refusing,
                (Some((precision, scale)), Some(places)) => decimal(*precision, *scale, *places),
            };
            way(Step::Decimal { places: *places, special }, signed(!positive, *unsigned, fit))
        }
        (_, Kind::Float { rounded: true, .. }) => Err(BINARY_FRACTION),
        (Kind::Int { least, most }, Kind::Float { single, .. }) => {
            let limit = 1_i128 << if *single { 24 } else { 53 };
            way(Step::WholeAsFloat, if -limit <= *least && *most <= limit { Fit::Exact } else { BINARY_FRACTION })
        }
        (Kind::Float { single: ours, .. }, Kind::Float { single: theirs, .. }) => {
            // MySQL prints a number of single precision with all the digits that it has as a double.
            let widen = *ours && source == Dialect::Postgres && !(*theirs && target == Dialect::Postgres)
                || *theirs && target == Dialect::MySql;
            let step = Step::Float { single: *theirs, widen, infinite: special, nan: special };
            way(step, if *theirs && !*ours { BINARY_FRACTION } else { Fit::Exact })
        }
        (Kind::Decimal { .. }, Kind::Float { .. }) | (Kind::Float { .. }, Kind::Decimal { .. }) => Err(BINARY_FRACTION),
        (Kind::Float { .. }, Kind::Int { .. }) => Err(ROUNDED),
        (Kind::Date, Kind::Date) => way(Step::Date(calendar), Fit::Exact),
        (Kind::Date, Kind::Moment { digits, zoned }) => {
            way(Step::Moment(calendar, *digits), within(source, target, false, *zoned, Fit::Exact))
        }
        (Kind::Moment { digits: ours, zoned: in_utc }, Kind::Moment { digits, zoned }) => {
            let fit = if digits < ours { FRACTION } else { Fit::Exact };
            way(Step::Moment(calendar, *digits), within(source, target, *in_utc, *zoned, fit))
        }
        (Kind::Moment { .. }, Kind::Date | Kind::Time { .. }) => Err(PART),
        (Kind::Time { digits: ours }, Kind::Time { digits }) => {
            let fit = if digits < ours { FRACTION } else { exact_if(target == Dialect::MySql || source == target) };
            way(Step::Clock(calendar, *digits), fit)
        }
        (Kind::Time { .. }, Kind::Interval) if source == Dialect::MySql => way(Step::Elapsed, Fit::Exact),
        (Kind::Interval, Kind::Interval) | (Kind::Json { .. }, Kind::Json { rewritten: false }) => {
            way(Step::AsIs, Fit::Exact)
        }
        // MySQL's own type rounds numbers.
        (_, Kind::Json { rewritten: true }) if target == Dialect::MySql => Err(BINARY_FRACTION),
        (Kind::Json { .. }, Kind::Json { rewritten: true }) => way(Step::Jsonb, Fit::Exact),
        (Kind::Text { .. }, Kind::Json { rewritten: true }) => way(Step::Jsonb, Fit::Refusing),
        (Kind::Uuid, Kind::Uuid) => way(Step::Uuid, Fit::Exact),
        (Kind::Text { .. }, Kind::Json { .. }) => {
            let nul = target != Dialect::Postgres;
            way(Step::Text { nul, characters: None, bytes: None, trim: false }, Fit::Refusing)
        }
        (Kind::Bytes { length, padded }, Kind::Bytes { length: room, padded: filled }) => {
            let fit = match (length, room) {
                _ if *filled && !(*padded && length == room) => PADDED,
                (_, None) => Fit::Exact,
                (Some(length), Some(room)) => exact_if(length <= room),
                (None, Some(_)) => Fit::Refusing,
            };
            way(Step::AsIs, fit)
        }
        _ => Err(UNKNOWN),
    }
}

/// From SQLite: every value is looked at, whatever its column declares.
fn dynamic(affinity: Affinity, target: Dialect, to: &Kind) -> Result<Route, Fit> {
    let numbers = affinity != Affinity::Text;
    let calendar = if target == Dialect::Postgres { Calendar::Postgres } else { Calendar::MySql };
    let special = target == Dialect::Postgres;
    let (step, natural) = match to {
        Kind::Int { least, most } if numbers => {
            let whole =
                affinity == Affinity::Integer && *least <= i128::from(i64::MIN) && i128::from(i64::MAX) <= *most;
            (Step::Int { least: *least, most: *most }, whole)
        }
        Kind::Bool if numbers => (Step::Bool, false),
        Kind::Decimal { places, .. } => (Step::Decimal { places: *places, special }, false),
        Kind::Float { single, rounded: false } if numbers => {
            let widen = *single && target == Dialect::MySql;
            let step = Step::Float { single: *single, widen, infinite: special, nan: special };
            (step, affinity == Affinity::Real && !single)
        }
        Kind::Date => (Step::Date(calendar), false),
        Kind::Time { digits } => (Step::Clock(calendar, *digits), false),
        Kind::Moment { digits, .. } => (Step::Moment(calendar, *digits), false),
        Kind::Uuid => (Step::Uuid, false),
        Kind::Json { rewritten: true } if target == Dialect::MySql => return Err(BINARY_FRACTION),
        Kind::Json { rewritten: true } => (Step::Jsonb, false),
        Kind::Json { .. } => (Step::Text { nul: !special, characters: None, bytes: None, trim: false }, false),
        Kind::Text { blanks: Blanks::Kept, room, .. } => (written(target, *room), !numbers && *room == Room::Endless),
        Kind::Text { .. } => return Err(BLANKS),
        Kind::Bytes { padded: false, .. } if affinity != Affinity::Text => (Step::AsIs, affinity == Affinity::Blob),
        Kind::Bytes { padded: true, .. } => return Err(PADDED),
        _ => return Err(UNKNOWN),
    };
    Ok(Route { step, fit: exact_if(natural) })
}

/// Into a text, in the words of a document.
#[allow(clippy::match_same_arms, reason = "pairs of one family stand together")]
fn text((source, from): (Dialect, &Kind), (target, to): (Dialect, &Kind)) -> Result<Route, Fit> {
    let Kind::Text { room, blanks, charset } = to else { return Err(UNKNOWN) };
    let fraction = |fixed: u64, digits: u32| Some(fixed + if digits == 0 { 0 } else { u64::from(digits) + 1 });
    let plain = written(target, *room);
    let (step, characters) = match from {
        Kind::Int { least, most } => (plain, Some(u64::from(digits(*least, *most)) + u64::from(*least < 0))),
        // A sign, a point, and a zero before it where there is no other digit.
        Kind::Decimal { places, .. } => (plain, places.map(|(precision, _)| u64::from(precision) + 3)),
        Kind::Float { .. } => (plain, None),
        Kind::Bool => (Step::Word, Some(5)),
        Kind::Date => (plain, (source == Dialect::MySql).then_some(10)),
        Kind::Time { digits } => (Step::OfDay(*digits), fraction(10, *digits)),
        Kind::Moment { digits, zoned } => {
            let most = fraction(20, *digits).filter(|_| source == Dialect::MySql);
            (Step::Iso { digits: *digits, zoned: *zoned }, most)
        }
        Kind::Uuid => (plain, Some(36)),
        Kind::Text { room: ours, blanks: filled, charset: from } => {
            if *blanks != Blanks::Kept && *filled == Blanks::Kept {
                return Err(BLANKS);
            }
            let fit = match charset.as_deref() {
                None | Some("utf8mb4" | "utf16" | "utf16le" | "utf32") => held(*ours, *room),
                _ if from == charset => held(*ours, *room),
                _ => Fit::Refusing,
            };
            let Step::Text { nul, characters, bytes, .. } = plain else { return Err(UNKNOWN) };
            return Ok(Route { step: Step::Text { nul, characters, bytes, trim: *blanks != Blanks::Kept }, fit });
        }
        Kind::Interval | Kind::Json { .. } | Kind::Printed => (plain, None),
        Kind::Bytes { .. } | Kind::Dynamic(_) => return Err(UNKNOWN),
    };
    if *blanks != Blanks::Kept && !matches!(from, Kind::Uuid | Kind::Int { .. }) {
        return Err(BLANKS);
    }
    Ok(Route { step, fit: held(characters.map_or(Room::Endless, Room::Characters), *room) })
}

/// Characters of four bytes at most in a text of so much room.
#[allow(clippy::match_same_arms, reason = "pairs of one family stand together")]
fn held(ours: Room, theirs: Room) -> Fit {
    exact_if(match (ours, theirs) {
        (_, Room::Endless) => true,
        (Room::Characters(ours), Room::Characters(theirs)) => ours <= theirs,
        (Room::Characters(ours), Room::Bytes(theirs)) => ours.saturating_mul(4) <= theirs,
        // A byte of another character set may take more of them.
        (Room::Bytes(ours), Room::Characters(theirs)) => ours <= theirs,
        (Room::Bytes(ours), Room::Bytes(theirs)) => ours <= theirs,
        // The longest text that a database sends is as long as MySQL's longest.
        (Room::Endless, Room::Bytes(theirs)) => theirs >= u64::from(u32::MAX),
        (Room::Endless, Room::Characters(_)) => false,
    })
}

/// Text that has to be found too long before the database cuts blanks off it.
fn written(target: Dialect, room: Room) -> Step {
    let (characters, bytes) = match room {
        Room::Characters(most) => (Some(most), None),
        Room::Bytes(most) => (None, Some(most)),
        Room::Endless => (None, None),
    };
    Step::Text { nul: target != Dialect::Postgres, characters, bytes, trim: false }
}

/// Between times with and without a zone everything is UTC; MySQL's timestamp ends in 2038.
fn within(source: Dialect, target: Dialect, in_utc: bool, zoned: bool, fit: Fit) -> Fit {
    match fit {
        Fit::Exact if target == Dialect::MySql && zoned && !(in_utc && source == target) => Fit::Refusing,
        Fit::Exact if in_utc != zoned => Fit::InUtc,
        fit => fit,
    }
}

fn signed(negative: bool, unsigned: bool, fit: Fit) -> Fit {
    if fit == Fit::Exact { exact_if(!(negative && unsigned)) } else { fit }
}

/// Digits of the longest number between two.
pub(super) fn digits(least: i128, most: i128) -> u32 {
    least.unsigned_abs().max(most.unsigned_abs()).checked_ilog10().unwrap_or(0) + 1
}
