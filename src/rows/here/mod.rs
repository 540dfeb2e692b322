//! The target is in the source's database: every batch is statements in SQL, and no row leaves the database.
//!
//! [`write`](write) and [`purge`](purge) are a batch, [`verify`](verify) and [`mend`](mend) a stretch that is compared; the files named for
//! what they are doing hold their statements.

mod accounting;
mod comparing;
mod copying;
pub(super) mod mend;
mod moving;
mod purge;
pub(super) mod purging;
mod rewriting;
mod verify;
mod verifying;
pub(super) mod write;
mod write_copies;
