//! The kind `objects`, driven without the engine.

use milkrun::engine::migration::{Effort, Migration as _, Range};
use milkrun::objects::Objects;
use milkrun::s3::S3;
use milkrun::spec::{self, Definition};
use std::time::{Duration, SystemTime};

/// Long enough for any call here.
pub(super) const LIMIT: Duration = Duration::from_secs(30);

/// A bucket, how it is reached, and the endpoint that the definition says of it.
pub(super) struct Place<'a> {
    pub(super) s3: S3,
    pub(super) bucket: &'a str,
    pub(super) endpoint: &'a str,
}

/// A migration from one bucket to another one.
pub(super) fn between(from: Place<'_>, to: Place<'_>, copy: &str) -> Objects {
    let text = format!(
        "name = \"assets\"\nkind = \"objects\"\n[source]\nbucket = \"{}\"\nendpoint = \"{}\"\n[target]\nbucket = \"{}\"\nendpoint = \"{}\"\n\
         [copy]\n{copy}\n",
        from.bucket, from.endpoint, to.bucket, to.endpoint
    );
    let definition = spec::parse("assets", &text).unwrap_or_else(|error| panic!("{error}\nin: {text}"));
    let Definition::Objects(definition) = definition else { panic!("it is one of objects") };
    Objects::new(&definition, from.s3, to.s3)
}

/// The whole source.
pub(super) async fn everything(objects: &Objects) -> Range {
    let bound = objects.bound(None, LIMIT).await.unwrap().unwrap();
    Range { bound, pass_started: SystemTime::now(), since: None, open_end: false, sample: None }
}

pub(super) fn effort() -> Effort {
    Effort { limit: LIMIT, recovered: false, fresh: false, run: "one".to_owned() }
}
