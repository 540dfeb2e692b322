//! How a column's values travel to a column of another database.
//!
//! The source prints a value as text, or gives its bytes ([`Carry::read`]). The text is turned into what the target will say of
//! the value ([`Carry::turn`]), or found [`Unfit`] to be held there: nothing is left for the target to change in silence. That
//! text is what is written: by COPY, or bound between [`Carry::before`] and [`Carry::behind`]. What the target prints of a value
//! that it holds ([`Carry::held`], [`Carry::settled`]) is the same text if, and only if, the value is the one that would be
//! written: so equality is decided by comparing texts, or their digests.
//!
//! | value | the text |
//! | --- | --- |
//! | integers, MySQL's `bit` and `year`, booleans | decimal digits; a boolean is `1` or `0` |
//! | decimals | digits, as many behind the point as the target declares; undeclared, as they come |
//! | floating point | the shortest digits that read back the same |
//! | dates and times | as the target prints them, a point in time in UTC and without a zone |
//! | bytes | no text, but themselves |
//! | text, JSON, everything else | the database's own text |
//! | a value of SQLite, or for it | the same behind a letter for its storage class: `i`, `r`, `t` or `b` |
//! | any of these in a column of text | as a document says it: `T` between date and time, `true` and `false` |

mod jsonb;
mod key;
mod kind;
mod made;
mod measure;
mod number;
mod print;
mod route;
mod route_sqlite;
mod step;
mod time;
mod typed;
mod unfit;

pub use made::made;
pub use measure::fit_into_a_row;
pub use unfit::Unfit;

