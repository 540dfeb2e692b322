//! The source: its table, its key, what changed in it, what does not travel.

use super::Case;

pub(super) const CASES: &[Case] = &[
    (
        "an overlap of nothing",
        &[("key = [\"id\"]\nwhere", "key = [\"id\"]\noverlap = \"10m\"\nwhere")],
        &["source.overlap: belongs to `changed`, which is not there; leave it out, or write `changed` too"],
    ),
    (
        "a changed and an overlap that are none",
        &[("key = [\"id\"]\nwhere", "key = [\"id\"]\nchanged = \"\"\noverlap = \"long\"\nwhere")],
        &[
            "source.changed: is empty; write `changed = \"updated_at\"`",
            "source.overlap: `long` is not a duration; write `overlap = \"10m\"`",
        ],
    ),
    (
        "an empty key",
        &[("key = [\"id\"]\nwhere", "key = []\nwhere")],
        &[r#"source.key: is empty; write `key = ["id"]`"#],
    ),
    (
        "a column twice in the key",
        &[("key = [\"id\"]\nwhere", "key = [\"id\", \"id\"]\nwhere")],
        &["source.key[1]: names `id` a second time; name each column once"],
    ),
    (
        "an excluded key",
        &[(r#"exclude = ["card_number"]"#, r#"exclude = ["card_number", "id"]"#)],
        &[
            "source.exclude[1]: `id` is a column of the key; take it out of `exclude`: by its key a record is found again",
        ],
    ),
    (
        "an excluded column that is copied",
        &[(r#"status = "status""#, "status = \"status\"\ncard = \"card_number\"")],
        &[
            "target.columns.card: copies `card_number`, which `source.exclude` names; leave it out here, or take it out of `source.exclude`",
        ],
    ),
    (
        "an empty table",
        &[(r#"table = "orders""#, r#"table = """#)],
        &[r#"source.table: is empty; write `table = "orders"`"#],
    ),
    (
        "an empty schema",
        &[(r#"table = "orders""#, "schema = \"\"\ntable = \"sales.orders\"")],
        &[r#"source.schema: is empty; write `schema = "sales"`"#],
    ),
    (
        "columns without a name",
        &[
            ("key = [\"id\"]\nwhere", "key = [\"id\", \"\"]\nwhere"),
            (r#"on = { order_id = "id" }"#, r#"on = { order_id = "" }"#),
            (r#"status = "status""#, "status = \"\"\n\"\" = \"code\""),
        ],
        &[
            "source.key[1]: is empty; write the name of a column",
            "source.related[0].on.order_id: is empty; write the name of a column",
            "target.columns.status: is empty; write the name of a column",
            r#"target.columns."": is empty; write the name of a column"#,
        ],
    ),
];
