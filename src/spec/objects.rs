//! What a migration of kind `objects` means.

use url::Url;

/// A bucket, or the part of it below a prefix, and how one gets there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketRef {
    /// The bucket.
    pub bucket: String,
    /// What the keys in question begin with.
    pub prefix: String,
    /// The bucket's region; `None`: the function's.
    pub region: Option<String>,
    /// The role that goes there; `None`: the function's.
    pub role: Option<String>,
    /// Where S3 is; `None`: where the SDK finds it.
    pub endpoint: Option<String>,
    /// The account that it has to belong to.
    pub expected_owner: Option<String>,
}

impl BucketRef {
    /// Whether another bucket is on the same server, as far as the file says.
    pub fn is_beside(&self, other: &Self) -> bool {
        let place = |place: &Self| place.endpoint.as_deref().map(|text| Url::parse(text).ok());
        place(self) == place(other)
    }
}

/// One object, wherever it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectRef {
    /// The bucket.
    pub bucket: String,
    /// The key.
    pub key: String,
}

/// `[source]` of a migration of kind `objects`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectsSource {
    /// What is copied.
    pub place: BucketRef,
    /// The manifest of an S3 Inventory of the bucket, which the first pass goes by; `None`: it lists the bucket.
    pub inventory: Option<ObjectRef>,
}

/// `[target]` of a migration of kind `objects`, and `[copy]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectsTarget {
    /// Where it goes: what is behind the source's prefix stands behind this one.
    pub place: BucketRef,
    /// The key that objects are encrypted with; `None`: the bucket's own default.
    pub kms_key: Option<String>,
    /// The first run makes the bucket, if it is missing.
    pub create: bool,
    /// What goes along, and what becomes of objects that are there.
    pub copy: Copying,
}

/// `[copy]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copying {
    /// Headers and what a user has written beside an object.
    pub metadata: Attribute,
    /// Its tags.
    pub tags: Attribute,
    /// Its ACL.
    pub acl: ObjectAcl,
    /// Its storage class.
    pub storage_class: StorageClass,
    /// What becomes of a target that is there.
    pub existing: Existing,
    /// Of the target's objects so many in ten thousand may be deleted by a sweep because they have no source; `None`: none is.
    pub delete_extra: Option<u32>,
    /// Objects side by side.
    pub concurrency: u32,
}

/// What becomes of what belongs to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attribute {
    /// It goes along.
    Keep,
    /// It stays behind.
    Drop,
    /// An object that has any is set aside.
    Fail,
}

/// What becomes of an object's ACL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectAcl {
    /// It stays behind: a copy is its owner's alone.
    Drop,
    /// It goes along, where the target's bucket keeps any.
    Keep,
    /// An object that anybody but its owner may do anything with is set aside.
    Fail,
    /// Each copy gets this canned one instead.
    BucketOwner,
}

impl ObjectAcl {
    /// The canned ACL that each copy gets; `None`: none.
    pub fn canned(self) -> Option<&'static str> {
        (self == Self::BucketOwner).then_some("bucket-owner-full-control")
    }

    /// Whether the ACL of each object has to be known.
    pub fn is_asked(self) -> bool {
        matches!(self, Self::Keep | Self::Fail)
    }
}

/// The storage class of a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StorageClass {
    /// That of its source.
    Keep,
    /// The bucket's default.
    Drop,
    /// This one.
    Is(String),
}

/// What becomes of a target that is there and is not the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// What this migration copied is copied again once its source is newer; anything else is a conflict.
    SkipSame,
    /// It is a conflict.
    Fail,
    /// It is replaced if it is older than its source; otherwise it is a conflict.
    ReplaceOlder,
}
