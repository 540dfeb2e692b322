//! What the tests stand on: the real binaries, real servers, data, and an independent idea of what is right.
#![allow(dead_code, reason = "a tool box: not every test takes every tool")]
#![allow(unreachable_pub, reason = "the tools are public to the tests, and there is nobody else")]

pub mod child;
pub mod cli;
pub mod database;
pub mod dynamodb;
pub mod fault_plan;
pub mod fault_proxy;
pub mod file_server;
pub mod history;
pub mod http_exchange;
pub mod job;
pub mod loopback;
pub mod lossy_proxy;
pub mod mariadb;
pub mod postgres;
pub mod refusing;
pub mod relay;
pub mod rie;
pub mod s3;
pub mod s3_faults;
pub mod server;
pub mod servers;
pub mod sessions;
pub mod severed;
pub mod shape;
pub mod shop;
pub mod slow;
pub mod tls;
pub mod tpch;
