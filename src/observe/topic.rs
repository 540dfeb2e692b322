//! The topic that hears of stages: SNS, called when there is something to tell.

use crate::debug::debug_is_display;
use aws_config::{Region, SdkConfig};
use aws_sdk_sns::Client;
use aws_sdk_sns::error::ProvideErrorMetadata;
use aws_sdk_sns::types::MessageAttributeValue;
use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

/// Why a topic did not take a message.
#[derive(thiserror::Error)]
pub enum TopicError {
    /// It may not be told.
    #[error(
        "the topic `{arn}` may not be told: allow `sns:Publish` on it, and `kms:GenerateDataKey` and `kms:Decrypt` on its key"
    )]
    Denied {
        /// The topic.
        arn: String,
        /// What SNS said.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
    /// There is none.
    #[error("the topic `{arn}` does not exist: correct `MILKRUN_TOPIC_ARN`")]
    Missing {
        /// The topic.
        arn: String,
    },
    /// It did not answer in time.
    #[error(
        "the topic `{arn}` did not answer within {limit:?}: inside a VPC, SNS needs an interface endpoint or a NAT gateway"
    )]
    Late {
        /// The topic.
        arn: String,
        /// How long it had.
        limit: Duration,
    },
    /// Anything else: no network, no credentials.
    #[error("the topic `{arn}` could not be told: check credentials and network")]
    Unreachable {
        /// The topic.
        arn: String,
        /// What the SDK said.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
}

debug_is_display!(TopicError);

/// A topic.
pub struct Topic {
    client: Client,
    arn: String,
}

impl fmt::Debug for Topic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Topic").field("arn", &self.arn).finish_non_exhaustive()
    }
}

impl Topic {
    /// The topic of this ARN, in the region that the ARN names. Nothing is called before something is told.
    pub fn new(config: &SdkConfig, arn: &str) -> Self {
        let mut builder = aws_sdk_sns::config::Builder::from(config);
        if let Some(region) = region(arn) {
            builder = builder.region(Region::new(region.to_owned()));
        }
        Self { client: Client::from_conf(builder.build()), arn: arn.to_owned() }
    }

    /// Tells it, within `limit`. Subscribers can choose by the attributes `migration` and `stage`.
    pub async fn tell(&self, migration: &str, stage: &str, message: String, limit: Duration) -> Result<(), TopicError> {
        let attribute = |text: &str| {
            // It has a type and a value: nothing is missing.
            MessageAttributeValue::builder().data_type("String").string_value(text).build().ok()
        };
        let mut call = self.client.publish().topic_arn(&self.arn).subject(subject(migration, stage)).message(message);
        for (name, text) in [("migration", migration), ("stage", stage)] {
            if let Some(value) = attribute(text) {
                call = call.message_attributes(name, value);
            }
        }
        let arn = self.arn.clone();
        match tokio::time::timeout(limit, Box::pin(call.send())).await {
            Err(_) => Err(TopicError::Late { arn, limit }),
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(match error.code() {
                Some("NotFound" | "NotFoundException") => TopicError::Missing { arn },
                Some("AuthorizationError" | "AuthorizationErrorException" | "AccessDenied" | "KMSAccessDenied") => {
                    TopicError::Denied { arn, source: Box::new(error) }
                }
                _ => TopicError::Unreachable { arn, source: Box::new(error) },
            }),
        }
    }
}

/// `arn:aws:sns:REGION:ACCOUNT:NAME`.
fn region(arn: &str) -> Option<&str> {
    arn.split(':').nth(3).filter(|region| !region.is_empty())
}

/// Whether this can be the ARN of a topic.
pub fn is_arn(text: &str) -> bool {
    let parts: Vec<&str> = text.split(':').collect();
    matches!(parts.as_slice(), ["arn", _, "sns", region, account, name]
        if !region.is_empty() && account.len() == 12 && !name.is_empty())
}

/// A mail's subject has up to 100 characters.
fn subject(migration: &str, stage: &str) -> String {
    format!("milkrun: {migration}: {stage}").chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_says_where_its_topic_is() {
        let arn = "arn:aws:sns:eu-central-1:123456789012:stages";
        assert!(is_arn(arn));
        assert_eq!(region(arn), Some("eu-central-1"));
        for wrong in
            ["", "stages", "arn:aws:sqs:eu-central-1:123456789012:stages", "arn:aws:sns:eu-central-1:12:stages"]
        {
            assert!(!is_arn(wrong), "{wrong}");
        }
        assert_eq!(subject(&"x".repeat(200), "complete").len(), 100);
    }
}
