//! Who may do what with an object: its ACL, and the headers that give one to an object by the request that makes it.

use super::error::refusal;
use super::{Bucket, S3, S3Error, place};
use aws_sdk_s3::types;
use std::fmt;
use std::time::Duration;

const ACL: &str = "s3:GetObjectAcl";
const LIST: &str = "s3:ListBucket";
/// What a header can grant, in the order of [`Grants::headers`]. `WRITE` is for buckets: of an object it allows nothing.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html>
const PERMISSIONS: [&str; 4] = ["READ", "READ_ACP", "WRITE_ACP", "FULL_CONTROL"];

/// The ACL of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Acl {
    /// The canonical id of the object's owner; `None`: the server does not say.
    pub owner: Option<String>,
    /// What is granted, in the server's order.
    pub grants: Vec<Grant>,
}

/// One line of an ACL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// To whom.
    pub grantee: Grantee,
    /// What, in S3's words.
    pub permission: String,
}

/// To whom something is granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grantee {
    /// An account, by its canonical id.
    Account(String),
    /// A group, by its URI: everybody is one.
    Group(String),
    /// Somebody whom no request can name, such as by a mail address.
    Other(String),
}

/// Grants as headers say them; without any the object is its owner's alone. They are the whole ACL: its owner is named as anybody else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants([Vec<String>; PERMISSIONS.len()]);

impl Acl {
    /// What is granted to anybody but its owner.
    pub fn others(&self) -> impl Iterator<Item = &Grant> {
        self.grants.iter().filter(|grant| !self.is_owners(grant))
    }

    /// Nobody but its owner may do anything with the object.
    pub fn is_private(&self) -> bool {
        self.others().next().is_none()
    }

    /// The same for a copy that belongs to `owner`, who gets what the owner of this has; and what no header can say, in words.
    pub fn grants_of(&self, owner: &str) -> (Grants, Vec<String>) {
        let own = Grantee::Account(owner.to_owned());
        let (mut grants, mut lost, mut private) = (Grants::default(), Vec::new(), true);
        for grant in &self.grants {
            let grantee = if self.is_owners(grant) { &own } else { &grant.grantee };
            let place = PERMISSIONS.iter().position(|permission| *permission == grant.permission);
            let Some((to, said)) = place.and_then(|place| grants.0.get_mut(place)).zip(grantee.said()) else {
                lost.push(grant.to_string());
                continue;
            };
            private &= *grantee == own;
            if !to.contains(&said) {
                to.push(said);
            }
        }
        // Then it is what an object has by itself.
        (if private { Grants::default() } else { grants }, lost)
    }

    fn is_owners(&self, grant: &Grant) -> bool {
        matches!(&grant.grantee, Grantee::Account(id) if self.owner.as_ref() == Some(id))
    }
}

impl Grants {
    /// `x-amz-grant-read`, `-read-acp`, `-write-acp` and `-full-control`.
    pub(super) fn headers(&self) -> [Option<String>; PERMISSIONS.len()] {
        self.0.each_ref().map(|to| (!to.is_empty()).then(|| to.join(", ")))
    }
}

impl Grantee {
    fn parts(&self) -> (&'static str, &str) {
        match self {
            Self::Account(id) => ("id", id),
            Self::Group(uri) => ("uri", uri),
            Self::Other(name) => ("other", name),
        }
    }

    /// As a header names it; `None`: none can.
    fn said(&self) -> Option<String> {
        let (kind, name) = self.parts();
        // What would end the name within the header is part of no id.
        let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b',');
        let sayable = !matches!(self, Self::Other(_)) && name.bytes().all(plain);
        sayable.then(|| format!("{kind}=\"{name}\""))
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, name) = self.grantee.parts();
        write!(formatter, "{} {kind}={name}", self.permission)
    }
}

impl From<types::Grant> for Grant {
    fn from(grant: types::Grant) -> Self {
        let grantee = grant.grantee.map(|grantee| match (grantee.id, grantee.uri) {
            (Some(id), _) => Grantee::Account(id),
            (None, Some(uri)) => Grantee::Group(uri),
            (None, None) => Grantee::Other(grantee.email_address.unwrap_or_default()),
        });
        let permission = grant.permission.map(|permission| permission.as_str().to_owned());
        Self {
            grantee: grantee.unwrap_or_else(|| Grantee::Other(String::new())),
            permission: permission.unwrap_or_default(),
        }
    }
}

