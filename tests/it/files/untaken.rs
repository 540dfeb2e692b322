//! Not every server takes each key that S3 takes.

use super::{Stage, good};
use crate::support::s3::MAKES;
use crate::support::s3_faults::S3Faults;
use crate::support::servers::Kind;

#[test]
fn a_key_that_the_server_does_not_take_is_one_dead_letter() {
    let mut stage = Stage::new(Kind::Sqlite, MAKES[0], good);
    let faults = S3Faults::before(&stage.endpoint, 0, 0);
    faults.refuse("PUT ", "odd.png", "400 Bad Request", "XMinioInvalidObjectName");
    stage.endpoint = faults.url();
    stage.define_usual("stop_when_failed = \"100%\"");
    for (id, name) in (1..).zip(["one.png", "odd.png", "two.png"]) {
        let url = stage.server.url(&format!("/{name}"));
        stage
            .job
            .database
            .execute(&format!("INSERT INTO profiles (id, document, photos) VALUES ({id}, '{url}', '[]')"));
    }
    let reply = stage.run();
    assert_eq!((&reply["outcome"], &reply["progress"]["moved"]), (&"complete".into(), &2.into()), "{reply}");
    let failed = stage.job.reply(&["failed", "photos"]);
    assert_eq!(failed["items"].as_array().unwrap().len(), 1, "{failed}");
    assert_eq!((&failed["items"][0]["key"][0], &failed["items"][0]["class"]), (&"2".into(), &"poison".into()));
    assert_eq!(
        failed["items"][0]["message"],
        "file 1 of the row: the target's server does not take such a key: XMinioInvalidObjectName: give it another one by the \
         key's template"
    );
}
