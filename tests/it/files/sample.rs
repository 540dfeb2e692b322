//! A verification of a sample: about its share of the rows, of what the journal says of these, and of the bucket's objects.

use super::{Stage, good};
use crate::support::s3::MAKES;
use crate::support::servers::Kind;
use serde_json::Value;

const ROWS: u64 = 40;

#[test]
fn a_sample_is_about_its_share_and_the_same_rows_in_each_walk() {
    let mut stage = Stage::new(Kind::Sqlite, MAKES[0], good);
    // Several steps of each walk, each of which chooses for itself.
    stage.define_usual("max_batch = 7");
    for id in 1..=ROWS {
        let url = stage.server.url(&format!("/{id}/paper.png"));
        stage
            .job
            .database
            .execute(&format!("INSERT INTO profiles (id, document, photos) VALUES ({id}, '{url}', '[]')"));
    }
    assert_eq!(stage.run()["outcome"], "complete");
    let count = |verified: &Value, name: &str| verified[name].as_u64().unwrap();
    let verify = |share: &str| stage.job.call(&["verify", "photos", "--sample", share]).expect(3).reply();

    // All of it is no sample.
    stage.replace("photos/17/1-paper.png", b"something else");
    let verified = verify("100%");
    assert_eq!((count(&verified, "checked"), count(&verified, "different")), (ROWS, 1), "{verified}");
    assert_eq!((verified.get("sample"), &verified["examples"][0]["key"][0]), (None, &"17".into()), "{verified}");

    // The odds that one of two takes none or all of 40 are one in 500 thousand millions.
    for id in 1..=ROWS {
        stage.replace(&format!("photos/{id}/1-paper.png"), b"something else");
    }
    let verified = verify("50%");
    let checked = count(&verified, "checked");
    assert!((1..ROWS).contains(&checked), "{verified}");
    assert_eq!((count(&verified, "different"), count(&verified, "equal")), (checked, 0), "{verified}");
    assert_eq!((&verified["outcome"], &verified["sample"]), (&"complete".into(), &"50%".into()), "{verified}");

    // Objects are chosen likewise.
    stage.job.database.execute("DELETE FROM profiles WHERE id <= 38");
    let verified = verify("50%");
    assert!(count(&verified, "checked") <= 2, "{verified}");
    assert!((1..38).contains(&count(&verified, "extra")), "{verified}");
}
