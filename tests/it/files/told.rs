//! What a topic hears of a rollback.

use super::{Stage, good};
use crate::stages::Audience;
use crate::support::s3::Make;
use crate::support::servers::Kind;

#[test]
fn a_topic_hears_once_that_a_rollback_has_paused_the_migration() {
    let audience = Audience::new("rollback");
    let mut stage = Stage::new(Kind::Sqlite, Make::Ministack, good);
    stage.define_usual("");
    stage.fill(4);
    let reply = stage.run();
    assert_eq!(reply["outcome"], "complete", "{reply}");
    // Of all that came before nobody has heard.
    stage.job.set("MILKRUN_TOPIC_ARN", &audience.arn);
    stage.job.set("AWS_ENDPOINT_URL", &audience.endpoint);
    let rolled = stage.job.reply(&["rollback", "photos"]);
    assert_eq!((&rolled["outcome"], &rolled["rolled_back"]), (&"complete".into(), &4.into()), "{rolled}");
    // It is paused already, and stays so until `resume`.
    stage.job.reply(&["rollback", "photos"]);
    stage.job.reply(&["resume", "photos"]);
    stage.job.reply(&["pause", "photos", "--reason", "lunch"]);
    let messages = audience.messages(4);
    let stages: Vec<&str> = messages.iter().map(|one| one["stage"].as_str().unwrap()).collect();
    assert_eq!(stages, ["started", "pass done", "paused", "paused"], "{messages:?}");
    let (of_rollback, of_pause) = (&messages[2]["reply"], &messages[3]["reply"]);
    assert_eq!(of_rollback["rolled_back"], 4, "{of_rollback}");
    assert_eq!(of_pause["reason"], "lunch", "{of_pause}");
}
