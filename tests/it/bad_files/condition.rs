//! Conditions that would not mean the same in every run, or see more than the source table.

use super::Case;

pub(super) const CASES: &[Case] = &[
    (
        "an empty condition",
        &[(r#"where = "status = 'cancelled'""#, r#"where = " ""#)],
        &["source.where: is empty; leave it out to move every row"],
    ),
    (
        "other tables",
        &[(
            r#"where = "status = 'cancelled'""#,
            r#"where = "id IN (TABLE a) OR id IN (VALUES (1)) OR id IN (WITH b AS (TABLE c) TABLE b) OR id IN (SELECT(1)) OR id IN a""#,
        )],
        &[
            "source.where: holds a sub-select (`table`); a condition sees the source table alone: decide by its own columns; one of that name stands in quotes or behind `t.`",
            "source.where: holds a sub-select (`values`); a condition sees the source table alone: decide by its own columns; one of that name stands in quotes or behind `t.`",
            "source.where: holds a sub-select (`with`); a condition sees the source table alone: decide by its own columns; one of that name stands in quotes or behind `t.`",
            "source.where: holds a sub-select; a condition sees the source table alone: decide by its own columns",
            "source.where: holds an `in` without a list; write the values in parentheses: `in ('a', 'b')`",
        ],
    ),
    (
        "a clock and dice",
        &[(r#"where = "status = 'cancelled'""#, r#"where = "closed_at < now() AND rand() < 0.5""#)],
        &[
            "source.where: reads the clock with `now()`; write `:pass_started`, the time at which the pass began; a column of that name stands in quotes or behind `t.`",
            "source.where: calls `rand()`; a condition has to give the same answer in every run: it must not be random",
        ],
    ),
    (
        "two statements",
        &[(r#"where = "status = 'cancelled'""#, r#"where = "1 = 1; DROP TABLE orders""#)],
        &["source.where: holds a `;`; write one condition, without the end of a statement"],
    ),
    (
        "a parenthesis left open",
        &[(r#"where = "status = 'cancelled'""#, r#"where = "(a = 1 OR b = 2""#)],
        &["source.where: leaves a `(` open; close it"],
    ),
    (
        "a foreign parameter",
        &[(r#"where = "status = 'cancelled'""#, r#"where = "closed_at < :now""#)],
        &[
            "source.where: holds the parameter `:now`; `:pass_started` is the only one: the time at which the pass began",
        ],
    ),
    (
        "variables of the session in a condition",
        &[(r#"where = "status = 'cancelled'""#, r#"where = "created_at <@@timestamp""#)],
        &[
            "source.where: holds the variable `@@timestamp`; write the value itself: a variable differs from session to session; PostgreSQL's operator `@@` has a blank behind it",
        ],
    ),
    (
        "a clock in other words",
        &[(r#"where = "status = 'cancelled'""#, r#"where = "created_at < 'today 06:00'""#)],
        &[
            "source.where: reads the clock with `'today 06:00'`; write `:pass_started`, the time at which the pass began; a column of that name stands in quotes or behind `t.`",
        ],
    ),
];
