//! What MySQL puts into a key and a row: texts of a key need a length, and a row's columns have 64 KB together.

use crate::sql::Make;
use crate::sql::catalog::Column;

/// Bytes of an index's columns together.
const KEY: u64 = 3072;

/// Bytes of a row, less a little for what marks NULLs.
const ROW: u64 = 65_000;

/// What a number, a date or a UUID takes at most.
const FIXED: u64 = 160;

/// Bytes that a character takes at most.
const WIDEST: u64 = 4;

/// Shortens or moves out what would not fit, of the columns of a table that is to be made. Columns of `key` keep a length:
/// longer values are refused.
pub fn fit_into_a_row(make: Make, columns: &mut [Column], key: &[String]) {
    if !matches!(make, Make::MySql | Make::MariaDb) {
        return;
    }
    let in_key = |column: &Column| key.contains(&column.name);
    // Numbers of SQLite's: what is no key is floating point.
    for column in columns.iter_mut().filter(|column| in_key(column) && column.base == "double") {
        shaped(column, "decimal", 65);
        "decimal(65,30)".clone_into(&mut column.type_name);
        column.resolved.clone_from(&column.type_name);
        (column.length, column.precision, column.scale) = (None, Some(65), Some(30));
    }
    let keyed: Vec<u64> = columns.iter().filter(|column| in_key(column)).map(longest).collect();
    // What the short ones leave is shared by the long ones.
    let long = keyed.iter().filter(|bytes| **bytes > FIXED).count() as u64;
    let short: u64 = keyed.iter().filter(|bytes| **bytes <= FIXED).sum();
    let share = KEY.saturating_sub(short) / long.max(1);
    for column in columns.iter_mut().filter(|column| in_key(column)) {
        if longest(column) > share.max(FIXED) || is_long(column) {
            let bytes = share.min(longest(column));
            let (base, length) =
                if column.charset.is_some() { ("varchar", bytes / WIDEST) } else { ("varbinary", bytes) };
            shaped(column, base, length);
        }
    }
    loop {
        let row: u64 = columns.iter().map(stored).sum();
        let widest = columns
            .iter_mut()
            .filter(|column| !in_key(column) && stored(column) > FIXED)
            .max_by_key(|column| stored(column));
        match widest {
            Some(column) if row > ROW => {
                let base = if column.charset.is_some() { "mediumtext" } else { "mediumblob" };
                base.clone_into(&mut column.type_name);
                column.resolved.clone_from(&column.type_name);
                base.clone_into(&mut column.base);
                column.length = Some((1 << 24) - 1);
            }
            _ => return,
        }
    }
}

fn shaped(column: &mut Column, base: &str, length: u64) {
    column.type_name = format!("{base}({length})");
    column.resolved.clone_from(&column.type_name);
    base.clone_into(&mut column.base);
    column.length = Some(length);
}

/// A text or blob that lies beside its row, and cannot be indexed as a whole.
fn is_long(column: &Column) -> bool {
    column.base.ends_with("text") || column.base.ends_with("blob")
}

/// Bytes of the longest value.
fn longest(column: &Column) -> u64 {
    match (column.length, &column.charset) {
        (Some(length), Some(_)) if !is_long(column) => length.saturating_mul(WIDEST),
        (Some(length), _) if column.base != "bit" => length,
        _ => 32,
    }
}

/// Bytes of it in the row itself.
fn stored(column: &Column) -> u64 {
    if is_long(column) { 12 } else { longest(column) + 2 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn varchar(name: &str, length: u64) -> Column {
        let mut column = Column { name: name.to_owned(), charset: Some("utf8mb4".to_owned()), ..Column::default() };
        shaped(&mut column, "varchar", length);
        column
    }

    fn longtext(name: &str) -> Column {
        Column { base: "longtext".into(), type_name: "longtext".into(), length: Some(1 << 32), ..varchar(name, 1) }
    }

    #[test]
    fn keys_share_what_an_index_holds() {
        let key = ["a".to_owned(), "b".to_owned(), "c".to_owned()];
        let mut columns = vec![longtext("a"), varchar("b", 36), longtext("c"), longtext("d")];
        fit_into_a_row(Make::MariaDb, &mut columns, &key);
        let types: Vec<&str> = columns.iter().map(|column| column.type_name.as_str()).collect();
        assert_eq!(types, ["varchar(366)", "varchar(36)", "varchar(366)", "longtext"]);
        let mut columns = vec![longtext("a")];
        fit_into_a_row(Make::MySql, &mut columns, &key);
        assert_eq!(columns[0].type_name, "varchar(768)");
        let mut columns = vec![longtext("a")];
        fit_into_a_row(Make::Postgres, &mut columns, &key);
        assert_eq!(columns[0].type_name, "longtext");
    }

    #[test]
    fn the_widest_columns_leave_a_row_that_is_too_wide() {
        let mut columns: Vec<Column> = (0..40).map(|at| varchar(&format!("c{at}"), 500)).collect();
        columns.push(varchar("wide", 16_000));
        fit_into_a_row(Make::MySql, &mut columns, &["c0".to_owned()]);
        assert_eq!(columns[40].type_name, "mediumtext");
        assert!(columns.iter().map(stored).sum::<u64>() <= ROW);
        assert_eq!(columns[0].type_name, "varchar(500)");
    }
}
