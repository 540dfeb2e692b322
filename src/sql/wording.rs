//! The names that servers put into their texts. Only texts that begin with a fixed phrase and go on with a name are
//! read, so that a value of a row, which other texts quote, can never be taken for one.

use super::error::Refusal;

/// MySQL and MariaDB in their own English: another language simply yields no names.
pub(super) fn mysql(refusal: &mut Refusal, number: u16, text: &str) {
    match number {
        1048 | 1364 | 1054 => {
            refusal.column = between(text, "Column '", '\'')
                .or_else(|| between(text, "Field '", '\''))
                .or_else(|| between(text, "Unknown column '", '\''));
        }
        1406 | 1264 | 1265 => {
            refusal.column = between(text, "Data too long for column '", '\'')
                .or_else(|| between(text, "Out of range value for column '", '\''))
                .or_else(|| between(text, "Data truncated for column '", '\''));
        }
        1146 => refusal.table = between(text, "Table '", '\''),
        3819 => refusal.constraint = between(text, "Check constraint '", '\''),
        4025 => refusal.constraint = between(text, "CONSTRAINT `", '`'),
        _ => {}
    }
}

/// PostgreSQL sends most names in fields of their own; these texts hold one where the fields do not.
pub(super) fn postgres(refusal: &mut Refusal, state: &str, text: &str) {
    match state {
        "42P01" => refusal.table = between(text, "relation \"", '"'),
        "42703" => refusal.column = between(text, "column \"", '"').or_else(|| between(text, "column ", ' ')),
        "42501" => {
            refusal.table = rest(text, "permission denied for table ")
                .or_else(|| rest(text, "permission denied for view "))
                .or_else(|| rest(text, "permission denied for schema "))
                .or_else(|| between(text, "query would be affected by row-level security policy for table \"", '"'));
        }
        _ => {}
    }
}

/// SQLite, by primary result code; a trigger's own words are left alone.
pub(super) fn sqlite(refusal: &mut Refusal, extended: i32, text: &str) {
    const CHECK: i32 = 275;
    const NOT_NULL: i32 = 1299;
    const PRIMARY_KEY: i32 = 1555;
    const UNIQUE: i32 = 2067;
    match extended {
        CHECK => refusal.constraint = rest(text, "CHECK constraint failed: "),
        NOT_NULL => refusal.column = rest(text, "NOT NULL constraint failed: "),
        PRIMARY_KEY | UNIQUE => refusal.constraint = rest(text, "UNIQUE constraint failed: "),
        1 => {
            refusal.table = rest(text, "no such table: ");
            // It goes on with advice for people who meant a string.
            refusal.column = rest(text, "no such column: ").map(|name| match name.split_once("\" - should this be") {
                Some((quoted, _)) => quoted.trim_start_matches('"').to_owned(),
                None => name,
            });
        }
        _ => {}
    }
}

fn between(text: &str, before: &str, after: char) -> Option<String> {
    let (name, _) = text.strip_prefix(before)?.split_once(after)?;
    Some(name.to_owned())
}

fn rest(text: &str, before: &str) -> Option<String> {
    text.strip_prefix(before).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::super::class;
    use super::*;

    #[test]
    fn names_are_taken_and_values_are_not() {
        let read = |number: u16, text: &str| {
            let mut refusal = Refusal::new(number.to_string(), class::mysql(number, None));
            mysql(&mut refusal, number, text);
            (refusal.table, refusal.column, refusal.constraint)
        };
        assert_eq!(read(1048, "Column 'note' cannot be null").1.as_deref(), Some("note"));
        assert_eq!(read(1146, "Table 'shop.orders' doesn't exist").0.as_deref(), Some("shop.orders"));
        assert_eq!(read(1062, "Duplicate entry 'secret' for key 'PRIMARY'"), (None, None, None));
        assert_eq!(read(1366, "Incorrect integer value: 'secret' for column `a`.`b`.`c` at row 1"), (None, None, None));

        let mut refusal = Refusal::new("22P02", class::postgres("22P02"));
        postgres(&mut refusal, "22P02", "invalid input syntax for type integer: \"secret\"");
        assert!(!refusal.to_string().contains("secret"));
        let mut refusal = Refusal::new("1811", class::sqlite(1811));
        sqlite(&mut refusal, 1811, "secret");
        assert!(!refusal.to_string().contains("secret"));
    }
}
