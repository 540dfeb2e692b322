//! The target: its table, its key, what its columns are fed by.

use super::Case;

pub(super) const CASES: &[Case] = &[
    (
        "deleted, misspelt",
        &[(r#"after = "keep""#, r#"after = "deleted""#)],
        &["target.after: `deleted` is unknown; did you mean `delete`?"],
    ),
    (
        "a target key that is no column",
        &[(r#"key = ["order_id"]"#, r#"key = ["id"]"#)],
        &[r#"target.key[0]: `id` is not among `target.columns`; write `id = "id"` in `[target.columns]`"#],
    ),
    (
        "a target key fed by something else",
        &[("order_id = \"id\"\nstatus", "order_id = \"number\"\nstatus")],
        &[
            "target.key[0]: `order_id` is fed by `number`, which is not in the source's key; feed it from the source's key, which is `id`, or put `number` there",
        ],
    ),
    (
        "a source key that is misspelt",
        &[("key = [\"id\"]\nwhere", "key = [\"idd\"]\nwhere")],
        &[
            "target.key[0]: `order_id` is fed by `id`, which is not in the source's key; the source's key has `idd`: did you mean `id` there, or `idd` here?",
        ],
    ),
    (
        "a target key fed by a word",
        &[("order_id = \"id\"\nstatus", "order_id = \"$run\"\nstatus")],
        &[
            "target.key[0]: `order_id` is fed by a `$` word, not by the source's key; feed it from the source's key, which is `id`",
        ],
    ),
    (
        "a target key that is too short",
        &[("key = [\"id\"]\nwhere", "key = [\"shop\", \"id\"]\nwhere")],
        &[
            "target.key: leaves out what is fed by `shop`; add the columns: with less than the source's whole key, two rows could become one record",
        ],
    ),
    (
        "a target key that is fed twice",
        &[(r#"key = ["order_id"]"#, r#"key = ["order_id", "again"]"#), (r#"status = "status""#, r#"again = "id""#)],
        &["target.key[1]: `again` is fed by `id`, as one before it is; the source's key is `id`"],
    ),
    (
        "the source as target",
        &[(r#"table = "order_history""#, r#"table = "orders""#)],
        &["target.table: is the source table itself; write to a table of its own"],
    ),
    (
        "a related table as target",
        &[(r#"table = "order_history""#, r#"table = "order_items""#)],
        &["target.table: is one of the related tables; write to a table of its own"],
    ),
    (
        "two documents",
        &[(r#"document = "$document""#, "document = \"$document\"\ncopy = \"$document\"")],
        &[
            "target.columns.copy: is a second `$document`; one column holds the document, others can be filled from it by the database",
        ],
    ),
    (
        "a misspelt word",
        &[(r#""$document""#, r#""$documnet""#)],
        &[
            "target.columns.document: `$documnet` is unknown; did you mean `$document`? (a source column really named so is written `$$documnet`)",
        ],
    ),
    (
        "an unknown word",
        &[(r#"status = "status""#, r#"status = "$status""#)],
        &[
            "target.columns.status: `$status` is unknown; write `$document`, `$now`, `$run`, `$digest` or `$definition`; a source column really named so is written `$$status`",
        ],
    ),
    (
        "no columns",
        &[("order_id = \"id\"\nstatus = \"status\"\ndocument = \"$document\"\n", "")],
        &[r#"target.columns: is empty; write `columns = { document = "$document", order_id = "id" }`"#],
    ),
];
