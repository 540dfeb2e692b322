//! The document: a row and its related rows as one JSON object, built by the source database in one expression.

use super::form::Form;
use crate::sql::Dialect;
use crate::sql::statement::Statement;

/// What a document, or one object inside it, is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Columns in the table's order.
    pub members: Vec<Member>,
    /// Related tables, in the order of the definition.
    pub arrays: Vec<Array>,
}

/// One column of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The column, and the name under which its value stands.
    pub column: String,
    /// It may be NULL.
    pub nullable: bool,
    /// How its value is written.
    pub form: Form,
}

/// One related table of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Array {
    /// The name under which it stands.
    pub name: String,
    /// Its schema, where the dialect has any.
    pub schema: Option<String>,
    /// Its table.
    pub table: String,
    /// What follows the table's alias so that the database looks the elements up by an index; may be empty.
    pub hint: String,
    /// The order of its elements.
    pub key: Vec<String>,
    /// Child column = parent column.
    pub on: Vec<(String, String)>,
    /// What its elements are made of.
    pub object: Object,
}

/// The SQL expression of the document of the row `alias`. It is never NULL: a database that cannot build it says so, by an
/// error or a warning.
pub fn expression(dialect: Dialect, object: &Object, alias: &str) -> String {
    Builder { dialect, aliases: 0 }.object(object, alias)
}

/// A quoted column of `alias`.
pub fn column(dialect: Dialect, alias: &str, name: &str) -> String {
    let mut statement = Statement::new(dialect);
    statement.sql(alias).sql(".").name(name);
    statement.text().to_owned()
}

/// A quoted table, with its schema.
pub fn table(dialect: Dialect, schema: Option<&str>, name: &str) -> String {
    let mut statement = Statement::new(dialect);
    if let Some(schema) = schema {
        statement.name(schema).sql(".");
    }
    statement.name(name);
    statement.text().to_owned()
}

/// A string literal.
pub fn literal(dialect: Dialect, value: &str) -> String {
    let mut statement = Statement::new(dialect);
    statement.literal(value);
    statement.text().to_owned()
}

/// PostgreSQL's functions take 100 arguments; SQLite's 127, in pairs.
const ARGUMENTS: usize = 80;

struct Builder {
    dialect: Dialect,
    aliases: u32,
}

/// JSON text that is being put together: literal text runs into the literal text before it.
struct Parts {
    dialect: Dialect,
    pending: String,
    done: Vec<String>,
}

impl Parts {
    fn text(&mut self, json: &str) {
        self.pending.push_str(json);
    }

    fn value(&mut self, sql: String) {
        if !self.pending.is_empty() {
            self.done.push(literal(self.dialect, &std::mem::take(&mut self.pending)));
        }
        self.done.push(sql);
    }

    fn finish(mut self) -> String {
        if !self.pending.is_empty() {
            self.done.push(literal(self.dialect, &std::mem::take(&mut self.pending)));
        }
        if self.dialect == Dialect::Sqlite {
            return self.done.join(" || ");
        }
        let mut parts = self.done;
        while parts.len() > ARGUMENTS {
            parts = parts.chunks(ARGUMENTS).map(|chunk| format!("CONCAT({})", chunk.join(", "))).collect();
        }
        format!("CONCAT({})", parts.join(", "))
    }
}

impl Builder {
    fn object(&mut self, object: &Object, alias: &str) -> String {
        let mut parts = Parts { dialect: self.dialect, pending: "{".into(), done: Vec::new() };
        let mut separator = "";
        if self.dialect == Dialect::Sqlite {
            for members in object.members.chunks(ARGUMENTS / 2) {
                parts.text(separator);
                separator = ",";
                let pairs: Vec<String> = members
                    .iter()
                    .map(|member| {
                        format!(
                            "{}, {}",
                            literal(self.dialect, &member.column),
                            column(self.dialect, alias, &member.column)
                        )
                    })
                    .collect();
                parts.value(format!("milkrun_members({})", pairs.join(", ")));
            }
        } else {
            for member in &object.members {
                parts.text(separator);
                separator = ",";
                parts.text(&key(&member.column));
                self.member(&mut parts, member, alias);
            }
        }
        for array in &object.arrays {
            parts.text(separator);
            separator = ",";
            parts.text(&key(&array.name));
            parts.value(self.array(array, alias));
        }
        parts.text("}");
        parts.finish()
    }

    fn member(&self, parts: &mut Parts, member: &Member, alias: &str) {
        let x = column(self.dialect, alias, &member.column);
        let written = member.form.write(self.dialect, &x);
        if member.nullable {
            // Not IFNULL: what a database could not build for want of room is NULL too, and must not look like a NULL.
            let value = if written.quote.is_empty() {
                format!("CONCAT({})", written.sql)
            } else {
                format!("CONCAT('{0}', {1}, '{0}')", written.quote, written.sql)
            };
            parts.value(format!("CASE WHEN {x} IS NULL THEN 'null' ELSE {value} END"));
        } else {
            parts.text(written.quote);
            parts.value(written.sql);
            parts.text(written.quote);
        }
    }

    fn array(&mut self, array: &Array, parent: &str) -> String {
        self.aliases += 1;
        let alias = format!("c{}", self.aliases);
        let child = self.object(&array.object, &alias);
        let from = table(self.dialect, array.schema.as_deref(), &array.table);
        let on = array
            .on
            .iter()
            .map(|(theirs, ours)| {
                format!("{} = {}", column(self.dialect, &alias, theirs), column(self.dialect, parent, ours))
            })
            .collect::<Vec<_>>()
            .join(" AND ");
        let order = array.key.iter().map(|name| column(self.dialect, &alias, name)).collect::<Vec<_>>().join(", ");
        let list = match self.dialect {
            Dialect::MySql => format!(
                "CASE WHEN COUNT(*) = 0 THEN '[]' ELSE \
                 CONCAT('[', GROUP_CONCAT({child} ORDER BY {order} SEPARATOR ','), ']') END"
            ),
            // The index gives the order; an aggregate with ORDER BY would sort each row's children.
            Dialect::Postgres => {
                return format!(
                    "concat('[', array_to_string(ARRAY(SELECT {child} FROM {from} {alias} WHERE {on} ORDER BY {order}), ','), ']')"
                );
            }
            Dialect::Sqlite => format!("'[' || coalesce(group_concat({child}, ',' ORDER BY {order}), '') || ']'"),
        };
        format!("(SELECT {list} FROM {from} {alias}{} WHERE {on})", array.hint)
    }
}

fn key(name: &str) -> String {
    format!("{}:", serde_json::Value::from(name))
}
