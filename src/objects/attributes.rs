//! What belongs to an object besides its bytes: kept, dropped, or a reason to set it aside.

use super::Objects;
use super::copy::Stop;
use super::failure::Side;
use super::walk::left;
use crate::s3::{Along, Head, Listed, Object, Over};
use crate::spec::{Attribute, ObjectAcl, StorageClass};
use serde_json::json;
use tokio::time::Instant;

/// The storage class that nobody has to name.
const USUAL: &str = "STANDARD";

impl Objects {
    /// What a server that copies by itself takes along.
    pub(super) fn along(&self) -> Along {
        let copy = &self.definition.target.copy;
        // What has none of what fails it loses nothing.
        Along { metadata: copy.metadata != Attribute::Drop, tags: copy.tags != Attribute::Drop }
    }

    /// Where an object goes, as far as a listing tells what belongs to it.
    pub(super) fn bare(&self, ours: &Listed, target: &str, over: Over) -> Object {
        let copy = &self.definition.target.copy;
        let storage_class = match &copy.storage_class {
            StorageClass::Keep => ours.class.clone().filter(|class| class != USUAL),
            StorageClass::Drop => None,
            StorageClass::Is(name) => Some(name.clone()),
        };
        Object {
            bucket: self.to.name.clone(),
            owner: self.to.owner.clone(),
            key: target.to_owned(),
            over,
            storage_class,
            kms_key: self.definition.target.kms_key.clone(),
            acl: copy.acl.canned().map(str::to_owned),
            ..Object::default()
        }
    }

    /// The same with all that belongs to it, for a copy that takes nothing along by itself.
    pub(super) async fn dressed(
        &self,
        ours: &Listed,
        head: &Head,
        bare: Object,
        deadline: Instant,
    ) -> Result<Object, Stop> {
        let mut object = Box::pin(self.with_acl(ours, bare, deadline)).await?;
        self.leave(ours, head);
        if self.along().metadata {
            let head = head.clone();
            object = Object {
                content_type: head.content_type,
                content_encoding: head.content_encoding,
                cache_control: head.cache_control,
                content_disposition: head.content_disposition,
                content_language: head.content_language,
                expires: head.expires,
                redirect: head.redirect,
                metadata: head.metadata,
                ..object
            };
            self.leave_unsayable(ours, head.unsaid, &object);
        }
        if self.along().tags && head.tags != Some(0) {
            let tags = self.source.tags(&self.from, &ours.key, left(deadline)).await;
            let tags = tags.map_err(|error| Stop::of(Side::Source, &error))?;
            object.tags = query(&tags);
        }
        Ok(object)
    }

    /// Remembers what an object has and no request can say.
    fn leave_unsayable(&self, ours: &Listed, unsaid: i32, object: &Object) {
        if object.loses_expires() {
            self.lose(ours, &json!({"expires": object.expires}));
        }
        if unsaid > 0 {
            self.lose(ours, &json!({"metadata": format!("{unsaid} more, which no header can say")}));
        }
    }

    /// Why an object is set aside for what belongs to it; `None`: it is not.
    pub(super) async fn unwanted(&self, ours: &Listed, deadline: Instant) -> Result<Option<&'static str>, Stop> {
        let copy = &self.definition.target.copy;
        if copy.acl == ObjectAcl::Fail && !Box::pin(self.acl_of(ours, deadline)).await?.is_private() {
            return Ok(Some("it is open to others than its owner, which `copy.acl` lets no object be"));
        }
        if copy.metadata != Attribute::Fail && copy.tags != Attribute::Fail {
            return Ok(None);
        }
        let head = self.source.head_of(&self.from, &ours.key, left(deadline)).await;
        let Some(head) = head.map_err(|error| Stop::of(Side::Source, &error))? else { return Ok(None) };
        if copy.metadata == Attribute::Fail && has_metadata(&head) {
            return Ok(Some("it has metadata, which `copy.metadata` lets no object have"));
        }
        if copy.tags == Attribute::Fail && head.tags != Some(0) {
            let tags = self.source.tags(&self.from, &ours.key, left(deadline)).await;
            if !tags.map_err(|error| Stop::of(Side::Source, &error))?.is_empty() {
                return Ok(Some("it has tags, which `copy.tags` lets no object have"));
            }
        }
        Ok(None)
    }
}

/// Its content type does not count: every object has one.
fn has_metadata(head: &Head) -> bool {
    !head.metadata.is_empty()
        || head.unsaid > 0
        || [
            &head.content_encoding,
            &head.cache_control,
            &head.content_disposition,
            &head.content_language,
            &head.expires,
            &head.redirect,
        ]
        .into_iter()
        .any(Option::is_some)
}

/// Tags as a query, which is how a call takes them.
fn query(tags: &[(String, String)]) -> Option<String> {
    let pair = |(key, value): &(String, String)| format!("{}={}", urlencoding::encode(key), urlencoding::encode(value));
    (!tags.is_empty()).then(|| tags.iter().map(pair).collect::<Vec<_>>().join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_become_a_query() {
        let tags = [("a b".to_owned(), "1+1=2".to_owned()), ("é".to_owned(), String::new())];
        assert_eq!(query(&tags).as_deref(), Some("a%20b=1%2B1%3D2&%C3%A9="));
        assert_eq!(query(&[]), None);
    }
}
