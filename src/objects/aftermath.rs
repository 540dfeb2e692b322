//! What the target's bucket does with copies by itself once they are there: something that a user would want to know beforehand, and no run needs.

use super::Objects;
use super::access::Access;
use super::failure::Side;
use crate::s3::{Aging, S3Error};
use std::time::Duration;

impl Objects {
    /// Warns of rules that delete copies or move them, and of whoever hears of each. Each of two calls may take `limit`. Where they are not
    /// allowed it says what would allow them.
    pub(super) async fn look_at_aftermath(&self, access: &mut Access, limit: Duration) {
        let prefix = &self.place(Side::Target).prefix;
        let mut lacking = Vec::new();
        // Boxed: they are too large to be moved about. A server that does not say stops nobody.
        match Box::pin(self.target.aging(&self.to, prefix, limit)).await {
            Ok(aging) => access.warnings.extend(foretold(aging)),
            Err(S3Error::Denied { action, .. }) => lacking.push(action),
            Err(_) => {}
        }
        match Box::pin(self.target.tells(&self.to, prefix, limit)).await {
            Ok(true) => access.warnings.push(
                "the target's bucket tells others of objects that are made there (event notifications): each copy sets them off; \
                 whoever hears of it has to bear that many, or take them off until the migration is complete"
                    .to_owned(),
            ),
            Err(S3Error::Denied { action, .. }) => lacking.push(action),
            Ok(false) | Err(_) => {}
        }
        self.offer(&lacking, access);
    }
}

fn foretold(aging: Aging) -> impl Iterator<Item = String> {
    let warnings = [
        (
            aging.expires,
            "a lifecycle rule of the target's bucket deletes objects where copies go, once they are old enough; a sweep after that \
             copies again what the source still has",
        ),
        (
            aging.moves,
            "a lifecycle rule of the target's bucket moves objects where copies go into another storage class, whatever \
             `copy.storage_class` says",
        ),
    ];
    warnings.into_iter().filter(|(is, _)| *is).map(|(_, warning)| warning.to_owned())
}
