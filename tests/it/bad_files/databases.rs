//! Where the databases are: variables, secrets, URLs and their passwords.

use super::Case;

pub(super) const CASES: &[Case] = &[
    (
        "a password in the URL",
        &[(r#""$SHOP_DATABASE_URL""#, r#""mysql://shop:hunter2@db/shop""#)],
        &[
            r#"source.database: holds a password; put the URL into the environment and write `"$NAME"`, or `"secret:NAME-OR-ARN"`, or the long form `{ url = "mysql://USER@HOST/DATABASE", password = "$NAME" }`"#,
        ],
    ),
    (
        "a password in the long form",
        &[(r#""$SHOP_DATABASE_URL""#, r#"{ url = "mysql://shop@db/shop", password = "hunter2" }"#)],
        &[
            r#"source.database.password: is a password written down; put it into the environment and write `password = "$NAME"`, or `password = "secret:NAME-OR-ARN"`"#,
        ],
    ),
    (
        "a variable in the long form",
        &[(r#""$SHOP_DATABASE_URL""#, r#"{ url = "$SHOP_DATABASE_URL", pasword = "$SECRET" }"#)],
        &[
            "source.database.pasword: is not a field of `source.database`; did you mean `password`?",
            r#"source.database.url: must be a literal URL in the long form; write `database = "$SHOP_DATABASE_URL"`, or a URL without its password"#,
        ],
    ),
    (
        "a long form without a URL",
        &[(r#""$SHOP_DATABASE_URL""#, r#"{ ca = "" }"#)],
        &[
            r#"source.database.url: is missing; write `url = "mysql://shop@host/shop"`"#,
            r#"source.database.ca: is empty; write `ca = "certificates/shop.pem"`"#,
        ],
    ),
    (
        "a variable without its sign",
        &[(r#""$SHOP_DATABASE_URL""#, r#""SHOP_DATABASE_URL""#)],
        &[r#"source.database: is not a database URL; for the environment's variable write `"$SHOP_DATABASE_URL"`"#],
    ),
    (
        "a variable with braces",
        &[(r#""$SHOP_DATABASE_URL""#, r#""${SHOP}""#)],
        &[
            r#"source.database: does not name a variable of the environment; write `"$NAME"`: letters, digits and `_`, no digit first, nothing else in the string"#,
        ],
    ),
    (
        "a secret without a name",
        &[(r#""$SHOP_DATABASE_URL""#, r#""secret:#url""#)],
        &[
            r#"source.database: does not name a secret; write `"secret:NAME-OR-ARN"`, or `"secret:NAME-OR-ARN#FIELD"` for one field of a JSON secret"#,
        ],
    ),
    (
        "a database of nobody's",
        &[(r#""$SHOP_DATABASE_URL""#, r#""oracle://db/shop""#)],
        &[
            "source.database: has an unknown URL scheme `oracle`; `mysql`, `mariadb`, `postgres`, `postgresql` and `sqlite` are known",
        ],
    ),
    (
        "a misspelt scheme",
        &[(r#""$SHOP_DATABASE_URL""#, r#""postgress://u@db/shop""#)],
        &["source.database: has an unknown URL scheme `postgress`; did you mean `postgres`?"],
    ),
    (
        "TLS switched off",
        &[(r#""$SHOP_DATABASE_URL""#, r#""postgres://u@db/shop?sslmode=disable""#)],
        &[
            "source.database: has the URL parameter `sslmode`; leave it out: beyond loopback TLS is always required and verified; the long form takes a `ca`",
        ],
    ),
    (
        "a URL without a database",
        &[(r#""$SHOP_DATABASE_URL""#, r#""mysql://shop@db""#)],
        &["source.database: names no database; end it with `/` and the database's name"],
    ),
    (
        "a number for a database",
        &[(r#""$SHOP_DATABASE_URL""#, "17")],
        &[
            r#"source.database: must be a string or a table, not a whole number; write `database = "$SHOP_DATABASE_URL"`"#,
        ],
    ),
    (
        "an empty password",
        &[(r#""$SHOP_DATABASE_URL""#, r#"{ url = "mysql://shop@db/shop", password = "" }"#)],
        &[r#"source.database.password: is empty; write `password = "$SHOP_PASSWORD"`, or leave it out"#],
    ),
];
