//! Related tables, and targets of their own.

use super::Case;

pub(super) const CASES: &[Case] = &[
    (
        "delete without a place to go to",
        &[(r#"after = "keep""#, r#"after = "delete""#), ("document = \"$document\"", "digest = \"$digest\"")],
        &[
            r#"source.related[0]: has rows that would travel nowhere; write `document = "$document"` in `[target.columns]`, give it a `[source.related.target]`, or leave it out"#,
        ],
    ),
    (
        "a related table with nothing in it",
        &[("name = \"items\"\ntable = \"order_items\"\nkey = [\"id\"]\non = { order_id = \"id\" }\n", "")],
        &[
            r#"source.related[0].name: is missing; write `name = "items"`"#,
            r#"source.related[0].table: is missing; write `table = "order_items"`"#,
            r#"source.related[0].key: is missing; write `key = ["id"]`"#,
            r#"source.related[0].on: is missing; write `on = { order_id = "id" }`"#,
        ],
    ),
    (
        "related tables of one name",
        &[("[target]", "[[source.related]]\nname = \"items\"\ntable = \"notes\"\nkey = [\"id\"]\non = { }\n[target]")],
        &[
            "source.related[1].name: is `items`, as that of `source.related[0]` is; give each array of a document a name of its own",
            r#"source.related[1].on: is empty; write `on = { order_id = "id" }`"#,
        ],
    ),
    (
        "related rows that go nowhere",
        &[("document = \"$document\"\n", "")],
        &[
            r#"source.related[0]: has rows that would travel nowhere; write `document = "$document"` in `[target.columns]`, give it a `[source.related.target]`, or leave it out"#,
        ],
    ),
    (
        "a related target with next to nothing in it",
        &[(r#"on = { order_id = "id" }"#, "on = { order_id = \"id\" }\ntarget = { tabel = \"x\" }")],
        &[
            "source.related[0].target.tabel: is not a field of `source.related[0].target`; did you mean `table`?",
            r#"source.related[0].target.key: is missing; write `key = ["item_id"]`"#,
            r#"source.related[0].target.columns: is missing; write `columns = { item_id = "id", sku = "sku" }`"#,
        ],
    ),
    (
        "a related target that is fed by what it must not be",
        &[(
            "[target]",
            "[source.related.target]\ntable = \"order_items\"\nkey = [\"n\", \"id\"]\n[source.related.target.columns]\n\
             n = \"number\"\ncard = \"card_number\"\ndoc = \"$document\"\nhash = \"$digest\"\n[target]",
        )],
        &[
            "source.related[0].target.columns.doc: `$document` is that of the whole item; write it in `[target.columns]`, or copy the columns themselves here",
            "source.related[0].target.columns.hash: `$digest` is that of the whole item; write it in `[target.columns]`, or copy the columns themselves here",
            "source.related[0].target.columns.card: copies `card_number`, which `exclude` names; leave it out here, or take it out of `exclude`",
            "source.related[0].target.key[0]: `n` is fed by `number`, which is not in the related table's key; feed it from the related table's key, which is `id`, or put `number` there",
            r#"source.related[0].target.key[1]: `id` is not among `source.related.target.columns`; write `id = "id"` in `[source.related.target.columns]`"#,
            "source.related[0].target.table: is one of the related tables; write to a table of its own",
        ],
    ),
    (
        "two targets in one table",
        &[(
            "[target]",
            "[source.related.target]\ntable = \"order_history\"\nkey = [\"id\"]\n[source.related.target.columns]\nid = \"id\"\n[target]",
        )],
        &["source.related[0].target.table: is the table of `target.table`; copy each into a table of its own"],
    ),
    (
        "a misspelling two tables deep",
        &[(
            r#"on = { order_id = "id" }"#,
            "on = { order_id = \"id\" }\n[[source.related.related]]\nname = \"discounts\"\ntabel = \"item_discounts\"\nkey = [\"id\"]\non = { item_id = 7 }",
        )],
        &[
            "source.related[0].related[0].on.item_id: must be a string, not a whole number; write a string in quotes",
            "source.related[0].related[0].tabel: is not a field of `source.related[0].related[0]`; did you mean `table`?",
        ],
    ),
];
