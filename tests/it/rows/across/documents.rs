//! Documents: byte for byte those of the same-database path.

use super::pair::{Pair, pairs};
use crate::rows::stage::Stage;
use crate::support::shop::{self, Size};

const SHOP: Size = Size { orders: 400, closed: 170, items: 4, discounts: 2 };

/// The shop's `[source]` and `[target]`, less the databases.
fn sections() -> (String, String) {
    let text = shop::migration("").replace("database = \"$SHOP_DATABASE_URL\"\n", "");
    let sections = text.split_once("[source]\n").expect("a source").1;
    let (source, rest) = sections.split_once("[target]\n").expect("a target");
    (source.to_owned(), rest.split_once("[limits]").expect("limits").0.to_owned())
}

fn history(stage: &Stage) -> Vec<Vec<Option<String>>> {
    let mut rows = stage.rows("SELECT order_id, status, document, digest, run FROM order_history ORDER BY order_id");
    rows.sort();
    rows
}

#[test]
fn documents_are_those_of_the_same_database() {
    let (source, target) = sections();
    for kinds in pairs() {
        let pair = Pair::new(kinds);
        shop::load(&pair.source.database, SHOP);
        shop::create_history(&pair.target.database);
        let closed = SHOP.closed.unsigned_abs();
        assert_eq!(pair.source.move_all(&pair.source.definition(&source, &target), 50).moved, closed);
        let definition = Pair::definition(&source, &target, "");
        let moved = pair.move_all(&definition, 50);
        assert_eq!((moved.moved, moved.skipped, moved.aside), (closed, 0, vec![]));
        assert!(history(&pair.source) == history(&pair.target), "the documents differ");
        let again = pair.move_all(&definition, 70);
        assert_eq!((again.moved, again.skipped, again.aside), (0, closed, vec![]));
        let verified = pair.verify_all(&definition, 60, None);
        assert_eq!((verified.checked, verified.equal, verified.extra), (closed, closed, 0), "{verified:?}");
    }
}
