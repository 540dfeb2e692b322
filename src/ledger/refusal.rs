//! What DynamoDB's errors mean, and what to do about each.

use super::LedgerError;
use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use std::error::Error as StdError;
use std::time::Duration;

const NETWORK: &str =
    "look at the network and AWS_ENDPOINT_URL_DYNAMODB; a function in a VPC needs the gateway endpoint";

/// The error of a call, with its whole cause chain and what to do about it.
///
/// A server's message is cut to its first line: what follows in a signature error is the request itself, with its token.
pub(super) fn explain<E>(table: &str, operation: &'static str, error: &SdkError<E, HttpResponse>) -> LedgerError
where
    E: ProvideErrorMetadata + StdError + 'static,
{
    let SdkError::ServiceError(service) = error else {
        return unanswered(table, operation, &chain(error));
    };
    let code = service.err().code().unwrap_or("an error without a code");
    let said = service.err().message().and_then(|message| message.lines().next()).unwrap_or("no message");
    let answer = format!("{code}: {said}");
    if service.raw().status().is_server_error() {
        return unreachable(table, format!("{answer} (HTTP {})", service.raw().status()));
    }
    if matches!(code, "ProvisionedThroughputExceededException" | "RequestLimitExceeded" | "ThrottlingException") {
        let hint = "it throttles: make the table on demand, or raise its capacity";
        return unreachable(table, format!("{answer}; {hint}"));
    }
    let hint = match code {
        "ResourceNotFoundException" => "create the table, or set MILKRUN_LEDGER; the region counts too".to_owned(),
        "AccessDeniedException" => format!("allow dynamodb:{operation} on table/{table} in the function's role"),
        "UnrecognizedClientException"
        | "ExpiredTokenException"
        | "InvalidSignatureException"
        | "IncompleteSignature"
        | "MissingAuthenticationTokenException"
        | "MissingAuthenticationToken" => "renew the AWS credentials, and look at the clock".to_owned(),
        "ValidationException" if said.contains("key") => {
            "its partition key has to be `migration` and its sort key `item`, both strings".to_owned()
        }
        _ => return refused(table, operation, answer),
    };
    refused(table, operation, format!("{answer}; {hint}"))
}

/// No answer of DynamoDB's: the request was never made, never came through, or its reply made no sense.
fn unanswered(table: &str, operation: &'static str, causes: &str) -> LedgerError {
    let lower = causes.to_ascii_lowercase();
    if lower.contains("credential") || lower.contains("identity") {
        let hint = "no AWS credentials were found: set AWS_PROFILE, or give the function a role";
        return refused(table, operation, format!("{causes}; {hint}"));
    }
    if lower.contains("region") {
        return refused(table, operation, format!("{causes}; set AWS_REGION"));
    }
    unreachable(table, format!("{causes}; {NETWORK}"))
}

/// It did not answer within the time that the caller had.
pub(super) fn silent(table: &str, operation: &str, limit: Duration) -> LedgerError {
    unreachable(table, format!("no answer to {operation} within {} ms; {NETWORK}", limit.as_millis()))
}

pub(super) fn refused(table: &str, operation: &'static str, message: String) -> LedgerError {
    LedgerError::Refused { ledger: name(table), operation, message }
}

fn unreachable(table: &str, message: String) -> LedgerError {
    LedgerError::Unreachable { ledger: name(table), message }
}

fn name(table: &str) -> String {
    format!("dynamodb://{table}")
}

/// The SDK's errors say "dispatch failure" and leave the rest to their sources.
fn chain(error: &dyn StdError) -> String {
    let mut causes: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string().lines().next().unwrap_or_default().to_owned();
        if !causes.iter().any(|earlier| earlier.contains(&text)) {
            causes.push(text);
        }
        next = error.source();
    }
    causes.join(": ")
}
