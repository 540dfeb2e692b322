//! Where a database is: from the environment and from Secrets Manager as it answers on the wire.

use crate::stub::Stub;
use crate::support::http_exchange::Request;
use milkrun::secret::{Secret, SecretStore};
use milkrun::spec::{DatabaseRef, Databases, PasswordRef, SecretRef};
use milkrun::sql::{ConnectOptions, Dialect};
use std::error::Error;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(20);
const ARN: &str = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:shop-AbCdEf";

fn secret(id: &str, field: Option<&str>) -> SecretRef {
    SecretRef { id: id.to_owned(), field: field.map(str::to_owned) }
}

fn answer(text: &str) -> (u16, Vec<u8>) {
    (200, serde_json::json!({ "Name": "x", "SecretString": text }).to_string().into_bytes())
}

fn id_of(request: &Request) -> String {
    let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
    body["SecretId"].as_str().unwrap().to_owned()
}

fn refusal(code: &str) -> (u16, Vec<u8>) {
    (400, serde_json::json!({ "__type": code, "message": "no" }).to_string().into_bytes())
}

fn manager() -> Stub {
    Stub::start(|request| match id_of(request).as_str() {
        ARN => answer(
            r#"{"engine":"aurora-mysql","host":"db","port":3307,"username":"shop","password":"p@w","dbname":"shop"}"#,
        ),
        "url" => answer("postgres://u:p%40w@db/shop\n"),
        "urls" => answer(r#"{"shop":"mysql://u:pw@db/shop"}"#),
        "plain" => answer("p@w"),
        "half" => answer(r#"{"username":"shop","password":"hunter2"}"#),
        "bytes" => (200, br#"{"Name":"x","SecretBinary":"aGk="}"#.to_vec()),
        "denied" => refusal("AccessDeniedException"),
        _ => refusal("ResourceNotFoundException"),
    })
}

fn databases(manager: &Stub) -> Databases {
    Databases::new(SecretStore::new(&manager.config())).with_variables(|name| match name {
        "SHOP" => Some("mariadb://shop:p%40w@127.0.0.1/shop".to_owned()),
        "PASSWORD" => Some("p@w".to_owned()),
        "EMPTY" => Some(String::new()),
        "BROKEN" => Some("mysql://shop:hun/ter2@db/shop".to_owned()),
        _ => None,
    })
}

fn server(dialect: Dialect, host: &str, port: u16, user: &str) -> ConnectOptions {
    let password = Some(Secret::new("p@w"));
    let (host, user, database) = (host.to_owned(), user.to_owned(), "shop".to_owned());
    ConnectOptions { host, port, user, password, database, ..ConnectOptions::empty(dialect) }
}

#[tokio::test]
async fn every_reference_leads_to_its_database() {
    let manager = manager();
    let databases = databases(&manager);
    let long = |password| DatabaseRef::Url {
        url: "mysql://shop@db/shop".to_owned(),
        password: Some(password),
        ca: Some(PathBuf::from("x.pem")),
    };
    let with_ca = server(Dialect::MySql, "db", 3306, "shop").with_ca(Some(PathBuf::from("x.pem")));
    let cases = [
        (DatabaseRef::Env("SHOP".to_owned()), server(Dialect::MySql, "127.0.0.1", 3306, "shop")),
        (DatabaseRef::Secret(secret(ARN, None)), server(Dialect::MySql, "db", 3307, "shop")),
        (DatabaseRef::Secret(secret("url", None)), server(Dialect::Postgres, "db", 5432, "u")),
        (long(PasswordRef::Env("PASSWORD".to_owned())), with_ca.clone()),
        (long(PasswordRef::Secret(secret("plain", None))), with_ca.clone()),
        (long(PasswordRef::Secret(secret(ARN, Some("password")))), with_ca.clone()),
        (long(PasswordRef::Secret(secret(ARN, None))), with_ca),
    ];
    for (reference, expected) in cases {
        let found = databases.resolve(&reference, LIMIT).await.unwrap();
        assert_eq!(found, expected, "{reference:?}");
        assert!(!format!("{found:?}").contains("p@w"));
    }
    let field = databases.resolve(&DatabaseRef::Secret(secret("urls", Some("shop"))), LIMIT).await.unwrap();
    assert!(!field.is_loopback());
    let file = DatabaseRef::Url { url: "sqlite://shop.db".to_owned(), password: None, ca: None };
    let file = databases.resolve(&file, LIMIT).await.unwrap();
    assert_eq!(file, ConnectOptions::sqlite("shop.db"));
    assert!(file.is_loopback() && file.same_place(&file) && !file.same_place(&field));
}

#[tokio::test]
async fn what_leads_nowhere_says_what_to_do_and_shows_no_secret() {
    let manager = manager();
    let databases = databases(&manager);
    let of_secret = |id: &str, field| DatabaseRef::Secret(secret(id, field));
    let cases = [
        (
            DatabaseRef::Env("NOWHERE".to_owned()),
            "the environment has no variable `NOWHERE`: set it to a database URL, as in `mysql://USER:PASSWORD@HOST/DATABASE`",
        ),
        (
            DatabaseRef::Env("EMPTY".to_owned()),
            "the environment's variable `EMPTY` is set, but empty: set it to a database URL, as in `mysql://USER:PASSWORD@HOST/DATABASE`",
        ),
        (
            DatabaseRef::Env("BROKEN".to_owned()),
            "`$BROKEN` has a port that is no number; write `/`, `@`, `:`, `?`, `#` and `%` in user and password as `%2F`, \
             `%40`, `%3A`, `%3F`, `%23` and `%25`",
        ),
        (
            of_secret("gone", None),
            "there is no secret `gone` in this account and region: correct the name, or write its ARN",
        ),
        (
            of_secret("denied", None),
            "the secret `denied` may not be read: allow `secretsmanager:GetSecretValue` on it, and `kms:Decrypt` on its key",
        ),
        (of_secret("bytes", None), "the secret `bytes` holds bytes: store it as text"),
        (
            of_secret("plain", None),
            "the secret `plain` is not a database URL; write `mysql://USER@HOST/DATABASE`, `postgres://USER@HOST/DATABASE` \
             or `sqlite://PATH`",
        ),
        (
            of_secret("half", None),
            "the secret `half` has no field `engine`: add it, or write the long form: \
             `{ url = \"mysql://USER@HOST/DATABASE\", password = \"secret:ARN#password\" }`",
        ),
        (
            of_secret(ARN, Some("url")),
            "the secret `arn:aws:secretsmanager:eu-central-1:123456789012:secret:shop-AbCdEf` has no field `url`: correct the \
             field's name, or add it to the secret as a string",
        ),
        (
            of_secret("url", Some("shop")),
            "the secret `url` is no JSON object, so it has no field `shop`: leave `#shop` out",
        ),
    ];
    for (reference, expected) in cases {
        let error = databases.resolve(&reference, LIMIT).await.unwrap_err();
        assert_eq!(error.to_string(), expected);
        let mut cause: Option<&(dyn Error + 'static)> = Some(&error);
        while let Some(error) = cause {
            assert!(!format!("{error} {error:?}").contains("ter2"), "{error:?}");
            cause = error.source();
        }
    }
}

#[tokio::test]
async fn a_secret_is_read_once_until_it_is_forgotten() {
    static VERSION: AtomicUsize = AtomicUsize::new(1);
    let manager = Stub::start(|_| answer(&format!("mysql://u:{}@db/shop", VERSION.load(Ordering::SeqCst))));
    let databases = databases(&manager);
    let reference = DatabaseRef::Secret(secret("shop", None));
    let password = async || {
        let found = databases.resolve(&reference, LIMIT).await.unwrap();
        found.password.unwrap().expose().to_owned()
    };
    assert_eq!((password().await, password().await), ("1".to_owned(), "1".to_owned()));
    VERSION.store(2, Ordering::SeqCst);
    assert_eq!(password().await, "1");
    assert_eq!(manager.requests().len(), 1);
    assert!(databases.forget(&reference));
    assert_eq!(password().await, "2");
    assert_eq!(manager.requests().len(), 2);
    assert!(!databases.forget(&DatabaseRef::Env("SHOP".to_owned())), "there is nothing to read again");
}

#[tokio::test]
async fn without_secrets_no_account_is_looked_up() {
    let store = SecretStore::lazy(async || panic!("nobody asked for a secret"));
    let databases = Databases::new(store).with_variables(|_| Some("sqlite:///var/shop.db".to_owned()));
    let found = databases.resolve(&DatabaseRef::Env("SHOP".to_owned()), LIMIT).await.unwrap();
    assert_eq!(found, ConnectOptions::sqlite("/var/shop.db"));
    let manager = manager();
    let config = manager.config();
    let later = SecretStore::lazy(move || {
        let config = config.clone();
        async move { config }
    });
    assert_eq!(later.get("plain", LIMIT).await.unwrap(), Secret::new("p@w"));
}
