//! `[source]`, `[target]` and `[copy]` of a migration of kind `objects`.

use super::{bucket, required, word};
use crate::spec::file::{SourceSection, TargetSection};
use crate::spec::objects::{
    Attribute, BucketRef, Copying, Existing, ObjectAcl, ObjectRef, ObjectsSource, ObjectsTarget, StorageClass,
};
use crate::spec::problem::{Path, Problems};
use crate::spec::transfer::{Cap, CopySection};
use crate::spec::units;

const ATTRIBUTES: [(&str, Attribute); 3] =
    [("keep", Attribute::Keep), ("drop", Attribute::Drop), ("fail", Attribute::Fail)];
const ACLS: [(&str, ObjectAcl); 4] = [
    ("drop", ObjectAcl::Drop),
    ("keep", ObjectAcl::Keep),
    ("fail", ObjectAcl::Fail),
    ("bucket-owner-full-control", ObjectAcl::BucketOwner),
];
const EXISTING: [(&str, Existing); 3] =
    [("skip-same", Existing::SkipSame), ("fail", Existing::Fail), ("replace-older", Existing::ReplaceOlder)];
/// Storage classes that an object can be copied into. <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html>
const CLASSES: [&str; 8] = [
    "STANDARD",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "GLACIER",
    "GLACIER_IR",
    "DEEP_ARCHIVE",
    "REDUCED_REDUNDANCY",
];
const MOST_AT_ONCE: i64 = 256;

pub(super) fn check(
    source: Option<SourceSection>,
    target: Option<TargetSection>,
    copy: CopySection,
    problems: &mut Problems,
) -> Option<(ObjectsSource, ObjectsTarget)> {
    let (from, to) = (Path::root().key("source"), Path::root().key("target"));
    let source = source.map(|section| {
        let inventory = inventory(&from.key("inventory"), section.inventory, problems);
        let place = Place {
            bucket: section.bucket,
            prefix: section.prefix,
            region: section.region,
            role: section.role,
            endpoint: section.endpoint,
            expected_owner: section.expected_owner,
        };
        place.check(&from, problems).zip(inventory)
    });
    let target = target.map(|section| {
        let place = Place {
            bucket: section.bucket,
            prefix: section.prefix,
            region: section.region,
            role: section.role,
            endpoint: section.endpoint,
            expected_owner: section.expected_owner,
        };
        let kms_key = bucket::plain(&to.key("kms_key"), section.kms_key, problems);
        (place.check(&to, problems), kms_key, section.create.unwrap_or(false))
    });
    let copy = copying(&Path::root().key("copy"), copy, problems);
    let ((source, inventory), (target, kms_key, create)) = (source??, target?);
    let target = target?;
    check_overlap(&to, &source, &target, problems);
    let source = ObjectsSource { place: source, inventory };
    Some((source, ObjectsTarget { place: target, kms_key, create, copy: copy? }))
}

/// The fields of a bucket, wherever they stand.
struct Place {
    bucket: Option<String>,
    prefix: Option<String>,
    region: Option<String>,
    role: Option<String>,
    endpoint: Option<String>,
    expected_owner: Option<String>,
}

impl Place {
    fn check(self, path: &Path, problems: &mut Problems) -> Option<BucketRef> {
        let at = path.key("bucket");
        let bucket = required(&at, self.bucket, problems).filter(|name| bucket::name(&at, name, problems));
        let region = bucket::plain(&path.key("region"), self.region, problems);
        let role = bucket::plain(&path.key("role"), self.role, problems);
        let endpoint = bucket::endpoint(&path.key("endpoint"), self.endpoint, problems);
        let prefix = bucket::prefix(&path.key("prefix"), self.prefix, problems);
        let at = path.key("expected_owner");
        let account = |text: &String| text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
        if self.expected_owner.as_ref().is_some_and(|owner| !account(owner)) {
            problems.add(&at, "is no account", "write its twelve digits, as in `expected_owner = \"123456789012\"`");
        }
        problems.sound(path).then_some(())?;
        Some(BucketRef { bucket: bucket?, prefix, region, role, endpoint, expected_owner: self.expected_owner })
    }
}

