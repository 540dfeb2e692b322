//! The columns of an inventory: which of them hold what, and what a record says of an object.

use super::error::InventoryError;
use super::records::Record;
use crate::s3::{Listed, decoded};

/// Which columns hold what. <https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory.html>
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Columns {
    count: usize,
    key: usize,
    bytes: Option<usize>,
    etag: Option<usize>,
    class: Option<usize>,
    latest: Option<usize>,
    deleted: Option<usize>,
}

impl Columns {
    /// What a manifest says of them, in `fileSchema`. An inventory of the current versions alone does not have all of them.
    pub(super) fn of(schema: &str) -> Result<Self, InventoryError> {
        let names: Vec<&str> = schema.split(',').map(str::trim).collect();
        let place = |name: &str| names.iter().position(|known| *known == name);
        place("Bucket").ok_or(InventoryError::Lacks("Bucket"))?;
        Ok(Self {
            count: names.len(),
            key: place("Key").ok_or(InventoryError::Lacks("Key"))?,
            bytes: place("Size"),
            etag: place("ETag"),
            class: place("StorageClass"),
            latest: place("IsLatest"),
            deleted: place("IsDeleteMarker"),
        })
    }

    /// The object that a record tells of, and whether it is the one that is there, and no older version and no mark of a deletion. Where
    /// anything is lacking that a copy has to know, its tag is empty: it has to be looked up.
    pub(super) fn read(&self, record: &Record) -> Result<(Listed, bool), &'static str> {
        if record.count() != self.count {
            return Err("it has more or fewer fields than `fileSchema` of the manifest names");
        }
        let text = |place: Option<usize>| {
            let field = place.and_then(|place| record.field(place)).unwrap_or_default();
            std::str::from_utf8(field).unwrap_or_default()
        };
        let key = record.field(self.key).and_then(|key| decoded(std::str::from_utf8(key).ok()?));
        let key = key.ok_or("its key is no UTF-8 text")?;
        if key.is_empty() {
            return Err("it has no key");
        }
        let bytes = text(self.bytes).parse::<u64>().ok();
        let class = Some(text(self.class)).filter(|class| !class.is_empty()).map(str::to_owned);
        let etag = text(self.etag).trim_matches('"');
        let known = bytes.is_some() && class.is_some() && !etag.is_empty();
        let object = Listed {
            key,
            bytes: bytes.unwrap_or(0),
            // As a listing writes it.
            etag: if known { format!("\"{etag}\"") } else { String::new() },
            // What is looked at is looked up before.
            modified: None,
            class,
        };
        let current =
            !text(self.latest).eq_ignore_ascii_case("false") && !text(self.deleted).eq_ignore_ascii_case("true");
        Ok((object, current))
    }
}

#[cfg(test)]
mod tests {
    use super::super::records::Records;
    use super::*;

    fn read(schema: &str, line: &str) -> Result<(Listed, bool), &'static str> {
        let (columns, mut found) = (Columns::of(schema).unwrap(), None);
        let mut each = |record: &Record| -> Result<(), &'static str> {
            found = Some(columns.read(record)?);
            Ok(())
        };
        let mut records = Records::default();
        records.take(line.as_bytes(), &mut each)?;
        records.finish(&mut each)?;
        Ok(found.unwrap())
    }

    const ALL: &str = "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, LastModifiedDate, ETag, StorageClass, IsMultipartUploaded";

    #[test]
    fn a_record_tells_of_an_object_as_a_listing_does() {
        let line = r#""assets","a%2Fb+c%22d%22%2C%0A%2B%25.txt","v1","true","false","12","2026-01-02T03:04:05.000Z","abc-3","GLACIER","true""#;
        let object = Listed {
            key: "a/b c\"d\",\n+%.txt".to_owned(),
            bytes: 12,
            etag: "\"abc-3\"".to_owned(),
            modified: None,
            class: Some("GLACIER".to_owned()),
        };
        assert_eq!(read(ALL, line), Ok((object, true)));
    }

    #[test]
    fn keys_are_text_of_any_script() {
        for (encoded, key) in [("%C3%BC%2F%E6%97%A5", "ü/日"), ("plain-key_1.txt", "plain-key_1.txt"), ("%2525", "%25")]
        {
            let (object, current) = read("Bucket, Key", &format!("\"assets\",\"{encoded}\"")).unwrap();
            assert_eq!((object.key.as_str(), object.etag.as_str(), current), (key, "", true));
        }
        assert!(read("Bucket, Key", "\"assets\",\"%FF\"").unwrap_err().contains("UTF-8"));
        assert!(read("Bucket, Key", "\"assets\",\"\"").unwrap_err().contains("no key"));
        assert!(read("Bucket, Key", "\"assets\"").unwrap_err().contains("fileSchema"));
    }

    #[test]
    fn older_versions_and_marks_of_deletions_are_not_there() {
        let line = |latest: &str, deleted: &str, bytes: &str| {
            format!("\"assets\",\"k\",\"v\",\"{latest}\",\"{deleted}\",\"{bytes}\",\"\",\"abc\",\"STANDARD\",\"false\"")
        };
        let current = |latest, deleted, bytes| read(ALL, &line(latest, deleted, bytes)).unwrap().1;
        assert!(current("true", "false", "1"));
        assert!(!current("false", "false", "1") && !current("true", "true", ""));
    }

    #[test]
    fn what_an_inventory_does_not_say_has_to_be_looked_up() {
        let whole = ["Size", "ETag", "StorageClass"];
        for lacking in whole {
            let columns: Vec<&str> = whole.into_iter().filter(|name| *name != lacking).collect();
            let (object, _) = read(&format!("Bucket, Key, {}", columns.join(", ")), "\"b\",\"k\",\"1\",\"2\"").unwrap();
            assert_eq!(object.etag, "", "{lacking}");
        }
        assert_eq!(read("Bucket, Key, Size, ETag, StorageClass", "b,k,1,\"e\",STANDARD").unwrap().0.etag, "\"e\"");
        assert_eq!(read("Bucket, Key, Size, ETag, StorageClass", "b,k,,e,STANDARD").unwrap().0.etag, "");
        assert!(matches!(Columns::of("Key, Size"), Err(InventoryError::Lacks("Bucket"))));
        assert!(matches!(Columns::of("Bucket, Size"), Err(InventoryError::Lacks("Key"))));
    }
}
