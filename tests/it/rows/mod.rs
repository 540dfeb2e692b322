//! The kind `rows`, driven without the engine, on the three databases.

mod documents;
mod moving;
mod stage;
