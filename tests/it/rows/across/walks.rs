//! Each side of a comparison is walked by its own index, whichever way its columns stand.

use super::pair::{Pair, pairs};

#[test]
fn a_target_whose_key_stands_the_other_way_round_is_walked_too() {
    for kinds in pairs() {
        let pair = Pair::new(kinds);
        pair.source.execute("CREATE TABLE visits (a INT NOT NULL, b VARCHAR(9) NOT NULL, n INT, PRIMARY KEY (a, b))");
        for place in 0..30 {
            pair.source.execute(&format!("INSERT INTO visits VALUES ({}, 'b{}', {place})", place % 6, place / 6));
        }
        let source = "table = \"visits\"\nkey = [\"a\", \"b\"]";
        let target = "table = \"visited\"\nkey = [\"b\", \"a\"]\ncreate = true\n[target.columns]\na = \"a\"\nb = \"b\"\nn = \"n\"";
        let definition = Pair::definition(source, target, "");
        assert_eq!(pair.move_all(&definition, 7).moved, 30);
        pair.target.execute("INSERT INTO visited (a, b, n) VALUES (2, 'b9', 1), (9, 'b2', 1)");
        for size in [1, 4, 100] {
            let found = pair.verify_all(&definition, size, None);
            assert_eq!((found.equal, found.extra), (30, 2), "{found:?}");
            let mut extra: Vec<_> = found.examples.iter().map(|(key, kind)| (key.json(), *kind)).collect();
            extra.sort();
            assert_eq!(extra, [("[\"2\",\"b9\"]".to_owned(), "extra"), ("[\"9\",\"b2\"]".to_owned(), "extra")]);
        }
    }
}
