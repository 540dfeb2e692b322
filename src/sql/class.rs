//! What an error code of a database means: one table per dialect.

use super::Dialect;
use crate::fault::Class::{self, Capacity, Fatal, Locked, Poison, TooLarge, Transient};

/// What is known about a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meaning {
    /// Decides what happens next.
    pub class: Class,
    /// What happened, in a few words.
    pub what: &'static str,
    /// What to do about it; empty where milkrun itself does it.
    pub hint: &'static str,
}

type Row<C> = (&'static [C], Class, &'static str, &'static str);

/// PostgreSQL's policies would leave rows out of what a statement reads, or refuse some that it writes.
pub(super) const HIDDEN_ROWS: Meaning =
    Meaning { class: Fatal, what: "row-level security would hide rows from the database user", hint: SEES_ALL };

/// What to do about row-level security.
pub const SEES_ALL: &str =
    "as an administrator run: ALTER ROLE … BYPASSRLS; or let a user migrate to whom no policy applies";

/// A code that stands in no table stops the migration: it is better to ask a person than to retry what is not understood.
const UNKNOWN: Meaning = Meaning {
    class: Fatal,
    what: "an error that milkrun does not know",
    hint: "look the code up in the database's manual, mend its cause",
};

const VALUE: &str = "correct the row, or give the target column a type that holds it";
const CONSTRAINT: &str = "correct the row, or the constraint of the target";
/// Raised by the user's own code, which no table of codes knows.
const REFUSED_BY_TRIGGER: &str = "a trigger, or a function that it calls, refused the row";
const TRIGGER: &str = "correct the row, or what the trigger asks of it";
const NAMES: &str = "compare the migration file with the database's schema";
const SYNTAX: &str = "correct `where`; without one, report this as a bug of milkrun";
const GRANT: &str = "grant the database user what `plan` names as missing";
const PACKET: &str = "raise the server's packet limit, or narrow the document with `exclude`";

/// MySQL and MariaDB, by error number.
const MYSQL: &[Row<u16>] = &[
    (&[1205], Locked, "waited too long for a lock", ""),
    (&[1213, 1614, 3572], Transient, "a deadlock, or a lock that somebody else holds", ""),
    (&[1020, 1412, 1615, 1637], Transient, "somebody else changed the row or the table meanwhile", ""),
    (&[1969, 3024, 1317, 1028, 3168], Capacity, "the statement ran out of its time", ""),
    (&[1153, 1162, 1301, 1260, 3150], TooLarge, "a value or packet over the server's limit", PACKET),
    (
        &[1197, 1534, 1705, 1206, 1114, 1041, 1037, 1038, 5],
        Capacity,
        "the server ran out of room for the statement",
        "",
    ),
    (
        &[
            1040, 1203, 1226, 1135, 1042, 1043, 1053, 1077, 1079, 1080, 1152, 1158, 1159, 1160, 1161, 1184, 1927, 2006,
            2013, 3032,
        ],
        Transient,
        "the server is busy, restarting or lost the connection",
        "",
    ),
    (
        &[1290, 1836, 1792, 3100, 3101, 1047],
        Transient,
        "the server takes no writes now",
        "if it stays: name the writer's host in the URL",
    ),
    (&[1062, 1022, 1169, 1586, 1859], Transient, "somebody else was there first: the key exists", ""),
    (
        &[
            1048, 1264, 1265, 1292, 1366, 1406, 1364, 1411, 1416, 1426, 1439, 1525, 1690, 1365, 1367, 1916, 1918, 3140,
            3141, 3156, 3157, 3643, 3751, 3854, 4038, 4039, 4078,
        ],
        Poison,
        "the target does not take a value",
        VALUE,
    ),
    (&[3819, 4025, 1216, 1217, 1451, 1452, 1369, 1442, 1526], Poison, "a constraint refused the row", CONSTRAINT),
    (&[1644], Poison, REFUSED_BY_TRIGGER, TRIGGER),
    (&[1267, 1270, 1271, 1253], Fatal, "collations that do not mix", "write an explicit COLLATE in `where`"),
    (
        &[1044, 1045, 1095, 1130, 1131, 1132, 1141, 1142, 1143, 1147, 1227, 1370, 1698, 1820, 1862, 3118, 4151],
        Fatal,
        "the database user may not do this",
        GRANT,
    ),
    (
        &[1046, 1049, 1051, 1052, 1054, 1060, 1061, 1072, 1109, 1146, 1176, 1305, 1356, 1582, 1583, 1584],
        Fatal,
        "the statement does not fit the schema",
        NAMES,
    ),
    (&[1064, 1149], Fatal, "a syntax error", SYNTAX),
    (&[1390], Fatal, "more than 65,535 values in one statement", "report this as a bug of milkrun"),
    (&[1665, 1666], Fatal, "the binary log's format forbids it", "set binlog_format to ROW or MIXED"),
    (
        &[1021, 1030, 1034, 1035, 1194, 1195],
        Fatal,
        "the server's storage is full or damaged",
        "see the server's error log",
    ),
];

/// PostgreSQL, by SQLSTATE or its first two characters; the longer match counts.
const POSTGRES: &[Row<&str>] = &[
    (&["40"], Transient, "a deadlock or a serialization failure", ""),
    (&["55P03"], Locked, "waited too long for a lock", ""),
    (&["57014"], Capacity, "the statement ran out of its time", ""),
    (&["53"], Capacity, "the server ran out of room for the statement", ""),
    (
        &["53300", "53400", "08", "57P", "25P03", "25P04"],
        Transient,
        "the server is busy, restarting or lost the connection",
        "",
    ),
    (&["53100", "58", "XX", "F0"], Fatal, "the server's storage is full or damaged", "see the server's log"),
    (&["54"], TooLarge, "a value or statement over the server's limit", PACKET),
    (&["25006"], Transient, "the server takes no writes now", "if it stays: name the writer's host in the URL"),
    (&["55006", "0A000"], Fatal, "the server does not support or allow this now", NAMES),
    (&["23505"], Transient, "somebody else was there first: the key exists", ""),
    (&["22"], Poison, "the target does not take a value", VALUE),
    (&["23", "44"], Poison, "a constraint refused the row", CONSTRAINT),
    (&["P0", "09", "27", "38", "39"], Poison, REFUSED_BY_TRIGGER, TRIGGER),
    (&["42501", "28", "0L", "0P"], Fatal, "the database user may not do this", GRANT),
    (&["42601"], Fatal, "a syntax error", SYNTAX),
    (&["42", "26", "3D", "3F"], Fatal, "the statement does not fit the schema", NAMES),
];

/// SQLite, by extended result code or its low byte, the primary one; the longer match counts.
const SQLITE: &[Row<i32>] = &[
    (&[5, 6, 15, 17, 261, 262, 517, 773], Transient, "somebody else holds the database file", ""),
    (&[9, 4], Capacity, "the statement ran out of its time", ""),
    (&[7], Capacity, "out of memory", ""),
    (&[18], TooLarge, "a value over the limit", PACKET),
    (&[1555, 2067, 2579], Transient, "somebody else was there first: the key exists", ""),
    (&[19], Poison, "a constraint refused the row", CONSTRAINT),
    (&[1811], Poison, "a trigger, or a foreign key that restricts, refused the row", TRIGGER),
    (&[20], Poison, "a value of a type that the column does not take, or text that is not UTF-8", VALUE),
    (&[8, 3, 23], Fatal, "the database file is read-only", "make the file and its folder writable"),
    (&[13], Fatal, "the disk is full", "free space where the database file lies"),
    (&[10], Fatal, "the database file cannot be read or written", "see to the disk or file system that it lies on"),
    (&[11, 26, 24], Fatal, "the file is damaged, or no SQLite database", "check the path, restore the file"),
    (&[14], Fatal, "the database file cannot be opened", "check the path and its permissions"),
    (&[1], Fatal, "the statement does not fit the schema", NAMES),
    (&[25], Fatal, "too many values in one statement", "report this as a bug of milkrun"),
];

/// Looks a MySQL or MariaDB error number up. A signal of the user's own (SQLSTATE 45000) refuses the row.
pub fn mysql(number: u16, state: Option<&str>) -> Meaning {
    if state == Some("45000") {
        return Meaning { class: Poison, what: REFUSED_BY_TRIGGER, hint: TRIGGER };
    }
    // MySQL has another meaning for MariaDB's number of a failed CHECK.
    if number == 4025 && state.is_some_and(|state| state != "23000") {
        return UNKNOWN;
    }
    find(MYSQL, |code| *code == number).unwrap_or(UNKNOWN)
}

/// Looks a SQLSTATE up.
pub fn postgres(state: &str) -> Meaning {
    (2..=state.len())
        .rev()
        .find_map(|length| find(POSTGRES, |code| state.get(..length) == Some(*code)))
        .unwrap_or(UNKNOWN)
}

/// Looks an extended result code of SQLite up.
pub fn sqlite(extended: i32) -> Meaning {
    find(SQLITE, |code| *code == extended).or_else(|| find(SQLITE, |code| *code == extended & 0xff)).unwrap_or(UNKNOWN)
}

/// The class of a warning that MySQL or MariaDB gave where no warning may be; elsewhere there are none.
pub fn warning(dialect: Dialect, code: u32) -> Meaning {
    match (dialect, u16::try_from(code)) {
        (Dialect::MySql, Ok(number)) => mysql(number, None),
        _ => UNKNOWN,
    }
}

fn find<C: 'static>(table: &[Row<C>], matches: impl Fn(&C) -> bool) -> Option<Meaning> {
    table.iter().find(|(codes, ..)| codes.iter().any(&matches)).map(|&(_, class, what, hint)| Meaning {
        class,
        what,
        hint,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_code_stands_twice() {
        fn distinct<C: PartialEq + std::fmt::Debug>(table: &[Row<C>]) {
            let codes: Vec<&C> = table.iter().flat_map(|row| row.0).collect();
            for (place, code) in codes.iter().enumerate() {
                assert!(!codes[..place].contains(code), "{code:?} stands twice");
            }
        }
        distinct(MYSQL);
        distinct(POSTGRES);
        distinct(SQLITE);
    }

    #[test]
    fn mysql_numbers() {
        for (number, class) in [
            (1205, Locked),
            (1213, Transient),
            (1615, Transient),
            (1969, Capacity),
            (3024, Capacity),
            (1317, Capacity),
            (1153, TooLarge),
            (1260, TooLarge),
            (1301, TooLarge),
            (1197, Capacity),
            (1040, Transient),
            (1203, Transient),
            (1226, Transient),
            (2006, Transient),
            (2013, Transient),
            (1290, Transient),
            (1836, Transient),
            (1062, Transient),
            (1054, Fatal),
            (1146, Fatal),
            (1142, Fatal),
            (1044, Fatal),
            (1045, Fatal),
            (1048, Poison),
            (1264, Poison),
            (1265, Poison),
            (1292, Poison),
            (1366, Poison),
            (1406, Poison),
            (3819, Poison),
            (1452, Poison),
            (1364, Poison),
            (1416, Poison),
            (3157, Poison),
            (3643, Poison),
            (60_000, Fatal),
        ] {
            assert_eq!(mysql(number, None).class, class, "{number}");
        }
        assert_eq!(mysql(4025, Some("23000")).class, Poison);
        assert_eq!(mysql(4025, Some("HY000")).class, Fatal);
        assert_eq!(mysql(1644, Some("45000")).class, Poison);
    }

    #[test]
    fn a_trigger_is_not_called_a_constraint() {
        for (trigger, constraint) in [
            (mysql(1644, Some("45000")), mysql(3819, None)),
            (mysql(1644, Some("22003")), mysql(1452, None)),
            (postgres("P0001"), postgres("23514")),
            (sqlite(1811), sqlite(275)),
        ] {
            assert!(trigger.what.starts_with("a trigger, ") && !trigger.hint.contains("constraint"), "{trigger:?}");
            assert_eq!((trigger.class, constraint.class), (Poison, Poison));
            assert_eq!(constraint.what, "a constraint refused the row");
        }
    }

    #[test]
    fn postgres_states() {
        for (state, class) in [
            ("40001", Transient),
            ("40P01", Transient),
            ("55P03", Locked),
            ("57014", Capacity),
            ("53300", Transient),
            ("53200", Capacity),
            ("53100", Fatal),
            ("54000", TooLarge),
            ("57P01", Transient),
            ("57P03", Transient),
            ("08006", Transient),
            ("25006", Transient),
            ("25P04", Transient),
            ("25P02", Fatal),
            ("23505", Transient),
            ("23502", Poison),
            ("22001", Poison),
            ("42P01", Fatal),
            ("42501", Fatal),
            ("28P01", Fatal),
            ("3D000", Fatal),
            ("P0001", Poison),
            ("ZZZZZ", Fatal),
            ("", Fatal),
            ("ß", Fatal),
        ] {
            assert_eq!(postgres(state).class, class, "{state}");
        }
    }

    #[test]
    fn sqlite_codes() {
        for (code, class) in [
            (5, Transient),
            (517, Transient),
            (6, Transient),
            (9, Capacity),
            (7, Capacity),
            (18, TooLarge),
            (19, Poison),
            (1299, Poison),
            (1555, Transient),
            (2067, Transient),
            (13, Fatal),
            (8, Fatal),
            (11, Fatal),
            (26, Fatal),
            (1, Fatal),
            (20, Poison),
            (99, Fatal),
        ] {
            assert_eq!(sqlite(code).class, class, "{code}");
        }
    }
}
