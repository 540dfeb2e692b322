//! The one integration binary: real servers, the real binaries.

mod ledger;
mod ledger_conformance;
mod support;
mod bad_files;
