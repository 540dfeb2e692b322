//! How a column's values travel to a column of another database.
//!
//! The source prints a value as text ([`Carry::read`]), bytes as hex. The text is turned into what the target will say of the
//! value ([`Carry::turn`]), or found [`Unfit`] to be held there: nothing is left for the target to change in silence. That
//! text is written, bound to a statement ([`Carry::bind`]) or as a cell of PostgreSQL's COPY ([`Carry::copy`]). What the
//! target prints of a value that it holds ([`Carry::held`], [`Carry::settled`]) is the same text if, and only if, the value
//! is the one that would be written: so equality is decided by comparing texts, or their digests.
//!
//! | value | the text |
//! | --- | --- |
//! | integers, MySQL's `bit` and `year`, booleans | decimal digits; a boolean is `1` or `0` |
//! | decimals | digits, as many behind the point as the target declares; undeclared, as they come |
//! | floating point | the shortest digits that read back the same |
//! | dates and times | as the target prints them, a point in time in UTC and without a zone |
//! | bytes | lower-case hex |
//! | text, JSON, everything else | the database's own text |
//! | a value of SQLite, or for it | the same behind a letter for its storage class: `i`, `r`, `t` or `b` |
//! | any of these in a column of text | as a document says it: `T` between date and time, `true` and `false` |

mod kind;
mod number;
mod print;
mod route;
mod route_sqlite;
mod step;
mod time;
mod typed;
mod unfit;

pub use unfit::Unfit;

use super::fit::{Fit, UNKNOWN};
use crate::hex;
use crate::sql::catalog::Column;
use crate::sql::statement::{Bind, Statement};
use crate::sql::{Dialect, Make};
use kind::{Blanks, Kind};
use print::{Mode, cast, is_shape, print};
use route_sqlite::Letter;
use std::borrow::Cow;
use step::Step;

/// A column, and whose it is.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    /// The server's make.
    pub make: Make,
    /// The column.
    pub column: &'a Column,
}

/// How the values of one column travel to another.
#[derive(Clone, Debug, PartialEq)]
pub struct Carry {
    source: (Make, Column),
    target: (Make, Column),
    same: bool,
    /// The source's values have a letter before them, which does not go on.
    typed: bool,
    step: Step,
    letter: Option<Letter>,
    settling: Settling,
    writing: Writing,
}

/// What is done to the text of a value that the target holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Settling {
    None,
    /// Digits of floating point are the database's own way to write them.
    Float {
        single: bool,
    },
    /// SQLite turns reals that are whole numbers into integers, and back.
    Number,
}

/// How a text becomes a value of the target.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Writing {
    /// Bound as a number.
    Int,
    /// Bound as it is.
    Text,
    /// Bound as bytes.
    Bytes,
    /// PostgreSQL: bound as text and cast.
    Cast(String),
    /// PostgreSQL: hex.
    Hex,
    /// SQLite: by its letter.
    Stored,
}

/// What becomes of the values of one column in another.
pub fn fit(source: Side<'_>, target: Side<'_>) -> Fit {
    plan(source, target).map_or_else(|fit| fit, |plan| plan.fit)
}

struct Plan {
    same: bool,
    step: Step,
    letter: Option<Letter>,
    fit: Fit,
}

fn plan(source: Side<'_>, target: Side<'_>) -> Result<Plan, Fit> {
    let (ours, theirs) = (source.make.dialect(), target.make.dialect());
    let (from, to) = (Kind::of(ours, source.column), Kind::of(theirs, target.column));
    let declared = |side: Side<'_>| (side.column.resolved.clone(), side.column.charset.clone(), side.column.is_json);
    let blank = matches!(to, Kind::Text { blanks: Blanks::Filled, .. });
    if ours == theirs && declared(source) == declared(target) && !blank {
        return Ok(Plan { same: true, step: Step::AsIs, letter: None, fit: Fit::Exact });
    }
    match (&from, &to) {
        (Kind::Dynamic(_), Kind::Dynamic(_)) => {
            match super::check::fit_of(Dialect::Sqlite, source.column, target.column) {
                fit @ Fit::Changing(_) => Err(fit),
                fit => Ok(Plan { same: true, step: Step::AsIs, letter: None, fit }),
            }
        }
        (_, Kind::Dynamic(affinity)) => route_sqlite::route(&from, *affinity).map(|(route, letter)| Plan {
            same: false,
            step: route.step,
            letter: Some(letter),
            fit: route.fit,
        }),
        _ => route::route((ours, &from), (theirs, &to)).map(|route| Plan {
            same: false,
            step: route.step,
            letter: None,
            fit: route.fit,
        }),
    }
}

