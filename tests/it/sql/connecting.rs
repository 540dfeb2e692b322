//! What a failed attempt to connect says.

use super::{AMPLE, execute, fresh, one, open};
use crate::support::mariadb::mariadb;
use crate::support::postgres::postgres;
use crate::support::tls::TlsServer;
use milkrun::fault::Class;
use milkrun::sql::{ConnectOptions, Session, SqlError};
use std::time::{Duration, Instant};

async fn refusal(url: &str) -> SqlError {
    let error = Session::open(&ConnectOptions::from_url(url).unwrap(), AMPLE).await.err().expect("no session");
    let text = format!("{error:?}");
    assert!(!text.contains("tiger"), "{text}");
    error
}

fn says(error: &SqlError, class: Class, parts: &[&str]) {
    let text = error.to_string();
    assert_eq!(error.class(), class, "{text}");
    for part in parts {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[tokio::test]
async fn mariadb_says_what_to_do() {
    let port = mariadb().port();
    let user = fresh();
    let mut root = open(&mariadb().url("mysql")).await;
    execute(&mut root, &format!("CREATE USER {user}@'%' IDENTIFIED BY 'right'")).await.unwrap();
    let error = refusal(&format!("mysql://{user}:tiger@127.0.0.1:{port}/mysql")).await;
    says(
        &error,
        Class::Fatal,
        &[&format!(
            "MySQL at 127.0.0.1:{port} refused the user `{user}` (error 1045): check the user and the password"
        )],
    );
    assert!(error.is_authentication());
    let error = refusal(&format!("mysql://{user}:right@127.0.0.1:{port}/mysql")).await;
    says(&error, Class::Fatal, &["1044", &user, "`mysql`", "grant it"]);
    let error = refusal(&mariadb().url("nowhere")).await;
    says(&error, Class::Fatal, &["there is no database `nowhere`", "create it"]);
    assert!(!error.is_authentication());
    // An address of this machine that is not spelt as loopback.
    says(
        &refusal(&format!("mysql://root@127.1:{port}/mysql")).await,
        Class::Fatal,
        &["TLS is required", "switch it on"],
    );
    // The password's user over the Unix socket.
    let socket = urlencoding::encode(&mariadb().socket().display().to_string()).into_owned();
    let mut session = open(&format!("mysql://root@localhost/mysql?socket={socket}")).await;
    assert_eq!(one(&mut session, "SELECT 1").await, "1");
}

#[tokio::test]
async fn postgres_says_what_to_do() {
    let port = postgres().port();
    let mut root = open(&postgres().url("postgres")).await;
    execute(&mut root, "CREATE ROLE pw_reader LOGIN PASSWORD 'right'").await.unwrap();
    let error = refusal(&format!("postgres://pw_reader:tiger@127.0.0.1:{port}/postgres")).await;
    says(
        &error,
        Class::Fatal,
        &[&format!("PostgreSQL at 127.0.0.1:{port} refused the user `pw_reader` (error 28P01): check the user")],
    );
    assert!(error.is_authentication());
    open(&format!("postgres://pw_reader:right@127.0.0.1:{port}/postgres")).await.close().await;
    let error = refusal(&format!("postgres://nobody_{}@127.0.0.1:{port}/postgres", fresh())).await;
    assert!(error.is_authentication(), "{error}");
    says(&refusal(&postgres().url("nowhere")).await, Class::Fatal, &["there is no database `nowhere`", "3D000"]);
    says(&refusal(&format!("postgres://postgres@127.1:{port}/postgres")).await, Class::Fatal, &["TLS is required"]);
}

#[tokio::test]
async fn unreachable_servers_say_why() {
    let unused = {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        listener.local_addr().unwrap().port()
    };
    for scheme in ["mysql", "postgres"] {
        let error = refusal(&format!("{scheme}://u:tiger@127.0.0.1:{unused}/d")).await;
        says(&error, Class::Transient, &["nothing listens there", &unused.to_string()]);
        let error = refusal(&format!("{scheme}://u:tiger@no-such-host.invalid/d")).await;
        says(&error, Class::Transient, &["no-such-host.invalid", "check the host name"]);
        // One that accepts and says nothing, and one that says something else.
        let silent = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = silent.local_addr().unwrap().port();
        let options = ConnectOptions::from_url(&format!("{scheme}://u:tiger@127.0.0.1:{port}/d")).unwrap();
        let began = Instant::now();
        let error = Session::open(&options, Duration::from_millis(300)).await.err().unwrap();
        says(&error, Class::Transient, &["no answer within 300 ms", "security groups"]);
        assert!(began.elapsed() < Duration::from_secs(2));
    }
}

#[tokio::test]
async fn certificates_are_verified() {
    let (mariadb, postgres) = (TlsServer::mariadb(), TlsServer::postgres());
    for (server, other, encrypted) in [
        (
            &mariadb,
            &postgres,
            "SELECT variable_value <> '' FROM information_schema.session_status WHERE variable_name = 'ssl_version'",
        ),
        (&postgres, &mariadb, "SELECT CASE WHEN ssl THEN 1 ELSE 0 END FROM pg_stat_ssl WHERE pid = pg_backend_pid()"),
    ] {
        let trusting =
            |host: &str, authority| ConnectOptions::from_url(&server.url(host)).unwrap().with_ca(Some(authority));
        let mut session = Session::open(&trusting("127.0.0.1", server.authority()), AMPLE).await.unwrap();
        assert_eq!(one(&mut session, encrypted).await, "1");
        session.close().await;
        // What is offered on loopback is used, whoever signed it.
        assert_eq!(one(&mut open(&server.url("127.0.0.1")).await, encrypted).await, "1");
        let error = Session::open(&trusting("127.0.0.1", other.authority()), AMPLE).await.err().unwrap();
        says(&error, Class::Fatal, &["UnknownIssuer", "name the authority that signed its certificate with `ca`"]);
        let error = Session::open(&trusting("localhost", server.authority()), AMPLE).await.err().unwrap();
        says(&error, Class::Fatal, &["localhost", "use the host name that its certificate was made for"]);
        let error = refusal(&server.url("127.1")).await;
        assert!(matches!(error, SqlError::Tls { .. }), "{error}");
    }
}
