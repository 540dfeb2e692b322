//! Named places at which tests end, break or hold up a run. Without the feature `failpoints`, so in everything that ships, there
//! are none.
//!
//! With it, `FAILPOINTS=BeforeCommit=1*off->1*return(abort)` lets the second commit end the process; `panic` instead of `abort`
//! panics, and `overrun 9000` sleeps for so many milliseconds, past the run's end.

/// A place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each says where it is")]
pub enum Point {
    BeforeAcquire,
    AfterAcquire,
    BeforeOpenPass,
    AfterOpenPass,
    BeforeAnnounce,
    AfterAnnounce,
    EffectsBegun,
    /// Of a purge into another database: what was written there is committed, and the source has deleted nothing yet.
    TargetCommitted,
    EffectsCommitted,
    LettersMarked,
    LettersRecorded,
    BeforeCommit,
    AfterCommit,
    LettersCounted,
    LettersDeleted,
    BeforeClosePass,
    AfterClosePass,
    BeforeRelease,
    AfterRelease,
}

/// Every place that there is.
pub const ALL: [Point; 19] = [
    Point::BeforeAcquire,
    Point::AfterAcquire,
    Point::BeforeOpenPass,
    Point::AfterOpenPass,
    Point::BeforeAnnounce,
    Point::AfterAnnounce,
    Point::EffectsBegun,
    Point::TargetCommitted,
    Point::EffectsCommitted,
    Point::LettersMarked,
    Point::LettersRecorded,
    Point::BeforeCommit,
    Point::AfterCommit,
    Point::LettersCounted,
    Point::LettersDeleted,
    Point::BeforeClosePass,
    Point::AfterClosePass,
    Point::BeforeRelease,
    Point::AfterRelease,
];

/// A run comes to this place.
#[cfg(not(feature = "failpoints"))]
pub(crate) fn reach(_: Point) -> std::future::Ready<()> {
    std::future::ready(())
}

/// A run comes to this place, and what a test has ordered happens.
#[cfg(feature = "failpoints")]
#[expect(clippy::panic, reason = "a test has ordered it")]
pub(crate) async fn reach(point: Point) {
    static ORDERS: std::sync::Once = std::sync::Once::new();
    // They hold until the process ends.
    ORDERS.call_once(|| std::mem::forget(fail::FailScenario::setup()));
    let order = fail::eval(&format!("{point:?}"), |order| order).flatten();
    match order.as_deref().map(|order| order.split_once(' ').unwrap_or((order, ""))) {
        Some(("abort", _)) => std::process::abort(),
        Some(("panic", _)) => panic!("ordered at {point:?}"),
        Some(("overrun", millis)) => {
            tokio::time::sleep(std::time::Duration::from_millis(millis.parse().unwrap_or_default())).await;
        }
        _ => {}
    }
}
