//! `[target]`, by itself and against `[source]`.

use super::feeding::{self, OF_SOURCE, check_excluded, check_key};
use super::{identifier, key, optional_identifier, required, source, word};
use crate::spec::definition::{After, ColumnValue, DatabaseRef, Related, Source, Target};
use crate::spec::file::TargetSection;
use crate::spec::problem::{Path, Problems};
use crate::spec::transfer::TargetKey;
use crate::spec::{reference, schema};

/// What was understood of `[target]`, also while something else in it is wrong.
pub(super) struct Draft {
    database: Option<DatabaseRef>,
    schema: Option<String>,
    table: Option<String>,
    key: Option<Vec<String>>,
    after: Option<After>,
    create: bool,
    columns: Option<Vec<(String, ColumnValue)>>,
}

impl Draft {
    /// The whole section, if all of it was understood.
    pub(super) fn finish(self) -> Option<Target> {
        Some(Target {
            database: self.database?,
            schema: self.schema,
            table: self.table?,
            key: self.key?,
            after: self.after?,
            create: self.create,
            columns: self.columns?,
        })
    }
}

pub(super) fn check(path: &Path, section: TargetSection, problems: &mut Problems) -> Draft {
    let after = section.after.unwrap_or_else(|| "keep".to_owned());
    let columns = required(&path.key("columns"), section.columns, problems);
    Draft {
        database: reference::database(&path.key("database"), section.database, problems),
        schema: optional_identifier(&path.key("schema"), section.schema, problems),
        table: identifier(&path.key("table"), section.table, problems),
        key: index(&path.key("key"), section.key, problems),
        after: word(&path.key("after"), &after, &[("keep", After::Keep), ("delete", After::Delete)], problems),
        create: section.create.unwrap_or(false),
        columns: columns.and_then(|columns| feeding::columns(&path.key("columns"), columns, problems)),
    }
}

/// The key of rows is a list of columns; a text is what files have.
fn index(path: &Path, written: Option<TargetKey>, problems: &mut Problems) -> Option<Vec<String>> {
    let names = match written {
        Some(TargetKey::Columns(names)) => Some(names),
        Some(TargetKey::Template(_)) => {
            problems.add(path, "must be a list, not a string", schema::example(path));
            return None;
        }
        None => None,
    };
    key(path, names, problems)
}

/// How the target's columns are fed from the source: whatever of both sections was understood.
pub(super) fn check_feeding(path: &Path, target: &Draft, source: &source::Draft, problems: &mut Problems) {
    let Some(columns) = &target.columns else { return };
    let excluded: Vec<&String> = source.exclude.iter().flatten().collect();
    let key = source.key.as_deref().unwrap_or_default();
    // That a column of the key is excluded has been said.
    let travels = |name: &String| key.contains(name) || !excluded.contains(&name);
    check_excluded(&path.key("columns"), columns, travels, OF_SOURCE, problems);
    if let (Some(target_key), Some(source_key)) = (&target.key, &source.key) {
        check_key(&path.key("key"), target_key, columns, source_key, OF_SOURCE, problems);
    }
}

/// Rows that are related go somewhere: into the document, or into a table of their own.
pub(super) fn check_related(target: &Target, source: &Source, problems: &mut Problems) {
    // A digest tells that they were there; what is deleted has to be somewhere else.
    let told = |value: &ColumnValue| match value {
        ColumnValue::Document => true,
        ColumnValue::Digest => target.after == After::Keep,
        _ => false,
    };
    if target.columns.iter().any(|(_, value)| told(value)) {
        return;
    }
    aimless(&Path::root().key("source").key("related"), &source.related, problems);
}

fn aimless(path: &Path, related: &[Related], problems: &mut Problems) {
    for (place, one) in related.iter().enumerate() {
        let path = path.index(place);
        if one.target.is_some() || any(&one.related, &|table| table.target.is_some()) {
            aimless(&path.key("related"), &one.related, problems);
        } else {
            let hint = "write `document = \"$document\"` in `[target.columns]`, give it a `[source.related.target]`, or leave it out";
            problems.add(&path, "has rows that would travel nowhere", hint);
        }
    }
}

/// Every target is a table of its own.
pub(super) fn check_tables(target: &Target, source: &Source, problems: &mut Problems) {
    let path = Path::root().key("target").key("table");
    let mut taken = vec![(target.schema.as_ref(), target.table.as_str(), "target.table".to_owned())];
    let same = target.database == source.database;
    if same {
        check_table(&path, (target.schema.as_ref(), &target.table), source, problems);
    }
    let mut related = Vec::new();
    gather(&Path::root().key("source"), &source.related, &mut related);
    for (path, one) in related {
        let Some(copy) = &one.target else { continue };
        let path = path.key("target").key("table");
        let place = (copy.schema.as_ref().or(target.schema.as_ref()), copy.table.as_str());
        if let Some((.., first)) = taken.iter().find(|(schema, table, _)| (*schema, *table) == place) {
            problems.add(&path, format!("is the table of `{first}`"), "copy each into a table of its own");
        }
        if same {
            check_table(&path, place, source, problems);
        }
        taken.push((place.0, place.1, path.to_string()));
    }
}

fn gather<'a>(path: &Path, related: &'a [Related], found: &mut Vec<(Path, &'a Related)>) {
    for (place, one) in related.iter().enumerate() {
        let path = path.key("related").index(place);
        found.push((path.clone(), one));
        gather(&path, &one.related, found);
    }
}

fn check_table(path: &Path, place: (Option<&String>, &str), source: &Source, problems: &mut Problems) {
    if place == (source.schema.as_ref(), source.table.as_str()) {
        problems.add(path, "is the source table itself", "write to a table of its own");
    }
    let related = |related: &Related| place == (related.schema.as_ref().or(source.schema.as_ref()), &*related.table);
    if any(&source.related, &related) {
        problems.add(path, "is one of the related tables", "write to a table of its own");
    }
}

fn any(related: &[Related], test: &impl Fn(&Related) -> bool) -> bool {
    related.iter().any(|table| test(table) || any(&table.related, test))
}
