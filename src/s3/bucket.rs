//! A bucket as a whole: whether it is there, what it is like, and making it.

use super::error::refusal;
use super::{Bucket, S3, S3Error};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::types::{
    BucketLocationConstraint, BucketVersioningStatus, CreateBucketConfiguration, ObjectLockEnabled, ObjectOwnership,
    OwnershipControlsRule,
};
use std::error::Error;
use std::time::Duration;

const LIST: &str = "s3:ListBucket";
const CREATE: &str = "s3:CreateBucket";
const VERSIONING: &str = "s3:GetBucketVersioning";
const LOCK: &str = "s3:GetBucketObjectLockConfiguration";
const OWNERSHIP: &str = "s3:GetBucketOwnershipControls";
const WEBSITE: &str = "s3:GetBucketWebsite";
/// The region that no constraint names. <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html>
const FIRST_REGION: &str = "us-east-1";

/// What a bucket is like; `None`: it does not say, or not to us.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// What is written over or deleted stays as an older version.
    pub keeps_versions: Option<bool>,
    /// Objects may be locked.
    pub locks: Option<bool>,
    /// Every object belongs to the bucket's owner, whatever ACL it comes with.
    pub owns_all: Option<bool>,
    /// It is a website, whose objects may redirect.
    pub is_website: Option<bool>,
}

impl S3 {
    /// Whether a bucket is there, within `limit`.
    pub async fn has_bucket(&self, bucket: &Bucket, limit: Duration) -> Result<bool, S3Error> {
        let place = super::place(&bucket.name, "");
        let call = self.client.head_bucket().bucket(&bucket.name).set_expected_bucket_owner(bucket.owner.clone());
        let call = async {
            match call.send().await.map_err(|error| refusal(&place, LIST, error)) {
                Ok(_) => Ok(true),
                Err(S3Error::Missing { .. }) => Ok(false),
                Err(error) => Err(error),
            }
        };
        self.within((&place, LIST), limit, call).await
    }

    /// Makes a bucket in the client's region; one that is ours already is no error. Within `limit`.
    pub async fn create_bucket(&self, bucket: &Bucket, limit: Duration) -> Result<(), S3Error> {
        let place = super::place(&bucket.name, "");
        let region = self.client.config().region().map(AsRef::as_ref).filter(|region| *region != FIRST_REGION);
        let configuration = region.map(|region| {
            CreateBucketConfiguration::builder().location_constraint(BucketLocationConstraint::from(region)).build()
        });
        let call = self.client.create_bucket().bucket(&bucket.name).set_create_bucket_configuration(configuration);
        let call = async {
            match call.send().await {
                Ok(_) => Ok(()),
                Err(error) if error.code() == Some("BucketAlreadyOwnedByYou") => Ok(()),
                Err(error) => Err(refusal(&place, CREATE, error)),
            }
        };
        self.within((&place, CREATE), limit, call).await
    }

    /// What a bucket is like, as far as it can be told: each of up to four calls may take `limit`.
    pub async fn facts(&self, bucket: &Bucket, limit: Duration) -> Facts {
        let place = super::place(&bucket.name, "");
        let (name, owner) = (&bucket.name, &bucket.owner);
        // One after the other, each made when it is asked: side by side they are too large to be moved about.
        let call = self.client.get_bucket_versioning().bucket(name).set_expected_bucket_owner(owner.clone());
        let call = async {
            let found = told(&place, VERSIONING, call.send().await)?;
            Ok(found.is_some_and(|found| found.status == Some(BucketVersioningStatus::Enabled)))
        };
        let keeps_versions = self.within((&place, VERSIONING), limit, call).await.ok();
        let locks = self.locks(bucket, limit).await.ok();
        let owns_all = self.owns_all(bucket, limit).await.ok();
        let is_website = self.is_website(bucket, limit).await.ok();
        Facts { keeps_versions, locks, owns_all, is_website }
    }

    /// Whether objects of a bucket may be locked. [`S3Error::Unsupported`]: its server answers otherwise than S3, and would again.
    /// Within `limit`.
    pub async fn locks(&self, bucket: &Bucket, limit: Duration) -> Result<bool, S3Error> {
        let place = super::place(&bucket.name, "");
        let call = self.client.get_object_lock_configuration().bucket(&bucket.name);
        let call = call.set_expected_bucket_owner(bucket.owner.clone());
        let call = async {
            let found = told_once(&place, LOCK, call.send().await)?;
            let rule = found.and_then(|found| found.object_lock_configuration);
            Ok(rule.is_some_and(|rule| rule.object_lock_enabled == Some(ObjectLockEnabled::Enabled)))
        };
        self.within((&place, LOCK), limit, call).await
    }

