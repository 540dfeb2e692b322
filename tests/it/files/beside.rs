//! What a server says of a file stands beside its object, too, as far as S3 takes it.

use super::{LIMIT, Stage, bytes_of};
use crate::support::file_server::answer;
use crate::support::s3::Make;
use crate::support::servers::Kind;

#[test]
fn types_names_and_languages_are_kept_and_a_head_too_large_for_s3_stops_nobody() {
    let mut stage = Stage::new(Kind::Sqlite, Make::Ministack, |asked, stream| {
        let head = if asked.path == "/letter.txt" {
            "Content-Type: text/plain; charset=utf-8\r\nContent-Disposition: attachment; filename=\"letter.txt\"\r\n\
             Content-Language: de\r\n"
                .to_owned()
        } else {
            let long = "x".repeat(10_000);
            format!("Content-Type: image/{long}\r\nContent-Disposition: inline; filename={long}\r\n")
        };
        answer(stream, "200 OK", &head, &bytes_of(&asked.path))
    });
    stage.define("papers/{id}/{name}", "[[source.files]]\ncolumn = \"document\"", "", "", "");
    for (id, path) in [(1, "/letter.txt"), (2, "/large")] {
        let url = stage.server.url(path);
        stage.job.database.execute(&format!("INSERT INTO profiles (id, document) VALUES ({id}, '{url}')"));
    }
    let reply = stage.run();
    assert_eq!((&reply["outcome"], &reply["progress"]["moved"]), (&"complete".into(), &2.into()), "{reply}");
    let head = |key: &str| stage.runtime.block_on(stage.s3.head(&stage.bucket, key, LIMIT)).unwrap().unwrap();
    let letter = head("papers/1/letter.txt");
    assert_eq!(letter.content_type.as_deref(), Some("text/plain; charset=utf-8"));
    assert_eq!(letter.content_disposition.as_deref(), Some("attachment; filename=\"letter.txt\""));
    assert_eq!(letter.content_language.as_deref(), Some("de"));
    assert_eq!(head("papers/2/large").bytes, bytes_of("/large").len() as u64);
}
