//! The one integration binary: real servers, the real binaries.

mod ledger;
mod ledger_conformance;
mod support;
mod bad_files;
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod harness;
// They need the engine behind both binaries: case_1615, deadline, killed, memory, overlap.
mod template;
