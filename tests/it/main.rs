//! The one integration binary: real servers, the real binaries.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod sql;
mod support;