use super::fit::Fit;
use crate::sql::catalog::Column;
use crate::sql::native::Native;
use crate::sql::{Dialect, Make};
use kind::{Blanks, Kind};
pub(in crate::rows) use print::prints_itself;
use print::{Mode, cast, is_shape, print};
use route_sqlite::Letter;
use std::borrow::Cow;
use step::Step;
use typed::Class;

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
    is_bytes: bool,
    /// PostgreSQL: what a bound text is cast to.
    cast: Option<String>,
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
    // PostgreSQL says what such a value is without its blanks, and fills it again up to its length.
    let fills = theirs == Dialect::Postgres && target.column.length.is_some();
    let blank = !fills && matches!(to, Kind::Text { blanks: Blanks::Filled, .. });
    if ours == theirs && declared(source) == declared(target) && !blank {
        return Ok(Plan { same: true, step: Step::AsIs, letter: None, fit: Fit::Exact });
    }
    if ours == Dialect::Postgres && theirs == ours && holds_elements(source.column, target.column) {
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

/// An array whose elements are of the same type, once domains are resolved, without a measure that could cut or round.
fn holds_elements(ours: &Column, theirs: &Column) -> bool {
    let measures = |column: &Column| (column.precision, column.scale, column.fraction, column.length);
    ours.element.is_some()
        && ours.element == theirs.element
        && (measures(theirs) == measures(ours) || measures(theirs) == measures(&Column::default()))
}

impl Carry {
    /// From one column to another; the reason if the target would not keep the values.
    pub fn between(source: Side<'_>, target: Side<'_>) -> Result<Self, Fit> {
        let plan = plan(source, target)?;
        let kind = Kind::of(target.make.dialect(), target.column);
        let dynamic = matches!(kind, Kind::Dynamic(_));
        let is_mysql = target.make.dialect() == Dialect::MySql;
        let settling = match kind {
            // MySQL prints all digits that a number has as a double.
            Kind::Float { single, .. } if !plan.same => Settling::Float { single: single && !is_mysql },
            _ if plan.letter == Some(Letter::Always(Class::Real)) => Settling::Number,
            _ if dynamic && plan.same && source.column.type_name != target.column.type_name => Settling::Number,
            _ => Settling::None,
        };
        let shape = plan.same && is_mysql && is_shape(&target.column.base);
        Ok(Self {
            typed: source.make == Make::Sqlite && !dynamic,
            source: (source.make, source.column.clone()),
            target: (target.make, target.column.clone()),
            same: plan.same,
            step: plan.step,
            letter: plan.letter,
            settling,
            is_bytes: dynamic || shape || matches!(kind, Kind::Bytes { .. }),
            cast: cast(target),
        })
    }

    /// SQL at the source: text or bytes of the value `x`, a quoted column; NULL of NULL.
    pub fn read(&self, x: &str) -> String {
        let (make, column) = &self.source;
        print(Side { make: *make, column }, x, if self.same { Mode::Same } else { Mode::Read })
    }

    /// PostgreSQL's SQL of a value that its COPY prints as [`Carry::read`] has it; `None` of bytes, and elsewhere.
    pub fn bare(&self, x: &str) -> Option<String> {
        let (make, column) = &self.source;
        let (dialect, read) = (make.dialect(), self.read(x));
        if dialect != Dialect::Postgres || matches!(Kind::of(dialect, column), Kind::Bytes { .. }) {
            return None;
        }
        Some(if prints_itself(dialect, column) && read == format!("{x}::text") { x.to_owned() } else { read })
    }

    /// From PostgreSQL to PostgreSQL: SQL of a value that the target takes in the form in which the source keeps it, and that form, of
    /// which the text is what [`Carry::read`] gives. `None`: there is none.
    pub fn native(&self, x: &str) -> Option<(String, Native)> {
        let ((ours, source), (theirs, target)) = (&self.source, &self.target);
        let both = ours.dialect() == Dialect::Postgres && theirs.dialect() == Dialect::Postgres;
        let form = Native::of(&target.base).filter(|_| both && self.is_plain())?;
        // What is read as text goes into any text.
        let read = if form == Native::Text { self.bare(x)? } else { x.to_owned() };
        let is_text = form == Native::Text && read != x;
        (is_text || Native::of(&source.base) == Some(form)).then_some((read, form))
    }

    /// What was read, as the target will say it.
    pub fn turn<'a>(&self, value: &'a [u8]) -> Result<Cow<'a, [u8]>, Unfit> {
        let turned = if self.typed { self.admit(value)? } else { self.stepped(value)? };
        Ok(match (self.letter, self.settling) {
            (Some(letter), _) => letter.before(&turned).into(),
            (None, Settling::Number) => settle_number(turned),
            (None, _) => turned,
        })
    }

    fn admit<'a>(&self, value: &'a [u8]) -> Result<Cow<'a, [u8]>, Unfit> {
        match typed::split(value)? {
            (Class::Blob, bytes) if self.is_bytes => Ok(bytes.into()),
            (class, text) => Ok(bytes(self.step.admit(class, utf8(text)?)?)),
        }
    }

    fn stepped<'a>(&self, value: &'a [u8]) -> Result<Cow<'a, [u8]>, Unfit> {
        match self.step {
            Step::AsIs => Ok(value.into()),
            step => Ok(bytes(step.apply(utf8(value)?)?)),
        }
    }

    /// A turned value is bytes; otherwise text.
    pub fn is_bytes(&self) -> bool {
        self.is_bytes
    }

    /// SQL at the target before the placeholder of a turned value. COPY needs none.
    pub fn before(&self) -> &'static str {
        match self.target.0 {
            Make::Sqlite => "milkrun_stored(",
            // A text would be taken for its characters' bits, or for a year of our century.
            Make::MySql | Make::MariaDb if matches!(self.target.1.base.as_str(), "bit" | "year") => "CAST(",
            _ => "",
        }
    }

    /// SQL at the target behind the placeholder of a turned value, which PostgreSQL is given as text, or bytes as bytea.
    pub fn behind(&self) -> String {
        match (&self.cast, self.before()) {
            (Some(cast), _) if !self.is_bytes => format!("::text::{cast}"),
            (_, "CAST(") => " AS UNSIGNED)".to_owned(),
            (_, "") => String::new(),
            _ => ")".to_owned(),
        }
    }

    /// SQL at the target: text or bytes of a value `x` that it holds, a quoted column; NULL of NULL. [`Carry::settled`] makes of
    /// it what [`Carry::turn`] makes of the source's.
    pub fn held(&self, x: &str) -> String {
        let (make, column) = &self.target;
        print(Side { make: *make, column }, x, if self.same { Mode::Same } else { Mode::Held })
    }

    /// What the target says of a value that it holds, to be compared with a turned one.
    pub fn settled<'a>(&self, held: &'a [u8]) -> Cow<'a, [u8]> {
        match self.settling {
            Settling::None => held.into(),
            Settling::Float { single } => match utf8(held).and_then(|text| number::float(text, single)) {
                Ok(number) => number.into_bytes().into(),
                Err(_) => held.into(),
            },
            Settling::Number => settle_number(held.into()),
        }
    }

    /// [`Carry::settled`] does nothing: the texts, or their digests, can be compared in the target's SQL.
    pub fn is_settled(&self) -> bool {
        self.settling == Settling::None
    }

    /// A long text is compared as it is, or not held at all: its digest can be made in either database's SQL.
    pub fn is_long_text(&self) -> bool {
        let untouched = matches!(self.step, Step::Text { trim: false, .. });
        untouched && !self.typed && self.letter.is_none() && self.settling == Settling::None
    }

    /// What is read is written as it is.
    pub fn is_plain(&self) -> bool {
        self.step == Step::AsIs && !self.typed && self.letter.is_none() && self.settling == Settling::None
    }
}

/// An integer of SQLite's as the real number that it equals.
fn settle_number(value: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    let real = match typed::split(&value) {
        Ok((Class::Integer, digits)) => utf8(digits).and_then(number::whole_as_float).ok(),
        _ => None,
    };
    real.map_or(value, |real| typed::join(Class::Real, real.as_bytes()).into())
}

fn utf8(value: &[u8]) -> Result<&str, Unfit> {
    std::str::from_utf8(value).map_err(|_| Unfit::Written)
}

fn bytes(text: Cow<'_, str>) -> Cow<'_, [u8]> {
    match text {
        Cow::Borrowed(text) => text.as_bytes().into(),
        Cow::Owned(text) => text.into_bytes().into(),
    }
}
