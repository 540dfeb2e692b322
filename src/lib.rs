//! milkrun: data migrations that run on a schedule.
//!
//! The map of the house:
//!
//! | module | what lives there |
//! | --- | --- |
//! | [`cli`] | the command line over it |
//! | [`command`] | an event or arguments become a command, a command becomes a reply |
//! | [`spec`] | migration files become checked types |
//! | [`engine`] | one run: lease, budget, batch size, passes; the [`engine::migration::Migration`] trait |
//! | [`ledger`] | checkpoints and all else that outlives a run: DynamoDB and SQLite |
//! | [`rows`] | the kind that turns closed database rows into history, in one database or from one to another |
//! | [`files`] | the kind that moves files that rows point at into S3, and has the rows follow |
//! | [`objects`] | the kind that copies a bucket |
//! | [`sql`], [`s3`], [`http`] | adapters: they know no migrations |
//! | [`secret`] | what must never be shown, and where it is kept |
//! | [`observe`] | log lines and metrics |
//! | [`cursor`], [`fault`], [`digest`], [`hex`], [`pace`] | the words that all of them share |

pub mod cli;
pub mod command;
pub mod cursor;
mod debug;
pub mod digest;
pub mod engine;
pub mod fault;
pub mod files;
pub mod hex;
mod hint;
pub mod http;
pub mod ledger;
pub mod objects;
pub mod observe;
pub mod pace;
mod plural;
pub mod rows;
pub mod s3;
pub mod secret;
pub mod spec;
pub mod sql;
