//! Every column type of every database in a column that is made for it in each of the others: what was read is turned, written
//! and found again; and what cannot be held there is known beforehand.

use super::cases::{self, Case};
use super::stage::{KINDS, Kind, LIMIT, Stage};
use milkrun::rows::carry::{Carry, Side, Unfit, fit, made};
use milkrun::rows::fit::Fit;
use milkrun::sql::catalog::{self, Column};
use milkrun::sql::statement::{Bind, Statement};
use milkrun::sql::{Dialect, Session};

pub(super) fn cases(kind: Kind) -> Vec<Case> {
    match kind {
        Kind::MariaDb => cases::mariadb(),
        Kind::Postgres => cases::postgres(),
        Kind::Sqlite => cases::sqlite(),
    }
}

/// A stage and milkrun's own session with it.
struct Place {
    stage: Stage,
    session: Session,
}

impl Place {
    fn new(kind: Kind) -> Self {
        let stage = Stage::new(kind);
        let session = stage.run(Session::open(&stage.options, LIMIT)).expect("a session");
        Self { stage, session }
    }

    fn dialect(&self) -> Dialect {
        self.session.make().dialect()
    }

    fn columns(&mut self, table: &str) -> Vec<Column> {
        let found = self.stage.run(catalog::table(&mut self.session, None, table, LIMIT));
        found.expect("a catalog").expect("a table").columns
    }

    /// The value of an expression over a row, as it is.
    fn bytes(&mut self, x: &str, is_bytes: bool, table: &str, id: u32) -> Option<Vec<u8>> {
        let shown = match self.dialect() {
            Dialect::MySql => format!("HEX({x})"),
            Dialect::Postgres if is_bytes => format!("encode({x}, 'hex')"),
            Dialect::Postgres => format!("encode(convert_to({x}, 'UTF8'), 'hex')"),
            Dialect::Sqlite => format!("CASE WHEN {x} IS NOT NULL THEN hex({x}) END"),
        };
        let mut statement = Statement::new(self.dialect());
        statement.sql(&format!("SELECT {shown} FROM {table} WHERE id = {id}"));
        let rows = self.stage.run(self.session.rows(&statement, LIMIT)).unwrap_or_else(|error| panic!("{x}: {error}"));
        assert!(self.stage.run(self.session.warnings(LIMIT)).expect("warnings").is_empty(), "{x}");
        rows[0][0].as_deref().map(|hex| milkrun::hex::decode(hex).expect("hex"))
    }
}

/// `CREATE TABLE name (id, columns)`.
fn create(place: &mut Place, name: &str, columns: &[Column]) {
    let mut statement = Statement::new(place.dialect());
    statement.sql("CREATE TABLE ").name(name).sql(" (id INTEGER NOT NULL PRIMARY KEY");
    for column in columns {
        statement.sql(", ").name(&column.name).sql(" ").sql(&column.type_name);
        match (&column.charset, &column.collation) {
            (Some(charset), Some(collation)) => {
                statement.sql(&format!(" CHARACTER SET {charset} COLLATE {collation}"));
            }
            (None, Some(collation)) => {
                statement.sql(&format!(" COLLATE {collation}"));
            }
            _ => {}
        }
        statement.sql(" NULL");
        if column.is_json && column.base == "longtext" {
            statement.sql(" CHECK (json_valid(").name(&column.name).sql("))");
        }
    }
    statement.sql(")");
    place.stage.run(place.session.execute(&statement, LIMIT)).unwrap_or_else(|error| panic!("{error}: {statement:?}"));
}

/// Inserts a row of turned values, as they are bound.
fn insert(place: &mut Place, table: &str, id: u32, carries: &[Carry], values: &[Option<Vec<u8>>]) {
    let mut statement = Statement::new(place.dialect());
    statement.sql(&format!("INSERT INTO {table} VALUES ({id}"));
    for (carry, value) in carries.iter().zip(values) {
        let bind = match value {
            None => Bind::Null,
            Some(value) if carry.is_bytes() => Bind::Bytes(value.clone()),
            Some(value) => Bind::Text(String::from_utf8(value.clone()).expect("text")),
        };
        if bind == Bind::Null {
            statement.sql(", NULL");
        } else {
            statement.sql(", ").sql(carry.before()).bind(bind).sql(&carry.behind());
        }
    }
    statement.sql(")");
    place
        .stage
        .run(place.session.execute(&statement, LIMIT))
        .unwrap_or_else(|error| panic!("{error}: {}", statement.text()));
    assert!(place.stage.run(place.session.warnings(LIMIT)).expect("warnings").is_empty(), "{}", statement.text());
}

/// What of the cases a pair cannot hold.
pub(super) type Poison = (&'static str, &'static str, Unfit);

