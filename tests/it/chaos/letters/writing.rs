//! Effects, letters and the record: what each write does, and who may write at all.

use super::{At, Late, Letter, Mutant, Record, World, bit};

impl World {
    pub(super) fn letter(&mut self, item: u8) -> &mut Option<Letter> {
        &mut self.letters[usize::from(item) - 1]
    }

    /// What a run would write for the letter of `item`, if anything.
    pub(super) fn letter_of(&mut self, item: u8, epoch: u8, mark: u8, mutant: Option<Mutant>) -> Option<Late> {
        let there = *self.letter(item);
        if let Some(known) = there
            && (known.epoch > epoch && mutant != Some(Mutant::OlderLetIn) || !known.void && known.batch == mark)
        {
            return None;
        }
        let seq = there.map_or(0, |known| known.seq) + 1;
        let written = Letter { seq, epoch, batch: mark, retry: false, void: false };
        Some((item, there.map(|known| (known.seq, known.epoch)), written))
    }

    pub(super) fn arrive(&mut self, (item, seen, written): Late) {
        let there = self.letter(item);
        if there.map(|known| (known.seq, known.epoch)) == seen {
            *there = Some(written);
        }
    }

    pub(super) fn void(&mut self, item: u8, epoch: u8, mutant: Option<Mutant>) {
        let there = self.letter(item);
        let (seq, least) = there.map_or((0, 0), |known| (known.seq, known.epoch));
        *there = Some(Letter { seq: seq + 1, epoch: epoch.max(least), batch: 0, retry: false, void: true });
        if mutant == Some(Mutant::Deleted) {
            *there = None;
        }
    }

    /// Takes a letter back that nobody has counted, and lets none in that comes later.
    pub(super) fn shut_out(&mut self, item: u8, epoch: u8, mark: u8, mutant: Option<Mutant>) {
        let there = *self.letter(item);
        let theirs = there.is_some_and(|known| known.epoch > epoch || !known.void && known.batch != mark);
        if !(theirs || there.is_none() && mutant == Some(Mutant::InFlightUnnamed)) {
            self.void(item, epoch, mutant);
        }
    }

    /// Moves an item; whether it was not there yet.
    pub(super) fn insert(&mut self, item: u8, epoch: u8) -> bool {
        let new = self.target & bit(item) == 0;
        self.zombie |= new && epoch != self.record.epoch;
        self.target |= bit(item);
        new
    }

    /// One conditional write of the record; false: somebody has taken over.
    pub(super) fn write(&mut self, number: usize, change: impl FnOnce(&mut Record)) -> bool {
        let run = &mut self.runs[number];
        let key = |it: &Record| (it.seq, it.epoch, it.owner);
        if key(&self.record) != key(&run.seen) {
            run.at = At::Over;
            return false;
        }
        change(&mut run.seen);
        run.seen.seq += 1;
        self.record = run.seen;
        true
    }

    /// Letters that count.
    pub(super) fn open_letters(&self) -> impl Iterator<Item = u8> {
        (1..).zip(&self.letters).filter(|(_, letter)| letter.is_some_and(|it| !it.void)).map(|(item, _)| item)
    }
}