impl Carry {
    /// From one column to another; the reason if the target would not keep the values.
    pub fn between(source: Side<'_>, target: Side<'_>) -> Result<Self, Fit> {
        let plan = plan(source, target)?;
        let kind = Kind::of(target.make.dialect(), target.column);
        let dynamic = matches!(kind, Kind::Dynamic(_));
        let settling = match kind {
            Kind::Float { single, .. } if !plan.same => Settling::Float { single },
            _ if plan.letter == Some(Letter::Always(typed::Class::Real)) => Settling::Number,
            _ if dynamic && plan.same && source.column.type_name != target.column.type_name => Settling::Number,
            _ => Settling::None,
        };
        let shape = plan.same && is_shape(&target.column.base);
        let writing = match (target.make.dialect(), &kind) {
            (Dialect::Sqlite, _) => Writing::Stored,
            (Dialect::MySql, Kind::Int { .. }) => Writing::Int,
            (Dialect::MySql, Kind::Bytes { .. }) => Writing::Bytes,
            (Dialect::MySql, _) if shape => Writing::Bytes,
            (Dialect::MySql, _) => Writing::Text,
            (Dialect::Postgres, Kind::Bytes { .. }) => Writing::Hex,
            (Dialect::Postgres, _) => Writing::Cast(cast(target).ok_or(UNKNOWN)?),
        };
        Ok(Self {
            typed: source.make == Make::Sqlite && !dynamic,
            source: (source.make, source.column.clone()),
            target: (target.make, target.column.clone()),
            same: plan.same,
            step: plan.step,
            letter: plan.letter,
            settling,
            writing,
        })
    }

    /// SQL at the source: the text of the value `x`, a quoted column; NULL of NULL.
    pub fn read(&self, x: &str) -> String {
        let (make, column) = &self.source;
        print(Side { make: *make, column }, x, if self.same { Mode::Same } else { Mode::Read })
    }

    /// The text as the target will say it.
    pub fn turn<'a>(&self, text: &'a str) -> Result<Cow<'a, str>, Unfit> {
        let turned = if self.typed {
            let (class, text) = typed::split(text)?;
            self.step.admit(class, text)?
        } else {
            self.step.apply(text)?
        };
        Ok(match (self.letter, self.settling) {
            (Some(letter), _) => letter.before(&turned).into(),
            (None, Settling::Number) => settle_number(turned),
            (None, _) => turned,
        })
    }

    /// Appends a turned value to a statement at the target, so that it becomes the column's type. The statement's text is the
    /// same for every value.
    pub fn bind(&self, statement: &mut Statement, value: Option<&str>) {
        let bound = match (value, &self.writing) {
            (None, _) => Bind::Null,
            (Some(text), Writing::Int) => match text.parse() {
                Ok(signed) => Bind::Int(signed),
                Err(_) => text.parse().map_or_else(|_| Bind::Text(text.to_owned()), Bind::Unsigned),
            },
            (Some(text), Writing::Bytes) => hex::decode(text).map_or_else(|| Bind::Text(text.to_owned()), Bind::Bytes),
            (Some(text), _) => Bind::Text(text.to_owned()),
        };
        match &self.writing {
            Writing::Int | Writing::Text | Writing::Bytes => statement.bind(bound),
            Writing::Cast(cast) => statement.bind(bound).sql("::text::").sql(cast),
            Writing::Hex => statement.sql("decode(").bind(bound).sql("::text, 'hex')"),
            Writing::Stored => statement.sql("milkrun_stored(").bind(bound).sql(")"),
        };
    }

    /// Appends a turned value to a line of PostgreSQL's COPY in its text format: without the tab or newline behind it.
    pub fn copy(&self, line: &mut Vec<u8>, value: Option<&str>) {
        let Some(text) = value else {
            line.extend_from_slice(b"\\N");
            return;
        };
        if self.writing == Writing::Hex {
            line.extend_from_slice(b"\\\\x");
        }
        let mut rest = text.as_bytes();
        while let Some(place) = rest.iter().position(|byte| matches!(byte, b'\\' | b'\t' | b'\n' | b'\r')) {
            let (plain, special) = rest.split_at(place);
            line.extend_from_slice(plain);
            line.extend_from_slice(match special.first() {
                Some(b'\t') => b"\\t",
                Some(b'\n') => b"\\n",
                Some(b'\r') => b"\\r",
                _ => b"\\\\",
            });
            rest = special.get(1..).unwrap_or_default();
        }
        line.extend_from_slice(rest);
    }

    /// SQL at the target: the text of a value `x` that it holds, a quoted column; NULL of NULL. [`Carry::settled`] makes of it
    /// what [`Carry::turn`] makes of the source's.
    pub fn held(&self, x: &str) -> String {
        let (make, column) = &self.target;
        print(Side { make: *make, column }, x, if self.same { Mode::Same } else { Mode::Held })
    }

    /// The text of a value that the target holds, to be compared with a turned one.
    pub fn settled<'a>(&self, held: &'a str) -> Cow<'a, str> {
        match self.settling {
            Settling::None => held.into(),
            Settling::Float { single } => number::float(held, single).map_or_else(|_| held.into(), Into::into),
            Settling::Number => settle_number(held.into()),
        }
    }

    /// [`Carry::settled`] does nothing: the texts, or their digests, can be compared in the target's SQL.
    pub fn is_settled(&self) -> bool {
        self.settling == Settling::None
    }

    /// The text goes through as it is.
    pub fn is_plain(&self) -> bool {
        self.step == Step::AsIs && !self.typed && self.letter.is_none() && self.settling == Settling::None
    }
}

/// An integer of SQLite's as the real number that it equals.
fn settle_number(text: Cow<'_, str>) -> Cow<'_, str> {
    match typed::split(&text) {
        Ok((typed::Class::Integer, digits)) => {
            number::whole_as_float(digits).map_or_else(|_| text.clone(), |real| format!("r{real}").into())
        }
        _ => text,
    }
}
