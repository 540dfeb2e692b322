//! `[source]` and its related tables.

use super::{columns, identifier, key, optional_identifier, plain, related_target, required};
use crate::spec::definition::{Changed, DatabaseRef, Related, Source};
use crate::spec::file::{RelatedSection, SourceSection};
use crate::spec::problem::{Path, Problems};
use crate::spec::{filter, reference, schema, units};
use std::collections::HashMap;
use std::time::Duration;

/// What was understood of `[source]`, also while something else in it is wrong.
pub(super) struct Draft {
    database: Option<DatabaseRef>,
    schema: Option<String>,
    table: Option<String>,
    pub(super) key: Option<Vec<String>>,
    filter: Option<String>,
    pub(super) exclude: Option<Vec<String>>,
    related: Option<Vec<Related>>,
    #[expect(clippy::option_option, reason = "left out, or wrong")]
    changed: Option<Option<Changed>>,
}

impl Draft {
    /// The whole section, if all of it was understood.
    pub(super) fn finish(self) -> Option<Source> {
        Some(Source {
            database: self.database?,
            schema: self.schema,
            table: self.table?,
            key: self.key?,
            filter: self.filter,
            changed: self.changed?,
            exclude: self.exclude?,
            related: self.related?,
        })
    }
}

pub(super) fn check(path: &Path, section: SourceSection, problems: &mut Problems) -> Draft {
    let database = reference::database(&path.key("database"), section.database, problems);
    let schema = optional_identifier(&path.key("schema"), section.schema, problems);
    let table = identifier(&path.key("table"), section.table, problems);
    let key = key(&path.key("key"), section.key, problems);
    let exclude = columns(&path.key("exclude"), section.exclude.unwrap_or_default(), problems);
    if let (Some(key), Some(exclude)) = (&key, &exclude) {
        for (place, column) in exclude.iter().enumerate().filter(|(_, column)| key.contains(column)) {
            let hint = "take it out of `exclude`: by its key a record is found again";
            problems.add(&path.key("exclude").index(place), format!("`{column}` is a column of the key"), hint);
        }
    }
    for finding in section.filter.iter().flat_map(|text| filter::check(text)) {
        problems.add(&path.key("where"), finding.message, finding.hint);
    }
    let changed = changed(path, section.changed, section.overlap, problems);
    let everywhere = exclude.clone().unwrap_or_default();
    Draft {
        database,
        schema,
        table,
        key,
        filter: section.filter.map(|text| text.trim().to_owned()),
        exclude,
        changed,
        related: related(path, section.related.unwrap_or_default(), &everywhere, problems),
    }
}

/// The field may be left out, but not misunderstood.
#[expect(clippy::option_option, reason = "left out, or wrong")]
fn changed(
    path: &Path,
    column: Option<String>,
    overlap: Option<String>,
    problems: &mut Problems,
) -> Option<Option<Changed>> {
    let at = path.key("overlap");
    let Some(column) = column else {
        if overlap.is_some() {
            problems.add(&at, "belongs to `changed`, which is not there", "leave it out, or write `changed` too");
            return None;
        }
        return Some(None);
    };
    let column = identifier(&path.key("changed"), Some(column), problems);
    let text = overlap.unwrap_or_else(|| "10m".to_owned());
    let overlap = units::duration(&text);
    match overlap {
        None => problems.add(&at, format!("`{text}` is not a duration"), schema::example(&at)),
        Some(overlap) if overlap > Duration::from_hours(24 * 365) => {
            problems.add(&at, format!("`{text}` is out of range"), "write 0s to 365d");
        }
        Some(_) => {}
    }
    Some(Some(Changed { column: column?, overlap: overlap? }))
}

fn related(
    parent: &Path,
    sections: Vec<RelatedSection>,
    everywhere: &[String],
    problems: &mut Problems,
) -> Option<Vec<Related>> {
    let list = parent.key("related");
    let mut first: HashMap<&str, usize> = HashMap::new();
    for (place, name) in sections.iter().enumerate().filter_map(|(place, table)| Some((place, table.name.as_deref()?)))
    {
        if let Some(first) = first.get(name) {
            let message = format!("is `{name}`, as that of `{}` is", list.index(*first));
            problems.add(&list.index(place).key("name"), message, "give each array of a document a name of its own");
        } else {
            first.insert(name, place);
        }
    }
    let each = sections.into_iter().enumerate();
    // Not lazily: every table says what is wrong with it.
    let checked: Vec<_> = each.map(|(place, section)| one(&list.index(place), section, everywhere, problems)).collect();
    checked.into_iter().collect()
}

fn one(path: &Path, section: RelatedSection, everywhere: &[String], problems: &mut Problems) -> Option<Related> {
    let name = identifier(&path.key("name"), section.name, problems);
    let schema = optional_identifier(&path.key("schema"), section.schema, problems);
    let table = identifier(&path.key("table"), section.table, problems);
    let key = key(&path.key("key"), section.key, problems);
    let at_on = path.key("on");
    let on = required(&at_on, section.on, problems).and_then(|on| {
        if on.0.is_empty() && problems.sound(&at_on) {
            problems.add(&at_on, "is empty", schema::example(&at_on));
        }
        for (child, parent) in &on.0 {
            plain(&at_on.key(child), child, problems);
            plain(&at_on.key(child), parent, problems);
        }
        problems.sound(&at_on).then_some(on.0)
    });
    let mut exclude = columns(&path.key("exclude"), section.exclude.unwrap_or_default(), problems);
    if let Some(exclude) = &mut exclude {
        exclude.extend(everywhere.iter().filter(|column| !exclude.contains(column)).cloned().collect::<Vec<_>>());
    }
    let related = related(path, section.related.unwrap_or_default(), everywhere, problems);
    let excluded = exclude.as_deref().unwrap_or_default();
    let target = match section.target {
        Some(target) => Some(related_target::check(&path.key("target"), target, key.as_deref(), excluded, problems)?),
        None => None,
    };
    Some(Related {
        name: name?,
        schema,
        table: table?,
        key: key?,
        on: on?,
        exclude: exclude?,
        related: related?,
        target,
    })
}
