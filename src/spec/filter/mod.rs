//! `where`: a condition over the source table that gives the same answer however often and whenever it is asked.
//!
//! This guards against mistakes, before any database is asked; the database then has its own say about the syntax.

mod names;
mod times;
mod token;

pub use times::clocks_beside;

use super::problem::Problem;
use crate::sql::Dialect;
use token::{Kind, Of, Token};

/// A stretch of a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// SQL as it is written.
    Sql(String),
    /// `:pass_started`: bind the time at which the pass began.
    PassStarted,
}

/// What is wrong with a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) message: String,
    pub(super) hint: String,
}

impl Finding {
    fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: hint.into() }
    }
}

/// The condition in pieces, so that `:pass_started` can be bound wherever it stands outside of quotes. Joined again,
/// the pieces are the condition. It has been checked: anything else comes back as one piece.
pub fn pieces(filter: &str) -> Vec<Piece> {
    let tokens = token::tokens(filter).unwrap_or_default();
    let mut pieces = Vec::new();
    let mut rest = filter;
    let mut begun = 0;
    for token in tokens.iter().filter(|token| token.kind == Kind::PassStarted) {
        let (before, after) = rest.split_at(token.at - begun);
        if !before.is_empty() {
            pieces.push(Piece::Sql(before.to_owned()));
        }
        pieces.push(Piece::PassStarted);
        rest = &after[token.text.len()..];
        begun = token.at + token.text.len();
    }
    if !rest.is_empty() {
        pieces.push(Piece::Sql(rest.to_owned()));
    }
    pieces
}

/// The names that parentheses follow in a condition: its functions, and some words that are none.
pub fn called(filter: &str) -> Vec<String> {
    let tokens = token::tokens(filter).unwrap_or_default();
    let calls = tokens.windows(2).filter(|pair| {
        matches!(pair.first().map(|name| name.kind), Some(Kind::Word | Kind::Quoted))
            && pair.last().is_some_and(|open| open.is("("))
    });
    calls.filter_map(|pair| Some(pair.first()?.name())).collect()
}

/// What is an operator in PostgreSQL alone: of `a <@b` MySQL takes `@b` for a variable and SQLite for a parameter, and what they
/// are worth stands nowhere in the file.
pub fn foreign(filter: &str, dialect: Dialect) -> Option<Problem> {
    let taken = match dialect {
        Dialect::Postgres => return None,
        Dialect::MySql => "variable",
        Dialect::Sqlite => "parameter",
    };
    let tokens = token::tokens(filter).unwrap_or_default();
    tokens.iter().any(|token| token.kind == Kind::Symbol && token.text.starts_with('@')).then(|| Problem {
        field: "source.where".to_owned(),
        message: format!("holds `@` outside of quotes, which this database takes for a {taken}"),
        hint: "write the value itself; operators with `@` are PostgreSQL's".to_owned(),
    })
}

/// The names in a condition, in lower case: its columns, functions and keywords.
pub(super) fn names(filter: &str) -> Vec<String> {
    let tokens = token::tokens(filter).unwrap_or_default();
    let names = tokens.iter().filter(|token| matches!(token.kind, Kind::Word | Kind::Quoted));
    names.map(Token::name).collect()
}

/// Everything that is wrong with a condition, as far as that can be said without a database.
pub(super) fn check(filter: &str) -> Vec<Finding> {
    if filter.trim().is_empty() {
        return vec![Finding::new("is empty", "leave it out to move every row")];
    }
    match token::tokens(filter) {
        Err(finding) => vec![finding],
        Ok(tokens) => {
            let mut findings: Vec<_> = unbalanced(&tokens).into_iter().collect();
            findings.extend(names::check(&tokens));
            findings
        }
    }
}

