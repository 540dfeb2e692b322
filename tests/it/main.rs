//! The one integration binary: real servers, the real binaries.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod bad_files;
mod harness;
mod ledger;
mod ledger_conformance;
mod rows;
mod sql;
mod support;
mod template;
