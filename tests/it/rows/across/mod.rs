//! From one database to another: all nine pairs.

mod commands;
mod documents;
mod pair;
