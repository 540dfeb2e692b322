//! The ledger in a DynamoDB table: partition key `migration`, sort key `item`, both strings.
//!
//! Needs `GetItem`, `PutItem`, `DeleteItem` and `Query` on the table, nothing else.

use super::attributes::{Item, from_record, number, text, to_record};
use super::limits::check;
use super::listing::{Start, page, start};
use super::refusal::{explain, refused, silent};
use super::{Ledger, LedgerError, Page, Record, Swap, VERSION};
use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::Builder;
use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;
use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure;
use aws_sdk_dynamodb::types::error::ConditionalCheckFailedException;
use std::time::Duration;
use tokio::time::timeout;

/// A call is tried this often, if its time allows.
const ATTEMPTS: u32 = 4;
/// The wait before the second attempt, at most; it doubles with each.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// One attempt takes no longer, so that a lost packet does not cost the whole limit.
const LONGEST_ATTEMPT: Duration = Duration::from_secs(2);
/// Nor is it cut shorter, unless the limit itself is: the first one makes a TLS connection.
const SHORTEST_ATTEMPT: Duration = Duration::from_millis(500);

/// A [`Ledger`] in a DynamoDB table.
pub struct DynamoDb {
    client: Client,
    table: String,
}

impl DynamoDb {
    /// Makes the client. The table is first asked for by the first call.
    pub fn new(config: &SdkConfig, table: String) -> Self {
        let retry = RetryConfig::standard()
            .with_max_attempts(ATTEMPTS)
            .with_initial_backoff(FIRST_WAIT)
            .with_max_backoff(LONGEST_ATTEMPT);
        let config = Builder::from(config).retry_config(retry).build();
        Self { client: Client::from_conf(config), table }
    }

    /// A conditional write. The SDK may have tried more than once: one's own stamp in the way means that it is done.
    async fn write(
        &self,
        record: &Record,
        condition: impl FnOnce(PutItemFluentBuilder) -> PutItemFluentBuilder + Send,
        limit: Duration,
    ) -> Result<Swap, LedgerError> {
        check(record)?;
        let call = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(from_record(record)))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let stored = match condition(call).customize().config_override(timeouts(limit)).send().await {
            Ok(_) => return Ok(Swap::Done),
            Err(error) => match failed_condition(&error).map(|failed| failed.item().cloned()) {
                None => return Err(explain(&self.table, "PutItem", &error)),
                Some(Some(item)) => Some(to_record(item)?),
                // Not every store hands back what is in the way.
                Some(None) => self.read(&record.migration, &record.item, limit).await?,
            },
        };
        Ok(match stored {
            Some(stored) if stored.stamp == record.stamp => Swap::Done,
            stored => Swap::Lost(stored),
        })
    }

    async fn read(&self, migration: &str, item: &str, limit: Duration) -> Result<Option<Record>, LedgerError> {
        let reply = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("migration", text(migration))
            .key("item", text(item))
            .consistent_read(true)
            .customize()
            .config_override(timeouts(limit))
            .send()
            .await
            .map_err(|error| explain(&self.table, "GetItem", &error))?;
        reply.item.map(to_record).transpose()
    }

    /// One record more than asked for, if there is one: so the last page knows that it is the last.
    async fn query(
        &self,
        migration: &str,
        prefix: &str,
        after: Option<&str>,
        most: usize,
        newest_first: bool,
        limit: Duration,
    ) -> Result<Vec<Record>, LedgerError> {
        let mut records = Vec::new();
        let mut after = after.map(str::to_owned);
        loop {
            let wanted = i32::try_from(most + 1 - records.len()).unwrap_or(i32::MAX);
            let key = after
                .as_deref()
                .map(|after| Item::from([("migration".to_owned(), text(migration)), ("item".to_owned(), text(after))]));
            let mut call = self
                .client
                .query()
                .table_name(&self.table)
                .expression_attribute_names("#migration", "migration")
                .expression_attribute_values(":migration", text(migration))
                .set_exclusive_start_key(key)
                .scan_index_forward(!newest_first)
                .consistent_read(true)
                .limit(wanted);
            call = if prefix.is_empty() {
                call.key_condition_expression("#migration = :migration")
            } else {
                call.key_condition_expression("#migration = :migration AND begins_with(#item, :prefix)")
                    .expression_attribute_names("#item", "item")
                    .expression_attribute_values(":prefix", text(prefix))
            };
            let reply = call
                .customize()
                .config_override(timeouts(limit))
                .send()
                .await
                .map_err(|error| explain(&self.table, "Query", &error))?;
            for item in reply.items.unwrap_or_default() {
                records.push(to_record(item)?);
            }
            after = reply.last_evaluated_key.and_then(|key| key.get("item")?.as_s().ok().cloned());
            if after.is_none() || records.len() > most {
                return Ok(records);
            }
        }
    }

    async fn within<T: Send>(
        &self,
        operation: &'static str,
        limit: Duration,
        call: impl Future<Output = Result<T, LedgerError>> + Send,
    ) -> Result<T, LedgerError> {
        // The SDK's futures are large.
        match timeout(limit, Box::pin(call)).await {
            Ok(result) => result,
            Err(_) => Err(silent(&self.table, operation, limit)),
        }
    }
}

