//! Servers and tools that the tests share.

pub(crate) mod mariadb;
pub(crate) mod postgres;
mod server;
pub(crate) mod tls;
