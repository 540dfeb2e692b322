//! A data file's packed bytes become rows. Nothing of it waits for anything.

use super::columns::Columns;
use super::error::{InventoryError, What};
use super::place::Point;
use super::records::{Record, Records};
use crate::s3::Listed;
use flate2::write::MultiGzDecoder;
use std::collections::VecDeque;
use std::io::Write as _;

/// What one record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// The place behind it.
    pub(super) at: Point,
    /// The object that it tells of.
    pub(super) object: Listed,
    /// That is the version that is there.
    pub(super) current: bool,
}

/// A data file that is being unpacked, from its start.
pub(super) struct Unpack {
    file: usize,
    unpacked: MultiGzDecoder<Vec<u8>>,
    records: Records,
    /// Records that came so far.
    count: u64,
}

impl Unpack {
    /// The data file at this place of the manifest, of which nothing has come yet.
    pub(super) fn new(file: usize) -> Self {
        Self { file, unpacked: MultiGzDecoder::new(Vec::new()), records: Records::default(), count: 0 }
    }

    /// Takes the next packed bytes in, few of them: a thousand times as many may come out. The rows of records behind the first `skip` are
    /// added to `rows`. `last`: no more bytes come.
    pub(super) fn take(
        &mut self,
        packed: &[u8],
        last: bool,
        columns: &Columns,
        skip: u64,
        rows: &mut VecDeque<Row>,
    ) -> Result<(), InventoryError> {
        let (file, mut count) = (self.file, self.count);
        let damaged = |_: std::io::Error| InventoryError::Damaged(What::File(file));
        self.unpacked.write_all(packed).map_err(damaged)?;
        if last {
            self.unpacked.try_finish().map_err(damaged)?;
        }
        let text = std::mem::take(self.unpacked.get_mut());
        let mut each = |record: &Record| -> Result<(), &'static str> {
            if count >= skip {
                let (object, current) = columns.read(record)?;
                rows.push_back(Row { at: Point { file, records: count + 1 }, object, current });
            }
            count += 1;
            Ok(())
        };
        let mut read = self.records.take(&text, &mut each);
        if last && read.is_ok() {
            read = self.records.finish(&mut each);
        }
        self.count = count;
        // Whatever cannot be read is of the record behind those that could be.
        read.map_err(|why| InventoryError::Record { file: What::File(file), record: count + 1, why })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;

    fn packed(text: &str) -> Vec<u8> {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        gzip.write_all(text.as_bytes()).unwrap();
        gzip.finish().unwrap()
    }

    fn unpack(bytes: &[u8], piece: usize, skip: u64) -> Result<VecDeque<Row>, InventoryError> {
        let columns = Columns::of("Bucket, Key, Size, ETag, StorageClass").unwrap();
        let (mut file, mut rows) = (Unpack::new(4), VecDeque::new());
        let pieces: Vec<&[u8]> = bytes.chunks(piece).collect();
        for (place, piece) in pieces.iter().enumerate() {
            file.take(piece, place + 1 == pieces.len(), &columns, skip, &mut rows)?;
        }
        Ok(rows)
    }

    fn text(from: u32, to: u32) -> String {
        let line = |n| format!("\"b\",\"k%2F{n}\",\"{n}\",\"e{n}\",\"STANDARD\"\n");
        (from..to).map(line).collect::<Vec<String>>().concat()
    }

    #[test]
    fn rows_come_out_as_they_went_in_however_the_file_is_cut() {
        // Two members, as some writers make them, and the last record without a line's end.
        let bytes = [packed(&text(0, 3000)), packed(text(3000, 5000).trim_end())].concat();
        for piece in [1, 7, 1000, bytes.len()] {
            let rows = unpack(&bytes, piece, 0).unwrap();
            assert_eq!(rows.len(), 5000, "pieces of {piece}");
            for (n, row) in rows.iter().enumerate() {
                assert_eq!(row.at, Point { file: 4, records: n as u64 + 1 });
                assert_eq!((&row.object.key, row.object.bytes), (&format!("k/{n}"), n as u64));
            }
        }
        let rest = unpack(&bytes, 512, 4990).unwrap();
        assert_eq!((rest.len(), &rest[0].at.records, rest[0].object.key.as_str()), (10, &4991, "k/4990"));
    }

    #[test]
    fn what_is_cut_off_or_broken_is_no_end() {
        let bytes = packed(&text(0, 500));
        let damaged = |bytes: &[u8]| matches!(unpack(bytes, 100, 0), Err(InventoryError::Damaged(What::File(4))));
        assert!(damaged(&bytes[..bytes.len() - 1]) && damaged(&bytes[..bytes.len() / 2]) && damaged(b"no gzip at all"));
        let mut broken = bytes.clone();
        let crc = broken.len() - 6;
        broken[crc] ^= 1;
        assert!(damaged(&broken));
        let short = unpack(&packed("\"b\",\"k\",\"1\",\"e\",\"STANDARD\"\n\"b\"\n"), 9, 0).unwrap_err();
        assert!(short.to_string().contains("record 2 of `files[4]`"), "{short}");
        let wrong = |text: &str| unpack(&packed(text), 9, 0).unwrap_err().to_string();
        for (text, number) in [("\"b\"x,", 1), ("b,k,1,e,STANDARD\n\"b\"x,", 2), ("b,k,1,e,STANDARD\n\"b", 2)] {
            assert!(wrong(text).contains(&format!("record {number} of `files[4]`")), "{}", wrong(text));
        }
    }
}