    /// Whether a bucket is a website, whose objects may redirect; as [`S3::locks`].
    pub async fn is_website(&self, bucket: &Bucket, limit: Duration) -> Result<bool, S3Error> {
        let place = super::place(&bucket.name, "");
        let call = self.client.get_bucket_website().bucket(&bucket.name);
        let call = call.set_expected_bucket_owner(bucket.owner.clone());
        let call = async { Ok(told_once(&place, WEBSITE, call.send().await)?.is_some()) };
        self.within((&place, WEBSITE), limit, call).await
    }

    /// Whether every object of a bucket belongs to the bucket's owner, whatever ACL it comes with: it keeps none then, and refuses most.
    /// Within `limit`.
    pub async fn owns_all(&self, bucket: &Bucket, limit: Duration) -> Result<bool, S3Error> {
        let place = super::place(&bucket.name, "");
        let call = self.client.get_bucket_ownership_controls().bucket(&bucket.name);
        let call = call.set_expected_bucket_owner(bucket.owner.clone());
        let call = async {
            let found = told(&place, OWNERSHIP, call.send().await)?;
            let rules = found.and_then(|found| found.ownership_controls).map(|controls| controls.rules);
            let enforced = |rules: Vec<OwnershipControlsRule>| {
                rules.iter().any(|rule| rule.object_ownership == ObjectOwnership::BucketOwnerEnforced)
            };
            Ok(rules.is_some_and(enforced))
        };
        self.within((&place, OWNERSHIP), limit, call).await
    }
}

/// What a bucket has of something; `None`: nothing.
pub(super) fn told<T, E>(
    place: &str,
    action: &'static str,
    answer: Result<T, SdkError<E>>,
) -> Result<Option<T>, S3Error>
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    const NONE: [&str; 5] = [
        "NoSuchLifecycleConfiguration",
        "NoSuchWebsiteConfiguration",
        "ObjectLockConfigurationNotFoundError",
        "OwnershipControlsNotFoundError",
        "NoSuchConfiguration",
    ];
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.code().is_some_and(|code| NONE.contains(&code)) => Ok(None),
        Err(error) => match refusal(place, action, error) {
            // A server that knows no such thing has none.
            S3Error::Unsupported { .. } => Ok(None),
            error => Err(error),
        },
    }
}

/// The same of what not every server knows. An answer that is neither S3's nor a failure of the server's would be no other one the next time.
fn told_once<T, E>(place: &str, action: &'static str, answer: Result<T, SdkError<E>>) -> Result<Option<T>, S3Error>
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    let status = answer.as_ref().err().and_then(SdkError::raw_response).map(|answer| answer.status().as_u16());
    match told(place, action, answer) {
        Err(S3Error::Unreachable { .. }) if status.is_some_and(|status| status < 500) => {
            Err(S3Error::Unsupported { place: place.to_owned() })
        }
        found => found,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_s3::error::ErrorMetadata;
    use aws_sdk_s3::operation::get_bucket_website::GetBucketWebsiteError;
    use aws_sdk_s3::primitives::SdkBody;
    use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

    #[test]
    fn what_a_server_does_not_know_is_no_failure_of_it() {
        let asked = |status: u16, code: &str| {
            let answer = HttpResponse::new(status.try_into().unwrap(), SdkBody::empty());
            let said = GetBucketWebsiteError::generic(ErrorMetadata::builder().code(code).build());
            told_once("s3://b/", WEBSITE, Err::<(), _>(SdkError::service_error(said, answer)))
        };
        assert!(matches!(asked(404, "NoSuchWebsiteConfiguration"), Ok(None)));
        assert!(matches!(asked(501, "NotImplemented"), Ok(None)));
        assert!(matches!(asked(405, "MethodNotAllowed"), Err(S3Error::Unsupported { .. })));
        assert!(matches!(asked(403, "AccessDenied"), Err(S3Error::Denied { .. })));
        assert!(matches!(asked(500, "InternalError"), Err(S3Error::Unreachable { .. })));
    }
}
