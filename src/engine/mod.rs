//! One run: acquire, loop, commit, release.
//!
//! [`run`] is the whole of it, [`walk`](walk) its loop over batches, which [`fetch`](fetch), [`effects`](effects) and [`commit`](commit) carry out; [`lease`] is the protocol, [`state`] and
//! [`checkpoint`] what it writes; [`budget`] and [`sizer`] decide how much is started, [`rate`] when; [`migration`] is what a kind gives.
//! A kind of your own runs by [`run::Run::new`] and [`run::Run::chunk`]: see `examples/custom.rs`.

mod breaker;
pub mod budget;
pub mod chance;
pub mod checkpoint;
mod commit;
pub mod dead;
mod effects;
mod ended;
pub mod failpoint;
mod fetch;
mod hold;
pub mod lease;
mod letters;
mod mend;
pub mod migration;
mod narrow;
mod pass;
pub mod rate;
pub mod report;
pub mod run;
pub mod sizer;
mod start;
pub mod state;
pub mod stop;
mod stretch;
pub mod throttle;
mod timeline;
mod turn;
pub mod verify;
mod walk;
