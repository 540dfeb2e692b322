//! The kind `rows`, driven without the engine, on the three databases.

mod moving;
mod stage;
