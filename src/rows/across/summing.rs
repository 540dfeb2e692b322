//! Keys of whole numbers as their count and two sums of hashes, which two PostgreSQL servers answer alike of the same keys: less work
//! than [lists](super::listing) of them. Where the answers differ, the lists tell which key it is; servers of versions that hash in
//! different ways differ always.

use super::super::faults::RowsError;
use super::super::key::Key;
use super::super::link::{Deadline, rows};
use super::super::mapping::{Mapping, Stretch};
use super::Across;
use crate::cursor::Cursor;
use crate::sql::statement::Statement;
use crate::sql::{Dialect, Session};
use futures_util::future::join;
use std::time::SystemTime;

/// Two sums of 64 bits: that different keys have both in common is as likely as that two digests are alike by chance.
const SEEDS: [&str; 2] = ["0", "1"];

impl Across {
    /// Whether keys that both databases can list can be summed up, too.
    pub(super) fn sums(&self, mapping: &Mapping) -> bool {
        (mapping.dialect, self.target_key.0.dialect) == (Dialect::Postgres, Dialect::Postgres)
    }

    /// Whether the items of a stretch of up to `most` keys have targets, and the targets in it items. `false`: nobody knows.
    pub(super) async fn sums_agree(
        &self,
        mapping: &Mapping,
        (source, target): (&mut Session, &mut Session),
        (after, end): (Option<&Cursor>, &Cursor),
        (pass_started, most): (SystemTime, u64),
        deadline: Deadline,
    ) -> Result<bool, RowsError> {
        let most = most.saturating_add(1);
        let ours = mapping.of_first_items(sums, &Stretch::Range { after, end }, (pass_started, most))?;
        let Some(theirs) = self.of_targets(sums, (after, end), most)? else { return Ok(false) };
        // Both are waited for: a session is of no use with an answer on its way.
        let asked = (Box::pin(rows(source, &ours, deadline)), Box::pin(rows(target, &theirs, deadline)));
        let (ours, theirs) = join(asked.0, asked.1).await;
        let (ours, theirs) = (ours.map_err(|error| mapping.of_query(error.into()))?, theirs?);
        // As many as were asked for: there may be more, of which nothing is said.
        let is_cut = ours.first().and_then(|row| row.first()?.as_deref()) == Some(most.to_string().as_str());
        Ok(!is_cut && ours == theirs)
    }
}

/// Count and sums of the keys `k`.
fn sums(statement: &mut Statement, key: &Key) {
    statement.sql("COUNT(*)::text");
    for seed in SEEDS {
        statement.sql(", SUM(");
        hash(statement, key, seed);
        statement.sql(")::text");
    }
}

/// PostgreSQL's hash of eight bytes is one of four: it folds them first. So the upper half seeds that of the whole, and each column
/// the next one.
fn hash(statement: &mut Statement, key: &Key, seed: &str) {
    for column in &key.columns {
        statement.sql("hashint8extended(k.").name(&column.name).sql("::int8, ");
        statement.sql("hashint8extended(k.").name(&column.name).sql("::int8 >> 32, ");
    }
    statement.sql(seed).sql(&"))".repeat(key.columns.len()));
}

#[cfg(test)]
mod tests {
    use super::super::super::key::{KeyColumn, KeyKind};
    use super::*;

    #[test]
    fn every_column_is_in_the_hash() {
        let column = |name: &str| KeyColumn {
            name: name.to_owned(),
            kind: KeyKind::Int,
            cast: "int8".to_owned(),
            collate: None,
        };
        let key = Key { dialect: Dialect::Postgres, columns: vec![column("a"), column("b")] };
        let mut statement = Statement::new(Dialect::Postgres);
        hash(&mut statement, &key, "7");
        assert_eq!(
            statement.text(),
            "hashint8extended(k.\"a\"::int8, hashint8extended(k.\"a\"::int8 >> 32, \
             hashint8extended(k.\"b\"::int8, hashint8extended(k.\"b\"::int8 >> 32, 7))))"
        );
    }
}
