//! What a listing does not tell and a copy does not take along by itself: where a bucket's objects may have it, each is asked. A redirect goes
//! along then, and so does an ACL where that is wanted and the target keeps any; a lock does not, nor does a key of KMS. What does not is
//! written down.

use super::Objects;
use super::copy::Stop;
use super::failure::{Side, fault};
use super::walk::left;
use crate::fault::Fault;
use crate::s3::{Facts, Head, Listed, Object, S3Error, Stored};
use crate::spec::Attribute;
use serde_json::{Value, json};
use std::sync::PoisonError;
use tokio::time::{Instant, timeout_at};

impl Objects {
    /// What the source's bucket is like, as far as it says. A server that is busy, fails or cannot be reached has not said anything yet: nobody
    /// would miss what were left behind for that.
    pub(super) async fn facts(&self, deadline: Instant) -> Result<Facts, Stop> {
        let asked = self.facts.get_or_try_init(|| {
            // Boxed: it is too large to be moved about.
            Box::pin(async {
                let limit = left(deadline) / 4;
                let locks = unless_silent(self.source.locks(&self.from, limit).await)?;
                let is_website = unless_silent(self.source.is_website(&self.from, limit).await)?;
                Ok::<_, Fault>(Facts { locks, is_website, ..Facts::default() })
            })
        });
        match timeout_at(deadline, asked).await {
            Ok(facts) => Ok(*facts?),
            Err(_) => Err(Stop::Time),
        }
    }

    /// With what a server that copies by itself would leave behind, if its bucket's objects may have any of it. Where that has to be asked,
    /// also the source's key of KMS.
    pub(super) async fn with_hidden(
        &self,
        ours: &Listed,
        object: Object,
        deadline: Instant,
    ) -> Result<(Object, Option<String>), Stop> {
        let mut object = Box::pin(self.with_acl(ours, object, deadline)).await?;
        let facts = self.facts(deadline).await?;
        if facts.locks != Some(true) && facts.is_website != Some(true) {
            return Ok((object, None));
        }
        let head = self.source.head_of(&self.from, &ours.key, left(deadline)).await;
        let head = head.map_err(|error| Stop::of(Side::Source, &error))?.ok_or(Stop::Lost)?;
        if self.definition.target.copy.metadata != Attribute::Drop {
            object.redirect.clone_from(&head.redirect);
        }
        self.leave(ours, &head);
        Ok((object, head.kms_key))
    }

    /// Remembers what keeps an object, and never goes along.
    pub(super) fn leave(&self, ours: &Listed, head: &Head) {
        if let Some(lock) = &head.lock {
            self.lose(ours, &json!({"lock": lock}));
        }
    }

    /// Remembers the key of KMS that an object had, if its copy is encrypted otherwise and nobody has asked for that.
    pub(super) fn leave_key(&self, ours: &Listed, key: Option<&str>, copy: &Stored) {
        if self.definition.target.kms_key.is_none()
            && let Some(key) = key
            && copy.kms_key.as_deref() != Some(key)
        {
            self.lose(ours, &json!({"kms_key": key}));
        }
    }

    /// Remembers what an object loses, under its name.
    pub(super) fn lose(&self, ours: &Listed, what: &Value) {
        let line = format!("{}\n", json!({"key": ours.key, "lost": what}));
        let mut losses = self.losses.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = losses.entry(ours.key.clone()).or_default();
        // What is tried again loses no more than before.
        if !lines.contains(&line) {
            lines.push_str(&line);
        }
    }

    /// Writes down what was left behind of these objects.
    pub(super) async fn report_losses(&self, objects: &[Listed], deadline: Instant) -> Result<(), Fault> {
        let lines: Vec<(String, String)> = {
            let mut losses = self.losses.lock().unwrap_or_else(PoisonError::into_inner);
            objects.iter().filter_map(|object| losses.remove_entry(&object.key)).collect()
        };
        let noted = self.note("loss", lines.iter().map(|(_, line)| line.as_str()).collect(), deadline).await;
        if noted.is_err() {
            self.losses.lock().unwrap_or_else(PoisonError::into_inner).extend(lines);
        }
        noted
    }
}

/// What a bucket says of itself; `None`: it does not, or not to us.
fn unless_silent(said: Result<bool, S3Error>) -> Result<Option<bool>, Fault> {
    match said {
        Ok(said) => Ok(Some(said)),
        Err(error @ (S3Error::Busy { .. } | S3Error::Late { .. } | S3Error::Unreachable { .. })) => {
            Err(fault(Side::Source, &error))
        }
        Err(_) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_fails_or_is_not_reached_has_not_said_anything() {
        let place = || "s3://b/".to_owned();
        let source = || Box::<dyn std::error::Error + Send + Sync>::from("reset");
        let failed = S3Error::Unreachable { place: place(), action: "s3:GetBucketWebsite", source: source() };
        assert!(unless_silent(Err(failed)).is_err());
        assert!(unless_silent(Err(S3Error::Busy { place: place(), source: source() })).is_err());
        let denied = S3Error::Denied { place: place(), action: "s3:GetBucketWebsite", source: source() };
        assert!(matches!(unless_silent(Err(denied)), Ok(None)));
        assert!(matches!(unless_silent(Err(S3Error::Unsupported { place: place() })), Ok(None)));
        assert!(matches!(unless_silent(Ok(true)), Ok(Some(true))));
    }
}
