//! The example that archives a shop, on the tables that it is written for.

use crate::rows::stage::{KINDS, Stage};
use crate::support::tpch;
use milkrun::spec::{ColumnValue, parse};

#[test]
fn tpch_orders_and_their_line_items_arrive_row_by_row() {
    let definition = parse("shop-archive", include_str!("../../../../examples/archive/shop-archive.toml"));
    let definition = definition.unwrap_or_else(|error| panic!("{error}")).into_rows().expect("rows");
    let fed = |columns: &[(String, ColumnValue)]| {
        let fed = |(_, value): &(String, ColumnValue)| match value {
            ColumnValue::Column(name) => Some(name.clone()),
            _ => None,
        };
        columns.iter().filter_map(fed).collect::<Vec<_>>()
    };
    let orders = fed(&definition.target.columns);
    let lines = fed(&definition.source.related[0].target.as_ref().expect("a target").columns);
    assert_eq!((orders.len(), lines.len()), (9, 16), "all of them are copied");
    for kind in KINDS {
        let stage = Stage::new(kind);
        tpch::load(&stage.database, 0.01);
        let outcome = stage.move_all(&definition, 1000);
        let rows = |table: &str, names: &[String], key: &str, filter: &str| {
            let names: Vec<String> =
                names.iter().map(|name| format!("CAST({name} AS {{{{TEXT||CHAR||TEXT}}}})")).collect();
            stage.rows(&format!("SELECT {} FROM {table} t{filter} ORDER BY {key}", names.join(", ")))
        };
        let closed = " WHERE o_orderstatus = 'F'";
        let ours = rows("orders", &orders, "t.o_orderkey", closed);
        assert_eq!(outcome.moved, ours.len() as u64, "{kind:?}");
        assert!(ours.len() > 7000);
        assert!(ours == rows("order_archive", &orders, "t.o_orderkey", ""), "{kind:?}");
        let key = "t.l_orderkey, t.l_linenumber";
        let of_closed = format!(" WHERE l_orderkey IN (SELECT o_orderkey FROM orders{closed})");
        let ours = rows("lineitem", &lines, key, &of_closed);
        assert!(ours == rows("lineitem_archive", &lines, key, ""), "{kind:?}");
        assert_eq!(stage.verify_all(&definition, 2000).equal, outcome.moved, "{kind:?}");
    }
}
