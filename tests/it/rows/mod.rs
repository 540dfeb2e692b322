//! The kind `rows`, driven without the engine, on the three databases.

mod across;
mod archived;
mod carry;
mod cases;
mod columns;
mod documents;
mod fit;
mod keys;
mod meddling;
mod mending;
mod moving;
mod problems;
mod purging;
mod related;
mod splits;
mod stage;
mod writers;
