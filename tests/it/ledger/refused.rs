//! What DynamoDB refuses, and that it is not there, says what to do.

use super::{LIMIT, record};
use crate::support::dynamodb::{config, dynamodb};
use crate::support::file_server::{FileServer, answer};
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use milkrun::ledger::{DynamoDb, Ledger, LedgerError};
use tokio::net::TcpListener;

/// A server that gives every request the same answer.
fn answering(status: &'static str, body: String) -> FileServer {
    let head = "content-type: application/x-amz-json-1.0\r\nconnection: close\r\n";
    FileServer::start(move |_, stream| answer(stream, status, head, body.as_bytes()).map(|_| false))
}

async fn error_of(url: &str, table: &str) -> LedgerError {
    let ledger = DynamoDb::new(&config(url).await, table.to_owned());
    ledger.put(&record("state"), LIMIT).await.unwrap_err()
}

#[tokio::test]
async fn a_missing_table_says_what_to_do() {
    let error = error_of(&dynamodb().await.url, "nowhere").await;
    assert!(matches!(error, LedgerError::Refused { operation: "PutItem", .. }), "{error:?}");
    let message = error.to_string();
    assert!(
        message.starts_with("the ledger dynamodb://nowhere refused PutItem: ResourceNotFoundException: "),
        "{message}"
    );
    assert!(message.ends_with("; create the table, or set MILKRUN_LEDGER; the region counts too"), "{message}");
}

#[tokio::test]
async fn what_dynamodb_refuses_says_what_to_do() {
    for (code, said, expected) in [
        (
            "AccessDeniedException",
            "User: arn:aws:sts::1:assumed-role/r/s is not authorized",
            "AccessDeniedException: User: arn:aws:sts::1:assumed-role/r/s is not authorized; \
             allow dynamodb:PutItem on table/runs in the function's role",
        ),
        (
            "InvalidSignatureException",
            "The signature does not match.\\n\\nThe Canonical String was\\nx-amz-security-token:TOKEN",
            "InvalidSignatureException: The signature does not match.; renew the AWS credentials, and look at the clock",
        ),
        (
            "ValidationException",
            "One of the required keys was not given a value",
            "ValidationException: One of the required keys was not given a value; \
             its partition key has to be `migration` and its sort key `item`, both strings",
        ),
    ] {
        let body = format!(r#"{{"__type":"com.amazon.coral.service#{code}","message":"{said}"}}"#);
        let error = error_of(&answering("400 Bad Request", body).url(""), "runs").await;
        assert_eq!(error.to_string(), format!("the ledger dynamodb://runs refused PutItem: {expected}"));
    }
}

#[tokio::test]
async fn a_dynamodb_that_fails_or_is_not_there_is_unreachable() {
    let failing = answering("500 Internal Server Error", r#"{"__type":"InternalServerError"}"#.into());
    let error = error_of(&failing.url(""), "runs").await;
    assert!(matches!(error, LedgerError::Unreachable { .. }), "{error:?}");
    assert!(error.to_string().contains("InternalServerError: no message (HTTP 500)"), "{error}");

    // What passes by itself is waited for, and pauses no migration.
    let body = r#"{"__type":"com.amazon.coral.service#ThrottlingException","message":"Rate exceeded"}"#;
    let error = error_of(&answering("400 Bad Request", body.into()).url(""), "runs").await;
    assert!(matches!(error, LedgerError::Unreachable { .. }), "{error:?}");
    let hint = "ThrottlingException: Rate exceeded; it throttles: make the table on demand, or raise its capacity";
    assert!(error.to_string().contains(hint), "{error}");

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = error_of(&nobody, "runs").await;
    assert!(matches!(error, LedgerError::Unreachable { .. }), "{error:?}");
    let message = error.to_string().to_lowercase();
    assert!(message.contains("connection refused"), "the whole cause chain: {message}");
    assert!(message.contains("look at the network and aws_endpoint_url_dynamodb"), "{message}");
}

#[tokio::test]
async fn missing_credentials_or_region_say_what_to_set() {
    let url = dynamodb().await.url;
    let without =
        |region: Option<Region>| SdkConfig::builder().behavior_version(BehaviorVersion::v2026_01_12()).region(region);
    let ledger = DynamoDb::new(&without(Some(Region::new("eu-central-1"))).endpoint_url(url).build(), "runs".into());
    let message = ledger.get("orders", "state", LIMIT).await.unwrap_err().to_string();
    assert!(message.starts_with("the ledger dynamodb://runs refused GetItem: "), "{message}");
    assert!(
        message.ends_with("; no AWS credentials were found: set AWS_PROFILE, or give the function a role"),
        "{message}"
    );

    let known = SharedCredentialsProvider::new(Credentials::new("test", "test", None, None, "tests"));
    let ledger = DynamoDb::new(&without(None).credentials_provider(known).build(), "runs".into());
    let message = ledger.get("orders", "state", LIMIT).await.unwrap_err().to_string();
    assert!(message.starts_with("the ledger dynamodb://runs refused GetItem: "), "{message}");
    assert!(message.ends_with("; set AWS_REGION"), "{message}");
}
