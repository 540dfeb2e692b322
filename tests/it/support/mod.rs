//! Servers and tools that the tests share.

pub mod dynamodb;
