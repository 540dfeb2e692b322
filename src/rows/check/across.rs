//! What this version does not carry from one database to another yet: refused by name.

use super::super::tables::Tables;
use super::Findings;
use crate::spec::{After, Definition};

pub(super) fn check(findings: &mut Findings, definition: &Definition, tables: &Tables) {
    if !tables.is_across {
        return;
    }
    if definition.target.after == After::Delete {
        findings.problem(
            "target.after",
            "`delete` from one database to another is not built in this version yet",
            "write `after = \"keep\"`, or name a target in the source's database",
        );
    }
}
