//! Functions and keywords whose value changes from one asking to the next, or that read another table, in all three
//! databases.

use super::Finding;
use super::token::{Kind, Token};

/// Clocks that are called.
const CLOCKS: [&str; 15] = [
    "now",
    "current_timestamp",
    "current_date",
    "current_time",
    "localtime",
    "localtimestamp",
    "sysdate",
    "curdate",
    "curtime",
    "utc_date",
    "utc_time",
    "utc_timestamp",
    "statement_timestamp",
    "transaction_timestamp",
    "clock_timestamp",
];
/// Clocks that are called, and have no bare form.
const MORE_CLOCKS: [&str; 2] = ["timeofday", "getdate"];
/// Clocks that are written without parentheses. `now` and `sysdate` alone are columns.
const BARE_CLOCKS: [&str; 8] = [
    "current_timestamp",
    "current_date",
    "current_time",
    "localtime",
    "localtimestamp",
    "utc_date",
    "utc_time",
    "utc_timestamp",
];
/// Functions that are a clock when they have fewer arguments than this.
const CLOCKS_BELOW: [(&str, usize); 9] = [
    ("unix_timestamp", 1),
    ("date", 1),
    ("time", 1),
    ("datetime", 1),
    ("julianday", 1),
    ("unixepoch", 1),
    ("timestamp", 1),
    ("strftime", 2),
    ("age", 2),
];
/// Dice.
const DICE: [&str; 15] = [
    "rand",
    "random",
    "random_normal",
    "random_bytes",
    "randomblob",
    "gen_random_uuid",
    "gen_random_bytes",
    "uuid_short",
    "uuid_v4",
    "uuid_v7",
    "uuidv4",
    "uuidv7",
    "sys_guid",
    "setseed",
    "newid",
];
/// Dice, unless they have an argument: then it is cast to PostgreSQL's type of that name.
const DICE_WITHOUT_ARGUMENTS: [&str; 1] = ["uuid"];
/// Not dice, whatever their names begin with: they are made of their arguments.
const NO_DICE: [&str; 2] = ["uuid_generate_v3", "uuid_generate_v5"];
/// What depends on the session, waits, or leaves something behind.
const SESSION: [&str; 26] = [
    "last_insert_id",
    "last_insert_rowid",
    "connection_id",
    "pg_backend_pid",
    "sleep",
    "benchmark",
    "pg_sleep",
    "pg_sleep_for",
    "pg_sleep_until",
    "nextval",
    "currval",
    "lastval",
    "setval",
    "row_count",
    "found_rows",
    "changes",
    "total_changes",
    "get_lock",
    "release_lock",
    "txid_current",
    "pg_current_xact_id",
    "set_config",
    "pg_advisory_lock",
    "pg_try_advisory_lock",
    "load_file",
    "load_extension",
];
/// Words that PostgreSQL and SQLite take for a time when a time is wanted; in PostgreSQL a time of day may stand beside them.
const TIME_TEXTS: [&str; 4] = ["now", "today", "tomorrow", "yesterday"];
/// Functions that want a time.
const WANT_TIME: [&str; 19] = [
    "date",
    "time",
    "datetime",
    "julianday",
    "strftime",
    "unixepoch",
    "timediff",
    "timestamp",
    "timestamptz",
    "timetz",
    "age",
    "date_bin",
    "date_trunc",
    "date_part",
    "daterange",
    "tsrange",
    "tstzrange",
    "extract",
    "cast",
];
/// Types of PostgreSQL that are a time; `zone` ends `timestamp with time zone`.
const TIME_TYPES: [&str; 6] = ["date", "time", "timestamp", "timestamptz", "timetz", "zone"];

