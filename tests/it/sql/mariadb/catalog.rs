//! What the catalog says of a table, and of what a user may do with it.

use super::session;
use crate::sql::{AMPLE, execute, fresh, open, rows};
use milkrun::fault::Class;
use milkrun::sql::catalog;

#[tokio::test]
async fn the_catalog_says_what_a_table_is() {
    let (mut session, _) = session().await;
    execute(
        &mut session,
        "CREATE TABLE `order``s x` (id BIGINT UNSIGNED, `a``b` JSON, plain LONGTEXT, amount DECIMAL(10,2) NOT NULL DEFAULT 0, \
         at DATETIME(6) NOT NULL, stamp TIMESTAMP(3) NULL, code CHAR(3) CHARACTER SET latin1 NOT NULL, \
         name VARCHAR(40) COLLATE utf8mb4_bin, bin VARBINARY(20), bits BIT(7), flag TINYINT(1), guid UUID, e ENUM('x','y'), \
         g INT AS (flag + 1) VIRTUAL, body TEXT, auto INT AUTO_INCREMENT, PRIMARY KEY (id, at), UNIQUE KEY code (code), \
         KEY prefix (name(10), code), KEY several (flag, at), KEY ignored (stamp) IGNORED, UNIQUE KEY hash (body), \
         KEY auto (auto), FULLTEXT KEY words (name))",
    )
    .await
    .unwrap();
    execute(&mut session, "CREATE TABLE `ORDER``S X` (other INT)").await.unwrap();
    let table = catalog::table(&mut session, None, "order`s x", AMPLE).await.unwrap().unwrap();
    assert_eq!((table.name.as_str(), table.engine.as_deref(), table.is_view), ("order`s x", Some("InnoDB"), false));
    assert_eq!(table.schema, session.default_schema());
    assert_eq!(table.columns.len(), 16);
    let column = |name: &str| table.column(name).unwrap();
    let types: Vec<&str> = table.columns.iter().map(|column| column.type_name.as_str()).collect();
    assert_eq!(types[..4], ["bigint(20) unsigned", "longtext", "longtext", "decimal(10,2)"]);
    assert!(column("id").unsigned && !column("id").nullable && column("id").base == "bigint");
    assert!(column("a`b").is_json && column("a`b").nullable && !column("plain").is_json);
    assert_eq!(
        (column("amount").precision, column("amount").scale, column("amount").has_default),
        (Some(10), Some(2), true)
    );
    assert_eq!(
        (column("at").fraction, column("stamp").fraction, column("stamp").has_default),
        (Some(6), Some(3), false)
    );
    assert_eq!((column("code").charset.as_deref(), column("code").length), (Some("latin1"), Some(3)));
    assert_eq!(column("name").collation.as_deref(), Some("utf8mb4_bin"));
    assert_eq!((column("bin").length, column("bits").length, column("bits").base.as_str()), (Some(20), Some(7), "bit"));
    assert_eq!((column("flag").type_name.as_str(), column("guid").base.as_str()), ("tinyint(1)", "uuid"));
    assert!(column("g").generated && column("auto").has_default && !column("body").has_default);

    let index = |name: &str| table.indexes.iter().find(|index| index.name == name).unwrap();
    assert_eq!(table.primary().unwrap().columns, ["id", "at"]);
    assert!(index("PRIMARY").unique && index("PRIMARY").usable && index("code").unique);
    assert!(index("prefix").columns.is_empty() && !index("prefix").usable);
    assert!(index("several").usable && !index("several").unique && !index("ignored").usable);
    assert!(index("hash").unique && !index("hash").usable && !index("words").usable);
    assert!(table.unique_over(&["at".into(), "id".into()]).is_some() && table.unique_over(&["id".into()]).is_none());
    assert!(table.index_over(&["flag".into()]).is_some() && table.index_over(&["at".into()]).is_none());

    assert_eq!(catalog::table(&mut session, None, "missing", AMPLE).await.unwrap(), None);
    execute(&mut session, "CREATE VIEW seen AS SELECT 1 AS one").await.unwrap();
    assert!(catalog::table(&mut session, None, "seen", AMPLE).await.unwrap().unwrap().is_view);
}

#[tokio::test]
async fn privileges_of_a_reader() {
    let (mut root, url) = session().await;
    let schema = root.default_schema().to_owned();
    let user = fresh();
    for sql in [
        "CREATE TABLE a (id INT PRIMARY KEY, j JSON)".to_owned(),
        "CREATE TABLE b (id INT PRIMARY KEY, n INT)".to_owned(),
        "CREATE TABLE c (id INT)".to_owned(),
        format!("CREATE USER {user}@'%' IDENTIFIED BY 'pass'"),
        format!("CREATE ROLE role_{user}"),
        format!("GRANT SELECT ON {schema}.a TO {user}@'%'"),
        format!("GRANT SELECT (id), INSERT (n) ON {schema}.b TO {user}@'%'"),
        format!("GRANT INSERT, DELETE ON {schema}.a TO role_{user}"),
        format!("GRANT role_{user} TO {user}@'%'"),
    ] {
        execute(&mut root, &sql).await.unwrap();
    }
    let login = url.replace("root@", &format!("{user}:pass@"));
    let mut reader = open(&login).await;
    let mut ask = async |table: &str| catalog::privileges(&mut reader, None, table, AMPLE).await.unwrap();
    let a = ask("a").await;
    assert!(a.select && !a.insert && !a.update && !a.delete && !a.create);
    let b = ask("b").await;
    assert!(!b.select && !b.insert);
    assert_eq!((b.select_columns, b.insert_columns), (vec!["id".to_owned()], vec!["n".to_owned()]));
    assert!(!ask("missing").await.select);
    assert_eq!(catalog::table(&mut reader, None, "c", AMPLE).await.unwrap(), None);
    assert!(catalog::table(&mut reader, None, "a", AMPLE).await.unwrap().unwrap().column("j").unwrap().is_json);
    let error = execute(&mut reader, "INSERT INTO a (id) VALUES (1)").await.unwrap_err();
    assert_eq!((error.code(), error.class()), (Some("1142"), Class::Fatal));

    execute(&mut root, &format!("SET DEFAULT ROLE role_{user} FOR {user}@'%'")).await.unwrap();
    execute(&mut root, &format!("GRANT CREATE ON `{}`.* TO {user}@'%'", schema.replace('_', "\\_"))).await.unwrap();
    let mut reader = open(&login).await;
    let a = catalog::privileges(&mut reader, None, "a", AMPLE).await.unwrap();
    assert!(a.select && a.insert && a.delete && a.create && !a.update);
    let all = catalog::privileges(&mut root, None, "missing", AMPLE).await.unwrap();
    assert!(all.select && all.insert && all.create);
    assert_eq!(rows(&mut reader, "SELECT id FROM a").await.len(), 0);
}
