//! What `plan` tries out before anything is copied: for each permission that a run will need the call that does the least harm. Nothing is
//! written that anybody could read: an upload that is begun and given up needs the same permissions as an object.

use super::failure::{Side, fault};
use super::walk::left;
use super::{OURS, Objects};
use crate::engine::lease::nonce;
use crate::s3::{Bucket, Listed, Object, S3, S3Error, Upload};
use crate::spec::{Attribute, BucketRef, Problem};
use serde_json::json;
use std::time::Duration;
use tokio::time::Instant;

/// Bytes of an object that are read to know that it can be.
const FIRST: u64 = 1;
/// What stands for a role that nobody names.
const OWN_ROLE: &str = "the ARN of the function's role";

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

/// Permissions that one side's role lacks in one bucket.
struct Lacking<'a> {
    role: Side,
    side: Side,
    bucket: &'a Bucket,
    actions: Vec<&'static str>,
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
        self.look_at_buckets(&mut access, deadline).await;
        access
    }

    fn place(&self, side: Side) -> &BucketRef {
        match side {
            Side::Source => &self.definition.source.place,
            Side::Target => &self.definition.target.place,
        }
    }

    fn lacking(&self, role: Side, side: Side) -> Lacking<'_> {
        let bucket = if side == Side::Source { &self.from } else { &self.to };
        Lacking { role, side, bucket, actions: Vec::new() }
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
            Ok(_) if sample.bytes > 0 => {
                let range = Some(0..FIRST);
                let got = s3.version(lacking.bucket, &sample.key, &sample.etag, range, left(deadline)).await;
                // It could be looked at: what it cannot be is deciphered. An archived one says nothing.
                if let Err(error @ S3Error::Denied { .. }) = got {
                    access.refused(lacking, "kms:Decrypt", &error);
                }
            }
            Ok(_) => {}
        }
        if self.definition.target.copy.tags != Attribute::Drop
            && let Err(error) = s3.tags(lacking.bucket, &sample.key, left(deadline)).await
        {
            access.refused(lacking, "s3:GetObjectTagging", &error);
        }
    }

    async fn try_writing(&self, lacking: &mut Lacking<'_>, access: &mut Access, deadline: Instant) {
        let listed = self.target.objects(&self.to, &self.place(Side::Target).prefix, None, 1, left(deadline)).await;
        match listed {
            Ok(_) => {}
            Err(S3Error::Missing { .. }) if self.definition.target.create => {
                let name = &self.to.name;
                access.warnings.push(format!("the bucket `{name}` does not exist: the first run makes it, so whether it may be written is not known yet"));
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
        let copy = Object { key: format!("{}{name}", self.place(Side::Target).prefix), tags, ..own.clone() };
        for object in [copy, own.clone()] {
            if !self.try_object(object, lacking, access, deadline).await {
                return;
            }
        }
        match self.target.open_uploads(&self.to.name, &own.key, left(deadline)).await {
            Ok(_) | Err(S3Error::Unsupported { .. }) => {}
            Err(error) => access.refused(lacking, "s3:ListBucketMultipartUploads", &error),
        }
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

    /// What a role lacks, with what to paste into its policy, and into that of a bucket of another account.
    fn explain(&self, lacking: Lacking<'_>, access: &mut Access) {
        let Lacking { role, side, bucket, actions } = lacking;
        if actions.is_empty() {
            return;
        }
        let place = self.place(side);
        let prefixes: &[&str] =
            if side == Side::Target { &[place.prefix.as_str(), OURS] } else { &[place.prefix.as_str()] };
        let arn = format!("arn:aws:s3:::{}", bucket.name);
        let (of_keys, of_s3): (Vec<_>, Vec<_>) = actions.iter().copied().partition(|action| action.starts_with("kms:"));
        let mut resources = vec![arn.clone()];
        resources.extend(prefixes.iter().map(|prefix| format!("{arn}/{prefix}*")));
        let who = self.place(role).role.clone();
        let (of_role, of_bucket) = match role {
            Side::Source => {
                ("policy of the source's role", "policy of the source's bucket, if it is another account's")
            }
            Side::Target if side == Side::Source => (
                "policy of the target's role, which reads the source",
                "policy of the source's bucket, if it is another account's",
            ),
            Side::Target => {
                ("policy of the target's role", "policy of the target's bucket, if it is another account's")
            }
        };
        if !of_s3.is_empty() {
            let statement = json!({"Effect": "Allow", "Action": of_s3, "Resource": resources});
            access.statements.push((of_role, statement.to_string()));
            let mut statement = statement;
            statement["Principal"] = json!({"AWS": who.as_deref().unwrap_or(OWN_ROLE)});
            access.statements.push((of_bucket, statement.to_string()));
        }
        if !of_keys.is_empty() {
            let key =
                self.definition.target.kms_key.as_deref().filter(|key| side == Side::Target && key.starts_with("arn:"));
            let key = key.unwrap_or("the ARN of the key");
            let statement = json!({"Effect": "Allow", "Action": of_keys, "Resource": key});
            access.statements.push((of_role, statement.to_string()));
        }
        let word = side.word();
        access.problems.push(Problem {
            field: if side == role { format!("{word}.bucket") } else { format!("{}.role", role.word()) },
            message: format!("`{}` does not allow {}", bucket.name, actions.join(", ")),
            hint: "add what stands under `statements` to the policy that each names".to_owned(),
        });
    }

    /// What the buckets themselves keep from going along, or add.
    async fn look_at_buckets(&self, access: &mut Access, deadline: Instant) {
        if !access.problems.is_empty() {
            return;
        }
        let limit = left(deadline) / 8;
        let (source, target) = (self.source.facts(&self.from, limit).await, self.target.facts(&self.to, limit).await);
        let mut warn = |is: Option<bool>, message: &str| {
            if is == Some(true) {
                access.warnings.push(message.to_owned());
            }
        };
        warn(source.locks, "the source's bucket locks objects: locks do not go along, copies can be deleted");
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
        warn(
            target.owns_all.map(|owns| owns && self.definition.target.copy.acl.is_some()),
            "the target's bucket owns every object: `copy.acl` changes nothing there",
        );
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
        self.problems.push(Problem {
            field: format!("{}.bucket", lacking.side.word()),
            message: format!("`{}` cannot be used", lacking.bucket.name),
            hint: fault(lacking.side, error).message,
        });
    }
}
