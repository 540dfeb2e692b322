//! What milkrun tells: JSON log lines that Lambda's level filter understands, one wide line a run, one metric line a run; and stages, to
//! a topic.

pub mod log;
pub mod metrics;
pub mod topic;