/// Everything that is wrong with a query that is to answer one number and change nothing.
pub(super) fn check_query(query: &str) -> Vec<Finding> {
    const SHAPE: &str = "write one SELECT that answers one number, as in `SELECT COUNT(*) FROM job_queue`";
    let tokens = match token::tokens_of(Of::Query, query) {
        Err(finding) => return vec![finding],
        Ok(tokens) => tokens,
    };
    let word = |token: &Token<'_>, word: &str| token.kind == Kind::Word && token.text.eq_ignore_ascii_case(word);
    let mut findings: Vec<_> = unbalanced(&tokens).into_iter().collect();
    if !tokens.first().is_some_and(|first| word(first, "select")) {
        findings.push(Finding::new("is no SELECT", SHAPE));
    }
    if tokens.iter().any(|token| token.kind == Kind::PassStarted) {
        findings.push(Finding::new("holds `:pass_started`", "it belongs into `where`: write the query without it"));
    }
    if tokens.iter().any(|token| word(token, "into")) {
        findings.push(Finding::new("holds `into`, which writes", SHAPE));
    }
    let locks = |pair: &[Token<'_>]| {
        let [first, second] = pair else { return false };
        word(first, "for") && ["update", "share", "no", "key"].iter().any(|lock| word(second, lock))
            || word(first, "lock") && word(second, "in")
    };
    if tokens.windows(2).any(locks) {
        findings.push(Finding::new("locks rows", "leave the lock out: others would wait for it"));
    }
    findings
}

