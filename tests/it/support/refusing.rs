//! A target with a rule of its own, and orders that break it.

use super::job::Job;
use serde_json::Value;

const CLOSED: &str = "status IN ('uncollected', 'cancelled', 'dispensed')";

/// Makes the target as an earlier life would have left it, empty, and has it refuse every document with `hunter2` in it. On
/// SQLite a trigger, elsewhere a CHECK named `rule`.
pub fn refuse(job: &Job) {
    job.reply(&["run", &job.name, "--max-items", "1"]);
    job.reply(&["reset", &job.name, "--confirm", &job.name]);
    job.database.execute("DELETE FROM order_history");
    job.database.execute(if job.database.is_sqlite() {
        "CREATE TRIGGER rule BEFORE INSERT ON order_history WHEN NEW.document LIKE '%hunter2%'
         BEGIN SELECT RAISE(ABORT, 'hunter2 is refused'); END"
    } else {
        "ALTER TABLE order_history ADD CONSTRAINT rule CHECK (document NOT LIKE '%hunter2%')"
    });
}

/// The keys of the closed orders at these places.
pub fn closed(job: &Job, places: &[usize]) -> Vec<i64> {
    let rows = job.database.rows(&format!("SELECT id FROM orders WHERE {CLOSED} ORDER BY id"));
    let key = |place: &usize| rows[*place][0].as_deref().unwrap().parse().unwrap();
    places.iter().map(key).collect()
}

/// Makes these orders break the rule.
pub fn spoil(job: &Job, keys: &[i64]) {
    set(job, keys, "hunter2");
}

/// Makes them keep it.
pub fn cure(job: &Job, keys: &[i64]) {
    set(job, keys, "cured");
}

fn set(job: &Job, keys: &[i64], customer: &str) {
    let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
    job.database.execute(&format!("UPDATE orders SET customer = '{customer}' WHERE id IN ({})", keys.join(",")));
}

/// The four counters of a reply's `progress`.
#[track_caller]
pub fn progress(reply: &Value) -> [u64; 4] {
    ["moved", "skipped", "conflicts", "failed"].map(|name| reply["progress"][name].as_u64().unwrap())
}

/// The dead letters, by key: class and the whole of it.
pub fn letters(job: &Job) -> Vec<(i64, String, Value)> {
    let (mut found, mut next) = (Vec::new(), Value::Null);
    loop {
        let page = match next.as_str() {
            None => job.reply(&["failed", &job.name]),
            Some(next) => job.reply(&["failed", &job.name, "--next", next]),
        };
        for item in page["items"].as_array().unwrap() {
            let key = item["key"][0].as_str().unwrap().parse().unwrap();
            found.push((key, item["class"].as_str().unwrap().to_owned(), item.clone()));
        }
        next = page["next"].clone();
        if next.is_null() {
            found.sort_by_key(|letter| letter.0);
            return found;
        }
    }
}
