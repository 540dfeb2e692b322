//! Servers and tools that the tests share.

pub(crate) mod dynamodb;
