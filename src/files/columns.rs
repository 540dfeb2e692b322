//! The columns of the table that are read and written, and how each is spoken of in SQL.

use crate::rows::document::column as quoted;
use crate::rows::phrase;
use crate::spec::FilesDefinition;
use crate::sql::Dialect;
use crate::sql::catalog::{Column, Table};
use crate::sql::statement::{Bind, Statement};

/// A column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) name: String,
    form: Form,
    /// What a text is cast to where it is put back as it was.
    cast: String,
}

/// How its values are read and compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Text,
    Json,
    Binary,
    Other,
}

/// All columns that are read beside the key, each once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Columns {
    dialect: Dialect,
    pub(super) all: Vec<Known>,
}

/// Their names, in the order in which they are read.
pub(super) fn names(definition: &FilesDefinition) -> Vec<String> {
    let (source, target) = (&definition.source, &definition.target);
    let mut names: Vec<String> = Vec::new();
    let files = source.files.iter().flat_map(|file| std::iter::once(&file.column).chain(&file.digest_column));
    let of_template = target.key.columns().map(str::to_owned);
    let stamps = target.columns.iter().map(|(name, _)| name.clone());
    for name in files.cloned().chain(of_template).chain(stamps) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

impl Columns {
    /// Those of a table that has them all.
    pub(super) fn of(definition: &FilesDefinition, dialect: Dialect, table: &Table) -> Option<Self> {
        let known = |name: &String| {
            let column = table.column(name)?;
            Some(Known { name: name.clone(), form: form(dialect, column), cast: column.resolved.clone() })
        };
        let all = names(definition).iter().map(known).collect::<Option<_>>()?;
        Some(Self { dialect, all })
    }

    /// The place of a column.
    pub(super) fn place(&self, name: &str) -> Option<usize> {
        self.all.iter().position(|known| known.name == name)
    }

    /// Appends all of them as text, comma-separated.
    pub(super) fn print(&self, statement: &mut Statement) {
        for (place, known) in self.all.iter().enumerate() {
            statement.sql(if place == 0 { "" } else { ", " }).sql(&self.printed(known));
        }
    }

    /// How many bytes all of them have together, as text.
    pub(super) fn bytes(&self) -> String {
        // A sum of 32-bit numbers could be too large for one.
        let zero = if self.dialect == Dialect::Postgres { "(CAST(0 AS bigint)" } else { "(0" };
        let mut sum = zero.to_owned();
        for known in &self.all {
            let x = quoted(self.dialect, "t", &known.name);
            let bytes = match self.dialect {
                Dialect::MySql => format!("OCTET_LENGTH({x})"),
                Dialect::Postgres => format!("octet_length({x}::text)"),
                Dialect::Sqlite => format!("length(CAST({x} AS BLOB))"),
            };
            sum.push_str(" + COALESCE(");
            sum.push_str(&bytes);
            sum.push_str(", 0)");
        }
        sum.push(')');
        phrase::text(self.dialect, &sum)
    }

    fn printed(&self, known: &Known) -> String {
        let x = quoted(self.dialect, "t", &known.name);
        match (self.dialect, known.form) {
            (Dialect::MySql, Form::Binary) => format!("LOWER(HEX({x}))"),
            (Dialect::MySql, _) => format!("CAST({x} AS CHAR)"),
            (Dialect::Postgres, Form::Binary) => format!("encode({x}, 'hex')"),
            (Dialect::Postgres, _) => format!("{x}::text"),
            (Dialect::Sqlite, _) => {
                format!("CASE typeof({x}) WHEN 'blob' THEN lower(hex({x})) ELSE CAST({x} AS TEXT) END")
            }
        }
    }

    /// Appends that a column still is what it was when it was read, byte for byte whatever its collation makes equal.
    pub(super) fn same(&self, statement: &mut Statement, known: &Known, value: Option<&str>) {
        // NULL is a value like any other: one text of the statement for all rows.
        let bind = value.map_or(Bind::Null, |value| Bind::Text(value.to_owned()));
        let text = self.printed(known);
        match self.dialect {
            Dialect::MySql => {
                statement.sql("CAST(").sql(&text).sql(" AS BINARY) <=> CAST(").bind(bind).sql(" AS BINARY)")
            }
            Dialect::Postgres => {
                statement.sql("(").sql(&text).sql(") COLLATE \"C\" IS NOT DISTINCT FROM ").bind(bind).sql("::text")
            }
            Dialect::Sqlite => statement.sql("(").sql(&text).sql(") COLLATE BINARY IS ").bind(bind),
        };
    }

    /// Appends `column = value`, of a text column or a JSON one.
    pub(super) fn assign(&self, statement: &mut Statement, known: &Known, text: &str) {
        statement.name(&known.name).sql(" = ");
        self.value(statement, known, text);
    }

    /// Appends what such a column is given.
    pub(super) fn value(&self, statement: &mut Statement, known: &Known, text: &str) {
        phrase::word(statement, text);
        if self.dialect == Dialect::Postgres && known.form == Form::Json {
            // No assignment makes JSON of a text.
            statement.sql("::").sql(&known.cast);
        }
    }

    /// SQL of a column as it stands.
    pub(super) fn bare(&self, known: &Known) -> String {
        quoted(self.dialect, "t", &known.name)
    }

    /// Appends `column = value`, as the column was before.
    pub(super) fn restore(&self, statement: &mut Statement, known: &Known, text: Option<&str>) {
        let Some(text) = text else {
            statement.name(&known.name).sql(" = NULL");
            return;
        };
        statement.name(&known.name).sql(" = ");
        // What was read is hex.
        let of_hex = match (self.dialect, known.form) {
            (Dialect::MySql, Form::Binary) => Some(("UNHEX(", ")")),
            (Dialect::Postgres, Form::Binary) => Some(("decode(", ", 'hex')")),
            _ => None,
        };
        match of_hex {
            Some((before, behind)) => {
                statement.sql(before);
                phrase::word(statement, text);
                statement.sql(behind);
            }
            None => self.word(statement, known, text),
        }
    }

    /// Appends a text as a column's type takes it, an enumeration as well.
    pub(super) fn word(&self, statement: &mut Statement, known: &Known, text: &str) {
        phrase::word(statement, text);
        if self.dialect == Dialect::Postgres && known.form != Form::Text {
            statement.sql("::").sql(&known.cast);
        }
    }
}

fn form(dialect: Dialect, column: &Column) -> Form {
    let base = column.base.as_str();
    match dialect {
        _ if column.is_json => Form::Json,
        Dialect::MySql if base.contains("blob") || base.contains("binary") => Form::Binary,
        Dialect::MySql if base.contains("char") || base.contains("text") => Form::Text,
        Dialect::Postgres if base == "bytea" => Form::Binary,
        Dialect::Postgres if matches!(base, "text" | "varchar" | "bpchar") => Form::Text,
        Dialect::Sqlite => Form::Text,
        _ => Form::Other,
    }
}

/// Whether a column can hold URLs: text, or JSON where a path says where in it.
pub(super) fn holds_urls(dialect: Dialect, column: &Column, has_path: bool) -> bool {
    match form(dialect, column) {
        // MariaDB's JSON is a text that is checked.
        Form::Text => true,
        Form::Json => has_path,
        Form::Binary | Form::Other => false,
    }
}
