//! `[source.related.target]`: where the rows of a related table are copied to.

use super::feeding::{self, OF_RELATED, check_excluded, check_key};
use super::{identifier, key, optional_identifier, required};
use crate::spec::definition::{ColumnValue, RelatedTarget};
use crate::spec::file::RelatedTargetSection;
use crate::spec::problem::{Path, Problems};

/// `related_key` and `exclude` are those of the related table, as far as they were understood.
pub(super) fn check(
    path: &Path,
    section: RelatedTargetSection,
    related_key: Option<&[String]>,
    exclude: &[String],
    problems: &mut Problems,
) -> Option<RelatedTarget> {
    let schema = optional_identifier(&path.key("schema"), section.schema, problems);
    let table = identifier(&path.key("table"), section.table, problems);
    let key = key(&path.key("key"), section.key, problems);
    let at = path.key("columns");
    let columns = required(&at, section.columns, problems);
    let columns = columns.and_then(|columns| feeding::columns(&at, columns, problems));
    if let Some(columns) = &columns {
        whole(&at, columns, problems);
        check_excluded(&at, columns, |name| !exclude.contains(name), OF_RELATED, problems);
        if let (Some(key), Some(related_key)) = (&key, related_key) {
            check_key(&path.key("key"), key, columns, related_key, OF_RELATED, problems);
        }
    }
    Some(RelatedTarget { schema, table: table?, key: key?, create: section.create.unwrap_or(false), columns: columns? })
}

/// The document is the whole item's.
fn whole(path: &Path, columns: &[(String, ColumnValue)], problems: &mut Problems) {
    for (name, value) in columns {
        let word = match value {
            ColumnValue::Document => "$document",
            ColumnValue::Digest => "$digest",
            _ => continue,
        };
        let hint = "write it in `[target.columns]`, or copy the columns themselves here";
        problems.add(&path.key(name), format!("`{word}` is that of the whole item"), hint);
    }
}
