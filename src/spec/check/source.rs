//! `[source]` and its related tables.

use super::{columns, identifier, key, optional_identifier, plain, required};
use crate::spec::definition::{Related, Source};
use crate::spec::file::{RelatedSection, SourceSection};
use crate::spec::problem::{Path, Problems};
use crate::spec::{filter, reference, schema};

pub(super) fn check(path: &Path, section: SourceSection, problems: &mut Problems) -> Option<Source> {
    let database = reference::database(&path.key("database"), section.database, problems);
    let schema = optional_identifier(&path.key("schema"), section.schema, problems);
    let table = identifier(&path.key("table"), section.table, problems);
    let key = key(&path.key("key"), section.key, problems);
    if let Some(text) = &section.filter {
        for finding in filter::check(text) {
            problems.add(&path.key("where"), finding.message, finding.hint);
        }
    }
    let exclude = columns(&path.key("exclude"), section.exclude.unwrap_or_default(), problems);
    if let (Some(key), Some(exclude)) = (&key, &exclude) {
        for (place, column) in exclude.iter().enumerate().filter(|(_, column)| key.contains(column)) {
            let hint = "leave it here out: the key is how a record is found again";
            problems.add(&path.key("exclude").index(place), format!("excludes `{column}`, a column of the key"), hint);
        }
    }
    let related = related(path, section.related.unwrap_or_default(), problems);
    Some(Source {
        database: database?,
        schema: schema?,
        table: table?,
        key: key?,
        filter: section.filter.map(|text| text.trim().to_owned()),
        exclude: exclude?,
        related: related?,
    })
}

fn related(parent: &Path, sections: Vec<RelatedSection>, problems: &mut Problems) -> Option<Vec<Related>> {
    let list = parent.key("related");
    let names: Vec<Option<String>> = sections.iter().map(|section| section.name.clone()).collect();
    for (place, name) in names.iter().enumerate() {
        let Some(name) = name else { continue };
        if let Some(first) = names.iter().take(place).position(|earlier| earlier.as_ref() == Some(name)) {
            let message = format!("is `{name}`, which {} is called already", list.index(first));
            problems.add(&list.index(place).key("name"), message, "give each array of a document a name of its own");
        }
    }
    let each = sections.into_iter().enumerate();
    // Not lazily: every table says what is wrong with it.
    let checked: Vec<_> = each.map(|(place, section)| one(&list.index(place), section, problems)).collect();
    checked.into_iter().collect()
}

fn one(path: &Path, section: RelatedSection, problems: &mut Problems) -> Option<Related> {
    let name = identifier(&path.key("name"), section.name, problems);
    let schema = optional_identifier(&path.key("schema"), section.schema, problems);
    let table = identifier(&path.key("table"), section.table, problems);
    let key = key(&path.key("key"), section.key, problems);
    let at_on = path.key("on");
    let on = required(&at_on, section.on, problems).and_then(|on| {
        if on.0.is_empty() {
            problems.add(&at_on, "is empty", schema::example(&at_on));
        }
        for (child, parent) in &on.0 {
            plain(&at_on.key(child), child, problems);
            plain(&at_on.key(child), parent, problems);
        }
        problems.sound(&at_on).then_some(on.0)
    });
    let exclude = columns(&path.key("exclude"), section.exclude.unwrap_or_default(), problems);
    let related = related(path, section.related.unwrap_or_default(), problems);
    Some(Related {
        name: name?,
        schema: schema?,
        table: table?,
        key: key?,
        on: on?,
        exclude: exclude?,
        related: related?,
    })
}
