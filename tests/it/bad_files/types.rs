//! Values of another type than the field's.

use super::Case;

pub(super) const CASES: &[Case] = &[
    (
        "wrong types",
        &[
            ("key = [\"id\"]\nwhere", "key = \"id\"\nwhere"),
            ("create = true", r#"create = "yes""#),
            (r#"batch_time = "1s""#, "batch_time = 1\nmax_batch = \"many\"\nlog_keys = 1\nmax_sweeps = 1.5"),
        ],
        &[
            r#"source.key: must be a list, not a string; write `key = ["id"]`"#,
            "target.create: must be `true` or `false`, not a string; write `create = true`",
            r#"limits.batch_time: must be a string, not a whole number; write `batch_time = "1s"`"#,
            "limits.max_batch: must be a whole number, not a string; write `max_batch = 10000`",
            "limits.log_keys: must be `true` or `false`, not a whole number; write `log_keys = true`",
            "limits.max_sweeps: must be a whole number, not a number with a fraction; write `max_sweeps = 3`",
        ],
    ),
    (
        "a wrong type within a list",
        &[(r#"exclude = ["card_number"]"#, r#"exclude = ["card_number", 3]"#)],
        &["source.exclude[1]: must be a string, not a whole number; write a string in quotes"],
    ),
    (
        "one table for a list of them",
        &[("[[source.related]]", "[source.related]")],
        &["source.related: must be a list, not a table; write sections `[[source.related]]`"],
    ),
    (
        "a section that is none",
        &[("[limits]\nbatch_time = \"1s\"\n", ""), (r#"mode = "once""#, "mode = \"once\"\nlimits = 3")],
        &["limits: must be a table, not a whole number; write a section `[limits]`"],
    ),
    (
        "a number for a column",
        &[(r#"status = "status""#, "status = 1")],
        &["target.columns.status: must be a string, not a whole number; write a string in quotes"],
    ),
    (
        "a date for a condition",
        &[(r#"where = "status = 'cancelled'""#, "where = 2024-01-01")],
        &[
            "source.where: must be a string, not a date without quotes; write `where = \"status IN ('cancelled', 'dispensed')\"`",
        ],
    ),
    (
        "dates for columns, and for a field that there is not",
        &[
            (r#"exclude = ["card_number"]"#, "exclude = [\"card_number\", 2024-01-01]\ncolour = 2024-01-01"),
            (r#"status = "status""#, "status = 12:30:00"),
        ],
        &[
            "source.exclude[1]: must be a string, not a date without quotes; write a string in quotes",
            "target.columns.status: must be a string, not a date without quotes; write a string in quotes",
            "source.colour: is not a field of `source`; its fields are `database`, `schema`, `table`, `key`, `where`, `changed`, `overlap`, `exclude` and `related`",
        ],
    ),
];
