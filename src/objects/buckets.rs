//! What buckets themselves keep from going along, or add: something that a user would want to know beforehand.

use super::Objects;
use super::access::Access;
use super::walk::left;
use crate::spec::ObjectAcl;
use tokio::time::Instant;

impl Objects {
    /// Warns that copies are encrypted otherwise than an object that was tried, which has a key of KMS.
    pub(super) fn warn_of_encryption(&self, access: &mut Access) {
        if self.definition.target.kms_key.is_none() {
            access.warnings.push(
                "the object that was tried is encrypted with a key of KMS, which does not go along: copies are encrypted as the target's \
                 bucket says; name a key in `target.kms_key`"
                    .to_owned(),
            );
        }
    }

    /// Warns of it, once nothing is lacking that a run needs.
    pub(super) async fn look_at_buckets(&self, access: &mut Access, deadline: Instant) {
        if !access.problems.is_empty() {
            return;
        }
        let limit = left(deadline) / 10;
        let (source, target) = (self.source.facts(&self.from, limit).await, self.target.facts(&self.to, limit).await);
        let mut warn = |is: Option<bool>, message: &str| {
            if is == Some(true) {
                access.warnings.push(message.to_owned());
            }
        };
        // Nothing tells a lock that may not be seen from none.
        warn(
            source.locks,
            "the source's bucket locks objects: locks do not go along, copies can be deleted; that an object loses one is written down \
             only if the source's role may do s3:GetObjectRetention and s3:GetObjectLegalHold, which cannot be seen from here",
        );
        warn(
            target.locks,
            "the target's bucket locks objects: what is copied may not be replaced or deleted for a while",
        );
        warn(
            source.is_website,
            "the source's bucket is a website: each object is asked for its redirect, which goes along",
        );
        warn(
            target.keeps_versions,
            "the target's bucket keeps versions: what a sweep replaces or deletes stays, and is paid for",
        );
        let acl = self.definition.target.copy.acl;
        warn(
            target.owns_all.map(|owns| owns && acl.canned().is_some()),
            "the target's bucket owns every object: `copy.acl` changes nothing there",
        );
        warn(
            target.owns_all.map(|owns| owns && acl == ObjectAcl::Keep),
            "the target's bucket owns every object and keeps no ACL: those of objects that are open to others than their owner are \
             lost, and written down",
        );
        warn(
            source.owns_all.map(|owns| owns && acl.is_asked()),
            "the source's bucket owns every object: none has an ACL that `copy.acl` could find",
        );
        self.look_at_aftermath(access, limit).await;
    }
}
