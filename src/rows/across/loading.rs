//! Loading a batch: items, and the related rows that go with them, all of one moment.

use super::super::faults::RowsError;
use super::super::link::{Deadline, without_warnings};
use super::super::mapping::{Mapping, Stretch};
use super::copy::Related;
use super::reading::{Items, Most};
use super::{Across, Cargo};
use crate::cursor::Cursor;
use crate::sql::Session;
use crate::sql::grid::{Form, Grid};
use std::time::SystemTime;

/// What was loaded: the items, and whatever of them can be written.
pub(super) struct Loaded {
    /// How many they are.
    pub(super) items: u64,
    /// The key of the last one.
    pub(super) last: Option<Cursor>,
    /// The keys of all, where the stretch names its own.
    pub(super) named: Vec<Cursor>,
    /// As in [`Items`].
    pub(super) is_cut: bool,
    pub(super) too_large: Option<Cursor>,
    pub(super) is_crowded: bool,
    /// The error if there is a value that the target cannot hold.
    pub(super) cargo: Result<Cargo, RowsError>,
}

impl Across {
    /// The first items of a stretch, with their related rows.
    pub(super) async fn load(
        &self,
        mapping: &Mapping,
        session: &mut Session,
        stretch: &Stretch<'_>,
        pass_started: SystemTime,
        most: Most,
        deadline: Deadline,
    ) -> Result<Loaded, RowsError> {
        // What is about to be deleted is locked by the transaction that is open: that one holds it still.
        let snapshot = !self.copies.is_empty() && !session.is_in_transaction();
        if snapshot {
            session.begin_read_only(deadline.left()).await?;
        }
        let loaded = self.read_all(mapping, session, stretch, pass_started, most, deadline).await;
        if snapshot && !session.is_lost() {
            session.rollback(deadline.left()).await?;
        }
        let (items, related) = loaded?;
        let Items { page, is_cut, too_large, is_crowded } = items;
        let last = page.len().checked_sub(1).map(|row| mapping.key_at(&page, row)).transpose()?;
        let named = match stretch {
            Stretch::Keys(_) => (0..page.len()).map(|row| mapping.key_at(&page, row)).collect::<Result<_, _>>()?,
            Stretch::Range { .. } => Vec::new(),
        };
        let items = page.len() as u64;
        let cargo = related.and_then(|related| Ok(Cargo::of(&self.route, page)?.beside(related)));
        Ok(Loaded { items, last, named, is_cut, too_large, is_crowded, cargo })
    }

    async fn read_all(
        &self,
        mapping: &Mapping,
        session: &mut Session,
        stretch: &Stretch<'_>,
        pass_started: SystemTime,
        most: Most,
        deadline: Deadline,
    ) -> Result<(Items, Result<Vec<Related>, RowsError>), RowsError> {
        let mut items = mapping.read_items(session, &self.route, stretch, pass_started, most, deadline).await?;
        if self.copies.is_empty() {
            return Ok((items, Ok(Vec::new())));
        }
        while let Some(row) = items.page.len().checked_sub(1) {
            let room = most.bytes.saturating_sub(items.page.bytes()).max(most.item);
            let last = mapping.key_at(&items.page, row)?;
            let named;
            let whole = match *stretch {
                Stretch::Range { after, .. } => Stretch::Range { after, end: &last },
                Stretch::Keys(_) => {
                    let keys = (0..=row).map(|row| mapping.key_at(&items.page, row));
                    named = keys.collect::<Result<Vec<_>, _>>()?;
                    Stretch::Keys(&named)
                }
            };
            let pages = self.related_pages(mapping, session, &whole, pass_started, (room, most.item), deadline).await?;
            if let Some(pages) = pages {
                let related = self.copies.iter().zip(pages).map(|(copy, page)| copy.related(&items.page, page));
                let related = related.collect();
                return Ok((items, related));
            }
            // Fewer items have fewer of them.
            items.is_cut = true;
            items.is_crowded = row == 0;
            items.too_large = (row == 0).then_some(last);
            items.page.truncate(row.div_ceil(2));
        }
        Ok((items, Ok(Vec::new())))
    }

    /// The related rows of the items of a stretch; `None` if they are more than there is room for.
    async fn related_pages(
        &self,
        mapping: &Mapping,
        session: &mut Session,
        stretch: &Stretch<'_>,
        pass_started: SystemTime,
        (mut room, item): (u64, u64),
        deadline: Deadline,
    ) -> Result<Option<Vec<Grid>>, RowsError> {
        let mut pages = Vec::with_capacity(self.copies.len());
        for copy in &self.copies {
            let statement = copy.rows(mapping, stretch, pass_started, &copy.route.shown(item))?;
            let page = session.read_many(&statement, Form::Cast, room, deadline.left()).await?;
            without_warnings(session, deadline).await?;
            let is_left = (0..page.rows.len()).any(|row| copy.route.is_left(&page.rows, row));
            if page.is_cut || is_left {
                return Ok(None);
            }
            room = room.saturating_sub(page.rows.bytes()).max(1);
            pages.push(page.rows);
        }
        Ok(Some(pages))
    }
}
