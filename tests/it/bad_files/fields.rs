//! Fields and sections that are not there, or not in their place.

use super::Case;

pub(super) const CASES: &[Case] = &[
    (
        "a misspelt field",
        &[(r#"table = "orders""#, r#"tabel = "orders""#)],
        &["source.tabel: is not a field of `source`; did you mean `table`?"],
    ),
    (
        "a field of nowhere",
        &[("create = true", "create = true\ncolour = \"red\"")],
        &[
            "target.colour: is not a field of `target`; its fields are `database`, `schema`, `table`, `key`, `after`, `create` and `columns`",
        ],
    ),
    (
        "a misspelt section",
        &[("[limits]", "[limit]")],
        &["limit: is not a field of a migration file; did you mean `limits`?"],
    ),
    (
        "sections of files",
        &[("[target]", "[source.http]\ntimeout = \"1s\"\n[[source.files]]\ncolumn = \"image\"\n[target]")],
        &[
            "source.files: belongs to migrations of kind `files`; leave it out, or correct `kind`",
            "source.http: belongs to migrations of kind `files`; leave it out, or correct `kind`",
        ],
    ),
    (
        "an empty source",
        &[(
            "database = \"$SHOP_DATABASE_URL\"\ntable = \"orders\"\nkey = [\"id\"]\nwhere = \"status = 'cancelled'\"\nexclude = [\"card_number\"]\n",
            "",
        )],
        &[
            r#"source.database: is missing; write `database = "$SHOP_DATABASE_URL"`"#,
            r#"source.table: is missing; write `table = "orders"`"#,
            r#"source.key: is missing; write `key = ["id"]`"#,
        ],
    ),
    (
        "no target",
        &[(
            "[target]\ndatabase = \"$SHOP_DATABASE_URL\"\ntable = \"order_history\"\nkey = [\"order_id\"]\nafter = \"keep\"\ncreate = true\n[target.columns]\norder_id = \"id\"\nstatus = \"status\"\ndocument = \"$document\"\n",
            "",
        )],
        &["target: is missing; write a section `[target]`"],
    ),
    (
        "fields in the wrong section",
        &[
            ("mode = \"once\"\n", "table = \"orders\"\nlease = \"1m\"\n"),
            ("exclude = [\"card_number\"]", "exclude = [\"card_number\"]\nmode = \"once\"\nafter = \"delete\""),
            ("[limits]", "[limits]\ndatabase = \"$X\""),
        ],
        &[
            "table: is not a field of a migration file; it belongs into `[source]` or `[target]`",
            "lease: is not a field of a migration file; it belongs into `[limits]`",
            "source.mode: is not a field of `source`; it belongs to the top of the file, above the first section",
            "source.after: is not a field of `source`; it belongs into `[target]`",
            "limits.database: is not a field of `limits`; it belongs into `[source]`, `[target]` or `[throttle]`",
        ],
    ),
    (
        "a section without the one above it",
        &[("[target.columns]", "[columns]")],
        &[
            "columns: is not a field of a migration file; it belongs into `[target]`",
            r#"target.columns: is missing; write `columns = { document = "$document", order_id = "id" }`"#,
        ],
    ),
    (
        "many things at once",
        &[
            (r#"name = "orders-history""#, r#"name = "x""#),
            (r#"table = "orders""#, r#"tabel = "orders""#),
            ("create = true", "create = 1"),
            (r#""$document""#, r#""$doc""#),
            (r#"where = "status = 'cancelled'""#, r#"where = "a < now()""#),
        ],
        &[
            "target.create: must be `true` or `false`, not a whole number; write `create = true`",
            "source.tabel: is not a field of `source`; did you mean `table`?",
            r#"name: is `x`, but the file is called `orders-history.toml`; write `name = "orders-history"`, or call the file `x.toml`"#,
            "source.where: reads the clock with `now()`; write `:pass_started`, the time at which the pass began; a column of that name stands in quotes or behind `t.`",
            "target.columns.document: `$doc` is unknown; write `$document`, `$now`, `$run`, `$digest` or `$definition`; a source column really named so is written `$$doc`",
        ],
    ),
];