#[async_trait]
impl Ledger for DynamoDb {
    async fn get(&self, migration: &str, item: &str, limit: Duration) -> Result<Option<Record>, LedgerError> {
        self.within("GetItem", limit, self.read(migration, item, limit)).await
    }

    async fn list(
        &self,
        migration: &str,
        prefix: &str,
        after: Option<&str>,
        most: usize,
        newest_first: bool,
        limit: Duration,
    ) -> Result<Page, LedgerError> {
        let after = match start(prefix, after, newest_first) {
            Start::Edge => None,
            Start::Beyond(after) => Some(after),
            Start::Past => return Ok(Page { records: Vec::new(), next: None }),
        };
        let most = most.max(1);
        let query = self.query(migration, prefix, after, most, newest_first, limit);
        Ok(page(self.within("Query", limit, query).await?, most))
    }

    async fn swap(&self, record: &Record, seen: Option<&Record>, limit: Duration) -> Result<Swap, LedgerError> {
        let write = self.write(record, |call| as_seen(call, seen), limit);
        self.within("PutItem", limit, write).await
    }

    async fn put(&self, record: &Record, limit: Duration) -> Result<(), LedgerError> {
        let write = self.write(record, not_newer, limit);
        match self.within("PutItem", limit, write).await? {
            Swap::Done => Ok(()),
            // It was newer when the condition failed, but no more when it was read.
            Swap::Lost(_) => {
                Err(refused(&self.table, "PutItem", "somebody else changes the record; try again".to_owned()))
            }
        }
    }

    async fn delete(&self, migration: &str, item: &str, limit: Duration) -> Result<(), LedgerError> {
        let delete = async {
            self.client
                .delete_item()
                .table_name(&self.table)
                .key("migration", text(migration))
                .key("item", text(item))
                .customize()
                .config_override(timeouts(limit))
                .send()
                .await
                .map_err(|error| explain(&self.table, "DeleteItem", &error))?;
            Ok(())
        };
        self.within("DeleteItem", limit, delete).await
    }
}

/// The condition that the store still holds what was seen. Every name is aliased: `owner` is one of DynamoDB's own words.
fn as_seen(call: PutItemFluentBuilder, seen: Option<&Record>) -> PutItemFluentBuilder {
    let Some(seen) = seen else {
        return call
            .condition_expression("attribute_not_exists(#migration)")
            .expression_attribute_names("#migration", "migration");
    };
    let call = call
        .expression_attribute_names("#seq", "seq")
        .expression_attribute_names("#epoch", "epoch")
        .expression_attribute_names("#owner", "owner")
        .expression_attribute_values(":seq", number(seen.seq))
        .expression_attribute_values(":epoch", number(seen.epoch));
    match &seen.owner {
        Some(owner) => call
            .condition_expression("#seq = :seq AND #epoch = :epoch AND #owner = :owner")
            .expression_attribute_values(":owner", text(owner)),
        None => call.condition_expression("#seq = :seq AND #epoch = :epoch AND attribute_not_exists(#owner)"),
    }
}

/// The condition that keeps a record of a newer version from being overwritten.
fn not_newer(call: PutItemFluentBuilder) -> PutItemFluentBuilder {
    call.condition_expression("attribute_not_exists(#v) OR #v <= :v")
        .expression_attribute_names("#v", "v")
        .expression_attribute_values(":v", number(VERSION))
}

/// The failed condition, or `None` if the write failed for another reason.
fn failed_condition(error: &SdkError<PutItemError, HttpResponse>) -> Option<&ConditionalCheckFailedException> {
    match error.as_service_error()? {
        PutItemError::ConditionalCheckFailedException(failed) => Some(failed),
        _ => None,
    }
}

/// The SDK keeps a pool of connections for each pair of connect and read timeouts that it ever meets, and never drops one: these two
/// are the same for every call, and the attempt's own timeout does the work.
fn timeouts(limit: Duration) -> Builder {
    let attempt = (limit / 2).clamp(SHORTEST_ATTEMPT, LONGEST_ATTEMPT).min(limit);
    let timeouts = TimeoutConfig::builder()
        .operation_timeout(limit)
        .operation_attempt_timeout(attempt)
        .connect_timeout(LONGEST_ATTEMPT)
        .read_timeout(LONGEST_ATTEMPT);
    Builder::new().timeout_config(timeouts.build())
}
