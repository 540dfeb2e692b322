//! A related table whose rows are copied to a table of their own, in the same transaction as the item that they belong to.

use super::landing::Landing;
use crate::sql::Dialect;
use crate::sql::statement::Statement;

/// The copy of one related table.
#[derive(Clone, Debug, PartialEq)]
pub struct Copy {
    /// The related table's name, after those of the ones above it: `items.discounts`.
    pub name: String,
    /// The tables from the item's row `t` down to the one that is copied, which is the last.
    pub branches: Vec<Branch>,
    /// Where it goes.
    pub landing: Landing,
}

/// A related table on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Branch {
    /// The table, quoted.
    pub table: String,
    /// Its alias.
    pub alias: String,
    /// What follows the alias so that the database looks its rows up by an index; may be empty.
    pub hint: String,
    /// Its rows = those of the table above it.
    pub on: String,
}

impl Copy {
    /// Appends the related rows of the items `t`, joined to them. Each database is told to look them up item by item: by
    /// statistics of an emptier table it might walk all of the related table, batch after batch.
    pub(super) fn join_rows(&self, statement: &mut Statement) {
        for branch in &self.branches {
            statement.sql(&join(self.landing.dialect, branch));
        }
    }

    /// Appends the targets of these rows, where there are any.
    pub(super) fn join_targets(&self, statement: &mut Statement) {
        let Landing { dialect, target, theirs, .. } = &self.landing;
        let matches = self.landing.matches();
        let text = match dialect {
            Dialect::Postgres => {
                format!(
                    " LEFT JOIN LATERAL (SELECT {theirs}.* FROM {target} {theirs} WHERE {matches} OFFSET 0) {theirs} ON true"
                )
            }
            Dialect::MySql | Dialect::Sqlite => format!(" LEFT JOIN {target} {theirs} ON {matches}"),
        };
        statement.sql(&text);
    }

    /// Some row of the item `t` is not in the target, or is another there.
    pub(super) fn is_unequal(&self) -> String {
        self.exists(&format!("({} OR NOT ({}))", self.landing.absent(), self.landing.equal()))
    }

    /// Some row of the item `t` is in the target and is another there.
    pub(super) fn is_different(&self) -> String {
        self.exists(&format!("(NOT ({}) AND NOT ({}))", self.landing.absent(), self.landing.equal()))
    }

    fn exists(&self, condition: &str) -> String {
        let mut statement = Statement::new(self.landing.dialect);
        let mut branches = self.branches.iter();
        let Some(Branch { table, alias, hint, on }) = branches.next() else { return "1 = 0".to_owned() };
        statement.sql("EXISTS (SELECT 1 FROM ").sql(table).sql(" ").sql(alias).sql(hint);
        for branch in branches {
            statement.sql(&join(self.landing.dialect, branch));
        }
        self.join_targets(&mut statement);
        statement.sql(" WHERE ").sql(on).sql(" AND ").sql(condition);
        // So that PostgreSQL asks item by item, and does not read the whole table to have all the answers.
        statement.sql(if self.landing.dialect == Dialect::Postgres { " OFFSET 0)" } else { ")" });
        statement.text().to_owned()
    }
}

/// ` JOIN`, the rows of a related table, looked up by those of the table above it.
pub(super) fn join(dialect: Dialect, Branch { table, alias, hint, on }: &Branch) -> String {
    match dialect {
        Dialect::MySql => format!(" STRAIGHT_JOIN {table} {alias}{hint} ON {on}"),
        Dialect::Sqlite => format!(" CROSS JOIN {table} {alias}{hint} ON {on}"),
        Dialect::Postgres => {
            format!(" CROSS JOIN LATERAL (SELECT {alias}.* FROM {table} {alias} WHERE {on} OFFSET 0) {alias}")
        }
    }
}
