//! Bad migration files: what an author reads, whole and word for word.

use milkrun::spec;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::time::{Duration, Instant};

/// A good file, which each case spoils.
const GOOD: &str = r#"name = "orders-history"
kind = "rows"
mode = "once"
[source]
database = "$SHOP_DATABASE_URL"
table = "orders"
key = ["id"]
where = "status = 'cancelled'"
exclude = ["card_number"]
[[source.related]]
name = "items"
table = "order_items"
key = ["id"]
on = { order_id = "id" }
[target]
database = "$SHOP_DATABASE_URL"
table = "order_history"
key = ["order_id"]
after = "keep"
create = true
[target.columns]
order_id = "id"
status = "status"
document = "$document"
[limits]
batch_time = "1s"
"#;

/// What is replaced in the good file by what, and every line of the message.
type Case = (&'static str, &'static [(&'static str, &'static str)], &'static [&'static str]);

const CASES: &[Case] = &[
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
        "a throttle of nothing",
        &[("[target]", "[throttle]\n[target]")],
        &["throttle: names nothing to ask; write `replica` and `max_lag`, or `query` and `above`"],
    ),
    (
        "a throttle of two things",
        &[("[target]", "[throttle]\nreplica = \"$R\"\nquery = \"SELECT 1\"\n[target]")],
        &["throttle: names a replica and a query; write `replica` and `max_lag`, or `query` and `above`"],
    ),
    (
        "half a throttle",
        &[("[target]", "[throttle]\nreplica = \"REPLICA\"\nmax_lag = \"soon\"\n[target]")],
        &[
            "throttle.replica: is not a database URL; for the environment's variable write `\"$REPLICA\"`",
            "throttle.max_lag: `soon` is not a duration; write `max_lag = \"5s\"`: a whole number with `ms`, `s`, `m`, `h` or `d`",
        ],
    ),
    (
        "a throttle that writes",
        &[("[target]", "[throttle]\nquery = \"DELETE FROM q\"\nabove = \"5\"\n[target]")],
        &[
            "throttle.above: must be a number, not a string; write `above = 100`",
            "throttle.query: is no SELECT; write one SELECT that answers one number, as in `SELECT COUNT(*) FROM job_queue`",
        ],
    ),
    (
        "no shard, and too many lanes",
        &[(r#"batch_time = "1s""#, "shards = 0\nlanes = 65")],
        &["limits.shards: `0` is out of range; write 1 to 1000", "limits.lanes: `65` is out of range; write 1 to 64"],
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
        "delete without a place to go to",
        &[(r#"after = "keep""#, r#"after = "delete""#), ("document = \"$document\"", "digest = \"$digest\"")],
        &[
            r#"source.related[0]: has rows that would travel nowhere; write `document = "$document"` in `[target.columns]`, give it a `[source.related.target]`, or leave it out"#,
        ],
    ),
    (
        "deleted, misspelt",
        &[(r#"after = "keep""#, r#"after = "deleted""#)],
        &["target.after: `deleted` is unknown; did you mean `delete`?"],
    ),
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
        "no target",
        &[(
            "[target]\ndatabase = \"$SHOP_DATABASE_URL\"\ntable = \"order_history\"\nkey = [\"order_id\"]\nafter = \"keep\"\ncreate = true\n[target.columns]\norder_id = \"id\"\nstatus = \"status\"\ndocument = \"$document\"\n",
            "",
        )],
        &["target: is missing; write a section `[target]`"],
    ),
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
        "related tables of one name",
        &[("[target]", "[[source.related]]\nname = \"items\"\ntable = \"notes\"\nkey = [\"id\"]\non = { }\n[target]")],
        &[
            "source.related[1].name: is `items`, as that of `source.related[0]` is; give each array of a document a name of its own",
            r#"source.related[1].on: is empty; write `on = { order_id = "id" }`"#,
        ],
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
            "target.key[0]: `order_id` is fed by `number`, which is not in the source's key; feed it from the source's key, which is `id`",
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
            "source.related[0].target.key[0]: `n` is fed by `number`, which is not in the related table's key; feed it from the related table's key, which is `id`",
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
    (
        "an empty schema",
        &[(r#"table = "orders""#, "schema = \"\"\ntable = \"sales.orders\"")],
        &[r#"source.schema: is empty; write `schema = "sales"`"#],
    ),
    (
        "a number for a column",
        &[(r#"status = "status""#, "status = 1")],
        &["target.columns.status: must be a string, not a whole number; write a string in quotes"],
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
    (
        "limits out of range",
        &[(
            r#"batch_time = "1s""#,
            "batch_time = \"0s\"\nmax_batch = 0\nmax_item = \"10 B\"\nlease = \"1h\"\nmax_attempts = -1\nmax_sweeps = 0",
        )],
        &[
            "limits.batch_time: `0s` is out of range; write 1ms to 15m",
            "limits.max_batch: `0` is out of range; write 1 to 1000000",
            "limits.max_item: `10 B` is out of range; write 1 KB to 1 GB",
            "limits.max_attempts: `-1` is out of range; write 1 to 1000",
            "limits.max_sweeps: `0` is out of range; write 1 to 1000",
            "limits.lease: `1h` is out of range; write 1s to 15m",
        ],
    ),
    (
        "limits that are none",
        &[(r#"batch_time = "1s""#, "batch_time = \"soon\"\nmax_item = \"8\"\nsettle = \"1 week\"")],
        &[
            r#"limits.batch_time: `soon` is not a duration; write `batch_time = "1s"`: a whole number with `ms`, `s`, `m`, `h` or `d`"#,
            r#"limits.max_item: `8` is not a size; write `max_item = "8 MB"`: a whole number with `B`, `KB`, `MB` or `GB`"#,
            r#"limits.settle: `1 week` is not a duration; write `settle = "10s"`: a whole number with `ms`, `s`, `m`, `h` or `d`"#,
        ],
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
    (
        "words that are empty",
        &[(r#"mode = "once""#, r#"mode = """#), (r#"after = "keep""#, r#"after = """#)],
        &[r#"mode: is empty; write `mode = "once"`"#, r#"target.after: is empty; write `after = "keep"`"#],
    ),
    (
        "an empty password",
        &[(r#""$SHOP_DATABASE_URL""#, r#"{ url = "mysql://shop@db/shop", password = "" }"#)],
        &[r#"source.database.password: is empty; write `password = "$SHOP_PASSWORD"`, or leave it out"#],
    ),
    (
        "a number beyond all ranges",
        &[(r#"batch_time = "1s""#, "max_batch = 9223372036854775808")],
        &[
            "line 26, column 13: is a number too large for a file; numbers end at 9223372036854775807; each field's own range is smaller still",
        ],
    ),
    (
        "the largest number",
        &[(r#"batch_time = "1s""#, "max_batch = 9223372036854775807\nitems_per_second = -1")],
        &[
            "limits.max_batch: `9223372036854775807` is out of range; write 1 to 1000000",
            "limits.items_per_second: `-1` is out of range; write 0 to 1000000000",
        ],
    ),
    (
        "durations and sizes as others write them",
        &[(
            r#"batch_time = "1s""#,
            "batch_time = \"1.5h\"\nlease = \"３０s\"\nsettle = \"10 sec\"\nsweep_every = \"\"\nmax_item = \"8 MiB\"\n\
             bytes_per_second = \"1 MB/s\"\nstop_when_failed = \"0.1\"",
        )],
        &[
            r#"limits.batch_time: `1.5h` is not a duration; write `batch_time = "1s"`: a whole number with `ms`, `s`, `m`, `h` or `d`"#,
            r#"limits.max_item: `8 MiB` is not a size; write `max_item = "8 MB"`: a whole number with `B`, `KB`, `MB` or `GB`"#,
            r#"limits.bytes_per_second: `1 MB/s` is not a size; write `bytes_per_second = "1 MB"`: a whole number with `B`, `KB`, `MB` or `GB`"#,
            r#"limits.stop_when_failed: `0.1` is not a percentage; write `stop_when_failed = "10%"`: a number with at most two digits behind the point and `%`"#,
            r#"limits.settle: `10 sec` is not a duration; write `settle = "10s"`: a whole number with `ms`, `s`, `m`, `h` or `d`"#,
            r#"limits.sweep_every: is empty; write `sweep_every = "1d"`: a whole number with `ms`, `s`, `m`, `h` or `d`"#,
            r#"limits.lease: `３０s` is not a duration; write `lease = "30s"`: a whole number with `ms`, `s`, `m`, `h` or `d`"#,
        ],
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

fn spoiled(edits: &[(&str, &str)]) -> String {
    edits.iter().fold(GOOD.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "the good file has no `{from}`");
        text.replacen(from, to, 1)
    })
}

#[test]
fn the_good_file_is_good() {
    spec::parse("orders-history", GOOD).unwrap();
}

#[test]
fn every_bad_file_says_all_that_is_wrong_with_it() {
    assert!(CASES.len() >= 30);
    let mut wrong = Vec::new();
    for (name, edits, lines) in CASES {
        let expected = lines.iter().map(|line| format!("orders-history.toml: {line}")).collect::<Vec<_>>().join("\n");
        let found = match spec::parse("orders-history", &spoiled(edits)) {
            Ok(_) => "(accepted)".to_owned(),
            Err(error) => error.to_string(),
        };
        if found != expected {
            wrong.push(format!("{name}\n  expected:\n{expected}\n  found:\n{found}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// What a file may be spoiled with at random: whatever means something to TOML, to milkrun or to SQL.
const SCRAPS: [&str; 24] = [
    "\"",
    "'",
    "\\",
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    "=",
    ",",
    ".",
    "\n",
    "$",
    "$$",
    ":",
    "::",
    ":pass_started",
    "#",
    "--",
    "é",
    "1",
    "(",
    ")",
];

#[test]
fn no_file_whatsoever_makes_it_panic() {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let until = Instant::now() + Duration::from_secs(2);
    while Instant::now() < until {
        let mut text: Vec<char> = GOOD.chars().collect();
        for _ in 0..random.random_range(1..6) {
            let from = random.random_range(0..text.len());
            let to = (from + random.random_range(0..8)).min(text.len());
            let scrap = SCRAPS[random.random_range(0..SCRAPS.len())];
            text.splice(from..to, scrap.chars());
        }
        let text: String = text.into_iter().collect();
        if let Err(error) = spec::parse("orders-history", &text) {
            assert!(!error.problems.is_empty(), "{text}");
            assert!(
                error.problems.iter().all(|problem| !problem.message.is_empty() && !problem.hint.is_empty()),
                "{error}"
            );
        }
    }
}

#[test]
fn files_that_are_wrong_a_hundred_thousand_times_over_are_answered_soon() {
    let numbers = "1,".repeat(100_000);
    let names = "\"a\",".repeat(200_000);
    let unknown = (0..60_000).map(|number| format!("tabl{number} = 1")).collect::<Vec<_>>().join("\n");
    let tables = "[[source.related]]\nname = \"a\"\n".repeat(30_000);
    let deep = format!("[[source{}]]\nname = 1", ".related".repeat(100_000));
    let nested = format!("key = {}", "[".repeat(500_000));
    let braces = format!("key = {}", "{a=".repeat(300_000));
    let keys = format!("{}a = 1", "a.".repeat(500_000));
    let files = [
        format!("[source]\nkey = [{numbers}]"),
        format!("[source]\nkey = [{names}]"),
        format!("[source]\nwhere = '{}'", "(".repeat(900_000)),
        format!("[source]\nwhere = \"{}\"", ":pass_started ".repeat(70_000)),
        format!("[source]\nwhere = \"{}\"", "now() ".repeat(150_000)),
        format!("[source]\n{unknown}"),
        tables,
        deep,
        nested,
        braces,
        keys,
    ];
    for text in files {
        let begun = Instant::now();
        let error = spec::parse("orders-history", &text).unwrap_err();
        assert!((1..=100).contains(&error.problems.len()));
        let start: String = text.chars().take(40).collect();
        println!(
            "{:?} {start:?}: {}",
            begun.elapsed(),
            error.problems[0].to_string().chars().take(200).collect::<String>()
        );
        assert!(begun.elapsed() < Duration::from_secs(20), "{start}");
    }
}
