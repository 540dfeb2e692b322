//! Keys that XML cannot say: listings are asked for in the encoding of URLs, and decoded where the answer says that it is in it.

use crate::stub::Stub;
use crate::support::s3::{MAKES, Make, bucket};
use bytes::Bytes;
use milkrun::s3::{Bucket, Checksum, Object, S3, S3Error};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(30);
const ENCODED: &str = "<EncodingType>url</EncodingType>";

fn answer(kind: &str, body: &str) -> (u16, Vec<u8>) {
    let space = "http://s3.amazonaws.com/doc/2006-03-01/";
    let text = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?><{kind} xmlns=\"{space}\">{body}</{kind}>");
    (200, text.into_bytes())
}

fn upload(key: &str) -> String {
    format!("<Upload><Key>{key}</Key><UploadId>id</UploadId></Upload>")
}

#[tokio::test]
async fn keys_are_decoded_where_the_server_says_that_they_are_encoded() {
    for (said, key, known) in [(ENCODED, "a/b%2Bc+%01%25", "a/b+c \u{1}%"), ("", "a/b+c%25", "a/b+c%25")] {
        let body = format!("{said}<IsTruncated>false</IsTruncated><Contents><Key>{key}</Key></Contents>");
        let stub = Stub::start(move |_| answer("ListBucketResult", &body));
        let s3 = S3::new(&stub.config());
        assert_eq!(s3.list("bucket", "a/", LIMIT).await.unwrap(), [known]);
        assert_eq!(s3.page("bucket", "a/", None, 10, LIMIT).await.unwrap(), (vec![known.to_owned()], None));
        for request in stub.requests() {
            assert!(request.path.contains("encoding-type=url"), "{request:?}");
        }
    }
}

#[tokio::test]
async fn a_server_that_does_not_list_from_a_key_on_is_not_asked_for_ever() {
    let body = "<IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>\
                <Contents><Key>a</Key></Contents><Contents><Key>b</Key></Contents>";
    let stub = Stub::start(move |_| answer("ListBucketResult", body));
    let s3 = S3::new(&stub.config());
    let bucket = Bucket { name: "bucket".to_owned(), owner: None };
    let further = s3.objects(&bucket, "", Some("a"), 10, LIMIT).await.unwrap();
    assert!(further.more && further.objects.len() == 2, "{further:?}");
    let found = s3.objects(&bucket, "", Some("b"), 10, LIMIT).await;
    assert!(matches!(found, Err(S3Error::Unsupported { .. })), "{found:?}");
}

#[tokio::test]
async fn servers_list_such_keys_as_they_were_written() {
    for make in MAKES {
        let (s3, _, bucket) = bucket(make).await;
        let mut keys = vec!["a+b/c d%2Be+f"];
        if make == Make::Ministack {
            keys.insert(0, "a+b/\u{1}");
        }
        for key in &keys {
            let object = Object { bucket: bucket.clone(), key: (*key).to_owned(), ..Object::default() };
            s3.put(&object, Bytes::from_static(b"x"), Checksum::of(b"x"), LIMIT).await.unwrap();
        }
        assert_eq!(s3.list(&bucket, "a+b/", LIMIT).await.unwrap(), keys, "{make:?}");
        let (mut paged, mut mark) = (Vec::new(), None::<String>);
        loop {
            let (page, next) = s3.page(&bucket, "a+b/", mark.as_deref(), 1, LIMIT).await.unwrap();
            paged.extend(page);
            mark = next;
            if mark.is_none() {
                break;
            }
        }
        assert_eq!(paged, keys, "{make:?}");
    }
}

#[tokio::test]
async fn an_open_upload_of_such_a_key_is_found_in_the_right_bucket() {
    let owner = "123456789012";
    let stub = Stub::start(|request| {
        let (more, next) = if request.path.contains("key-marker=") {
            (false, "")
        } else {
            (true, "<NextKeyMarker>a%01%2B</NextKeyMarker><NextUploadIdMarker>id</NextUploadIdMarker>")
        };
        let key = if more { "a%01%2B" } else { "a%01%2Bb" };
        let body = format!("{ENCODED}<IsTruncated>{more}</IsTruncated>{next}{}", upload(key));
        answer("ListMultipartUploadsResult", &body)
    });
    let bucket = Bucket { name: "bucket".to_owned(), owner: Some(owner.to_owned()) };
    let open = S3::new(&stub.config()).open_uploads(&bucket, "a\u{1}", LIMIT).await.unwrap();
    let keys: Vec<_> = open.iter().map(|open| open.key.as_str()).collect();
    assert_eq!(keys, ["a\u{1}+", "a\u{1}+b"]);
    let requests = stub.requests();
    assert!(requests[1].path.contains("key-marker=a%01%2B"), "{requests:?}");
    for request in &requests {
        assert!(request.path.contains("encoding-type=url"), "{request:?}");
        assert_eq!(request.header("x-amz-expected-bucket-owner"), Some(owner), "{request:?}");
    }
}

#[tokio::test]
async fn a_server_that_says_of_open_uploads_what_it_does_not_do_is_not_believed() {
    let stub = Stub::start(|request| {
        let said = if request.path.contains("encoding-type=url") { ENCODED } else { "" };
        answer("ListMultipartUploadsResult", &format!("{said}{}", upload("a+b%41")))
    });
    let bucket = Bucket { name: "bucket".to_owned(), owner: None };
    let open = S3::new(&stub.config()).open_uploads(&bucket, "a+b", LIMIT).await.unwrap();
    assert_eq!(open[0].key, "a+b%41");
}
