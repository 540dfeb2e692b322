//! What to do when a database cannot be connected to: the one place for these messages.

use super::class::{self, Meaning};
use super::{ConnectOptions, SqlError};
use crate::fault::Class;
use sqlx::error::DatabaseError;
use sqlx::mysql::MySqlDatabaseError;
use sqlx::postgres::PgDatabaseError;
use std::io;
use std::time::Duration;

const LOGIN: &str = "check the user and the password in the URL or the secret";
const HOSTS: &str = "the server does not let this user in from here: check its grants, pg_hba.conf or user@host";
const DATABASE: &str = "create it, or correct the name at the end of the URL";
const LATER: &str = "the next run tries again; raise the server's connection limit if it stays";

/// The error that a failed attempt to connect is.
pub(super) fn failed(options: &ConnectOptions, error: sqlx::Error) -> SqlError {
    let server = options.server();
    match error {
        sqlx::Error::Database(error) => refused(options, error.as_ref()),
        sqlx::Error::Io(error) => match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(inner) => tls(server, &inner.to_string()),
            None => unreachable(server, error),
        },
        sqlx::Error::Tls(error) => tls(server, &error.to_string()),
        // The texts of these are the driver's own: nothing was read yet that they could quote.
        sqlx::Error::Configuration(error) => SqlError::Unreachable { server, message: error.to_string(), source: None },
        sqlx::Error::Protocol(text) => SqlError::Unreachable {
            server,
            message: format!("{text}: check that host and port are those of the database"),
            source: None,
        },
        _ => SqlError::Unreachable {
            server,
            message: "check that host and port are those of the database".into(),
            source: None,
        },
    }
}

/// The error that an attempt to connect is which took too long.
pub(super) fn too_slow(options: &ConnectOptions, limit: Duration) -> SqlError {
    SqlError::Unreachable {
        server: options.server(),
        message: format!(
            "no answer within {} ms: check host and port, security groups and routes (a function in a VPC needs a way to the database)",
            limit.as_millis()
        ),
        source: None,
    }
}

fn tls(server: String, problem: &str) -> SqlError {
    let advice = if problem.contains("does not support TLS") {
        "beyond loopback TLS is required: switch it on at the server"
    } else if problem.contains("UnknownIssuer") || problem.contains("BadSignature") {
        "name the authority that signed its certificate with `ca`"
    } else if problem.contains("NotValidForName") || problem.contains("not valid for name") {
        "use the host name that its certificate was made for"
    } else {
        "check the server's certificate, or name its authority with `ca`"
    };
    SqlError::Tls { server, message: format!("{problem}; {advice}") }
}

fn unreachable(server: String, error: io::Error) -> SqlError {
    let message = match error.kind() {
        io::ErrorKind::ConnectionRefused => "nothing listens there: check host and port, and that the server runs",
        io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied => {
            "check the path of the socket, and that the server runs"
        }
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable | io::ErrorKind::TimedOut => {
            "no way leads there: check host and port, security groups and routes"
        }
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe => {
            "it closed the connection at once: check that the port is the database's, and the server's log"
        }
        _ => "check the host name in the URL",
    };
    SqlError::Unreachable { server, message: message.into(), source: Some(error) }
}

fn refused(options: &ConnectOptions, error: &dyn DatabaseError) -> SqlError {
    let server = options.server();
    let user = options.user.clone();
    let database = options.database.as_str();
    let (code, meaning) = code_of(error);
    let authentication =
        |hint| SqlError::Authentication { server: server.clone(), user: user.clone(), code: code.clone(), hint };
    let refused = |what: String, hint: &str, class| SqlError::Refused {
        server: server.clone(),
        code: code.clone(),
        what,
        hint: hint.into(),
        class,
    };
    match code.as_str() {
        "1045" | "1698" | "28P01" => authentication(LOGIN),
        "1862" | "1820" | "3118" | "4151" => authentication("its password has expired or it is locked: renew it"),
        "28000" | "1130" => authentication(HOSTS),
        "1049" | "3D000" => refused(format!("there is no database `{database}`"), DATABASE, Class::Fatal),
        "1044" | "42501" => refused(
            format!("the user `{user}` may not use the database `{database}`"),
            "grant it, or correct the URL",
            Class::Fatal,
        ),
        "1129" => {
            refused("this host is blocked after failed attempts".into(), "run FLUSH HOSTS on the server", Class::Fatal)
        }
        "3159" => refused(
            "the server demands TLS".into(),
            "name a host beyond loopback, where TLS is always used",
            Class::Fatal,
        ),
        _ if meaning.class.passes() || meaning.class == Class::Capacity => {
            refused(meaning.what.into(), LATER, Class::Transient)
        }
        _ => refused(meaning.what.into(), meaning.hint, meaning.class),
    }
}

fn code_of(error: &dyn DatabaseError) -> (String, Meaning) {
    if let Some(error) = error.try_downcast_ref::<MySqlDatabaseError>() {
        (error.number().to_string(), class::mysql(error.number(), error.code()))
    } else if let Some(error) = error.try_downcast_ref::<PgDatabaseError>() {
        (error.code().to_owned(), class::postgres(error.code()))
    } else {
        (String::new(), class::postgres(""))
    }
}
