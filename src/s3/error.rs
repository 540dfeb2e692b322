//! What can go wrong with S3.

use crate::debug::debug_is_display;
use aws_sdk_s3::error::{ErrorMetadata, ProvideErrorMetadata, SdkError};
use std::error::Error as StdError;
use std::time::Duration;

/// What can go wrong with S3. It names buckets and keys, never what objects hold.
#[derive(thiserror::Error)]
pub enum S3Error {
    /// The bucket or the object is not there.
    #[error("{place} does not exist: correct the name, and check the region")]
    Missing {
        /// `s3://bucket/key`.
        place: String,
    },
    /// It may not be read, or not be written.
    #[error("{place} may not be {}: allow `{action}` on it", done(action))]
    Denied {
        /// `s3://bucket/key`.
        place: String,
        /// The IAM action that is needed.
        action: &'static str,
        /// What S3 said.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The role that the bucket is used by could not be assumed.
    #[error("{place}: its role could not be assumed: {code}")]
    Unassumed {
        /// `s3://bucket/key`.
        place: String,
        /// What STS calls it.
        code: String,
        /// What the SDK said.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The object is larger than what the caller can take.
    #[error("{place} is larger than {most} bytes")]
    TooLarge {
        /// `s3://bucket/key`.
        place: String,
        /// The most that was asked for.
        most: usize,
    },
    /// There is an object already where one was to be made.
    #[error("{place} exists already")]
    Exists {
        /// `s3://bucket/key`.
        place: String,
    },
    /// An upload cannot become an object: a part of it is not there, or is not the one that was named.
    #[error("{place}: parts of its upload are not what they were said to be")]
    OtherParts {
        /// `s3://bucket/key`.
        place: String,
    },
    /// What was stored is not what was sent, by S3's own checksum.
    #[error("{place} was not stored as it was sent")]
    Damaged {
        /// `s3://bucket/key`.
        place: String,
    },
    /// It is archived, and has to be restored before it can be read.
    #[error("{place} is archived")]
    Archived {
        /// `s3://bucket/key`.
        place: String,
    },
    /// It cannot be what was asked for, whoever asks.
    #[error("{place} was refused: {code}")]
    Refused {
        /// `s3://bucket/key`.
        place: String,
        /// What S3 calls it.
        code: String,
    },
    /// The server does not know what was asked for.
    #[error("{place}: the server does not know such a call")]
    Unsupported {
        /// `s3://bucket/key`.
        place: String,
    },
    /// A listing holds a key that is no text.
    #[error("{place} holds a key that is no UTF-8")]
    Unreadable {
        /// `s3://bucket/prefix`.
        place: String,
    },
    /// It was said to be done, but not what came of it.
    #[error("{place}: the reply says nothing of what came of it")]
    Unclear {
        /// `s3://bucket/key`.
        place: String,
    },
    /// S3 asks for fewer requests.
    #[error("{place}: S3 asks for fewer requests")]
    Busy {
        /// `s3://bucket/key`.
        place: String,
        /// What the SDK said.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
    /// S3 did not answer in time.
    #[error("{place} could not be {} within {limit:?}: {}", done(action), VPC)]
    Late {
        /// `s3://bucket/key`.
        place: String,
        /// The IAM action of the call.
        action: &'static str,
        /// How long it had.
        limit: Duration,
    },
    /// Anything else: no network, no credentials, a body that broke off.
    #[error("{place} could not be {}: check region, credentials and network", done(action))]
    Unreachable {
        /// `s3://bucket/key`.
        place: String,
        /// The IAM action of the call.
        action: &'static str,
        /// What the SDK said.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
}

debug_is_display!(S3Error);

/// Why nothing answers, mostly.
pub(super) const VPC: &str = "inside a VPC, S3 needs a gateway endpoint, and a role an interface endpoint of STS";

/// What AWS's SDK cannot put into a request, such as a key that is nothing but blanks.
const UNSAYABLE: &str = "AWS's SDK cannot say it";

impl S3Error {
    /// Nothing can be under such a key.
    pub fn is_no_key(&self) -> bool {
        matches!(self, Self::Refused { code, .. } if code == UNSAYABLE || NO_KEY.contains(&code.as_str()))
    }
}

/// Whether a key of KMS cannot be used, and not merely at the moment.
fn is_key_gone(code: &str) -> bool {
    code.starts_with("KMS.")
        && !["Throttl", "Internal", "Timeout", "Unavailable"].iter().any(|part| code.contains(part))
}

/// What no repetition mends. <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>
const REFUSED: [&str; 10] = [
    "AccessControlListNotSupported",
    "BucketAlreadyExists",
    "EntityTooLarge",
    "InvalidArgument",
    "InvalidEncryptionAlgorithmError",
    "InvalidRequest",
    "InvalidStorageClass",
    "InvalidTag",
    "MetadataTooLarge",
    "RequestHeaderSectionTooLarge",
];

/// The same, said of the key alone. Not every server takes each that S3 takes, and each has a word of its own for that.
const NO_KEY: [&str; 4] =
    ["InvalidObjectName", "KeyTooLongError", "XMinioInvalidObjectName", "XMinioInvalidResourceName"];

/// What an action does to an object.
fn done(action: &str) -> &'static str {
    if action.starts_with("s3:Put")
        || action.starts_with("s3:Abort")
        || action.starts_with("s3:Delete")
        || action.starts_with("s3:Create")
    {
        "written"
    } else {
        "read"
    }
}

/// Whether an answer is a refusal that does not say why: that to HEAD has no body, and 400 may be an expired token as well as an object
/// that is encrypted with its owner's own key.
pub(super) fn is_mute<E: ProvideErrorMetadata>(error: &SdkError<E>) -> bool {
    let status = error.raw_response().map(|answer| answer.status().as_u16());
    status == Some(400) && error.code().is_none()
}

/// What STS calls its refusal, where a role could not be assumed and never can be as it is: the cause of a request that was not sent.
/// <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html>
fn unassumed<E: StdError + 'static>(error: &SdkError<E>) -> Option<String> {
    const NEVER: [&str; 3] = ["AccessDenied", "RegionDisabledException", "ValidationError"];
    if !matches!(error, SdkError::DispatchFailure(_)) {
        return None;
    }
    let mut next = error.source();
    while let Some(cause) = next {
        if let Some(code) = cause.downcast_ref::<ErrorMetadata>().and_then(ErrorMetadata::code) {
            return NEVER.contains(&code).then(|| code.to_owned());
        }
        next = cause.source();
    }
    None
}

/// What S3 said of a call.
pub(super) fn refusal<E>(place: &str, action: &'static str, error: SdkError<E>) -> S3Error
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    let place = place.to_owned();
    if matches!(error, SdkError::ConstructionFailure(_)) {
        return S3Error::Refused { place, code: UNSAYABLE.to_owned() };
    }
    if let Some(code) = unassumed(&error) {
        return S3Error::Unassumed { place, code, source: Box::new(error) };
    }
    // An answer to HEAD has no body that could hold a code.
    let status = error.raw_response().map(|answer| answer.status().as_u16());
    match (error.code(), status) {
        (Some("NoSuchBucket" | "NoSuchKey" | "NotFound" | "NoSuchUpload"), _) => S3Error::Missing { place },
        // A bucket of another region is not there for this one.
        (Some("PermanentRedirect" | "AuthorizationHeaderMalformed"), _) | (None, Some(301)) => {
            S3Error::Missing { place }
        }
        (Some("AccessDenied"), _) | (None, Some(403)) => S3Error::Denied { place, action, source: Box::new(error) },
        (Some("PreconditionFailed"), _) | (None, Some(412)) => S3Error::Exists { place },
        (Some("InvalidPart"), _) => S3Error::OtherParts { place },
        // A copy has a name of its own for that.
        (Some("InvalidObjectState" | "ObjectNotInActiveTierError"), _) => S3Error::Archived { place },
        (Some("NotImplemented"), _) | (None, Some(501)) => S3Error::Unsupported { place },
        (Some(code), _) if REFUSED.contains(&code) || NO_KEY.contains(&code) || is_key_gone(code) => {
            S3Error::Refused { place, code: code.to_owned() }
        }
        (Some("BadDigest" | "InvalidDigest" | "XAmzContentChecksumMismatch"), _) => S3Error::Damaged { place },
        // Another request for the same key is under way: what comes of it is not known yet.
        (Some("SlowDown" | "ServiceUnavailable" | "RequestLimitExceeded" | "ConditionalRequestConflict"), _)
        | (None, Some(429 | 503)) => S3Error::Busy { place, source: Box::new(error) },
        // KMS has a quota of its own, and not every server has S3's words for it.
        (Some(code), _) if code.contains("Throttl") || code == "TooManyRequests" => {
            S3Error::Busy { place, source: Box::new(error) }
        }
        _ => S3Error::Unreachable { place, action, source: Box::new(error) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_s3::operation::copy_object::CopyObjectError;
    use aws_sdk_s3::primitives::SdkBody;
    use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

    /// What a copy comes to that is answered with this status and this code.
    fn of_copy(status: u16, code: &str) -> S3Error {
        let answer = HttpResponse::new(status.try_into().unwrap(), SdkBody::empty());
        let said = CopyObjectError::generic(ErrorMetadata::builder().code(code).build());
        refusal("s3://b/k", "s3:PutObject", SdkError::service_error(said, answer))
    }

    #[test]
    fn what_is_archived_is_known_by_either_name() {
        for code in ["InvalidObjectState", "ObjectNotInActiveTierError"] {
            assert!(matches!(of_copy(403, code), S3Error::Archived { .. }), "{code}");
        }
    }

    #[test]
    fn a_key_that_a_server_does_not_take_is_no_fault_of_the_network() {
        for code in NO_KEY {
            assert!(of_copy(400, code).is_no_key(), "{code}");
        }
        assert!(!of_copy(400, "InvalidRequest").is_no_key());
    }

    #[test]
    fn parts_that_are_not_taken_are_no_matter_of_the_network() {
        assert!(matches!(of_copy(400, "InvalidPart"), S3Error::OtherParts { .. }));
    }

    #[test]
    fn whoever_asks_for_fewer_requests_is_busy_in_whatever_words() {
        for (status, code) in [
            (503, "SlowDown"),
            (400, "KMS.ThrottlingException"),
            (400, "ThrottlingException"),
            (429, "TooManyRequests"),
            (409, "ConditionalRequestConflict"),
        ] {
            assert!(matches!(of_copy(status, code), S3Error::Busy { .. }), "{code}");
        }
        assert!(matches!(of_copy(500, "InternalError"), S3Error::Unreachable { .. }));
        assert!(matches!(of_copy(400, "KMS.DisabledException"), S3Error::Refused { .. }));
    }
}
