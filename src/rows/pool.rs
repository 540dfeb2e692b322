//! Sessions with one database: as many as work side by side, each opened when it is first needed.

use super::link::{Deadline, Link};
use crate::sql::{ConnectOptions, Session};
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::{Semaphore, SemaphorePermit};

/// A pool of sessions.
pub(super) struct Pool {
    options: ConnectOptions,
    /// Those that nobody uses, the one used last at the end.
    idle: Mutex<Vec<Session>>,
    /// How many more may be in use.
    room: Semaphore,
    most: usize,
    /// Bytes that a value may have in a session that is opened later.
    max_length: Option<u64>,
}

/// A link that is somebody's until it is dropped.
pub(crate) struct Taken<'a> {
    pool: &'a Pool,
    link: Link,
    _room: Option<SemaphorePermit<'a>>,
}

impl Pool {
    /// A pool of up to `most` sessions, of which some are open.
    pub(super) fn new(options: ConnectOptions, most: usize, mut open: Vec<Session>) -> Self {
        open.truncate(most);
        Self { options, idle: Mutex::new(open), room: Semaphore::new(most), most, max_length: None }
    }

    /// The same, in whose sessions a value may have so many bytes: those that are open know it already.
    pub(super) fn with_max_length(self, bytes: u64) -> Self {
        Self { max_length: Some(bytes), ..self }
    }

    /// How many may be in use at once.
    pub(super) fn size(&self) -> usize {
        self.most
    }

    /// A link of one's own; where all are in use, the next that comes back.
    pub(super) async fn take(&self) -> Taken<'_> {
        // It is never closed.
        let room = self.room.acquire().await.ok();
        let session = self.idle().pop();
        let link = Link::new(self.options.clone(), session).with_max_length(self.max_length);
        Taken { pool: self, link, _room: room }
    }

    /// Empties the pool: those of its sessions that still answer.
    pub(super) async fn into_alive(self, deadline: Deadline) -> Vec<Session> {
        let mut alive = Vec::new();
        for session in self.idle.into_inner().unwrap_or_else(PoisonError::into_inner) {
            alive.extend(Link::new(self.options.clone(), Some(session)).alive(deadline).await);
        }
        alive
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Session>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Deref for Taken<'_> {
    type Target = Link;

    fn deref(&self) -> &Link {
        &self.link
    }
}

impl DerefMut for Taken<'_> {
    fn deref_mut(&mut self) -> &mut Link {
        &mut self.link
    }
}

impl Drop for Taken<'_> {
    /// A session that was given up in the middle of a call knows it: whoever takes it next opens another.
    fn drop(&mut self) {
        if let Some(session) = self.link.take() {
            self.pool.idle().push(session);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Class;
    use crate::sql::Dialect;
    use crate::sql::statement::Statement;
    use std::time::Duration;

    #[tokio::test]
    async fn a_session_that_is_opened_again_keeps_to_the_same_length_of_values() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("shop.db");
        std::fs::write(&file, "").unwrap();
        let pool = Pool::new(ConnectOptions::sqlite(file), 1, Vec::new()).with_max_length(1 << 20);
        let deadline = Deadline::after(Duration::from_secs(10));
        let mut large = Statement::new(Dialect::Sqlite);
        large.sql("SELECT length(hex(zeroblob(1000000)))");
        for _ in 0..2 {
            let mut link = pool.take().await;
            let session = link.session(deadline).await.unwrap();
            let error = session.rows(&large, deadline.left()).await.unwrap_err();
            assert_eq!(error.class(), Class::TooLarge, "{error}");
            // As one that was lost.
            drop(link.take());
        }
    }
}
