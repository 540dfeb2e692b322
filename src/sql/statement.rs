//! The one place where SQL text is built: from words of our own, quoted identifiers and bound values.

use super::Dialect;
use crate::hex;
use std::ops::Range;

/// A value that travels beside the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bind {
    /// NULL.
    Null,
    /// Text; the statement casts it where the column is of another type.
    Text(String),
    /// A signed integer.
    Int(i64),
    /// An unsigned integer: beyond `i64` on MySQL alone.
    Unsigned(u64),
    /// Bytes.
    Bytes(Vec<u8>),
}

/// A statement under construction, and once it is complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    dialect: Dialect,
    text: String,
    binds: Vec<Bind>,
    /// Where in the text the placeholders are.
    places: Vec<Range<usize>>,
}

impl Statement {
    /// An empty statement.
    pub fn new(dialect: Dialect) -> Self {
        Self { dialect, text: String::new(), binds: Vec::new(), places: Vec::new() }
    }

    /// Whose SQL it is.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Appends SQL of our own making, or a `where` that `spec` has checked. Never a name, never a value.
    pub fn sql(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    /// Appends an identifier, quoted so that every character of it is part of the name.
    pub fn name(&mut self, name: &str) -> &mut Self {
        let quote = if self.dialect == Dialect::MySql { '`' } else { '"' };
        self.text.push(quote);
        for character in name.chars() {
            if character == quote {
                self.text.push(quote);
            }
            self.text.push(character);
        }
        self.text.push(quote);
        self
    }

    /// Appends a string literal: for names that become values, such as the keys of a document. Never for data.
    pub fn literal(&mut self, value: &str) -> &mut Self {
        self.text.push('\'');
        for character in value.chars() {
            if character == '\'' || (character == '\\' && self.dialect == Dialect::MySql) {
                self.text.push(character);
            }
            self.text.push(character);
        }
        self.text.push('\'');
        self
    }

    /// Appends a placeholder for a value.
    pub fn bind(&mut self, value: Bind) -> &mut Self {
        self.binds.push(value);
        let start = self.text.len();
        match self.dialect {
            Dialect::Postgres => {
                let place = self.binds.len();
                self.text.push('$');
                self.text.push_str(&place.to_string());
            }
            Dialect::MySql | Dialect::Sqlite => self.text.push('?'),
        }
        self.places.push(start..self.text.len());
        self
    }

    /// Appends a whole statement with its values; nothing may have been bound before it.
    pub fn append(&mut self, statement: &Self) -> &mut Self {
        debug_assert!(self.binds.is_empty(), "PostgreSQL's placeholders are numbered");
        let before = self.text.len();
        self.places.extend(statement.places.iter().map(|place| place.start + before..place.end + before));
        self.text.push_str(&statement.text);
        self.binds.extend_from_slice(&statement.binds);
        self
    }

    /// The same with its values in the text, as PostgreSQL's COPY has to have it. They hold no NUL, and backslashes are characters
    /// like any other, as sessions are pinned.
    pub(super) fn written_out(&self) -> Self {
        let mut whole = Self::new(self.dialect);
        let mut written = 0;
        for (place, value) in self.places.iter().zip(&self.binds) {
            whole.sql(self.text.get(written..place.start).unwrap_or_default());
            match value {
                Bind::Null => whole.sql("NULL"),
                Bind::Text(text) => whole.quoted(text),
                Bind::Int(number) => whole.sql(&format!("({number})")),
                Bind::Unsigned(number) => whole.sql(&number.to_string()),
                Bind::Bytes(bytes) => whole.sql(&format!("'\\x{}'::bytea", hex::encode(bytes))),
            };
            written = place.end;
        }
        whole.sql(self.text.get(written..).unwrap_or_default());
        whole
    }

    fn quoted(&mut self, text: &str) -> &mut Self {
        self.text.push('\'');
        self.text.push_str(&text.replace('\'', "''"));
        self.text.push('\'');
        self
    }

    /// The text, with placeholders.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The values, in the order of their placeholders.
    pub fn binds(&self) -> &[Bind] {
        &self.binds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_literals_cannot_end_early() {
        let mut mysql = Statement::new(Dialect::MySql);
        mysql.sql("SELECT ").name("a`b\"c").sql(" = ").literal(r"it's \ fine");
        assert_eq!(mysql.text(), r"SELECT `a``b\\\c` = 'it''s \\ fine'".replace(r"\\\c", "\"c"));
        let mut postgres = Statement::new(Dialect::Postgres);
        postgres.name("a`b\"c").sql(" = ").bind(Bind::Int(1)).sql(" OR ").bind(Bind::Text("x".into()));
        assert_eq!(postgres.text(), "\"a`b\"\"c\" = $1 OR $2");
        assert_eq!(postgres.binds().len(), 2);
    }

    #[test]
    fn values_that_are_written_out_cannot_end_early() {
        let mut inner = Statement::new(Dialect::Postgres);
        inner.sql("SELECT '$1', ").bind(Bind::Text(r"it's \ '' $2".into())).sql("::text, ").name("$1");
        inner.sql(" FROM t WHERE a > ").bind(Bind::Int(-5)).sql(" AND b = ").bind(Bind::Bytes(vec![0, 255]));
        let mut outer = Statement::new(Dialect::Postgres);
        outer.sql("COPY (").append(&inner).sql(") TO STDOUT");
        let whole = outer.written_out();
        let text = r#"COPY (SELECT '$1', 'it''s \ '''' $2'::text, "$1" FROM t WHERE a > (-5) AND b = '\x00ff'::bytea) TO STDOUT"#;
        assert_eq!((whole.text(), whole.binds()), (text, &[][..]));
    }
}