fn unbalanced(tokens: &[Token<'_>]) -> Option<Finding> {
    let mut open = Vec::new();
    for token in tokens {
        match token.kind {
            Kind::Open => open.push(token.text),
            Kind::Close => {
                let matching = if token.text == ")" { "(" } else { "[" };
                if open.pop() != Some(matching) {
                    return Some(Finding::new(
                        format!("closes a `{}` that is not open", token.text),
                        format!("balance `{matching}` and `{}`", token.text),
                    ));
                }
            }
            _ => {}
        }
    }
    open.pop().map(|left| Finding::new(format!("leaves a `{left}` open"), "close it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(filter: &str) -> String {
        let findings = check(filter);
        assert!(!findings.is_empty(), "{filter} was accepted");
        findings.iter().map(|finding| format!("{}; {}", finding.message, finding.hint)).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn ordinary_conditions_pass() {
        let conditions = [
            "status IN ('uncollected', 'cancelled', 'dispensed')",
            "t.closed_at < :pass_started AND note <> 'it''s; -- fine /* too */ ? :x $1 #'",
            r#"`now` = 1 AND "current_date" = 'x' AND [rand] = 2 AND t.utc_date IS NULL"#,
            "created::date < :pass_started::timestamptz",
            "now = 1 OR random IS NULL OR uuid = 'a' OR sleep > 3",
            "status = 'now' OR status IN ('today', 'later')",
            r"path = 'C:\\temp' AND name LIKE '%\_x'",
            "unix_timestamp(created_at) < 1700000000 AND date(created_at) = '2024-01-01'",
            "t.order = 1 AND \"limit\" < 5 AND \"group\" = 2 AND substring(a for 3) = 'x' AND offset = 3",
            "tags @> ARRAY['a'] AND a[1] = 2 AND j->>'x' = 'y'",
            "body @@to_tsquery('x') AND body@@pg_catalog.to_tsquery ('x') AND body @@tsquery 'x' AND body @@'x'",
            "body @@ to_tsquery('x') AND body @@@ to_tsquery('x') AND tags <@names AND path ^@ 'x' AND @ a = 1",
            "tags[1:2] = names[low:high] AND t.\"tags\"[:high] = a[1:2][low : f(x)] AND (a)[:t.high] = b[low::int:high]",
            "id = uuid('a') AND id <> UUID ( 'b' ) AND id = uuid(name) AND id = uuid_generate_v5(uuid('a'), name)",
            "a > date('2024-01-01') AND age[1] = 2 AND time['now'] = 3",
            "note <> 'now' AND j->>'today' = 'y' AND j -> 'now' = k AND 'now' <> note AND note = 'call now'",
            "(t.values = 1 OR (\"table\" = 2)) AND tables = 3 AND values > 4 AND position('a' IN name) > 0",
            "MATCH (name) AGAINST ('a' IN BOOLEAN MODE) AND (within = 1 OR with_card = 2)",
            "a$b = 1 AND größe > 1e5 AND x = 0xFF",
            "strftime('%Y', created_at) = '2024' AND age(a, b) > interval '1 day'",
        ];
        for condition in conditions {
            assert_eq!(check(condition), [], "{condition}");
        }
    }

    #[test]
    fn what_could_reach_beyond_the_condition_is_refused() {
        let cases = [
            ("", "is empty"),
            ("a = 1; DELETE FROM t", "holds a `;`"),
            ("a = 1 -- b", "holds a comment"),
            ("a = 1 /* b */", "holds a comment"),
            ("a = 1 # b", "holds a `#`"),
            ("(a = 1", "leaves a `(` open"),
            ("a = 1)", "closes a `)` that is not open"),
            ("a = [1)", "closes a `)` that is not open"),
            ("a = 'x", "leaves a quote open"),
            ("a = \"x", "leaves a quote open"),
            ("a = `x", "leaves a quote open"),
            (r"a = 'it\'s'", "holds a backslash before a quote"),
            ("a = ?", "holds a placeholder `?`"),
            (
                "tags ? 'a'",
                "holds a placeholder `?`; write the value itself, `:pass_started` is the only parameter; PostgreSQL's",
            ),
            ("a = $1", "holds a `$`"),
            ("a = $q$x$q$", "holds a `$`"),
            ("a = :started", "holds the parameter `:started`"),
            ("a = :pass_started2", "holds the parameter `:pass_started2`"),
            ("a = @x", "holds the variable `@x`"),
            ("a = @@global.x", "holds the variable `@@global`"),
            ("a = @@global.x AND (b = 1)", "holds the variable `@@global`"),
            ("a <@@timestamp", "holds the variable `@@timestamp`"),
            ("a = ~@@x", "holds the variable `@@x`"),
            ("a = ~@x", "holds the variable `@x`"),
            ("a = @@`timestamp`", "holds the variable `@@`"),
            ("a ^@'x'", "holds the variable `@`"),
            (
                "body @@query",
                "holds the variable `@@query`; write the value itself: a variable differs from session to session; \
                 PostgreSQL's operator `@@` has a blank behind it",
            ),
            ("a = ANY(ARRAY[:x])", "holds the parameter `:x`"),
            ("a = ANY(ARRAY[[1], [:x]])", "holds the parameter `:x`"),
            ("tags[f(:x)] = 1", "holds the parameter `:x`"),
            ("tags[1:2] = :x", "holds the parameter `:x`"),
            ("id IN (SELECT id FROM u)", "holds a sub-select;"),
            ("id IN (SELECT(id) FROM u)", "holds a sub-select;"),
            ("id IN (TABLE u)", "holds a sub-select (`table`)"),
            ("id IN ((table u) UNION TABLE v)", "holds a sub-select (`table`)"),
            ("EXISTS (WITH v AS (TABLE u) TABLE v)", "holds a sub-select (`with`)"),
            ("id = (VALUES (1))", "holds a sub-select (`values`)"),
            ("id IN u", "holds an `in` without a list"),
            ("id IN [u]", "holds an `in` without a list"),
            ("id NOT IN main.u", "holds an `in` without a list"),
            ("a = '\0'", "holds a NUL character"),
            ("id > 3 order by id", "holds `order by`; `where` is a condition alone"),
            ("id > 3 LIMIT 5", "holds `limit`; `where` is a condition alone"),
            ("id > 3 FETCH FIRST 5 ROWS ONLY", "holds `fetch`; `where` is a condition alone"),
            ("id > 3 GROUP BY id", "holds `group by`; `where` is a condition alone"),
            ("where id > 3", "holds `where`; `where` is a condition alone"),
            ("id > 3 FOR UPDATE", "holds `for`; `where` is a condition alone"),
        ];
        for (filter, expected) in cases {
            assert!(refused(filter).starts_with(expected), "{filter}: {}", refused(filter));
        }
    }

    #[test]
    fn clocks_and_dice_are_refused_by_name() {
        let filters = [
            "a < now()",
            "a < NOW ( 6 )",
            "a < CURRENT_TIMESTAMP",
            "a < current_date",
            "a < localtimestamp(3)",
            "a < sysdate()",
            "a < curdate()",
            "a < utc_timestamp",
            "a < unix_timestamp()",
            "a < clock_timestamp()",
            "a < pg_catalog.now()",
            "a < \"now\"()",
            "a < `now`()",
            "a < date('now')",
            "a < datetime('now', '-1 day')",
            "a < julianday()",
            "a < strftime('%s', 'now')",
            "a < strftime('%s')",
            "a < 'now'::timestamp",
            "a < timestamp 'today'",
            "a < 'yesterday'",
            "a > cast('now' as date)",
            "a < timestamp with time zone 'now'",
            "a < 'today 06:00'",
            "a >= ('now')",
            "'tomorrow' > a",
            "a = 'now'::pg_catalog.timestamptz",
            "a = timetz('now')",
            "a <@tstzrange('yesterday', 'infinity')",
            "age(a) > interval '1 day'",
        ];
        for filter in filters {
            assert!(refused(filter).contains(":pass_started"), "{filter}: {}", refused(filter));
        }
        for filter in [
            "rand() < 0.1",
            "random() < 0",
            "a = uuid()",
            "a = UUID ( )",
            "a = uuid(gen_random_uuid()::text)",
            "a = gen_random_uuid()",
            "a = uuid_generate_v4()",
            "a = uuidv7(interval '1 day')",
            "random(1, 10) < 5",
            "a = randomblob(4)",
        ] {
            assert!(refused(filter).contains("random"), "{filter}: {}", refused(filter));
        }
        for filter in
            ["sleep(1) = 0", "pg_sleep(1) IS NULL", "a = last_insert_id()", "a = connection_id()", "nextval('s') > 0"]
        {
            assert!(refused(filter).contains("session"), "{filter}: {}", refused(filter));
        }
        assert_eq!(refused("a < now() AND rand() < 1").lines().count(), 2);
    }

    #[test]
    fn what_postgresql_takes_for_an_operator_is_for_it_alone() {
        for filter in ["a <@b", "tags @> '{1}'", "body @@ to_tsquery('x')", "body @@to_tsquery('x')"] {
            assert_eq!(check(filter), [], "{filter}");
            assert_eq!(foreign(filter, Dialect::Postgres), None, "{filter}");
            for (dialect, taken) in [(Dialect::MySql, "a variable"), (Dialect::Sqlite, "a parameter")] {
                let problem = foreign(filter, dialect).unwrap();
                assert_eq!(problem.field, "source.where");
                assert!(problem.message.ends_with(taken), "{filter}: {problem}");
            }
        }
        for filter in ["mail LIKE '%@example.com'", "`a@b` = 1 OR \"a@b\" = :pass_started"] {
            for dialect in [Dialect::MySql, Dialect::Postgres, Dialect::Sqlite] {
                assert_eq!(foreign(filter, dialect), None, "{filter}");
            }
        }
    }

    #[test]
    fn a_query_is_one_select_that_changes_nothing() {
        for query in ["SELECT COUNT(*) FROM q", "select max(substring(a for 3)) from t where b in (select 1)"] {
            assert_eq!(check_query(query), [], "{query}");
        }
        for (query, expected) in [
            ("DELETE FROM q", "is no SELECT"),
            ("", "is no SELECT"),
            ("WITH d AS (DELETE FROM q RETURNING 1) SELECT COUNT(*) FROM d", "is no SELECT"),
            ("SELECT 1; DROP TABLE q", "holds a `;`"),
            ("SELECT 1 INTO OUTFILE '/tmp/x'", "holds `into`"),
            ("SELECT a INTO b FROM q", "holds `into`"),
            ("SELECT a FROM q FOR UPDATE", "locks rows"),
            ("SELECT a FROM q LOCK IN SHARE MODE", "locks rows"),
            ("SELECT :pass_started", "holds `:pass_started`"),
            ("SELECT (1", "leaves a `(` open"),
        ] {
            assert!(check_query(query).iter().any(|found| found.message.starts_with(expected)), "{query}");
        }
        for query in ["SELECT 1;", "SELECT :x", "SELECT 1 # x", "SELECT ?", "SELECT $1"] {
            let hint = &check_query(query)[0].hint;
            assert!(hint.contains("query") && !hint.contains("condition"), "{query}: {hint}");
            assert!(!hint.contains(":pass_started"), "{query}: {hint}");
        }
    }

    #[test]
    fn pieces_bind_outside_of_quotes_alone() {
        let sql = |text: &str| Piece::Sql(text.to_owned());
        assert_eq!(pieces("a = 1"), [sql("a = 1")]);
        assert_eq!(
            pieces(":pass_started > a AND b = ':pass_started' AND ü<:pass_started::date"),
            [Piece::PassStarted, sql(" > a AND b = ':pass_started' AND ü<"), Piece::PassStarted, sql("::date")]
        );
        assert_eq!(pieces("a < :pass_started"), [sql("a < "), Piece::PassStarted]);
    }
}
