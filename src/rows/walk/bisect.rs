//! Cuts by what MariaDB and MySQL estimate of ranges: the key's first column, an integer, is halved where most rows are
//! thought to be, until all pieces are small.

use crate::cursor::{Cursor, KeyPart};
use crate::rows::faults::RowsError;
use crate::rows::link::{Deadline, rows};
use crate::rows::mapping::Mapping;
use crate::rows::plan::explain;
use crate::sql::Session;
use serde_json::Value;

/// So many pieces a part, at the end.
const PIECES: usize = 16;
/// A part that is thought to be more than so many times the mean is none: something is wrong with the estimates.
const UNEVEN: u64 = 2;

/// A piece of the first column's values: those beyond the one and up to the other, and how many rows they are thought to have.
#[derive(Clone, Copy, Debug)]
struct Piece {
    after: i128,
    end: i128,
    rows: u64,
}

fn value(number: i128) -> Cursor {
    Cursor(vec![KeyPart::Int(number.to_string())])
}

impl Mapping {
    /// Where the estimates cut the keys up to `bound` into parts of about equal size. None: the first column is no integer, or
    /// has too few values.
    pub(in crate::rows) async fn range_estimates(
        &self,
        session: &mut Session,
        bound: &Cursor,
        parts: u32,
        deadline: Deadline,
    ) -> Result<Vec<Cursor>, RowsError> {
        let number = |cursor: &Cursor| match cursor.0.first() {
            Some(KeyPart::Int(text)) => text.parse::<i128>().ok(),
            _ => None,
        };
        let first = rows(session, &self.boundary(None, bound, 1)?, deadline).await?;
        let first = first.first().map(|row| self.key().read(row, 0)).transpose()?;
        let (Some(first), Some(last)) = (first.as_ref().and_then(number), number(bound)) else {
            return Ok(Vec::new());
        };
        let start = first - 1;
        let mut pieces = vec![self.piece(session, (start, start, last), deadline).await?];
        let wanted = usize::try_from(parts).unwrap_or(usize::MAX).saturating_mul(PIECES);
        while pieces.len() < wanted {
            let divisible = |piece: &&Piece| piece.end - piece.after > 1 && piece.rows > 0;
            let Some(largest) = pieces.iter().filter(divisible).max_by_key(|piece| piece.rows).copied() else { break };
            let Some(place) = pieces.iter().position(|piece| piece.after == largest.after) else { break };
            let middle = largest.after + (largest.end - largest.after) / 2;
            let halves = [
                self.piece(session, (start, largest.after, middle), deadline).await?,
                self.piece(session, (start, middle, largest.end), deadline).await?,
            ];
            pieces.splice(place..=place, halves);
        }
        self.last_keys_up_to(session, gather(&pieces, parts).into_iter().map(value).collect(), deadline).await
    }

    async fn piece(
        &self,
        session: &mut Session,
        (start, after, end): (i128, i128, i128),
        deadline: Deadline,
    ) -> Result<Piece, RowsError> {
        let mut statement = self.statement();
        statement.sql("SELECT ");
        self.key().print(&mut statement, "t");
        // Before the first key there may be no value that the column could have.
        let before = value(after);
        self.between(&mut statement, (after > start).then_some(&before), &value(end))?;
        let plan = explain(session, &statement, deadline).await?;
        let rows = serde_json::from_str(&plan).ok().and_then(|plan| estimated(&plan)).unwrap_or(0);
        Ok(Piece { after, end, rows })
    }
}

/// The rows of the one table that a query plan reads.
fn estimated(plan: &Value) -> Option<u64> {
    match plan {
        Value::Object(fields) => {
            let named = ["rows", "rows_examined_per_scan"].iter().find_map(|name| fields.get(*name)?.as_u64());
            named.or_else(|| fields.values().find_map(estimated))
        }
        Value::Array(values) => values.iter().find_map(estimated),
        _ => None,
    }
}

/// The ends of parts that are about equal.
fn gather(pieces: &[Piece], parts: u32) -> Vec<i128> {
    let total: u64 = pieces.iter().map(|piece| piece.rows).sum();
    let (mut ends, mut sum, mut before) = (Vec::new(), 0, 0);
    let parts = u64::from(parts);
    for piece in pieces {
        sum += piece.rows;
        let made = ends.len() as u64;
        if made + 1 < parts && sum * parts >= total * (made + 1) {
            if (sum - before) * parts > total * UNEVEN {
                return Vec::new();
            }
            before = sum;
            ends.push(piece.end);
        }
    }
    if (total - before) * parts > total * UNEVEN { Vec::new() } else { ends }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(rows: &[u64]) -> Vec<Piece> {
        let piece = |(at, &rows): (usize, &u64)| {
            let at = i128::try_from(at).unwrap();
            Piece { after: at, end: at + 1, rows }
        };
        rows.iter().enumerate().map(piece).collect()
    }

    #[test]
    fn pieces_become_parts_that_are_alike_or_none() {
        assert_eq!(gather(&pieces(&[10; 16]), 4), [4, 8, 12]);
        assert_eq!(gather(&pieces(&[0, 0, 30, 0, 10, 20, 0, 30, 30]), 4), [3, 6, 8]);
        // One that cannot be divided is a part with what stands before it; a cut at the very end is none.
        assert_eq!(gather(&pieces(&[0, 0, 30, 0, 10, 20, 0, 20, 40]), 4), [3, 6, 9]);
        // All rows have the same value in the first column.
        assert_eq!(gather(&pieces(&[0, 1000, 0, 1]), 4), Vec::<i128>::new());
        assert_eq!(gather(&[], 4), Vec::<i128>::new());
    }

    #[test]
    fn both_servers_say_how_many_rows_they_expect() {
        let mariadb = r#"{"query_block": {"select_id": 1, "nested_loop": [{"table": {"table_name": "t", "rows": 512, "filtered": 100}}]}}"#;
        let mysql = r#"{"query_block": {"select_id": 1, "cost_info": {}, "table": {"rows_examined_per_scan": 77}}}"#;
        let impossible = r#"{"query_block": {"select_id": 1, "table": {"message": "Impossible WHERE"}}}"#;
        let found = [mariadb, mysql, impossible].map(|plan| estimated(&serde_json::from_str(plan).unwrap()));
        assert_eq!(found, [Some(512), Some(77), None]);
    }
}
