//! The tools of the tests, tested: an oracle that sees nothing would let everything pass.

use crate::support::database::{Cell, Database};
use crate::support::history::{actual, differences, expected};
use crate::support::loopback::Loopback;
use crate::support::shop::{self, Size};
use crate::support::slow::Slow;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

#[test]
fn the_oracle_sees_lost_doubled_and_changed_documents() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::connect(&format!("sqlite://{}/shop.db", folder.path().display()));
    shop::load(&database, Size { orders: 40, closed: 16, items: 3, discounts: 2 });
    let documents = expected(&database, &shop::closed(&database));
    assert_eq!(documents.len(), 16);

    database.execute("CREATE TABLE order_history (order_id INTEGER, document TEXT)");
    let rows = documents.iter().map(|(key, value)| vec![Cell::Text(key.clone()), Cell::Text(value.to_string())]);
    database.load("order_history", rows);
    let right = || actual(&database, "order_history", "order_id");
    assert_eq!(differences(&documents, right()), Vec::<String>::new());

    let caught = |rows: Vec<(String, serde_json::Value)>, complaint: &str| {
        let wrong = differences(&documents, rows);
        assert!(wrong.len() == 1 && wrong[0].contains(complaint), "{wrong:?}");
    };
    let mut lost = right();
    lost.pop();
    caught(lost, "lost");
    let mut doubled = right();
    doubled.push(doubled[3].clone());
    caught(doubled, "there 2 times");
    let mut foreign = right();
    foreign.push(("0".to_owned(), serde_json::json!({})));
    caught(foreign, "nothing of the kind");
    let mut changed = right();
    let quantity = changed.iter_mut().find_map(|(_, order)| order.pointer_mut("/items/0/quantity")).unwrap();
    *quantity = serde_json::json!(0);
    caught(changed, "should be");
}

#[test]
fn a_slow_database_is_slow_and_can_be_cut_off() {
    let echo = Loopback::serving(|client| {
        let _ = std::io::copy(&mut &client, &mut &client);
    });
    let (slow, url) = Slow::before(&format!("mysql://root@{}/shop", echo.address), Duration::from_millis(50));
    let through = url.strip_prefix("mysql://root@").unwrap().strip_suffix("/shop").unwrap();
    let mut client = TcpStream::connect(through).unwrap();
    let mut speak = || {
        let started = Instant::now();
        client.write_all(b"x").unwrap();
        (client.read(&mut [0]).map_or(0, |length| length), started.elapsed())
    };
    let (length, took) = speak();
    assert!(length == 1 && took >= Duration::from_millis(50), "{length} in {took:?}");
    slow.set_delay(Duration::ZERO);
    let (length, took) = speak();
    assert!(length == 1 && took < Duration::from_millis(50), "{length} in {took:?}");
    assert_eq!(slow.flights(), 2);
    assert_eq!(slow.drop_connections(), 1);
    assert_eq!(client.read(&mut [0]).map_or(0, |length| length), 0);
}
