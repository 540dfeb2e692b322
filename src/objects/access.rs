//! What `plan` tries out before anything is copied: for each permission that a run will need the call that does the least harm. Nothing is
//! written that anybody could read: an upload that is begun and given up needs the same permissions as an object.

use super::Objects;
use super::failure::{Side, fault};
use super::statements::Lacking;
use super::walk::left;
use crate::engine::lease::nonce;
use crate::s3::{Listed, Object, S3, S3Error, Upload};
use crate::spec::{Attribute, BucketRef, ObjectAcl, Problem};
use std::time::Duration;
use tokio::time::Instant;

/// Bytes of an object that are read to know that it can be.
const FIRST: u64 = 1;

/// What was found out.
#[derive(Debug, Default)]
pub struct Access {
    /// What would stop a run, each with what to do about it.
    pub problems: Vec<Problem>,
    /// Statements for policies that lack them: what for, and the statement.
    pub statements: Vec<(&'static str, String)>,
    /// What a user would want to know.
    pub warnings: Vec<String>,
}

impl Objects {
    /// Tries out what a run will need, within `limit`.
    pub async fn try_access(&self, limit: Duration) -> Access {
        let deadline = Instant::now() + limit;
        let mut access = Access::default();
        let mut reading = self.lacking(Side::Source, Side::Source);
        let sample =
            match self.source.objects(&self.from, &self.place(Side::Source).prefix, None, 1, left(deadline)).await {
                Ok(page) => page.objects.into_iter().next(),
                Err(error) => {
                    access.refused(&mut reading, "s3:ListBucket", &error);
                    None
                }
            };
        if let Some(sample) = &sample {
            self.try_reading(&self.source, sample, &mut reading, &mut access, deadline).await;
        }
        let mut fetching = self.lacking(Side::Target, Side::Source);
        // A server that copies by itself reads the source as the target's role.
        if let (true, Some(sample)) =
            (self.one_server && self.place(Side::Source).role != self.place(Side::Target).role, &sample)
        {
            self.try_reading(&self.target, sample, &mut fetching, &mut access, deadline).await;
        }
        let mut writing = self.lacking(Side::Target, Side::Target);
        self.try_writing(&mut writing, &mut access, deadline).await;
        for lacking in [reading, fetching, writing] {
            self.explain(lacking, &mut access);
        }
        self.try_inventory(&mut access, deadline).await;
        self.look_at_buckets(&mut access, deadline).await;
        access
    }

    pub(super) fn place(&self, side: Side) -> &BucketRef {
        match side {
            Side::Source => &self.definition.source.place,
            Side::Target => &self.definition.target.place,
        }
    }

    async fn try_reading(
        &self,
        s3: &S3,
        sample: &Listed,
        lacking: &mut Lacking<'_>,
        access: &mut Access,
        deadline: Instant,
    ) {
        match s3.head_of(lacking.bucket, &sample.key, left(deadline)).await {
            Err(S3Error::Refused { code, .. }) => {
                access
                    .warnings
                    .push(format!("the object that was tried would be set aside as `poison`: S3 refuses it ({code})"));
                return;
            }
            Err(error) => access.refused(lacking, "s3:GetObject", &error),
            Ok(head) => {
                if lacking.role == Side::Source && head.is_some_and(|head| head.kms_key.is_some()) {
                    self.warn_of_encryption(access);
                }
                if sample.bytes > 0 {
                    let range = Some(0..FIRST);
                    let got = s3.version(lacking.bucket, &sample.key, &sample.etag, range, left(deadline)).await;
                    // It could be looked at: what it cannot be is deciphered. An archived one says nothing.
                    if let Err(error @ S3Error::Denied { .. }) = got {
                        access.refused(lacking, "kms:Decrypt", &error);
                    }
                }
            }
        }
        if self.definition.target.copy.tags != Attribute::Drop
            && let Err(error) = s3.tags(lacking.bucket, &sample.key, left(deadline)).await
        {
            access.refused(lacking, "s3:GetObjectTagging", &error);
        }
        // Whoever copies, it is the source's role that asks for ACLs.
        if self.definition.target.copy.acl.is_asked()
            && lacking.role == Side::Source
            && let Err(error) = s3.acl(lacking.bucket, &sample.key, left(deadline)).await
        {
            access.refused(lacking, "s3:GetObjectAcl", &error);
        }
    }

