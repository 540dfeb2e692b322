//! What a good file means.

use crate::spec::{ColumnValue, DatabaseRef, Limits, PasswordRef, RowsDefinition, SecretRef, parse};
use std::path::PathBuf;
use std::time::Duration;

fn with(database: &str, more: &str, columns: &str) -> RowsDefinition {
    let text = format!(
        r#"
        name = "m"
        kind = "rows"
        [source]
        database = {database}
        table = "sales.orders"
        key = ["shop", "id"]
        exclude = ["card"]
        [[source.related]]
        name = "items"
        table = "order_items"
        key = ["id"]
        on = {{ z = "shop", a = "id" }}
        exclude = ["note", "card"]
        [[source.related.related]]
        name = "discounts"
        table = "item_discounts"
        key = ["id"]
        on = {{ item_id = "id" }}
        [target]
        database = {database}
        table = "history"
        key = ["id", "shop"]
        [target.columns]
        shop = "shop"
        id = "id"
        doc = "$document"
        {columns}
        {more}
        "#
    );
    parse("m", &text).unwrap_or_else(|error| panic!("{error}")).into_rows().unwrap()
}

#[test]
fn defaults_are_filled_in() {
    let definition = with("\"$A\"", "", "");
    let limits = &definition.limits;
    assert_eq!((limits.batch_time, limits.max_batch, limits.max_item), (Duration::from_secs(1), 10_000, 8 << 20));
    assert_eq!((limits.max_attempts, limits.settle, limits.max_sweeps), (3, Duration::from_secs(10), 3));
    assert_eq!((limits.lease, limits.log_keys), (Duration::from_secs(30), true));
    assert!(!definition.target.create && definition.source.filter.is_none() && definition.source.schema.is_none());
    let spelled_out = "[limits]\nbatch_time = \"1s\"\nmax_batch = 10000\nmax_item = \"8 MB\"\nshards = 1\nlanes = 1\n\
                       items_per_second = 0\nbytes_per_second = 0\nmax_attempts = 3\nstop_when_failed = \"10%\"\nsettle = \"10s\"\n\
                       max_sweeps = 3\nlease = \"30s\"\nsweep_every = \"1d\"\nlog_keys = true";
    assert_eq!(with("\"$A\"", spelled_out, ""), definition);
}

/// The sample of the design, every limit of it spelled out at its default.
#[test]
fn the_sample_file_is_good() {
    let sample = r#"
name = "orders-history"                 # equals the file's stem
kind = "rows"
mode = "once"                           # once · continuous (keeps sweeping on the schedule)

[source]
database = "$SHOP_DATABASE_URL"
table = "orders"                        # a dot is part of the name; schema = "sales" is a field of its own
key = ["id"]
where = "status IN ('uncollected', 'cancelled', 'dispensed')"
exclude = ["card_number"]               # columns that must not travel; also in related

[[source.related]]                      # becomes "items": [ … ] in the document; may nest
name = "items"
table = "order_items"
key = ["id"]                            # the order inside the array
on = { order_id = "id" }                # child column = parent column; needs an index that starts with these

[target]
database = "$SHOP_DATABASE_URL"
table = "order_history"
key = ["order_id"]                      # a unique index of the target, fed by exactly the source key
after = "keep"                          # keep · delete (the row and its related rows, once verified)
create = true                           # create the table if it is missing
[target.columns]
order_id = "id"                         # a source column
status = "status"
document = "$document"                  # the row and its related rows as JSON
migrated_at = "$now"                    # also $run, $digest, $definition

[limits]
batch_time = "1s"                       # what a batch should take (at most a tenth of the run's time)
max_batch = 10000                       # source keys scanned per batch
max_item = "8 MB"                       # document or row; never above half the database's packet limit
shards = 1                              # fixed for the pass
lanes = 1
items_per_second = 0                    # 0: unlimited; over all shards and runs; also bytes_per_second
max_attempts = 3
stop_when_failed = "10%"                # of a run's items, judged after 100: the breaker pauses the migration
settle = "10s"                          # least time between the end of a pass and the sweep that may complete it
max_sweeps = 3                          # `once` then completes and says how many the last sweep still found
lease = "30s"
sweep_every = "1d"                      # continuous without `changed`
log_keys = true
"#;
    let definition = parse("orders-history", sample).unwrap_or_else(|error| panic!("{error}")).into_rows().unwrap();
    assert_eq!(definition.limits, Limits::default());
    let fixed: toml::Table = sample.parse().unwrap();
    let known = crate::spec::schema();
    for (limit, _) in fixed["limits"].as_table().unwrap() {
        assert!(known["$defs"]["Limits"]["properties"].get(limit).is_some(), "the schema lacks {limit}");
    }
}

