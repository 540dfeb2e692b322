//! Definitions that do not fit the table or the bucket: everything at once, with what to do, and nothing is touched.

use super::{Stage, USUAL, good};
use crate::support::s3::Make;
use crate::support::servers::Kind;

#[test]
fn everything_that_does_not_fit_the_table_is_said_at_once() {
    for (kind, number) in [(Kind::Sqlite, "INTEGER"), (Kind::Postgres, "integer"), (Kind::MariaDb, "int(11)")] {
        let mut stage = Stage::new(kind, Make::Ministack, good);
        let source =
            "[[source.files]]\ncolumn = \"documnt\"\ndigest_column = \"sums\"\n[[source.files]]\ncolumn = \"deleted\"";
        stage.define("{id}/{tenant}/{n}", source, "", "[target.columns]\nat = \"$now\"", "");
        let plan = stage.job.call(&["plan", "photos"]).expect(2).reply();
        let problems: Vec<String> = plan["problems"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| format!("{}: {}", one["field"].as_str().unwrap(), one["message"].as_str().unwrap()))
            .collect();
        let missing = |field: &str, name: &str| format!("{field}: the table `profiles` has no column `{name}`");
        let mut expected = vec![
            missing("source.files[0].column", "documnt"),
            missing("source.files[0].digest_column", "sums"),
            missing("target.key", "tenant"),
            missing("target.columns.at", "at"),
        ];
        // SQLite holds a text in whatever column.
        if kind != Kind::Sqlite {
            expected.push(format!("source.files[1].column: `deleted` is of the type {number}, which holds no URLs"));
        }
        assert_eq!(problems, expected, "{kind:?}");
        assert_eq!(plan["problems"][0]["hint"], "did you mean `document`?");
        let failed = stage.job.call(&["run", "photos"]).expect(2).reply();
        assert_eq!(failed["errorType"], "Definition", "{failed}");
    }
}

#[test]
fn a_url_that_two_paths_lead_to_is_refused_before_a_document_is_torn() {
    let mut stage = Stage::new(Kind::Sqlite, Make::Ministack, good);
    let column = |path: &str| format!("[[source.files]]\ncolumn = \"photos\"\npath = \"{path}\"\n");
    let source = column("$[*].original") + &column("$[0].original");
    stage.define("photos/{id}/{n}-{name}", &source, "", "", "");
    let document = format!("[{{\"original\": \"{}\"}}]", stage.server.url("/a.png"));
    stage.job.database.execute(&format!("INSERT INTO profiles (id, photos) VALUES (1, '{document}')"));
    let plan = stage.job.call(&["plan", "photos"]).expect(2).reply();
    let problem = &plan["problems"][0];
    assert_eq!(problem["field"], "source.files[1].path", "{plan}");
    assert_eq!(problem["message"], "leads to URLs that `source.files[0]` leads to, too", "{plan}");
    stage.job.call(&["run", "photos"]).expect(2);
    assert_eq!(stage.rows()[0][2].as_deref(), Some(document.as_str()));
}

#[test]
fn a_bucket_that_is_not_there_pauses_the_migration_and_leaves_the_rows() {
    let mut stage = Stage::new(Kind::Sqlite, Make::Ministack, good);
    stage.bucket = "nobodys-bucket".to_owned();
    stage.define_usual("");
    stage.fill(5);
    let before = stage.rows();
    let plan = stage.job.call(&["plan", "photos"]).expect(2).reply();
    assert_eq!(plan["problems"][0]["field"], "target.bucket", "{plan}");
    let reply = stage.job.call(&["run", "photos"]).expect(4).reply();
    assert_eq!(reply["outcome"], "paused", "{reply}");
    let reason = reply["reason"].as_str().unwrap();
    assert!(reason.contains("the target's bucket does not exist: correct `target.bucket`"), "{reason}");
    assert_eq!(stage.rows(), before);
}

#[test]
fn a_bucket_that_cannot_be_reached_fails_the_invocation_as_what_it_is() {
    let mut stage = Stage::new(Kind::Sqlite, Make::Ministack, good);
    stage.endpoint = format!("http://127.0.0.1:{}", crate::support::child::free_port());
    stage.define_usual("");
    stage.fill(5);
    let before = stage.rows();
    let reply = stage.job.call(&["run", "photos", "--time-limit", "8s"]).expect(1).reply();
    assert_eq!(reply["errorType"], "Storage", "{reply}");
    let said = reply["errorMessage"].as_str().unwrap();
    assert!(said.contains("the target's bucket could not be reached"), "{said}");
    assert_eq!(stage.rows(), before);
}

#[test]
fn a_changed_definition_waits_to_be_accepted_and_another_target_is_refused() {
    let mut stage = Stage::new(Kind::Sqlite, Make::Ministack, good);
    stage.define("{id}/{n}", USUAL, "", "", "");
    stage.fill(3);
    stage.run();
    // How files are fetched may change at any time.
    stage.define("{id}/{n}", USUAL, "concurrency = 2", "", "");
    assert_eq!(stage.run()["outcome"], "complete");
    stage.define("{id}/{n}", &USUAL.replace("deleted = 0", "1 = 1"), "", "", "");
    stage.job.reply(&["retry", "photos"]);
    let paused = stage.job.call(&["run", "photos"]).reply();
    assert_eq!(paused["outcome"], "paused", "{paused}");
    let digest = stage.job.status()["definition"].as_str().unwrap().to_owned();
    stage.job.reply(&["resume", "photos", "--accept", &digest]);
    assert_eq!(stage.run()["outcome"], "complete");
    stage.define("other/{id}/{n}", USUAL, "", "", "");
    let refused = stage.job.call(&["rollback", "photos"]).expect(2).reply();
    assert_eq!(refused["errorType"], "Usage", "{refused}");
    let paused = stage.job.call(&["run", "photos"]).expect(4).reply();
    assert!(paused["reason"].as_str().unwrap().contains("cannot be accepted"), "{paused}");
}
