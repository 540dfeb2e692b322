//! A kind of migration of your own, chunk by chunk under milkrun's lease, budget, passes and ledger: the words of a list
//! become capitals in a map. Put a source and a target of yours in their place.

use milkrun::cursor::{Cursor, KeyPart};
use milkrun::engine::migration::{Effort, Migration, Outcome, Range, Read};
use milkrun::{engine::run::Run, fault::Fault, ledger::Sqlite, spec::Limits};
use std::{collections::HashMap, error::Error, sync::Arc, time::Duration};
use tokio::sync::Mutex;

struct Capitals(Vec<Cursor>, Mutex<HashMap<Cursor, String>>);
type Found = Result<Option<Read<Vec<Cursor>>>, Fault>;

impl Migration for Capitals {
    type Batch = Vec<Cursor>;

    async fn bound(&self, _: Option<&Cursor>, _: Duration) -> Result<Option<Cursor>, Fault> {
        Ok(self.0.last().cloned())
    }
    async fn read(&self, range: &Range, after: Option<&Cursor>, size: u64, _: Duration) -> Found {
        let beyond = |key: &Cursor| self.0.iter().position(|word| word == key).map_or(0, |place| place + 1);
        let inside = self.0[..beyond(&range.bound)].iter().skip(after.map_or(0, beyond));
        let batch: Vec<Cursor> = inside.take(usize::try_from(size).unwrap_or(usize::MAX)).cloned().collect();
        let (end, scanned) = (batch.last().cloned(), batch.len() as u64);
        Ok(end.map(|end| Read { batch, end, scanned, bytes: 0, found: Vec::new() }))
    }
    async fn sweep(&self, range: &Range, after: Option<&Cursor>, size: u64, limit: Duration) -> Found {
        let Some(mut read) = self.read(range, after, size, limit).await? else { return Ok(None) };
        let there = self.1.lock().await;
        read.batch.retain(|key| !there.contains_key(key));
        Ok(Some(Read { found: read.batch.clone(), ..read }))
    }
    fn fetch(&self, _: &Range, keys: &[Cursor]) -> Vec<Cursor> {
        keys.to_vec()
    }
    async fn write(&self, batch: &Vec<Cursor>, effort: &Effort) -> Result<Outcome, Fault> {
        let (mut outcome, mut there) = (Outcome::default(), self.1.lock().await);
        for key in batch {
            // Where one can be there and differ, it belongs in `outcome.aside`, with the class `conflict`.
            let new = there.insert(key.clone(), key.texts().concat().to_uppercase()).is_none();
            let count = if new || effort.recovered { &mut outcome.moved } else { &mut outcome.skipped };
            *count += 1;
        }
        Ok(outcome)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let words = ["blue", "float", "milk", "round", "van"].map(|word| Cursor(vec![KeyPart::Text(word.to_owned())]));
    let (capitals, folder) = (Capitals(words.to_vec(), Mutex::default()), tempfile::tempdir()?);
    let ledger = Arc::new(Sqlite::open(&folder.path().join("ledger.db"))?);
    let limits = Limits { settle: Duration::ZERO, ..Limits::default() };
    for _ in 0..3 {
        let run = Run::new("capitals", &capitals, &limits, ledger.clone(), Duration::from_secs(3), 512);
        let report = Run { max_items: Some(2), ..run }.chunk().await?;
        println!("{:?}: {} moved, {} in all", report.outcome, report.counters.moved, report.progress.moved);
    }
    Ok(())
}