#[test]
fn the_order_of_the_file_is_kept() {
    let definition = with("\"$A\"", "", "b = \"x\"\na = \"$$now\"");
    let items = &definition.source.related[0];
    assert_eq!(items.on, [("z".to_owned(), "shop".to_owned()), ("a".to_owned(), "id".to_owned())]);
    let columns: Vec<_> = definition.target.columns.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(columns, ["shop", "id", "doc", "b", "a"]);
    assert_eq!(definition.target.columns[4].1, ColumnValue::Column("$now".to_owned()));
    assert_eq!(definition.source.table, "sales.orders", "a dot is part of the name");
}

#[test]
fn what_the_source_excludes_is_excluded_everywhere() {
    let items = &with("\"$A\"", "", "").source.related[0];
    assert_eq!(items.exclude, ["note", "card"]);
    assert_eq!(items.related[0].exclude, ["card"]);
}

#[test]
fn references_to_databases() {
    let reference = |text: &str| with(text, "", "").source.database;
    assert_eq!(reference("\"$SHOP_1\""), DatabaseRef::Env("SHOP_1".to_owned()));
    let arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:shop-AbCdEf";
    let secret = |field: Option<&str>| SecretRef { id: arn.to_owned(), field: field.map(str::to_owned) };
    assert_eq!(reference(&format!("\"secret:{arn}\"")), DatabaseRef::Secret(secret(None)));
    assert_eq!(reference(&format!("\"secret:{arn}#url\"")), DatabaseRef::Secret(secret(Some("url"))));
    let url = |url: &str, password, ca| DatabaseRef::Url { url: url.to_owned(), password, ca };
    assert_eq!(reference("\"sqlite://shop.db\""), url("sqlite://shop.db", None, None));
    assert_eq!(
        reference(&format!(
            "{{ url = \"mysql://shop@host/shop\", password = \"secret:{arn}#password\", ca = \"x.pem\" }}"
        )),
        url(
            "mysql://shop@host/shop",
            Some(PasswordRef::Secret(secret(Some("password")))),
            Some(PathBuf::from("x.pem"))
        )
    );
}

#[test]
fn related_tables_may_have_targets_of_their_own() {
    let more = "[[source.related]]\nname = \"notes\"\ntable = \"notes\"\nkey = [\"n\", \"id\"]\non = { order_id = \"id\" }\n\
                [source.related.target]\ntable = \"notes_archive\"\nkey = [\"id\", \"no\"]\n\
                columns = { id = \"id\", no = \"n\", at = \"$now\", money = \"$$now\" }";
    let definition = with("\"$A\"", more, "");
    assert_eq!(definition.source.related[0].target, None);
    let target = definition.source.related[1].target.as_ref().unwrap();
    assert_eq!((target.table.as_str(), &target.schema, target.create), ("notes_archive", &None, false));
    let values: Vec<_> = target.columns.iter().map(|(_, value)| value.clone()).collect();
    let column = |name: &str| ColumnValue::Column(name.to_owned());
    assert_eq!(values, [column("id"), column("n"), ColumnValue::Now, column("$now")]);
}
