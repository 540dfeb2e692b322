//! What `plan` tries out of an inventory: that it can be read, is in CSV and is one of the source.

use super::error::InventoryError;
use super::reader::Reader;
use crate::objects::Objects;
use crate::objects::access::Access;
use crate::objects::statements::OWN_ROLE;
use crate::spec::{ObjectRef, Problem};
use serde_json::json;
use std::collections::VecDeque;
use tokio::time::Instant;

impl Objects {
    /// Reads the manifest and the beginning of the first data file.
    pub(in crate::objects) async fn try_inventory(&self, access: &mut Access, deadline: Instant) {
        let Some(place) = &self.definition.source.inventory else { return };
        let Err(error) = Box::pin(self.begin_inventory(deadline)).await else { return };
        if error.is_denied() {
            self.ask_for_inventory(place, access);
        }
        access.problems.push(Problem {
            field: "source.inventory".to_owned(),
            message: "cannot be used".to_owned(),
            hint: error.fault().message,
        });
    }

    async fn begin_inventory(&self, deadline: Instant) -> Result<(), InventoryError> {
        let stored = self.stored(None, deadline).await?;
        if stored.manifest.files.is_empty() {
            return Ok(());
        }
        let mut first = Reader::open(&stored, 0, None, deadline).await?;
        first.more(&stored, 0, &mut VecDeque::new(), deadline).await
    }

    /// What to paste where the inventory may not be read. A bucket that may not be listed says that, too, of what is not there.
    fn ask_for_inventory(&self, place: &ObjectRef, access: &mut Access) {
        let resource = format!("{}/{}*", self.source.arn(&place.bucket), folder(&place.key));
        let mut statement = json!({"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": [resource]});
        access.statements.push(("policy of the source's role", statement.to_string()));
        let role = self.definition.source.place.role.as_deref();
        statement["Principal"] = json!({"AWS": role.unwrap_or(OWN_ROLE)});
        access.statements.push(("policy of the inventory's bucket, if it is another account's", statement.to_string()));
    }
}

/// What the keys of an inventory begin with: its manifests are in folders of their own, its data files in one beside them.
fn folder(manifest: &str) -> &str {
    let above = manifest.rfind('/').and_then(|end| manifest[..end].rfind('/'));
    above.map_or("", |end| &manifest[..=end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_files_are_beside_the_manifests_folder() {
        let manifest = "assets/assets-us/daily/2026-01-31T01-00Z/manifest.json";
        assert_eq!(folder(manifest), "assets/assets-us/daily/");
        assert_eq!((folder("a/manifest.json"), folder("manifest.json")), ("", ""));
    }
}
