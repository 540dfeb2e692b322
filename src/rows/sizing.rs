//! How many bytes a row has, in SQL: those of its document, or of its copied columns.

use super::landing::{FillKind, Landing, Width};
use crate::spec::ColumnValue;
use crate::sql::Dialect;

impl Landing {
    /// The number of bytes of the target's row: of its document or, where none is mapped, of the columns that are copied.
    pub(super) fn bytes(&self) -> String {
        if let Some(fill) = self.document_column() {
            let x = self.theirs(&fill.column);
            return match (self.dialect, fill.kind) {
                (Dialect::Postgres, FillKind::Json) => format!("octet_length({x}::text)"),
                (Dialect::Sqlite, _) => format!("length(CAST({x} AS BLOB))"),
                _ => format!("OCTET_LENGTH({x})"),
            };
        }
        self.sum(self.fills.iter().map(|fill| (self.theirs(&fill.column), &fill.value, fill.width)))
    }

    /// The same of the source's row, before it is there. Of copied columns alone.
    pub(super) fn source_bytes(&self) -> String {
        let value =
            |value: &ColumnValue| if let ColumnValue::Column(name) = value { self.ours(name) } else { String::new() };
        self.sum(self.fills.iter().map(|fill| (value(&fill.value), &fill.value, fill.source_width)))
    }

    fn sum<'a>(&self, values: impl Iterator<Item = (String, &'a ColumnValue, Width)>) -> String {
        let mut fixed = 0;
        let mut sum = String::new();
        for (x, value, width) in values {
            if !matches!(value, ColumnValue::Column(_)) {
                continue;
            }
            let bytes = match (self.dialect, width) {
                (_, Width::Fixed(bytes)) => {
                    fixed += bytes;
                    continue;
                }
                (Dialect::Postgres, Width::Text) => format!("octet_length({x}::text)"),
                _ => format!("OCTET_LENGTH({x})"),
            };
            sum.push_str(" + COALESCE(");
            sum.push_str(&bytes);
            sum.push_str(", 0)");
        }
        match self.dialect {
            // A sum of 32-bit numbers could be too large for one.
            Dialect::Postgres => format!("(CAST({fixed} AS bigint){sum})"),
            Dialect::MySql | Dialect::Sqlite => format!("({fixed}{sum})"),
        }
    }
}
