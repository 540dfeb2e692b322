//! Texts that PostgreSQL takes for a time where they are compared with a column that is one. Which columns are, the file does not say:
//! the catalog does.

use super::Finding;
use super::names::{clock, says_a_time};
use super::token::{self, Kind, Token};
use crate::spec::problem::Problem;

/// The clocks that a condition reads by comparing a column with `'today'`, where `is_time` says of a column whether it is a time.
pub fn clocks_beside(filter: &str, is_time: impl Fn(&str) -> bool) -> Vec<Problem> {
    let tokens = token::tokens(filter).unwrap_or_default();
    let mut problems = Vec::new();
    // Where the parentheses stand that are open.
    let mut open = Vec::new();
    for (place, token) in tokens.iter().enumerate() {
        match token.kind {
            Kind::Open => open.push(place),
            Kind::Close => {
                open.pop();
            }
            Kind::Text if says_a_time(&token.name()) => {
                let column = compared(&tokens, place, open.last().copied());
                if column.is_some_and(|name| is_time(&name)) {
                    let Finding { message, hint } = clock(&format!("'{}'", token.name()));
                    problems.push(Problem { field: "source.where".to_owned(), message, hint });
                }
            }
            _ => {}
        }
    }
    problems
}

/// What a text is compared with, if that is a column and nothing else: of an expression nobody here can say whether it is a time.
fn compared(tokens: &[Token<'_>], place: usize, open: Option<usize>) -> Option<String> {
    let (before, after) = (tokens.get(..place)?, tokens.get(place + 1..)?);
    open.and_then(|open| in_list(tokens.get(..open)?))
        .or_else(|| last_operand(before_equals(before)?))
        .or_else(|| first_operand(behind_equals(after)?))
}

/// The column of `column IN`, `column NOT IN`.
fn in_list(tokens: &[Token<'_>]) -> Option<String> {
    let (list, before) = tokens.split_last()?;
    if !is_word(list, &["in"]) {
        return None;
    }
    match before {
        [before @ .., not] if is_word(not, &["not"]) => last_operand(before),
        _ => last_operand(before),
    }
}

/// What stands before `=`, `<>`, `!=` or `IS [NOT] DISTINCT FROM`, and parentheses that open behind it.
fn before_equals<'a, 'b>(mut tokens: &'a [Token<'b>]) -> Option<&'a [Token<'b>]> {
    while let [before @ .., open] = tokens
        && open.is("(")
    {
        tokens = before;
    }
    match tokens {
        [before @ .., one, other] if is_unequal(one, other) => Some(before),
        [before @ .., is, not, distinct, from]
            if is_word(is, &["is"])
                && is_word(not, &["not"])
                && is_word(distinct, &["distinct"])
                && is_word(from, &["from"]) =>
        {
            Some(before)
        }
        [before @ .., is, distinct, from]
            if is_word(is, &["is"]) && is_word(distinct, &["distinct"]) && is_word(from, &["from"]) =>
        {
            Some(before)
        }
        [before @ .., equals] if equals.is("=") => Some(before),
        _ => None,
    }
}

/// What stands behind `=`, `<>` or `!=`.
fn behind_equals<'a, 'b>(tokens: &'a [Token<'b>]) -> Option<&'a [Token<'b>]> {
    match tokens {
        [one, other, behind @ ..] if is_unequal(one, other) => Some(behind),
        [equals, behind @ ..] if equals.is("=") => Some(behind),
        _ => None,
    }
}

fn is_unequal(one: &Token<'_>, other: &Token<'_>) -> bool {
    one.is("<") && other.is(">") || one.is("!") && other.is("=")
}

/// The column that ends what stands before an operator, and is all of its operand.
fn last_operand(tokens: &[Token<'_>]) -> Option<String> {
    let (column, before) = tokens.split_last()?;
    let before = match before {
        [before @ .., table, dot] if dot.is(".") && is_source(table) => before,
        _ => before,
    };
    let begins = |last: &Token<'_>| last.is("(") || is_word(last, &["and", "or", "not", "when"]);
    name(column).filter(|_| before.last().is_none_or(begins))
}

/// The column that begins what stands behind an operator, and is all of its operand.
fn first_operand(tokens: &[Token<'_>]) -> Option<String> {
    let (column, behind) = match tokens {
        [table, dot, column, behind @ ..] if dot.is(".") && is_source(table) => (column, behind),
        [column, behind @ ..] => (column, behind),
        [] => return None,
    };
    let ends = |first: &Token<'_>| first.is(")") || is_word(first, &["and", "or", "then"]);
    name(column).filter(|_| behind.first().is_none_or(ends))
}

fn is_source(table: &Token<'_>) -> bool {
    name(table).as_deref() == Some("t")
}

fn is_word(token: &Token<'_>, words: &[&str]) -> bool {
    token.kind == Kind::Word && words.contains(&token.name().as_str())
}

/// The name as the catalog has it.
fn name(token: &Token<'_>) -> Option<String> {
    match token.kind {
        Kind::Word => Some(token.text.to_ascii_lowercase()),
        Kind::Quoted => token.text.get(1..token.text.len() - 1).map(|name| name.replace("\"\"", "\"")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clocks(filter: &str) -> Vec<Problem> {
        clocks_beside(filter, |name| name == "created")
    }

    #[test]
    fn a_text_beside_a_column_that_is_a_time_is_one() {
        for filter in [
            "created = 'today'",
            "t.created <> 'now' AND a = 1",
            "a = 1 OR (CREATED != ('Today 06:00'))",
            "\"created\" IN ('2024-01-01', 'now')",
            "NOT t.created NOT IN ('tomorrow')",
            "'yesterday' = t.created",
            "('now' <> created) AND a = 1",
            "created IS DISTINCT FROM 'now'",
            "created IS NOT DISTINCT FROM 'now'",
        ] {
            let found = clocks(filter);
            assert_eq!(found.len(), 1, "{filter}: {found:?}");
            assert!(found[0].message.starts_with("reads the clock with `'") && found[0].hint.contains(":pass_started"));
        }
        assert_eq!(clocks("created = 'now' OR created = 'today'").len(), 2);
    }

    #[test]
    fn beside_anything_else_it_is_a_text() {
        for filter in [
            "note = 'today' OR note IN ('now')",
            "created = '2024-01-01' AND note = 'now'",
            "created::text = 'today' OR 'today' = created::text",
            "note || created = 'today' OR 'today' = created || note",
            "to_char(created, 'x') = 'today'",
            "\"Created\" = 'now' OR u.created = 'now'",
            "created IN (:pass_started) AND lower('now') = note",
        ] {
            assert_eq!(clocks(filter), [], "{filter}");
        }
    }
}
