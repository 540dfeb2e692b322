//! The one integration binary: real servers, the real binaries.

mod bad_files;
