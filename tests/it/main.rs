//! The one integration binary: real servers, the real binaries.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod bad_files;
mod bad_files_of_files;
mod bad_files_of_objects;
mod breaker;
mod case_1615;
mod chaos;
mod commands;
mod continuous;
mod dead_letters;
mod deadline;
mod docs;
mod extremes;
mod files;
mod function;
mod function_cli;
mod harness;
mod http;
mod killed;
mod killed_alone;
mod ledger;
mod ledger_conformance;
mod locked;
mod memory;
mod migrations;
mod objects;
mod overlap;
mod plan;
mod purged;
mod rates;
mod refused;
mod retry;
mod rows;
mod s3;
mod secrets;
mod shards;
#[cfg(not(feature = "failpoints"))]
mod shipped;
mod sql;
mod stages;
mod stub;
mod support;
mod sweep;
mod template;
mod throttle;
mod wrong;
