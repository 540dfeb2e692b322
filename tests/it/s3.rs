//! What S3 promises, as two servers keep it. Moto keeps no checksums, and cannot show it.

use crate::support::s3::{MAKES, Make, bucket};
use bytes::Bytes;
use milkrun::s3::{Bucket, Checksum, Crc64, Object, S3Error, streamed};
use std::collections::HashMap;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(30);

fn object(bucket: &str, key: &str) -> Object {
    Object {
        bucket: bucket.to_owned(),
        key: key.to_owned(),
        content_type: Some("image/png".to_owned()),
        metadata: HashMap::from([("sha256".to_owned(), "abc".to_owned())]),
        ..Object::default()
    }
}

fn whoevers(bucket: &str) -> Bucket {
    Bucket { name: bucket.to_owned(), owner: None }
}

#[tokio::test]
async fn an_object_is_written_once_and_read_back() {
    for make in MAKES {
        let (s3, _, bucket) = bucket(make).await;
        let photo = object(&bucket, "photos/7/1-café ß.png");
        let body = Bytes::from((0..200_000u32).flat_map(u32::to_le_bytes).collect::<Vec<u8>>());
        let checksum = Checksum::of(&body);
        assert_eq!(s3.head(&bucket, &photo.key, LIMIT).await.unwrap(), None, "{make:?}");
        s3.put(&photo, body.clone(), checksum, LIMIT).await.unwrap();
        let head = s3.head(&bucket, &photo.key, LIMIT).await.unwrap().unwrap();
        assert_eq!((head.bytes, head.content_type.as_deref()), (800_000, Some("image/png")), "{make:?}");
        assert_eq!(head.metadata.get("sha256").map(String::as_str), Some("abc"), "{make:?}");
        assert_eq!(head.checksum, Some(checksum), "{make:?}");
        let mut crc = Crc64::default();
        let read = s3.read(&bucket, &photo.key, |chunk| {
            crc.update(chunk);
            Ok(())
        });
        read.await.unwrap();
        assert_eq!(crc.finish(), checksum, "{make:?}");
        // Never over another one.
        let error = s3.put(&photo, Bytes::from_static(b"other"), Checksum::of(b"other"), LIMIT).await.unwrap_err();
        assert!(matches!(error, S3Error::Exists { .. }), "{make:?}: {error}");
        assert_eq!(s3.head(&bucket, &photo.key, LIMIT).await.unwrap().unwrap().bytes, 800_000);
    }
}

#[tokio::test]
async fn what_arrives_otherwise_than_it_was_sent_is_refused() {
    for make in MAKES {
        let (s3, _, bucket) = bucket(make).await;
        let result = s3.put(&object(&bucket, "a"), Bytes::from_static(b"abc"), Checksum::of(b"abd"), LIMIT).await;
        println!("{make:?}: {result:?}");
        assert!(matches!(result, Err(S3Error::Damaged { .. })), "{make:?}: {result:?}");
        assert_eq!(s3.head(&bucket, "a", LIMIT).await.unwrap(), None, "{make:?}");
    }
}

