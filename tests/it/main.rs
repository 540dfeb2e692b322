//! The one integration binary: real servers, the real binaries.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod harness;
mod support;
// With the engine behind both binaries: case_1615, deadline, killed, memory, overlap.
