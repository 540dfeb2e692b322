//! What a bucket's refusal means for whoever needs it.

use super::S3Error;
use super::error::VPC;
use crate::fault::{Class, Fault, Origin};

/// No object fares better. `side` is the section that the bucket stands in; a message names it, never a key: keys may be made of values.
pub fn fault(side: &str, error: &S3Error) -> Fault {
    let class = match error {
        S3Error::Missing { .. }
        | S3Error::Denied { .. }
        | S3Error::Unassumed { .. }
        | S3Error::TooLarge { .. }
        | S3Error::Unreadable { .. }
        | S3Error::Archived { .. }
        | S3Error::Refused { .. }
        | S3Error::Unsupported { .. }
        | S3Error::Exists { .. } => Class::Fatal,
        S3Error::Damaged { .. }
        | S3Error::OtherParts { .. }
        | S3Error::Unclear { .. }
        | S3Error::Busy { .. }
        | S3Error::Late { .. }
        | S3Error::Unreachable { .. } => Class::Transient,
    };
    let message = match error {
        S3Error::Missing { .. } => {
            format!("the {side}'s bucket does not exist: correct `{side}.bucket`, and check `{side}.region`")
        }
        S3Error::Denied { action, .. } => {
            format!("the {side}'s bucket may not be used: allow `{action}` on it, and on its KMS key")
        }
        S3Error::Unassumed { code, .. } => format!(
            "the {side}'s role could not be assumed ({code}): allow the function's role `sts:AssumeRole` on it, and name that one in its trust \
             policy"
        ),
        S3Error::Damaged { .. } => format!("the {side}'s bucket did not give or store what it was asked for"),
        S3Error::OtherParts { .. } => {
            format!("the {side}'s bucket does not take the parts of an upload for what was sent")
        }
        S3Error::Unclear { .. } => format!("the {side}'s bucket did not say what came of a call"),
        S3Error::Busy { .. } => format!("the {side}'s bucket asks for fewer requests"),
        S3Error::Late { limit, .. } => {
            format!("the {side}'s bucket did not answer within {limit:?}: {VPC}")
        }
        S3Error::Exists { .. } => format!("an object of milkrun's own is in the {side}'s bucket already"),
        S3Error::TooLarge { most, .. } => {
            format!("an object of milkrun's own in the {side}'s bucket is larger than {most} bytes")
        }
        S3Error::Refused { code, .. } => format!("the {side}'s bucket refused a call: {code}"),
        S3Error::Unsupported { .. } => format!("the {side}'s server does not know a call that is needed"),
        S3Error::Unreadable { .. } => format!("the {side}'s bucket holds a key that is no UTF-8 text"),
        S3Error::Archived { .. } => format!("an object of the {side}'s bucket is archived"),
        S3Error::Unreachable { source, .. } => format!(
            "the {side}'s bucket could not be reached: check region, credentials and network: {}",
            last(&**source)
        ),
    };
    Fault { advised: true, origin: Origin::Storage, ..Fault::new(class, message) }
}

/// The last cause beneath, which names no key.
fn last(error: &(dyn std::error::Error + 'static)) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}