    async fn try_writing(&self, lacking: &mut Lacking<'_>, access: &mut Access, deadline: Instant) {
        let listed = self.target.objects(&self.to, &self.place(Side::Target).prefix, None, 1, left(deadline)).await;
        match listed {
            Ok(_) => {}
            Err(S3Error::Missing { .. }) if self.definition.target.create => {
                let name = &self.to.name;
                access.warnings.push(format!("the bucket `{name}` does not exist: the first run makes it, so whether it may be made and written is not known yet"));
                self.foretell_making(access);
                return;
            }
            Err(error @ S3Error::Denied { .. }) => access.refused(lacking, "s3:ListBucket", &error),
            Err(error) => return access.refused(lacking, "s3:ListBucket", &error),
        }
        let name = format!("try-{}", nonce());
        let own = self.small(self.own(&name));
        if let Err(error @ S3Error::Denied { .. }) = self.target.head_of(&self.to, &own.key, left(deadline)).await {
            access.refused(lacking, "s3:GetObject", &error);
        }
        let tags = (self.definition.target.copy.tags != Attribute::Drop).then(|| "milkrun=try".to_owned());
        let acl = self.tried_acl(lacking, access, deadline).await;
        let copy = Object { key: format!("{}{name}", self.place(Side::Target).prefix), tags, acl, ..own.clone() };
        for object in [copy, own.clone()] {
            if !self.try_object(object, lacking, access, deadline).await {
                return;
            }
        }
        match self.target.open_uploads(&self.to, &own.key, left(deadline)).await {
            Ok(_) | Err(S3Error::Unsupported { .. }) => {}
            Err(error) => access.refused(lacking, "s3:ListBucketMultipartUploads", &error),
        }
    }

    /// The ACL that a copy is tried with: where any is to be kept, one that needs the same permission and lets nobody in.
    async fn tried_acl(&self, lacking: &mut Lacking<'_>, access: &mut Access, deadline: Instant) -> Option<String> {
        let mut acl = self.definition.target.copy.acl;
        if acl == ObjectAcl::Keep {
            match self.target.owns_all(&self.to, left(deadline)).await {
                Ok(false) => acl = ObjectAcl::BucketOwner,
                // It keeps none, and is sent none.
                Ok(true) => {}
                Err(error) => access.refused(lacking, "s3:GetBucketOwnershipControls", &error),
            }
        }
        acl.canned().map(str::to_owned)
    }

    /// Tries an object as a run would write it; where that is denied, by which part of it. Whether there is anything left to try.
    async fn try_object(
        &self,
        object: Object,
        lacking: &mut Lacking<'_>,
        access: &mut Access,
        deadline: Instant,
    ) -> bool {
        match self.target.begin_upload(&object, false, left(deadline)).await {
            Ok(upload) => {
                self.give_back(&upload, lacking, access, deadline).await;
                return true;
            }
            Err(S3Error::Denied { .. }) => {}
            Err(error) => {
                access.refused(lacking, "s3:PutObject", &error);
                return false;
            }
        }
        let known = lacking.actions.len();
        let plain = Object { kms_key: None, acl: None, tags: None, ..object.clone() };
        let parts = [
            (
                "s3:PutObjectTagging",
                object.tags.is_some().then(|| Object { tags: object.tags.clone(), ..plain.clone() }),
            ),
            ("s3:PutObjectAcl", object.acl.is_some().then(|| Object { acl: object.acl.clone(), ..plain.clone() })),
            (
                "kms:GenerateDataKey",
                object.kms_key.is_some().then(|| Object { kms_key: object.kms_key.clone(), ..plain.clone() }),
            ),
        ];
        match self.target.begin_upload(&plain, false, left(deadline)).await {
            Ok(upload) => self.give_back(&upload, lacking, access, deadline).await,
            Err(error) => {
                access.refused(lacking, "s3:PutObject", &error);
                return false;
            }
        }
        for (action, object) in parts.into_iter().filter_map(|(action, object)| Some((action, object?))) {
            match self.target.begin_upload(&object, false, left(deadline)).await {
                Ok(upload) => self.give_back(&upload, lacking, access, deadline).await,
                Err(error) => access.refused(lacking, action, &error),
            }
        }
        // Each alone is allowed, and all together are not: a policy that says so.
        if lacking.actions.len() == known {
            lacking.actions.push("s3:PutObject");
        }
        true
    }

    /// Looks at an upload that was begun to find out whether it may be, and gives it up.
    async fn give_back(&self, upload: &Upload, lacking: &mut Lacking<'_>, access: &mut Access, deadline: Instant) {
        if let Err(error @ S3Error::Denied { .. }) = self.target.parts(upload, left(deadline)).await {
            access.refused(lacking, "s3:ListMultipartUploadParts", &error);
        }
        if let Err(error) = self.target.abort_upload(upload, left(deadline)).await {
            access.refused(lacking, "s3:AbortMultipartUpload", &error);
        }
    }
}

impl Access {
    /// A call was refused: for want of a permission, or for another reason, which is a problem of its own.
    fn refused(&mut self, lacking: &mut Lacking<'_>, action: &'static str, error: &S3Error) {
        if matches!(error, S3Error::Denied { .. }) {
            if !lacking.actions.contains(&action) {
                lacking.actions.push(action);
            }
            return;
        }
        if matches!(error, S3Error::Unassumed { .. }) {
            lacking.unassumed = true;
            self.problems.push(Problem {
                field: format!("{}.role", lacking.role.word()),
                message: "cannot be assumed".to_owned(),
                hint: fault(lacking.role, error).message,
            });
            return;
        }
        self.problems.push(Problem {
            field: format!("{}.bucket", lacking.side.word()),
            message: format!("`{}` cannot be used", lacking.bucket.name),
            hint: fault(lacking.side, error).message,
        });
    }
}
