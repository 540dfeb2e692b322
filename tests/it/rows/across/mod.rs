//! From one database to another: all nine pairs.

mod columns;
mod commands;
mod documents;
mod fit;
mod keys;
mod large;
mod native;
mod pair;
mod purging;
mod related;
mod walks;
