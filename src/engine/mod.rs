//! One run: acquire, loop, commit, release.
//!
//! [`run`] is the whole of it, [`passes`](passes) what it does in which order, [`lanes`](lanes) the shards that it works on side by
//! side, [`walk`](walk) the loop over batches of each, which [`fetch`](fetch), [`effects`](effects) and [`commit`](commit) carry out;
//! [`lease`] is the protocol, [`state`] and [`checkpoint`] what it writes; [`budget`] and [`sizer`] decide how much is started,
//! by its [`cost`](cost), [`rate`] and [`throttle`] when, [`patience`] how long the ledger is waited for; [`dead`] and
//! [`letters`](letters) keep what was set aside; [`migration`] is what a kind gives. [`verify`] compares, all of it or a [`sample`].
//! A kind of your own runs by [`run::Run::new`] and [`run::Run::chunk`]: see `examples/custom.rs`.

mod breaker;
pub mod budget;
pub mod chance;
pub mod checkpoint;
mod chunk;
mod closing;
mod commit;
mod cost;
pub mod dead;
mod effects;
#[cfg(test)]
mod empty;
mod ended;
pub mod failpoint;
mod fetch;
mod hold;
mod lanes;
pub mod lease;
mod letters;
mod mend;
pub mod migration;
mod narrow;
mod pass;
mod passes;
pub mod patience;
pub mod rate;
mod record;
pub mod report;
pub mod reset;
pub mod retry;
pub mod run;
pub mod sample;
pub mod shards;
pub mod shelves;
pub mod sizer;
mod start;
pub mod state;
pub mod stop;
mod stretch;
pub mod sweeps;
pub mod throttle;
mod timeline;
mod turn;
pub mod verify;
mod walk;
