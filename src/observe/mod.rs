//! What milkrun tells: JSON log lines that Lambda's level filter understands, one wide line a run, one metric line a run.

pub mod log;
pub mod metrics;
