//! The one integration binary: real servers, the real binaries.

mod sql;
mod support;
