//! One run: acquire, loop, commit, release.

pub mod migration;
