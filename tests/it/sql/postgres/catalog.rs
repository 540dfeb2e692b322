//! What the catalog says of a table, and of what a user may do with it.

use super::session;
use crate::sql::{AMPLE, execute, fresh, open, rows};
use milkrun::fault::Class;
use milkrun::sql::catalog;

#[tokio::test]
async fn the_catalog_says_what_a_table_is() {
    let (mut session, _) = session().await;
    for sql in [
        "CREATE DOMAIN price AS numeric(10,2)",
        "CREATE DOMAIN fee AS price NOT NULL",
        "CREATE SCHEMA \"my \"\"sales\"",
        "CREATE TABLE \"my \"\"sales\".\"order's\" (id bigint GENERATED ALWAYS AS IDENTITY, name varchar(40) COLLATE \"C\" NOT NULL, \
         code char(3) NOT NULL, amount numeric(12,3), bare numeric, at timestamptz(3) NOT NULL, plain timestamp, f fee, doc jsonb, \
         tags text[], nums numeric(5,1)[], bits bit(7), gap interval(2), g int GENERATED ALWAYS AS (1) STORED, d int DEFAULT 1, \
         own serial, PRIMARY KEY (id, at))",
    ] {
        execute(&mut session, sql).await.unwrap();
    }
    let on = "ON \"my \"\"sales\".\"order's\"";
    for sql in [
        format!("CREATE UNIQUE INDEX code {on} (code) INCLUDE (name)"),
        format!("CREATE UNIQUE INDEX partial {on} (code) WHERE d > 1"),
        format!("CREATE UNIQUE INDEX expression {on} (code, lower(name))"),
        format!("CREATE INDEX pattern {on} (name text_pattern_ops)"),
        format!("CREATE INDEX collated {on} (code COLLATE \"C\")"),
        format!("CREATE INDEX hashed {on} USING hash (name)"),
        format!("CREATE INDEX several {on} (d, at)"),
        "ALTER TABLE \"my \"\"sales\".\"order's\" ADD CONSTRAINT later UNIQUE (d) DEFERRABLE".to_owned(),
    ] {
        execute(&mut session, &sql).await.unwrap();
    }
    let table = catalog::table(&mut session, Some("my \"sales"), "order's", AMPLE).await.unwrap().unwrap();
    assert_eq!((table.schema.as_str(), table.name.as_str(), table.is_view), ("my \"sales", "order's", false));
    let column = |name: &str| table.column(name).unwrap();
    assert_eq!(table.columns.len(), 16);
    assert!(
        column("id").base == "int8" && column("id").generated && column("id").has_default && !column("id").nullable
    );
    assert_eq!((column("name").type_name.as_str(), column("name").length), ("character varying(40)", Some(40)));
    assert_eq!((column("name").collation.as_deref(), column("code").collation.as_deref()), (Some("\"C\""), None));
    assert_eq!((column("code").base.as_str(), column("code").length), ("bpchar", Some(3)));
    assert_eq!((column("amount").precision, column("amount").scale), (Some(12), Some(3)));
    assert_eq!((column("bare").precision, column("bare").scale), (None, None));
    assert_eq!(
        (column("at").base.as_str(), column("at").fraction, column("plain").fraction),
        ("timestamptz", Some(3), None)
    );
    let fee = column("f");
    assert_eq!((fee.base.as_str(), fee.precision, fee.scale, fee.nullable), ("numeric", Some(10), Some(2), false));
    assert_eq!((fee.domain.as_deref(), fee.resolved.as_str()), (Some("fee"), "numeric(10,2)"));
    assert!(column("doc").is_json && !column("tags").is_json);
    assert_eq!((column("tags").base.as_str(), column("tags").element.as_deref()), ("_text", Some("text")));
    assert_eq!((column("nums").element.as_deref(), column("nums").scale), (Some("numeric"), Some(1)));
    assert_eq!((column("bits").length, column("gap").fraction), (Some(7), Some(2)));
    assert!(column("g").generated && !column("g").has_default && column("d").has_default && column("own").has_default);

    let index = |name: &str| table.indexes.iter().find(|index| index.name == name).unwrap();
    assert_eq!(table.primary().unwrap().columns, ["id", "at"]);
    assert!(index("code").unique && index("code").usable && index("code").columns == ["code"]);
    assert!(!index("partial").unique && !index("partial").usable);
    assert!(!index("expression").unique && index("expression").columns == ["code"]);
    assert!(!index("pattern").usable && !index("collated").usable && !index("hashed").usable);
    assert!(!index("later").unique && index("several").usable);

    assert_eq!(catalog::table(&mut session, None, "order's", AMPLE).await.unwrap(), None);
    execute(&mut session, "CREATE VIEW seen AS SELECT 1 AS one").await.unwrap();
    assert!(catalog::table(&mut session, None, "seen", AMPLE).await.unwrap().unwrap().is_view);
    execute(&mut session, "CREATE TABLE big AS SELECT * FROM generate_series(1, 5000) id").await.unwrap();
    execute(&mut session, "CREATE TABLE parts (id int) PARTITION BY RANGE (id)").await.unwrap();
    execute(&mut session, "CREATE TABLE part PARTITION OF parts FOR VALUES FROM (0) TO (10000)").await.unwrap();
    execute(&mut session, "INSERT INTO parts SELECT id FROM big").await.unwrap();
    assert!(catalog::table(&mut session, None, "big", AMPLE).await.unwrap().unwrap().rows_estimate > 500);
    execute(&mut session, "ANALYZE big, parts").await.unwrap();
    for name in ["big", "parts"] {
        assert_eq!(
            catalog::table(&mut session, None, name, AMPLE).await.unwrap().unwrap().rows_estimate,
            5000,
            "{name}"
        );
    }
}