#[tokio::test]
async fn an_object_comes_in_parts_and_an_upload_can_be_given_up() {
    for make in MAKES {
        let (s3, _, bucket) = bucket(make).await;
        let film = object(&bucket, "films/1");
        let parts = [(1, 5 << 20), (2, 5 << 20), (3, 1000)].map(|(byte, size)| Bytes::from(vec![byte; size]));
        let upload = s3.begin_upload(&film, false, LIMIT).await.unwrap();
        let open = s3.open_uploads(&whoevers(&bucket), "films/", LIMIT).await.unwrap();
        let named: Vec<_> = open.iter().map(|open| (&open.key, &open.id)).collect();
        assert_eq!(named, [(&film.key, &upload.id)]);
        assert!(open[0].begun.is_some_and(|at| at > 1_700_000_000), "{make:?}: {open:?}");
        let (mut crc, mut sent) = (Crc64::default(), Vec::new());
        for (number, part) in (1..).zip(&parts) {
            crc.update(part);
            sent.push(s3.put_part(&upload, number, part.clone(), LIMIT).await.unwrap());
        }
        let listed = s3.parts(&upload, LIMIT).await.unwrap();
        let told = |parts: &[milkrun::s3::Part]| parts.iter().map(|part| (part.number, part.bytes)).collect::<Vec<_>>();
        assert_eq!(told(&listed), told(&sent), "{make:?}");
        // Whoever goes on knows the parts by what S3 says of them.
        s3.complete_upload(&upload, &listed, LIMIT).await.unwrap();
        let head = s3.head(&bucket, &film.key, LIMIT).await.unwrap().unwrap();
        assert_eq!((head.bytes, head.content_type.as_deref()), ((10 << 20) + 1000, Some("image/png")), "{make:?}");
        // Ministack makes another kind of checksum of parts, which is not taken for one of the whole.
        assert_eq!(head.checksum, (make == Make::SeaweedFs).then(|| crc.finish()), "{make:?}");

        let again = s3.begin_upload(&film, false, LIMIT).await.unwrap();
        let part = s3.put_part(&again, 1, Bytes::from_static(b"other"), LIMIT).await.unwrap();
        let over = s3.complete_upload(&again, &[part], LIMIT).await;
        assert!(matches!(over, Err(S3Error::Exists { .. })), "{make:?}: {over:?}");
        s3.abort_upload(&again, LIMIT).await.unwrap();
        s3.abort_upload(&again, LIMIT).await.unwrap();
        assert_eq!(s3.open_uploads(&whoevers(&bucket), "", LIMIT).await.unwrap(), [], "{make:?}");
        assert_eq!(s3.head(&bucket, &film.key, LIMIT).await.unwrap().unwrap().bytes, (10 << 20) + 1000, "{make:?}");
    }
}

#[tokio::test]
async fn an_upload_that_is_begun_after_a_mark_is_told_from_one_before() {
    for make in MAKES {
        let (s3, _, bucket) = bucket(make).await;
        let (film, mark) = (object(&bucket, "films/1"), object(&bucket, "mark"));
        let before = s3.begin_upload(&film, false, LIMIT).await.unwrap();
        assert_eq!(s3.marked_at(&mark, LIMIT).await.unwrap(), None, "{make:?}");
        s3.make_mark(&mark, b"{}".to_vec(), LIMIT).await.unwrap();
        let at = s3.marked_at(&mark, LIMIT).await.unwrap().unwrap();
        let after = s3.begin_upload(&film, false, LIMIT).await.unwrap();
        let open = s3.open_uploads(&whoevers(&bucket), "films/", LIMIT).await.unwrap();
        let since = |id: &str| open.iter().find(|open| open.id == id).map(|open| open.is_since(at));
        assert_eq!((since(&before.id), since(&after.id)), (Some(false), Some(true)), "{make:?}: {at}, {open:?}");
    }
}

#[tokio::test]
async fn parts_are_sent_while_they_come_and_one_that_breaks_off_is_none() {
    for make in MAKES {
        let (s3, _, bucket) = bucket(make).await;
        let film = object(&bucket, "films/1");
        let upload = s3.begin_upload(&film, true, LIMIT).await.unwrap();
        let mut parts = Vec::new();
        for (number, length) in [(1, 5_u32 << 20), (2, 1000)] {
            let (pieces, body) = streamed(length.into());
            let coming = async move {
                for piece in vec![u8::try_from(number).unwrap(); length as usize].chunks(70_000) {
                    pieces.send(Bytes::copy_from_slice(piece)).await.unwrap();
                }
            };
            let (sent, ()) = tokio::join!(s3.stream_part(&upload, number, body, LIMIT), coming);
            parts.push(sent.unwrap());
        }
        let (pieces, body) = streamed(1000);
        let coming = async move { pieces.send(Bytes::from_static(b"less")).await };
        let (sent, _) = tokio::join!(s3.stream_part(&upload, 3, body, LIMIT), coming);
        assert!(matches!(sent, Err(S3Error::Unreachable { .. })), "{make:?}: {sent:?}");
        assert_eq!(s3.parts(&upload, LIMIT).await.unwrap().len(), 2, "{make:?}");
        s3.complete_upload(&upload, &parts, LIMIT).await.unwrap();
        let mut whole = Vec::new();
        let read = s3.read(&bucket, &film.key, |chunk| {
            whole.extend_from_slice(chunk);
            Ok(())
        });
        read.await.unwrap();
        assert!(whole == [vec![1; 5 << 20], vec![2; 1000]].concat(), "{make:?}: {} bytes", whole.len());
        let head = s3.head(&bucket, &film.key, LIMIT).await.unwrap().unwrap();
        assert_eq!(head.content_type.as_deref(), Some("image/png"), "{make:?}");
    }
}
