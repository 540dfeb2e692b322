//! The one integration binary: real servers, the real binaries.
mod template;