#[tokio::test]
async fn privileges_of_a_reader() {
    let (mut root, url) = session().await;
    let user = fresh();
    for sql in [
        "CREATE TABLE a (id int PRIMARY KEY, j json)".to_owned(),
        "CREATE TABLE b (id int PRIMARY KEY, n int)".to_owned(),
        "CREATE SCHEMA closed CREATE TABLE a (id int)".to_owned(),
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC".to_owned(),
        format!("CREATE ROLE {user} LOGIN"),
        format!("CREATE ROLE role_{user}"),
        format!("GRANT SELECT ON a TO {user}"),
        format!("GRANT SELECT ON closed.a TO {user}"),
        format!("GRANT SELECT (id), INSERT (n) ON b TO {user}"),
        format!("GRANT INSERT, DELETE ON a TO role_{user}"),
    ] {
        execute(&mut root, &sql).await.unwrap();
    }
    let mut reader = open(&url.replace("postgres@", &format!("{user}@"))).await;
    let a = catalog::privileges(&mut reader, None, "a", AMPLE).await.unwrap();
    assert!(a.select && !a.insert && !a.update && !a.delete && !a.create);
    let b = catalog::privileges(&mut reader, None, "b", AMPLE).await.unwrap();
    assert!(!b.select && !b.insert);
    assert_eq!((b.select_columns, b.insert_columns), (vec!["id".to_owned()], vec!["n".to_owned()]));
    assert!(!catalog::privileges(&mut reader, Some("closed"), "a", AMPLE).await.unwrap().select);
    assert!(!catalog::privileges(&mut reader, Some("missing"), "a", AMPLE).await.unwrap().select);
    let error = execute(&mut reader, "INSERT INTO a (id) VALUES (1)").await.unwrap_err();
    assert_eq!((error.code(), error.class()), (Some("42501"), Class::Fatal));
    assert_eq!(error.refusal().unwrap().table.as_deref(), Some("a"));
    execute(&mut root, &format!("GRANT role_{user} TO {user}")).await.unwrap();
    let a = catalog::privileges(&mut reader, None, "a", AMPLE).await.unwrap();
    assert!(a.select && a.insert && a.delete && !a.update && !a.create);
    let all = catalog::privileges(&mut root, None, "missing", AMPLE).await.unwrap();
    assert!(all.select && all.insert && all.create);
    assert_eq!(rows(&mut reader, "SELECT id FROM a").await.len(), 0);
}
