//! `[throttle]`: a replica, or a query, and how much of it is too much.

use crate::spec::definition::Throttle;
use crate::spec::file::ThrottleSection;
use crate::spec::problem::{Path, Problems};
use crate::spec::{filter, reference, schema, units};
use std::time::Duration;

const EITHER: &str = "write `replica` and `max_lag`, or `query` and `above`";

pub(super) fn check(path: &Path, section: ThrottleSection, problems: &mut Problems) -> Option<Throttle> {
    let ThrottleSection { replica, max_lag, query, database, above } = section;
    let (lag, asked) =
        (replica.is_some() || max_lag.is_some(), query.is_some() || above.is_some() || database.is_some());
    if lag == asked {
        let message = if lag { "names a replica and a query" } else { "names nothing to ask" };
        problems.add(path, message, EITHER);
        return None;
    }
    if lag {
        let replica = reference::database(&path.key("replica"), replica, problems);
        let most = max_lag_of(&path.key("max_lag"), max_lag, problems);
        return Some(Throttle::Lag { replica: replica?, most: most? });
    }
    let at = path.key("query");
    let query = super::required(&at, query, problems);
    for finding in query.iter().flat_map(|text| filter::check_query(text)) {
        problems.add(&at, finding.message, finding.hint);
    }
    let at = path.key("above");
    let most = super::required(&at, above, problems);
    if most.is_some_and(|most| !most.is_finite()) {
        problems.add(&at, "is no number that anything can be above of", schema::example(&at));
    }
    let database = match database {
        Some(written) => Some(reference::database(&path.key("database"), Some(written), problems)?),
        None => None,
    };
    Some(Throttle::Query { database, query: query?.trim().to_owned(), most: most? })
}

fn max_lag_of(path: &Path, written: Option<String>, problems: &mut Problems) -> Option<Duration> {
    let text = super::required(path, written, problems)?;
    match units::duration(&text) {
        Some(lag) if (Duration::from_secs(1)..=Duration::from_hours(24)).contains(&lag) => return Some(lag),
        Some(_) => problems.add(path, format!("`{text}` is out of range"), "write 1s to 1d"),
        None => {
            let hint = format!("{}: a whole number with `ms`, `s`, `m`, `h` or `d`", schema::example(path));
            problems.add(path, format!("`{text}` is not a duration"), hint);
        }
    }
    None
}
