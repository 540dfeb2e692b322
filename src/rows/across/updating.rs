//! The statement that rewrites one row of a target.

use super::lookup::bound_key;
use super::refreshing::Only;
use super::route::Route;
use super::shipment::Shipment;
use crate::cursor::Cursor;
use crate::sql::Dialect;
use crate::sql::bulk::{Rows as _, Value};
use crate::sql::statement::{Bind, Statement};

impl Route {
    /// Makes the target of `key` what a row of a shipment is, `only` if this is true of it.
    pub(super) fn update(&self, shipment: &Shipment, row: usize, key: &Cursor, only: Option<&Only>) -> Statement {
        let dialect = self.dialect();
        let mut statement = Statement::new(dialect);
        statement.sql(if dialect == Dialect::Sqlite { "UPDATE OR ABORT " } else { "UPDATE " }).sql(&self.into.name);
        statement.sql(if dialect == Dialect::MySql { " h" } else { " AS h" });
        for (place, column) in self.into.columns.iter().enumerate() {
            statement.sql(if place == 0 { " SET " } else { ", " }).name(&column.name).sql(" = ");
            let bind = match shipment.value(row, place) {
                Value::Null => None,
                Value::Bytes(bytes) => Some(Bind::Bytes(bytes.to_vec())),
                Value::Text(text) => Some(Bind::Text(String::from_utf8_lossy(text).into_owned())),
                Value::Int(number) => Some(Bind::Int(number)),
                Value::Real(bits) => Some(Bind::Text(format!("{:?}", f64::from_bits(bits)))),
            };
            match bind {
                None => statement.sql("NULL"),
                Some(bind) => {
                    statement.sql(&column.before).bind(bind);
                    statement.sql(&column.behind)
                }
            };
        }
        statement.sql(" WHERE ");
        for (place, part) in self.key.iter().enumerate() {
            statement.sql(if place == 0 { "" } else { " AND " }).name(&part.name).sql(" = ").sql(&part.turn.before);
            bound_key(&mut statement, key, place);
            statement.sql(&part.turn.behind);
        }
        if let Some(only) = only {
            statement.sql(" AND (");
            only.append(&mut statement);
            statement.sql(")");
        }
        statement
    }
}