fn check(from: Kind, to: Kind) {
    let (mut source, mut target) = (Place::new(from), Place::new(to));
    if from == Kind::Postgres {
        source.stage.execute(cases::POSTGRES_TYPES);
    }
    let cases = cases(from);
    let declared: Vec<String> =
        cases.iter().enumerate().map(|(at, (kind, ..))| format!("c{at} {}", cases::column(kind, ""))).collect();
    source
        .stage
        .database
        .execute(&format!("CREATE TABLE ours (id INTEGER NOT NULL PRIMARY KEY, {})", declared.join(", ")));
    let values: Vec<&str> = cases.iter().map(|(_, value, _)| *value).collect();
    source.stage.database.execute(&format!("INSERT INTO ours VALUES (1, {})", values.join(", ")));
    let ours: Vec<Column> = source.columns("ours").split_off(1);
    let (from_make, to_make) = (source.session.make(), target.session.make());
    let theirs: Vec<Column> = ours.iter().map(|column| made(Side { make: from_make, column }, to_make)).collect();
    create(&mut target, "theirs", &theirs);
    // As the catalog describes what was made.
    let found: Vec<Column> = target.columns("theirs").split_off(1);

    let mut unfit = Vec::new();
    let (mut carries, mut turned) = (Vec::new(), Vec::new());
    for (at, (ours, theirs)) in ours.iter().zip(&found).enumerate() {
        let sides = (Side { make: from_make, column: ours }, Side { make: to_make, column: theirs });
        let (kind, value, _) = cases[at];
        let seen = fit(sides.0, sides.1);
        assert!(!matches!(seen, Fit::Changing(_)), "{from:?} {kind} in {to:?} {}: {seen:?}", theirs.type_name);
        let carry = Carry::between(sides.0, sides.1).expect("a way");
        let is_bytes = from == Kind::Sqlite
            || theirs.base == "bytea"
            || matches!(ours.base.as_str(), "bytea" | "binary" | "varbinary" | "blob" | "longblob");
        let read = source.bytes(&carry.read(&format!("c{at}")), is_bytes, "ours", 1).expect("a value");
        turned.push(match carry.turn(&read) {
            Ok(turned) => Some(turned.into_owned()),
            Err(error) => {
                unfit.push((kind, value, error));
                None
            }
        });
        carries.push(carry);
    }
    assert_eq!(unfit, poison(from, to), "{from:?} in {to:?}");
    insert(&mut target, "theirs", 1, &carries, &turned);
    insert(&mut target, "theirs", 2, &carries, &vec![None; carries.len()]);
    for (at, (carry, turned)) in carries.iter().zip(&turned).enumerate() {
        let is_bytes = to == Kind::Sqlite || found[at].base == "bytea";
        let mut held = |id| {
            let held = target.bytes(&carry.held(&format!("c{at}")), is_bytes, "theirs", id);
            held.map(|held| carry.settled(&held).into_owned())
        };
        let shown = |value: &Option<Vec<u8>>| value.as_ref().map(|value| String::from_utf8_lossy(value).into_owned());
        let (kind, value, _) = cases[at];
        assert_eq!(shown(&held(1)), shown(turned), "{from:?} {kind} in {to:?} {}: {value}", found[at].type_name);
        assert_eq!(held(2), None, "{kind}");
    }
}

/// The cases whose values a pair cannot hold.
pub(super) fn poison(from: Kind, to: Kind) -> &'static [Poison] {
    match (from, to) {
        (Kind::MariaDb, Kind::Postgres) => &[
            ("DATE", "'0000-00-00'", Unfit::ZeroDate),
            ("DATETIME", "'0000-00-00 00:00:00'", Unfit::ZeroDate),
            ("DATETIME(2)", "'2020-00-00 01:02:03'", Unfit::ZeroDate),
            ("TIMESTAMP", "'0000-00-00 00:00:00'", Unfit::ZeroDate),
            ("VARCHAR(200)", "CONCAT('q\"b\\\\s/', CHAR(0,1,8,9,10,12,13,27,31,127))", Unfit::Nul),
        ],
        (Kind::Postgres, Kind::MariaDb) => &[
            ("real", "'NaN'", Unfit::NotANumber),
            ("double precision", "'-Infinity'", Unfit::NotANumber),
            ("double precision", "'Infinity'", Unfit::NotANumber),
            ("date", "'infinity'", Unfit::FarDate),
            ("date", "'0044-03-15 BC'", Unfit::FarDate),
            ("timestamp", "'infinity'", Unfit::FarDate),
            ("timestamp", "'-infinity'", Unfit::FarDate),
            ("timestamp", "'0044-03-15 12:00:00 BC'", Unfit::FarDate),
            ("timestamp", "'12345-01-02 03:04:05'", Unfit::FarDate),
            ("timestamptz", "'-infinity'", Unfit::FarDate),
        ],
        (Kind::Postgres, Kind::Sqlite) => &[("real", "'NaN'", Unfit::NotANumber)],
        (Kind::Sqlite, Kind::MariaDb) => &[
            ("REAL", "1e999", Unfit::NotANumber),
            ("REAL", "-1e999", Unfit::NotANumber),
            ("BLOB", "'text'", Unfit::Class("text")),
        ],
        (Kind::Sqlite, Kind::Postgres) => &[
            ("TEXT", "'q\"b\\s/' || char(0,1,8,9,10,12,13,27,31)", Unfit::Nul),
            ("BLOB", "'text'", Unfit::Class("text")),
        ],
        _ => &[],
    }
}

#[test]
fn every_type_is_carried() {
    for from in KINDS {
        for to in KINDS {
            check(from, to);
        }
    }
}
