//! What a bucket does by itself with objects that are written into it: rules that delete them or move them away once they are old enough, and
//! whom it tells of each.

use super::bucket::told;
use super::{Bucket, S3, S3Error};
use aws_sdk_s3::operation::get_bucket_notification_configuration::GetBucketNotificationConfigurationOutput;
use aws_sdk_s3::types::{
    Event, ExpirationStatus, FilterRule, LifecycleRule, NotificationConfigurationFilter, S3KeyFilter,
};
use std::time::Duration;

const LIFECYCLE: &str = "s3:GetLifecycleConfiguration";
const NOTIFICATION: &str = "s3:GetBucketNotification";

/// What becomes of some objects of a bucket once they are old enough.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Aging {
    /// They are deleted.
    pub expires: bool,
    /// They get another storage class.
    pub moves: bool,
}

impl S3 {
    /// What rules of a bucket do with objects under a prefix, or with some of them. Within `limit`.
    pub async fn aging(&self, bucket: &Bucket, prefix: &str, limit: Duration) -> Result<Aging, S3Error> {
        let place = super::place(&bucket.name, "");
        let call = self.client.get_bucket_lifecycle_configuration().bucket(&bucket.name);
        let call = call.set_expected_bucket_owner(bucket.owner.clone());
        let call = async {
            let found = told(&place, LIFECYCLE, call.send().await)?;
            Ok(aged(&found.and_then(|found| found.rules).unwrap_or_default(), prefix))
        };
        self.within((&place, LIFECYCLE), limit, call).await
    }

    /// Whether a bucket tells anybody of objects that are made under a prefix, or of some of them. Within `limit`.
    pub async fn tells(&self, bucket: &Bucket, prefix: &str, limit: Duration) -> Result<bool, S3Error> {
        let place = super::place(&bucket.name, "");
        let call = self.client.get_bucket_notification_configuration().bucket(&bucket.name);
        let call = call.set_expected_bucket_owner(bucket.owner.clone());
        let call = async {
            let found = told(&place, NOTIFICATION, call.send().await)?;
            Ok(found.is_some_and(|found| is_told_of(&found, prefix)))
        };
        self.within((&place, NOTIFICATION), limit, call).await
    }
}

fn aged(rules: &[LifecycleRule], prefix: &str) -> Aging {
    let mut aging = Aging::default();
    for rule in rules.iter().filter(|rule| rule.status == ExpirationStatus::Enabled && meet(prefix_of(rule), prefix)) {
        // One that has neither is about the marks of what was deleted.
        let ends = rule.expiration.as_ref().is_some_and(|end| end.days.is_some() || end.date.is_some());
        aging.expires |= ends;
        aging.moves |= !rule.transitions().is_empty();
    }
    aging
}

/// What a rule is about; it may be about less than that, by tags and lengths.
#[expect(deprecated, reason = "rules that were made long ago have their prefix there")]
fn prefix_of(rule: &LifecycleRule) -> &str {
    let filter = rule.filter.as_ref();
    let found = filter.and_then(|filter| filter.prefix.as_deref().or_else(|| filter.and.as_ref()?.prefix.as_deref()));
    found.or(rule.prefix.as_deref()).unwrap_or_default()
}

fn is_told_of(found: &GetBucketNotificationConfigurationOutput, prefix: &str) -> bool {
    let topics = found.topic_configurations().iter().map(|one| (one.events(), one.filter()));
    let queues = found.queue_configurations().iter().map(|one| (one.events(), one.filter()));
    let functions = found.lambda_function_configurations().iter().map(|one| (one.events(), one.filter()));
    let is_told = |(events, filter): (&[Event], Option<&NotificationConfigurationFilter>)| {
        events.iter().any(is_of_copies) && meet(filtered(filter), prefix)
    };
    // EventBridge hears of everything.
    found.event_bridge_configuration.is_some() || topics.chain(queues).chain(functions).any(is_told)
}

