//! The related tables whose rows are copied to tables of their own.

use super::super::copy::{Branch, Copy};
use super::super::destination;
use super::super::document::column;
use super::super::tables::{RelatedTable, Tables};
use super::hint::child_hint;
use super::landing::{landing, quoted};
use crate::spec::{Definition, Related};
use crate::sql::catalog::Table;

/// Those above before those beneath.
pub(super) fn copies(definition: &Definition, tables: &Tables, source: &Table) -> Option<Vec<Copy>> {
    let mut copies = Vec::new();
    let root = Above { path: "source", name: "", alias: "t", table: source, branches: &[] };
    gather(&mut copies, definition, tables, &root, &definition.source.related, &tables.related)?;
    Some(copies)
}

/// The table above a related one, and the way to it.
struct Above<'a> {
    path: &'a str,
    name: &'a str,
    alias: &'a str,
    table: &'a Table,
    branches: &'a [Branch],
}

fn gather(
    copies: &mut Vec<Copy>,
    definition: &Definition,
    tables: &Tables,
    above: &Above<'_>,
    related: &[Related],
    found: &[RelatedTable],
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
            let aliases = (alias.as_str(), "k");
            let landing = landing(tables, &destination, aliases, String::new(), &definition.digest)?;
            copies.push(Copy { name: name.clone(), branches: branches.clone(), landing });
        }
        let below = Above { path: &path, name: &name, alias: &alias, table, branches: &branches };
        gather(copies, definition, tables, &below, &one.related, &found.related)?;
    }
    Some(())
}
