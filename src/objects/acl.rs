//! An ACL never goes along by itself: it is read, and given to the copy by the very request that makes it, so that the copy has no other one for
//! a moment, and nothing can be lost in between. A bucket that owns all of its objects keeps none: what is lost there is written down.

use super::Objects;
use super::began::RECORD;
use super::copy::Stop;
use super::failure::{Side, fault};
use super::walk::left;
use crate::fault::Fault;
use crate::s3::{Acl, Grant, Grants, Listed, Object, S3Error};
use crate::spec::ObjectAcl;
use serde_json::json;
use tokio::time::Instant;

impl Objects {
    /// The ACL that an object has now, whichever version of it that is.
    pub(super) async fn acl_of(&self, ours: &Listed, deadline: Instant) -> Result<Acl, Stop> {
        let acl = self.source.acl(&self.from, &ours.key, left(deadline)).await;
        acl.map_err(|error| Stop::of(Side::Source, &error))
    }

    /// With the ACL of its source, if that is to go along.
    pub(super) async fn with_acl(&self, ours: &Listed, object: Object, deadline: Instant) -> Result<Object, Stop> {
        if self.definition.target.copy.acl != ObjectAcl::Keep {
            return Ok(object);
        }
        let acl = self.acl_of(ours, deadline).await?;
        // What is its owner's alone is so everywhere, and needs no permission.
        if acl.is_private() {
            return Ok(object);
        }
        let (grants, lost) = match self.keeper(deadline).await? {
            Some(owner) => acl.grants_of(owner),
            None => (Grants::default(), acl.others().map(Grant::to_string).collect()),
        };
        if !lost.is_empty() {
            self.lose(ours, &json!({"acl": lost}));
        }
        Ok(Object { grants, ..object })
    }

    /// Whose copies are, by a canonical id: headers that grant anything have to name him, too. `None`: the target's bucket keeps no ACL, or its
    /// server does not say whose an object is.
    async fn keeper(&self, deadline: Instant) -> Result<Option<&str>, Fault> {
        let wrong = |error: S3Error| fault(Side::Target, &error);
        // Boxed: it is too large to be moved about.
        let keeper = self.keeper.get_or_try_init(|| {
            Box::pin(async {
                if self.target.owns_all(&self.to, left(deadline)).await.map_err(wrong)? {
                    return Ok(None);
                }
                // It was written as copies are: by the same role, into the same bucket.
                self.target.owner_of(&self.to, &self.own(RECORD), left(deadline)).await.map_err(wrong)
            })
        });
        keeper.await.map(Option::as_deref)
    }
}