impl S3 {
    /// An object's ACL, within `limit`. Of a bucket that owns all of its objects it says so, whatever the object came with.
    pub async fn acl(&self, bucket: &Bucket, key: &str, limit: Duration) -> Result<Acl, S3Error> {
        let place = place(&bucket.name, key);
        let call =
            self.client.get_object_acl().bucket(&bucket.name).set_expected_bucket_owner(bucket.owner.clone()).key(key);
        let call = async {
            let found = call.send().await.map_err(|error| refusal(&place, ACL, error))?;
            let grants = found.grants.unwrap_or_default().into_iter().map(Grant::from).collect();
            Ok(Acl { owner: found.owner.and_then(|owner| owner.id), grants })
        };
        self.within((&place, ACL), limit, call).await
    }

    /// The canonical id of an object's owner, as the listing of its bucket says it; `None`: it does not, or there is no such object. Within
    /// `limit`.
    pub async fn owner_of(&self, bucket: &Bucket, key: &str, limit: Duration) -> Result<Option<String>, S3Error> {
        let place = place(&bucket.name, key);
        let call = self
            .client
            .list_objects_v2()
            .bucket(&bucket.name)
            .set_expected_bucket_owner(bucket.owner.clone())
            .prefix(key)
            .max_keys(1)
            .fetch_owner(true);
        let call = async {
            let page = call.send().await.map_err(|error| refusal(&place, LIST, error))?;
            let mut found = page.contents.unwrap_or_default().into_iter();
            let found = found.find(|object| object.key.as_deref() == Some(key));
            Ok(found.and_then(|object| object.owner).and_then(|owner| owner.id))
        };
        self.within((&place, LIST), limit, call).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: &str = "http://acs.amazonaws.com/groups/global/AllUsers";

    fn grant(grantee: Grantee, permission: &str) -> Grant {
        Grant { grantee, permission: permission.to_owned() }
    }

    fn account(id: &str) -> Grantee {
        Grantee::Account(id.to_owned())
    }

    fn acl(grants: Vec<Grant>) -> Acl {
        Acl { owner: Some("us".to_owned()), grants }
    }

    #[test]
    fn the_owner_of_the_copy_gets_what_the_owner_had_and_everybody_else_what_they_had() {
        let acl = acl(vec![
            grant(account("us"), "FULL_CONTROL"),
            grant(Grantee::Group(ALL.to_owned()), "READ"),
            grant(account("friend"), "READ"),
            grant(account("friend"), "WRITE_ACP"),
            grant(account("them"), "FULL_CONTROL"),
        ]);
        assert!(!acl.is_private());
        let (grants, lost) = acl.grants_of("them");
        let read = format!("uri=\"{ALL}\", id=\"friend\"");
        let expected = [Some(read), None, Some("id=\"friend\"".to_owned()), Some("id=\"them\"".to_owned())];
        assert_eq!((grants.headers(), lost), (expected, Vec::new()));
    }

    #[test]
    fn what_is_its_owners_alone_needs_no_header() {
        for grants in [vec![], vec![grant(account("us"), "FULL_CONTROL")], vec![grant(account("us"), "READ")]] {
            let acl = acl(grants);
            assert!(acl.is_private());
            assert_eq!(acl.grants_of("them"), (Grants::default(), Vec::new()));
        }
        // It was the new owner's already.
        let shared = acl(vec![grant(account("us"), "FULL_CONTROL"), grant(account("them"), "FULL_CONTROL")]);
        assert_eq!(shared.grants_of("them"), (Grants::default(), Vec::new()));
    }

    #[test]
    fn what_no_header_can_say_is_named() {
        let acl = acl(vec![
            grant(Grantee::Group(ALL.to_owned()), "WRITE"),
            grant(Grantee::Other("a@example.com".to_owned()), "READ"),
            grant(account("x\", uri=\"all"), "READ"),
            grant(account("friend"), "READ"),
        ]);
        let (grants, lost) = acl.grants_of("them");
        assert_eq!(grants.headers(), [Some("id=\"friend\"".to_owned()), None, None, None]);
        let expected =
            [format!("WRITE uri={ALL}"), "READ other=a@example.com".to_owned(), "READ id=x\", uri=\"all".to_owned()];
        assert_eq!(lost, expected);
    }
}
