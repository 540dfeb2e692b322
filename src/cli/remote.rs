//! A deployed function, invoked as `aws lambda invoke` does.

use crate::command::CommandError;
use crate::fault::chain;
use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_lambda::Client;
use aws_sdk_lambda::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_lambda::operation::invoke::InvokeError;
use aws_sdk_lambda::primitives::Blob;
use serde_json::{Value, json};
use std::time::Duration;

/// Lambda's longest run, and a little for the way.
const LONGEST: Duration = Duration::from_secs(15 * 60 + 30);

pub(super) struct Remote {
    client: Client,
    function: String,
}

impl Remote {
    pub(super) fn new(config: &SdkConfig, function: String) -> Self {
        // An invocation is never repeated by the SDK: the loop above it knows better when.
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(5))
            .operation_timeout(LONGEST)
            .operation_attempt_timeout(LONGEST)
            .read_timeout(LONGEST)
            .build();
        let config = aws_sdk_lambda::config::Builder::from(config)
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts)
            .build();
        Self { client: Client::from_conf(config), function }
    }

    pub(super) async fn invoke(&self, event: &Value) -> Result<Value, CommandError> {
        let sent = self.client.invoke().function_name(&self.function).payload(Blob::new(event.to_string())).send();
        let answer = match Box::pin(sent).await {
            Ok(answer) => answer,
            Err(error) if error.code() == Some("TooManyRequestsException") => {
                return Ok(no_room(event));
            }
            Err(error) => return Err(uninvoked(&self.function, &error)),
        };
        let payload = answer.payload.map(Blob::into_inner).unwrap_or_default();
        let reply: Value = serde_json::from_slice(&payload).map_err(|_| {
            let text: String = String::from_utf8_lossy(&payload).chars().take(200).collect();
            CommandError::Internal(format!("the function `{}` answered no JSON: {text}", self.function))
        })?;
        // A local emulator answers an error without the header that Lambda sends with it.
        if answer.function_error.is_some() || reply.get("errorType").is_some() {
            return Err(failed(&self.function, &reply));
        }
        Ok(reply)
    }

    /// Somebody asked to stop before it has answered.
    pub(super) fn unawaited(&self) -> CommandError {
        CommandError::Internal(format!(
            "interrupted before the function `{}` has answered: what it has begun goes on there until it ends by itself; `status` tells \
             how far it is, `pause` stops it at its next batch",
            self.function
        ))
    }
}

/// What is known where Lambda lets nobody in, by reserved concurrency: somebody else's run is under way. A run that did not begin has moved
/// nothing; how far the migration is, which memory it took and until when it is busy, nobody has said.
fn no_room(event: &Value) -> Value {
    let migration = &event["migration"];
    if event["command"] != "run" {
        return json!({"v": 1, "migration": migration, "outcome": "busy"});
    }
    json!({
        "v": 1, "migration": migration, "outcome": "busy", "stopped_by": null,
        "moved": 0, "skipped": 0, "conflicts": 0, "failed": 0, "bytes": 0, "batches": 0, "shards": [],
        "elapsed_ms": 0, "batch_ms": 0,
    })
}

/// Why there was no answer. Of what Lambda says only code and first line: the rest may be the request itself, with its token.
fn uninvoked(function: &str, error: &SdkError<InvokeError>) -> CommandError {
    let said = match (error.code(), error.message()) {
        (Some(code), message) => {
            format!("{code}: {}", message.and_then(|text| text.lines().next()).unwrap_or_default())
        }
        (None, _) => chain(error),
    };
    let message = format!("the function `{function}` could not be invoked: {said}");
    if error.code() == Some("ResourceNotFoundException") {
        return CommandError::Usage(format!("{message}; check its name, the account and the region"));
    }
    CommandError::Internal(format!(
        "{message}; look at the credentials, their permission lambda:InvokeFunction, the region and AWS_ENDPOINT_URL"
    ))
}

/// The error of an answer `{errorType, errorMessage}`: one of milkrun's own, or Lambda's when it ended the function.
fn failed(function: &str, answer: &Value) -> CommandError {
    let kind = answer["errorType"].as_str().unwrap_or("Unhandled");
    let message = answer["errorMessage"].as_str().unwrap_or("without a message");
    let error = CommandError::of_kind(kind, message.to_owned());
    if error.kind() == kind {
        return error;
    }
    CommandError::Internal(format!(
        "Lambda ended the function `{function}` ({kind}: {message}); nothing is lost, the next run goes on"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_keep_their_type_and_lambda_speaks_for_itself() {
        let error = failed("f", &json!({"errorType": "Ledger", "errorMessage": "the ledger is away"}));
        assert_eq!((error.kind(), error.to_string().as_str()), ("Ledger", "the ledger is away"));
        let error = failed("f", &json!({"errorMessage": "RequestId: 1 Error: Task timed out after 3.00 seconds"}));
        assert_eq!(error.kind(), "Internal");
        assert_eq!(
            error.to_string(),
            "Lambda ended the function `f` (Unhandled: RequestId: 1 Error: Task timed out after 3.00 seconds); nothing is \
             lost, the next run goes on"
        );
    }
}
