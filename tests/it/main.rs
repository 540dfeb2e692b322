//! The one integration binary: real servers, the real binaries.

mod bad_files;
mod migrations;
mod secrets;
mod stub;
