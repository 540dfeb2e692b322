//! What a bucket is called in policies, which depends on where it is: AWS is in partitions that know nothing of each other.

use super::S3;

/// How regions of a partition begin, and its name.
/// <https://docs.aws.amazon.com/sdkref/latest/guide/feature-region.html>
const PARTITIONS: [(&str, &str); 7] = [
    ("cn-", "aws-cn"),
    ("us-gov-", "aws-us-gov"),
    ("eusc-", "aws-eusc"),
    ("us-iso-", "aws-iso"),
    ("us-isob-", "aws-iso-b"),
    ("eu-isoe-", "aws-iso-e"),
    ("us-isof-", "aws-iso-f"),
];
/// That of all other regions.
const USUAL: &str = "aws";

impl S3 {
    /// The ARN of a bucket in the client's region.
    pub fn arn(&self, bucket: &str) -> String {
        let region: Option<&str> = self.client.config().region().map(AsRef::as_ref);
        format!("arn:{}:s3:::{bucket}", region.map_or(USUAL, partition))
    }
}

fn partition(region: &str) -> &'static str {
    let found = PARTITIONS.into_iter().find(|(beginning, _)| region.starts_with(beginning));
    found.map_or(USUAL, |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_says_its_partition() {
        for (region, name) in [
            ("eu-central-1", "aws"),
            ("us-east-1", "aws"),
            ("us-gov-west-1", "aws-us-gov"),
            ("cn-north-1", "aws-cn"),
            ("us-iso-east-1", "aws-iso"),
            ("us-isob-east-1", "aws-iso-b"),
            ("eusc-de-east-1", "aws-eusc"),
            ("garage", "aws"),
        ] {
            assert_eq!(partition(region), name, "{region}");
        }
    }
}