/// Everything in a condition that would not give the same answer twice.
pub(super) fn check(tokens: &[Token<'_>]) -> Vec<Finding> {
    let mut findings = Vec::new();
    // The function that each open parenthesis belongs to, and the arguments it has so far.
    let mut calls: Vec<(String, usize)> = Vec::new();
    for (place, token) in tokens.iter().enumerate() {
        let previous = place.checked_sub(1).and_then(|before| tokens.get(before));
        let next = tokens.get(place + 1);
        if let Some((_, arguments @ 0)) = calls.last_mut() {
            *arguments = usize::from(token.kind != Kind::Close);
        }
        if token.kind == Kind::Word {
            findings.extend(query(&token.name(), previous, next, calls.last()));
            findings.extend(clause(&token.name(), previous, next));
        }
        match token.kind {
            Kind::Open => {
                let function = previous.filter(|name| token.is("(") && callable(name));
                calls.push((function.map(Token::name).unwrap_or_default(), 0));
            }
            Kind::Close => {
                let (name, arguments) = calls.pop().unwrap_or_default();
                if CLOCKS_BELOW.iter().any(|(clock, least)| *clock == name && arguments < *least) {
                    findings.push(clock(&format!("{name}(…)")));
                }
            }
            Kind::Symbol if token.is(",") => {
                if let Some((_, arguments)) = calls.last_mut() {
                    *arguments += 1;
                }
            }
            Kind::Text if is_a_time(&token.name(), tokens, place, &calls) => {
                findings.push(clock(&format!("'{}'", token.name())));
            }
            Kind::Word | Kind::Quoted if next.is_some_and(|next| next.is("(")) => {
                let bare = tokens.get(place + 2).is_some_and(|close| close.is(")"));
                findings.extend(called(&token.name(), bare));
            }
            Kind::Word if !previous.is_some_and(|dot| dot.is(".")) => findings.extend(bare(&token.name())),
            _ => {}
        }
    }
    findings
}

fn callable(token: &Token<'_>) -> bool {
    matches!(token.kind, Kind::Word | Kind::Quoted)
}

/// A function that is called, `bare` without arguments.
fn called(name: &str, bare: bool) -> Option<Finding> {
    if CLOCKS.contains(&name) || MORE_CLOCKS.contains(&name) {
        return Some(clock(&format!("{name}()")));
    }
    let generated = name.starts_with("uuid_generate_") && !NO_DICE.contains(&name);
    if DICE.contains(&name) || generated || (bare && DICE_WITHOUT_ARGUMENTS.contains(&name)) {
        let hint = "a condition has to give the same answer in every run: it must not be random";
        return Some(Finding::new(format!("calls `{name}()`"), hint));
    }
    if SESSION.contains(&name) {
        let hint = "a condition has to give the same answer in every session, and to change nothing";
        return Some(Finding::new(format!("calls `{name}()`"), hint));
    }
    None
}

/// What reads another table, or could: SELECT anywhere, `(TABLE other)`, `(WITH …)`, `(VALUES …)`, SQLite's `IN other`.
fn query(
    name: &str,
    previous: Option<&Token<'_>>,
    next: Option<&Token<'_>>,
    call: Option<&(String, usize)>,
) -> Option<Finding> {
    let alone = "a condition sees the source table alone: decide by its own columns";
    let before = |symbol: &str| previous.is_some_and(|token| token.is(symbol));
    match name {
        _ if before(".") => None,
        "select" => Some(Finding::new("holds a sub-select", alone)),
        "table" | "with" | "values" if before("(") => {
            let hint = format!("{alone}; one of that name stands in quotes or behind `t.`");
            Some(Finding::new(format!("holds a sub-select (`{name}`)"), hint))
        }
        // `position(a IN b)` and `against ('a' IN BOOLEAN MODE)` are something else.
        "in" if !next.is_some_and(|list| list.is("("))
            && !call.is_some_and(|(of, _)| ["position", "against"].contains(&of.as_str())) =>
        {
            Some(Finding::new("holds an `in` without a list", "write the values in parentheses: `in ('a', 'b')`"))
        }
        _ => None,
    }
}

/// What stands before or behind the condition of a SELECT. All of these words are reserved where they mean that.
fn clause(name: &str, previous: Option<&Token<'_>>, next: Option<&Token<'_>>) -> Option<Finding> {
    if previous.is_some_and(|token| token.is(".")) {
        return None;
    }
    let alone = "`where` is a condition alone";
    let followed = |word: &str| next.is_some_and(|next| next.kind == Kind::Word && next.name() == word);
    let number = next.is_some_and(|next| next.kind == Kind::Number);
    let (clause, hint) = match name {
        "order" if followed("by") => ("order by", "rows move in the order of `key`: leave it out"),
        "limit" | "offset" if number => {
            (if name == "limit" { "limit" } else { "offset" }, "`--max-items` says how many a run moves: leave it out")
        }
        "fetch" if followed("first") || followed("next") => {
            ("fetch", "`--max-items` says how many a run moves: leave it out")
        }
        "group" if followed("by") => ("group by", "one row becomes one document: leave it out"),
        "having" => ("having", "one row becomes one document: leave it out"),
        "where" => ("where", "leave the word out"),
        "for" if followed("update") || followed("share") => ("for", "milkrun locks what it has to: leave it out"),
        _ => return None,
    };
    Some(Finding::new(format!("holds `{clause}`"), format!("{alone}; {hint}")))
}

fn bare(name: &str) -> Option<Finding> {
    BARE_CLOCKS.contains(&name).then(|| clock(name))
}

pub(super) fn clock(name: &str) -> Finding {
    let hint = "write `:pass_started`, the time at which the pass began; a column of that name stands in quotes or behind `t.`";
    Finding::new(format!("reads the clock with `{name}`"), hint)
}

/// Whether a text, in lower case, says a time by the clock wherever a time is wanted.
pub(super) fn says_a_time(text: &str) -> bool {
    text.split_whitespace().any(|word| TIME_TEXTS.contains(&word))
}

/// `date('now')`, `'now'::date`, `date 'now'`, `< 'now'`, `'today 06:00' >`; not `status = 'now'`.
fn is_a_time(text: &str, tokens: &[Token<'_>], place: usize, calls: &[(String, usize)]) -> bool {
    if !says_a_time(text) {
        return false;
    }
    let (before, after) = (tokens.get(..place).unwrap_or_default(), tokens.get(place + 1..).unwrap_or_default());
    let is_type = |token: &Token<'_>| TIME_TYPES.contains(&token.name().as_str());
    let cast = match after {
        [cast, _, dot, to, ..] if cast.kind == Kind::Cast && dot.is(".") => is_type(to),
        [cast, to, ..] if cast.kind == Kind::Cast => is_type(to),
        _ => false,
    };
    let word = before.last().filter(|word| word.kind == Kind::Word);
    calls.iter().any(|(name, _)| WANT_TIME.contains(&name.as_str()))
        || cast
        || word.is_some_and(|word| is_type(word) || word.name() == "between")
        || ordered_by(before.iter().rev().skip_while(|open| open.is("(")))
        || ordered_by(after.iter())
}

/// Whether what comes next, seen from a text, is `<`, `>`, `<=` or `>=`: `<>`, `->`, `->>` and `@>` are something else.
fn ordered_by<'a>(tokens: impl Iterator<Item = &'a Token<'a>>) -> bool {
    let symbols: Vec<&str> =
        tokens.take_while(|token| token.kind == Kind::Symbol).take(3).map(|token| token.text).collect();
    matches!(symbols.as_slice(), ["<" | ">"] | ["<" | ">", "="] | ["=", "<" | ">"])
}
