//! What `plan` tells of two buckets before anything is copied: whether they can be listed.

use super::Objects;
use super::failure::{Side, fault};
use crate::spec::Problem;
use std::time::Duration;

impl Objects {
    /// Why a bucket cannot be listed, for each that cannot.
    pub async fn try_buckets(&self, limit: Duration) -> Vec<Problem> {
        let mut problems = Vec::new();
        let sides = [
            (Side::Source, &self.source, &self.from, &self.definition.source.place),
            (Side::Target, &self.target, &self.to, &self.definition.target.place),
        ];
        for (side, s3, bucket, place) in sides {
            let Err(error) = s3.objects(bucket, &place.prefix, None, 1, limit / 2).await else { continue };
            problems.push(Problem {
                field: format!("{}.bucket", side.word()),
                message: format!("`{}` cannot be listed", bucket.name),
                hint: fault(side, &error).message,
            });
        }
        problems
    }
}
