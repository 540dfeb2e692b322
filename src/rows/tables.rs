//! What the catalog says about every table that a definition names.

use super::destination;
use super::faults::RowsError;
use super::link::Deadline;
use crate::digest;
use crate::spec::{After, Related, RowsDefinition, Source};
use crate::sql::catalog::{self, Bonds, Reference, Table};
use crate::sql::{Make, Session};
use std::fmt::Write as _;

/// The tables of a definition; `None` for one that does not exist.
#[derive(Clone, Debug, PartialEq)]
pub struct Tables {
    /// Which server the source is on.
    pub make: Make,
    /// Where a source table without a schema lies.
    pub default_schema: String,
    /// Which server the targets are on.
    pub target_make: Make,
    /// Where a target without a schema lies.
    pub target_default_schema: String,
    /// Source and targets are in different databases.
    pub is_across: bool,
    /// They are in one database all the same, reached as different users or by different names.
    pub is_same_place: bool,
    /// The source.
    pub source: Option<Table>,
    /// Its related tables, as they stand in the definition.
    pub related: Vec<RelatedTable>,
    /// The target.
    pub target: Option<Table>,
    /// What hangs on the rows of the source and of its related tables, where these are deleted.
    bonds: Vec<(Place, Bonds)>,
}

/// Schema and name.
type Place = (String, String);

/// A related table and what is related to it in turn.
#[derive(Clone, Debug, PartialEq)]
pub struct RelatedTable {
    /// The table.
    pub table: Option<Table>,
    /// Where its rows are copied to, if the definition says so and there is such a table.
    pub target: Option<Table>,
    /// As they stand in the definition.
    pub related: Vec<RelatedTable>,
}

impl Tables {
    /// Looks every table of the definition up.
    pub(super) async fn look_up(
        session: &mut Session,
        definition: &RowsDefinition,
        deadline: Deadline,
    ) -> Result<Self, RowsError> {
        let mut tables = Self::of_source(session, &definition.source, definition.target.after, deadline).await?;
        tables.look_up_targets(session, definition, deadline).await?;
        Ok(tables)
    }

    /// The same where the targets are in another database.
    pub(super) async fn look_up_across(
        (session, target): (&mut Session, &mut Session),
        definition: &RowsDefinition,
        deadline: Deadline,
    ) -> Result<Self, RowsError> {
        let mut tables = Self::of_source(session, &definition.source, definition.target.after, deadline).await?;
        tables.is_across = true;
        tables.target_make = target.make();
        target.default_schema().clone_into(&mut tables.target_default_schema);
        tables.look_up_targets(target, definition, deadline).await?;
        Ok(tables)
    }

    /// The tables of a source alone, and what hangs on them where their rows are deleted.
    pub(super) async fn of_source(
        session: &mut Session,
        source: &Source,
        after: After,
        deadline: Deadline,
    ) -> Result<Self, RowsError> {
        let schema = source.schema.as_deref();
        let mut tables = Self {
            make: session.make(),
            default_schema: session.default_schema().to_owned(),
            target_make: session.make(),
            target_default_schema: session.default_schema().to_owned(),
            is_across: false,
            is_same_place: true,
            source: catalog::table(session, schema, &source.table, deadline.left()).await?,
            related: look_up_related(session, schema, &source.related, deadline).await?,
            target: None,
            bonds: Vec::new(),
        };
        if after == After::Delete {
            for place in tables.places() {
                let bonds = Box::pin(catalog::bonds(session, &place.0, &place.1, deadline.left())).await?;
                tables.bonds.push((place, bonds));
            }
        }
        Ok(tables)
    }

    /// Schema and name of the source and of its related tables.
    fn places(&self) -> Vec<Place> {
        let mut places: Vec<Place> = self.source.iter().map(place).collect();
        gather(&mut places, &self.related);
        places
    }

    /// Where the definition says so, if a target is named as the source is, or as one of its related tables, or is kin of what is
    /// named so.
    pub(super) fn named_alike(&self, definition: &RowsDefinition) -> Option<String> {
        let places = self.places();
        let is_one = |found: &Table| places.contains(&place(found)) || found.kin.iter().any(|kin| places.contains(kin));
        let all = destination::all(definition, self);
        let alike = all.iter().find(|one| one.found.is_some_and(is_one))?;
        Some(format!("{}.table", alike.field))
    }

    /// What hangs on the rows of a table that they are deleted from.
    pub(super) fn bonds(&self, table: &Table) -> Option<&Bonds> {
        let place = place(table);
        self.bonds.iter().find(|(known, _)| *known == place).map(|(_, bonds)| bonds)
    }

    /// Foreign keys that refer to such a table.
    pub(super) fn references(&self, table: &Table) -> &[Reference] {
        self.bonds(table).map(|bonds| bonds.references.as_slice()).unwrap_or_default()
    }

    async fn look_up_targets(
        &mut self,
        session: &mut Session,
        definition: &RowsDefinition,
        deadline: Deadline,
    ) -> Result<(), RowsError> {
        let target = &definition.target;
        let schema = target.schema.as_deref();
        self.target = catalog::table(session, schema, &target.table, deadline.left()).await?;
        look_up_copies(session, schema, &definition.source.related, &mut self.related, deadline).await
    }

    /// SHA-256 of names and types of the source's columns and of the related tables', less what is excluded: a change of
    /// them changes what the documents hold.
    pub fn columns_digest(&self, source: &Source) -> String {
        let mut text = String::new();
        describe(&mut text, &source.exclude, self.source.as_ref());
        describe_related(&mut text, &source.related, &self.related);
        digest::sha256(text)
    }
}

fn place(table: &Table) -> Place {
    (table.schema.clone(), table.name.clone())
}

fn gather(places: &mut Vec<Place>, related: &[RelatedTable]) {
    for one in related {
        places.extend(one.table.iter().map(place));
        gather(places, &one.related);
    }
}

fn describe(text: &mut String, exclude: &[String], table: Option<&Table>) {
    let Some(table) = table else { return };
    let _ = writeln!(text, "{:?}", table.name);
    for column in table.columns.iter().filter(|column| !exclude.contains(&column.name)) {
        let _ = writeln!(text, "  {:?} {:?} {}", column.name, column.type_name, column.is_json);
    }
}

fn describe_related(text: &mut String, related: &[Related], tables: &[RelatedTable]) {
    for (one, found) in related.iter().zip(tables) {
        describe(text, &one.exclude, found.table.as_ref());
        describe_related(text, &one.related, &found.related);
    }
}

async fn look_up_related(
    session: &mut Session,
    schema: Option<&str>,
    related: &[Related],
    deadline: Deadline,
) -> Result<Vec<RelatedTable>, RowsError> {
    let mut found = Vec::with_capacity(related.len());
    for one in related {
        let schema = one.schema.as_deref().or(schema);
        let table = catalog::table(session, schema, &one.table, deadline.left()).await?;
        let related = Box::pin(look_up_related(session, schema, &one.related, deadline)).await?;
        found.push(RelatedTable { table, target: None, related });
    }
    Ok(found)
}

async fn look_up_copies(
    session: &mut Session,
    schema: Option<&str>,
    related: &[Related],
    found: &mut [RelatedTable],
    deadline: Deadline,
) -> Result<(), RowsError> {
    for (one, found) in related.iter().zip(found) {
        if let Some(target) = &one.target {
            let schema = target.schema.as_deref().or(schema);
            found.target = catalog::table(session, schema, &target.table, deadline.left()).await?;
        }
        Box::pin(look_up_copies(session, schema, &one.related, &mut found.related, deadline)).await?;
    }
    Ok(())
}