/// `s3://bucket/key`.
#[expect(clippy::option_option, reason = "left out, or wrong")]
fn inventory(path: &Path, written: Option<String>, problems: &mut Problems) -> Option<Option<ObjectRef>> {
    let Some(text) = written else { return Some(None) };
    let place = text.strip_prefix("s3://").and_then(|rest| rest.split_once('/'));
    let named = |(bucket, key): &(&str, &str)| {
        bucket::is_name(bucket) && !key.is_empty() && !key.ends_with('/') && !key.chars().any(char::is_control)
    };
    let Some((bucket, key)) = place.filter(named) else {
        let hint = "write `inventory = \"s3://inventories/assets-us/daily/2026-01-31T01-00Z/manifest.json\"`";
        problems.add(path, "does not name an object", hint);
        return None;
    };
    Some(Some(ObjectRef { bucket: bucket.to_owned(), key: key.to_owned() }))
}

fn copying(path: &Path, section: CopySection, problems: &mut Problems) -> Option<Copying> {
    let mut attribute = |name: &str, written: Option<String>| match written {
        None => Some(Attribute::Keep),
        Some(text) => word(&path.key(name), &text, &ATTRIBUTES, problems),
    };
    let metadata = attribute("metadata", section.metadata);
    let tags = attribute("tags", section.tags);
    let acl = match section.acl {
        None => Some(ObjectAcl::Drop),
        Some(text) => word(&path.key("acl"), &text, &ACLS, problems),
    };
    let existing = match section.existing {
        None => Some(Existing::SkipSame),
        Some(text) => word(&path.key("existing"), &text, &EXISTING, problems),
    };
    let storage_class = match section.storage_class.as_deref() {
        None | Some("keep") => Some(StorageClass::Keep),
        Some("drop") => Some(StorageClass::Drop),
        Some(text) => {
            let classes: Vec<(&str, &str)> = CLASSES.iter().map(|name| (*name, *name)).collect();
            let known = word(&path.key("storage_class"), text, &classes, problems);
            known.map(|name| StorageClass::Is(name.to_owned()))
        }
    };
    let delete_extra = cap(&path.key("delete_extra"), section.delete_extra, problems);
    let at = path.key("concurrency");
    let concurrency = section.concurrency.unwrap_or(64);
    if !(1..=MOST_AT_ONCE).contains(&concurrency) {
        problems.add(&at, format!("`{concurrency}` is out of range"), format!("write 1 to {MOST_AT_ONCE}"));
    }
    problems.sound(&at).then_some(())?;
    Some(Copying {
        metadata: metadata?,
        tags: tags?,
        acl: acl?,
        storage_class: storage_class?,
        existing: existing?,
        delete_extra: delete_extra?,
        concurrency: u32::try_from(concurrency).ok()?,
    })
}

#[expect(clippy::option_option, reason = "left out, or wrong")]
fn cap(path: &Path, written: Option<Cap>, problems: &mut Problems) -> Option<Option<u32>> {
    let text = match written {
        None | Some(Cap::Flag(false)) => return Some(None),
        Some(Cap::Flag(true)) => "true".to_owned(),
        Some(Cap::Share(text)) => text,
    };
    match units::percentage(&text) {
        Some(share) if share <= 10_000 => Some(Some(share)),
        _ => {
            let hint =
                "write how many of the target's objects may be deleted by a sweep, as in `delete_extra = \"1%\"`";
            problems.add(path, format!("`{text}` is no share"), hint);
            None
        }
    }
}

/// What is copied is never part of where it goes: it would never end.
fn check_overlap(path: &Path, source: &BucketRef, target: &BucketRef, problems: &mut Problems) {
    // Where one endpoint alone is named, it may be where the SDK finds the other one.
    let apart = !source.is_beside(target) && source.endpoint.is_some() && target.endpoint.is_some();
    if source.bucket != target.bucket || apart {
        return;
    }
    if target.prefix.starts_with(&source.prefix) || source.prefix.starts_with(&target.prefix) {
        let hint = "name another bucket, or a prefix that neither begins with the other's nor is the beginning of it";
        problems.add(&path.key("prefix"), "overlaps with the source, so that copies would be copied", hint);
    }
}
