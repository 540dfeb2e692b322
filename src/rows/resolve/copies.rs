//! The related tables whose rows are copied to tables of their own.

use super::super::copy::{Branch, Copy};
use super::super::destination::{self, Destination};
use super::super::document::column;
use super::super::tables::{RelatedTable, Tables};
use super::hint::child_hint;
use super::landing::{landing, quoted};
use crate::spec::{Related, RowsDefinition};
use crate::sql::catalog::Table;

/// Those above before those beneath.
pub(super) fn copies(definition: &RowsDefinition, tables: &Tables, source: &Table) -> Option<Vec<Copy>> {
    each(definition, tables, source, &|found: Found<'_>| {
        let aliases = (found.alias, "k");
        let landing = landing(tables, &found.destination, aliases, String::new(), &definition.digest)?;
        Some(Copy { name: found.name, branches: found.branches, landing })
    })
}

/// A related table whose rows are copied.
pub(in super::super) struct Found<'a> {
    pub(in super::super) name: String,
    /// The tables from the item's row down to it.
    pub(in super::super) branches: Vec<Branch>,
    /// Its alias.
    pub(in super::super) alias: &'a str,
    pub(in super::super) destination: Destination<'a>,
}

/// What is `made` of each, those above before those beneath.
pub(in super::super) fn each<T>(
    definition: &RowsDefinition,
    tables: &Tables,
    source: &Table,
    made: &impl Fn(Found<'_>) -> Option<T>,
) -> Option<Vec<T>> {
    let mut all = Vec::new();
    let root = Above { path: "source", name: "", alias: "t", table: source, branches: &[] };
    gather(&mut all, definition, tables, &root, (&definition.source.related, &tables.related), made)?;
    Some(all)
}

/// The table above a related one, and the way to it.
struct Above<'a> {
    path: &'a str,
    name: &'a str,
    alias: &'a str,
    table: &'a Table,
    branches: &'a [Branch],
}

fn gather<T>(
    all: &mut Vec<T>,
    definition: &RowsDefinition,
    tables: &Tables,
    above: &Above<'_>,
    (related, found): (&[Related], &[RelatedTable]),
    made: &impl Fn(Found<'_>) -> Option<T>,
) -> Option<()> {
    let dialect = tables.make.dialect();
    for (place, (one, found)) in related.iter().zip(found).enumerate() {
        let path = format!("{}.related[{place}]", above.path);
        let name = if above.name.is_empty() { one.name.clone() } else { format!("{}.{}", above.name, one.name) };
        let table = found.table.as_ref()?;
        let alias = format!("r{}", above.branches.len() + 1);
        let equal = |(theirs, ours): &(String, String)| {
            format!("{} = {}", column(dialect, &alias, theirs), column(dialect, above.alias, ours))
        };
        let mut branches = above.branches.to_vec();
        branches.push(Branch {
            table: quoted(dialect, table),
            hint: child_hint(dialect, one, table, above.table),
            on: one.on.iter().map(equal).collect::<Vec<_>>().join(" AND "),
            alias: alias.clone(),
        });
        if let Some(destination) = destination::of_related(definition, &path, one, found) {
            let (name, branches) = (name.clone(), branches.clone());
            all.push(made(Found { name, branches, alias: &alias, destination })?);
        }
        let below = Above { path: &path, name: &name, alias: &alias, table, branches: &branches };
        gather(all, definition, tables, &below, (&one.related, &found.related), made)?;
    }
    Some(())
}
