//! The manifest of an S3 Inventory. <https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory-location.html>

use super::columns::Columns;
use super::error::InventoryError;
use crate::hex;
use serde::Deserialize;

/// The only format that can be read.
const CSV: &str = "CSV";

/// A manifest that has been understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Manifest {
    /// Its own tag.
    pub(super) tag: String,
    /// The bucket that it tells of.
    pub(super) source_bucket: String,
    /// What stands in a record.
    pub(super) columns: Columns,
    /// Where the records are, in their order.
    pub(super) files: Vec<DataFile>,
}

/// A data file: CSV under gzip.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct DataFile {
    /// Its key in the manifest's bucket.
    pub(super) key: String,
    /// Its length.
    pub(super) size: u64,
    /// Its MD5 in hex.
    #[serde(rename = "MD5checksum")]
    pub(super) md5: String,
}

/// As it is written.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    source_bucket: String,
    file_format: String,
    file_schema: String,
    files: Vec<DataFile>,
}

impl Manifest {
    /// Understands a manifest, which has this tag.
    pub(super) fn read(tag: &str, body: &[u8]) -> Result<Self, InventoryError> {
        let none = |why: &str| InventoryError::NoManifest(why.to_owned());
        let written: Written = serde_json::from_slice(body).map_err(|_| {
            none("its JSON has to have `sourceBucket`, `fileFormat`, `fileSchema` and `files` of `key`, `size` and `MD5checksum`")
        })?;
        if !written.file_format.eq_ignore_ascii_case(CSV) {
            return Err(InventoryError::Format(written.file_format));
        }
        if written.files.iter().any(|file| hex::decode(&file.md5).is_none_or(|md5| md5.len() != 16)) {
            return Err(none("an `MD5checksum` is no MD5"));
        }
        Ok(Self {
            tag: tag.to_owned(),
            source_bucket: written.source_bucket,
            columns: Columns::of(&written.file_schema)?,
            files: written.files,
        })
    }

    /// Bytes of all data files together.
    pub(super) fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.size).fold(0, u64::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_manifest_of_csv_is_understood_and_any_other_is_refused_for_what_is_wrong() {
        let md5 = "900150983cd24fb0d6963f7d28e17f72";
        let of = |format: &str, schema: &str, md5: &str| {
            let manifest = json!({
                "sourceBucket": "assets",
                "destinationBucket": "arn:aws:s3:::inventories",
                "version": "2016-11-30",
                "creationTimestamp": "1767225600000",
                "fileFormat": format,
                "fileSchema": schema,
                "files": [{"key": "data/1.csv.gz", "size": 12, "MD5checksum": md5}, {"key": "data/2.csv.gz", "size": 30, "MD5checksum": md5}],
            });
            Manifest::read("tag", manifest.to_string().as_bytes())
        };
        let manifest = of("CSV", "Bucket, Key", md5).unwrap();
        assert_eq!((manifest.source_bucket.as_str(), manifest.tag.as_str()), ("assets", "tag"));
        assert_eq!((manifest.files[1].key.as_str(), manifest.bytes()), ("data/2.csv.gz", 42));
        for format in ["ORC", "Parquet"] {
            let error = of(format, "struct<bucket:string,key:string>", md5).unwrap_err();
            assert!(error.to_string().contains(format) && error.to_string().contains("CSV"), "{error}");
        }
        assert!(of("CSV", "Bucket, Size", md5).unwrap_err().to_string().contains("`Key`"));
        assert!(of("CSV", "Bucket, Key", "abc").unwrap_err().to_string().contains("MD5"));
        for other in [&b"{}"[..], b"", b"[1]", b"{\"sourceBucket\": \"assets\"}"] {
            let error = Manifest::read("tag", other).unwrap_err();
            assert!(error.to_string().contains("fileSchema"), "{error}");
        }
    }
}
