//! What was read of an inventory of late. A data file cannot be read from its middle: so a run goes on where it is, and what the engine asks for
//! twice, because a batch failed or has to be smaller, is still here.

use super::Stored;
use super::error::{InventoryError, What};
use super::place::{Place, Point};
use super::reader::Reader;
use super::unpack::Row;
use std::collections::{BTreeMap, VecDeque};
use tokio::time::Instant;

/// Rows that follow one another, and whatever reads on behind them.
#[derive(Default)]
pub(super) struct Window {
    /// The place before the first row.
    start: Point,
    /// What was asked for last began here: it may be asked for again.
    asked: Point,
    rows: VecDeque<Row>,
    /// The data file that is being read, or comes next.
    file: usize,
    reader: Option<Reader>,
    /// Tags of the data files that were opened.
    tags: BTreeMap<usize, String>,
}

/// What is asked for.
pub(super) struct Ask<'a> {
    /// Rows behind this place,
    pub(super) after: Point,
    /// up to this one,
    pub(super) until: Point,
    /// and so many of them at most.
    pub(super) most: usize,
    /// Places whose data files have to be what they were.
    pub(super) pinned: [Option<&'a Place>; 2],
}

/// Rows that were asked for.
pub(super) struct Taken {
    /// In their order.
    pub(super) rows: Vec<Row>,
    /// There are no more in the whole inventory.
    pub(super) over: bool,
}

impl Window {
    /// The next rows, as many as there is time for; at least one, unless there is none up to there.
    pub(super) async fn next(
        &mut self,
        from: &Stored<'_>,
        ask: &Ask<'_>,
        deadline: Instant,
    ) -> Result<Taken, InventoryError> {
        self.turn_to(ask.after);
        let first = self.rows.partition_point(|row| row.at <= ask.after);
        let mut over = false;
        loop {
            let there = self.rows.len() - first;
            if there >= ask.most || self.rows.back().is_some_and(|row| row.at >= ask.until) {
                break;
            }
            if Instant::now() >= deadline {
                if there == 0 {
                    return Err(InventoryError::Late(What::File(self.file)));
                }
                break;
            }
            if !self.read_on(from, ask, deadline).await? {
                over = true;
                break;
            }
        }
        let rows = self.rows.iter().skip(first).take(ask.most).take_while(|row| row.at <= ask.until);
        Ok(Taken { rows: rows.cloned().collect(), over })
    }

    /// The tag of a data file that was opened.
    pub(super) fn tag_of(&self, file: usize) -> Option<&str> {
        self.tags.get(&file).map(String::as_str)
    }

    /// Lets go of what will not be asked for again; what is asked for and is not here has to be read anew.
    fn turn_to(&mut self, after: Point) {
        let end = self.rows.back().map_or(self.start, |row| row.at);
        if after < self.start || after > end {
            *self = Self { start: after, asked: after, file: after.file, ..Self::default() };
        }
        let from = self.asked.min(after);
        while self.rows.front().is_some_and(|row| row.at <= from) {
            self.rows.pop_front();
        }
        self.start = self.start.max(from);
        self.asked = after;
    }

    /// Reads on, a little; whether there was anything left.
    async fn read_on(&mut self, from: &Stored<'_>, ask: &Ask<'_>, deadline: Instant) -> Result<bool, InventoryError> {
        if self.file >= from.manifest.files.len() {
            return Ok(false);
        }
        if self.reader.is_none() {
            let pinned = ask.pinned.iter().flatten().find_map(|place| place.tag_of(self.file));
            let reader = Reader::open(from, self.file, pinned, deadline).await?;
            self.tags.insert(self.file, reader.tag().to_owned());
            self.reader = Some(reader);
        }
        let Some(reader) = &mut self.reader else { return Ok(true) };
        // What lies before the first row is only counted.
        let skip = if self.start.file == self.file { self.start.records } else { 0 };
        let read = reader.more(from, skip, &mut self.rows, deadline).await;
        if reader.is_over() {
            (self.reader, self.file) = (None, self.file + 1);
        }
        if read.as_ref().is_err_and(|error| !error.passes()) {
            *self = Self::default();
        }
        read.map(|()| true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::s3::Listed;

    fn at(file: usize, records: u64) -> Point {
        Point { file, records }
    }

    /// A window over three files of ten rows each, all of them read.
    fn full() -> Window {
        let row = |file, records| {
            let object = Listed { key: "k".to_owned(), bytes: 0, etag: String::new(), modified: None, class: None };
            Row { at: at(file, records), object, current: true }
        };
        let rows = (0..3).flat_map(|file| (1..=10).map(move |records| row(file, records))).collect();
        Window { rows, file: 3, ..Window::default() }
    }

    fn there(window: &Window) -> (Option<Point>, usize) {
        (window.rows.front().map(|row| row.at), window.rows.len())
    }

    #[test]
    fn what_may_be_asked_for_again_stays_and_nothing_before_it() {
        let mut window = full();
        window.turn_to(at(0, 4));
        assert_eq!(there(&window), (Some(at(0, 1)), 30), "the batch before may fail and be read again");
        window.turn_to(at(0, 9));
        assert_eq!(there(&window), (Some(at(0, 5)), 26));
        window.turn_to(at(0, 4));
        assert_eq!(there(&window), (Some(at(0, 5)), 26), "it did");
        window.turn_to(at(1, 2));
        window.turn_to(at(1, 5));
        assert_eq!((there(&window), window.start), ((Some(at(1, 3)), 18), at(1, 2)));
        window.turn_to(at(2, 10));
        window.turn_to(at(2, 10));
        assert_eq!((there(&window), window.file), ((None, 0), 3), "at the end");
    }

    #[test]
    fn what_is_not_here_is_read_anew() {
        let mut window = full();
        window.turn_to(at(0, 4));
        window.turn_to(at(1, 4));
        window.turn_to(at(0, 2));
        assert_eq!((there(&window), window.start, window.file), ((None, 0), at(0, 2), 0), "too long ago");
        let mut window = full();
        window.turn_to(at(5, 1));
        assert_eq!((there(&window), window.start, window.file), ((None, 0), at(5, 1), 5), "too far ahead");
    }
}