fn is_of_copies(event: &Event) -> bool {
    let event = event.as_str();
    event.starts_with("s3:ObjectCreated:") && event != "s3:ObjectCreated:Post"
}

/// What a notification is about; it may be about less than that, by the end of a key.
fn filtered(filter: Option<&NotificationConfigurationFilter>) -> &str {
    let key = filter.and_then(NotificationConfigurationFilter::key);
    let mut rules = key.map(S3KeyFilter::filter_rules).unwrap_or_default().iter();
    // S3 takes the name in small letters, and gives it back with a large one.
    let found = rules.find(|rule| rule.name().is_some_and(|name| name.as_str().eq_ignore_ascii_case("prefix")));
    found.and_then(FilterRule::value).unwrap_or_default()
}

/// Whether a key may begin with both.
fn meet(one: &str, other: &str) -> bool {
    one.starts_with(other) || other.starts_with(one)
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_s3::types::{
        EventBridgeConfiguration, FilterRuleName, LifecycleExpiration, LifecycleRuleAndOperator, LifecycleRuleFilter,
        QueueConfiguration, Transition,
    };

    #[test]
    fn only_rules_in_force_that_end_or_move_objects_of_the_prefix_count() {
        let rule = |prefix: &str, status| {
            let and = LifecycleRuleAndOperator::builder().prefix(prefix).object_size_greater_than(5).build();
            let filter = LifecycleRuleFilter::builder().and(and).build();
            LifecycleRule::builder().status(status).filter(filter)
        };
        let enabled = |prefix| rule(prefix, ExpirationStatus::Enabled);
        let days = LifecycleExpiration::builder().days(30).build();
        let marks = LifecycleExpiration::builder().expired_object_delete_marker(true).build();
        let ends = |prefix| [enabled(prefix).expiration(days.clone()).build().unwrap()];
        let gone = Aging { expires: true, moves: false };
        assert_eq!(aged(&ends("a/"), ""), gone);
        assert_eq!(aged(&ends("a/"), "a/b/"), gone);
        assert_eq!(aged(&ends("a/"), "b/"), Aging::default());
        let off = rule("", ExpirationStatus::Disabled).expiration(days.clone()).build().unwrap();
        let of_marks = enabled("").expiration(marks).build().unwrap();
        assert_eq!(aged(&[off, of_marks], ""), Aging::default());
        let moved = enabled("").transitions(Transition::builder().days(3).build()).build().unwrap();
        assert_eq!(aged(&[moved], "a/"), Aging { expires: false, moves: true });
    }

    #[test]
    fn only_who_hears_of_new_objects_of_the_prefix_counts() {
        let told = |prefix: &str, event: &str| {
            let name = FilterRuleName::from("Prefix");
            let rule = FilterRule::builder().name(name).value("images/").build();
            let filter = S3KeyFilter::builder().filter_rules(rule).build();
            let filter = NotificationConfigurationFilter::builder().key(filter).build();
            let queue = QueueConfiguration::builder().queue_arn("arn:aws:sqs:eu-central-1:000000000000:q");
            let queue = queue.events(Event::from(event)).filter(filter).build().unwrap();
            let found = GetBucketNotificationConfigurationOutput::builder().queue_configurations(queue).build();
            is_told_of(&found, prefix)
        };
        assert!(told("", "s3:ObjectCreated:*") && told("images/2026/", "s3:ObjectCreated:Copy"));
        assert!(!told("films/", "s3:ObjectCreated:*"), "of others");
        assert!(!told("", "s3:ObjectRemoved:*") && !told("", "s3:ObjectCreated:Post"), "not of copies");
        let bridge = GetBucketNotificationConfigurationOutput::builder();
        let bridge = bridge.event_bridge_configuration(EventBridgeConfiguration::builder().build()).build();
        assert!(is_told_of(&bridge, "films/"));
    }
}
