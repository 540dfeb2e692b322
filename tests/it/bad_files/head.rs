//! TOML itself, and what stands at the top: the name, the kind, the mode.

use super::Case;

pub(super) const CASES: &[Case] = &[
    (
        "a missing quote",
        &[(r#"table = "orders""#, r#"table = "orders"#)],
        &[
            r#"line 6, column 16: is not TOML: invalid basic string, expected `"`; strings stand in quotes, a section begins with its name in brackets"#,
        ],
    ),
    (
        "a key twice",
        &[(r#"table = "orders""#, "table = \"orders\"\ntable = \"orders\"")],
        &["line 7, column 1: is not TOML: duplicate key; write every field and every section once"],
    ),
    (
        "not the file's name",
        &[(r#""orders-history""#, r#""order-history""#)],
        &[
            r#"name: is `order-history`, but the file is called `orders-history.toml`; write `name = "orders-history"`, or call the file `order-history.toml`"#,
        ],
    ),
    (
        "a name with a blank",
        &[(r#""orders-history""#, r#""orders history""#)],
        &[
            "name: is not a name that a migration can have; letters, digits, `-`, `_` and `.`, up to 100 of them, as in `orders-history`",
        ],
    ),
    (
        "no name and no kind",
        &[("name = \"orders-history\"\nkind = \"rows\"\n", "")],
        &[
            r#"name: is missing; write `name = "orders-history"`, as the file is called"#,
            r#"kind: is missing; write `kind = "rows"`"#,
        ],
    ),
    ("a misspelt kind", &[(r#"kind = "rows""#, r#"kind = "row""#)], &["kind: `row` is unknown; did you mean `rows`?"]),
    (
        "a kind of nobody's",
        &[(r#"kind = "rows""#, r#"kind = "tables""#)],
        &[r#"kind: `tables` is unknown; write `kind = "rows"`"#],
    ),
    (
        "cutover",
        &[(r#"kind = "rows""#, r#"kind = "cutover""#)],
        &[
            "kind: `cutover` is not built in this version yet; the name is reserved; this version moves `rows`, `files` and `objects`",
        ],
    ),
    (
        "a mode of nobody's",
        &[(r#"mode = "once""#, r#"mode = "continous""#)],
        &["mode: `continous` is unknown; did you mean `continuous`?"],
    ),
    (
        "no such mode",
        &[(r#"mode = "once""#, r#"mode = "twice""#)],
        &[r#"mode: `twice` is unknown; write `mode = "once"`"#],
    ),
    (
        "words that are empty",
        &[(r#"mode = "once""#, r#"mode = """#), (r#"after = "keep""#, r#"after = """#)],
        &[r#"mode: is empty; write `mode = "once"`"#, r#"target.after: is empty; write `after = "keep"`"#],
    ),
];
