//! What is deleted from the source with an item, and in which order.

use super::super::check::holds_back;
use super::super::copy::Branch;
use super::super::document::{self, column};
use super::super::here::purging::{Limb, Purge, Referrer};
use super::super::tables::{RelatedTable, Tables};
use super::hint::child_hint;
use super::landing::quoted;
use crate::spec::{After, Related, RowsDefinition};
use crate::sql::Dialect;
use crate::sql::catalog::{Reference, Table};

/// `None`: nothing is deleted.
pub(super) fn purge(definition: &RowsDefinition, tables: &Tables, source: &Table) -> Option<Purge> {
    if definition.target.after == After::Keep {
        return None;
    }
    let mut gathering = Gathering { tables, found: Vec::new(), gaps: false };
    gathering.descend("t", source, &[], &definition.source.related, &tables.related);
    let Gathering { found, gaps, .. } = gathering;
    let dialect = tables.make.dialect();
    let referrers = if dialect == Dialect::Sqlite { referrers(tables, source, &found) } else { Vec::new() };
    Some(Purge { limbs: in_order(found), gaps: gaps && dialect == Dialect::MySql, referrers })
}

/// Tables that are not named and refer to what is deleted: where SQLite's key is deferred, it says no only at its commit.
fn referrers(tables: &Tables, source: &Table, found: &[Found<'_>]) -> Vec<Referrer> {
    let leaving: Vec<&Table> = std::iter::once(source).chain(found.iter().map(|one| one.table)).collect();
    // A trigger may see to the rows that refer.
    if leaving.iter().any(|table| tables.bonds(table).is_some_and(|bonds| bonds.delete_triggers)) {
        return Vec::new();
    }
    let none: &[Branch] = &[];
    let limbs = found.iter().map(|one| (one.table, one.limb.branches.as_slice()));
    let mut referrers = Vec::new();
    for (table, branches) in std::iter::once((source, none)).chain(limbs) {
        for key in tables.references(table) {
            let named = leaving.iter().any(|one| (&one.schema, &one.name) == (&key.schema, &key.table));
            if key.enforced && !key.cascades() && !named {
                referrers.extend(referrer(table, branches, key));
            }
        }
    }
    referrers
}

/// `None`: the key refers to columns that there are not.
fn referrer(table: &Table, branches: &[Branch], key: &Reference) -> Option<Referrer> {
    let alias = branches.last().map_or("t", |branch| branch.alias.as_str());
    let primary = table.primary().map(|primary| primary.columns.as_slice()).unwrap_or_default();
    let pairs = key.columns.iter().enumerate().map(|(place, (theirs, ours))| {
        // A key to the primary key need not name its columns.
        let ours = if ours.is_empty() { primary.get(place)? } else { ours };
        Some(format!("{} = {}", column(Dialect::Sqlite, alias, ours), column(Dialect::Sqlite, "r", theirs)))
    });
    let pairs = pairs.collect::<Option<Vec<String>>>()?;
    let mut from: Vec<String> = branches.iter().map(|branch| format!("{} {}", branch.table, branch.alias)).collect();
    from.push(format!("{} r", document::table(Dialect::Sqlite, Some(&key.schema), &key.table)));
    let on: Vec<String> = branches.iter().map(|branch| branch.on.clone()).chain(pairs).collect();
    Some(Referrer { from: from.join(", "), on: on.join(" AND ") })
}

struct Gathering<'a> {
    tables: &'a Tables,
    found: Vec<Found<'a>>,
    gaps: bool,
}

struct Found<'a> {
    table: &'a Table,
    limb: Limb,
    /// Foreign keys that refer to it.
    referred: &'a [Reference],
}

impl<'a> Gathering<'a> {
    fn descend(
        &mut self,
        above: &str,
        parent: &Table,
        branches: &[Branch],
        related: &[Related],
        found: &'a [RelatedTable],
    ) {
        let dialect = self.tables.make.dialect();
        for (one, found) in related.iter().zip(found) {
            let Some(table) = &found.table else { continue };
            // No name of a table's alias in a document.
            let alias = format!("p{}", self.found.len() + 1);
            let equal = |(theirs, ours): &(String, String)| {
                format!("{} = {}", column(dialect, &alias, theirs), column(dialect, above, ours))
            };
            let mut branches = branches.to_vec();
            branches.push(Branch {
                table: quoted(dialect, table),
                hint: child_hint(dialect, one, table, parent),
                on: one.on.iter().map(equal).collect::<Vec<_>>().join(" AND "),
                alias: alias.clone(),
            });
            let listed =
                |side: &dyn Fn(&(String, String)) -> String| one.on.iter().map(side).collect::<Vec<_>>().join(", ");
            let limb = Limb {
                theirs: listed(&|(theirs, _)| document::table(dialect, None, theirs)),
                ours: listed(&|(_, ours)| column(dialect, above, ours)),
                branches: branches.clone(),
            };
            // A key to another one than the primary key locks that index alone, not the row.
            let primary = |key: &&Reference| {
                let columns = parent.primary().map(|primary| primary.columns.as_slice()).unwrap_or_default();
                key.columns.len() == columns.len() && key.columns.iter().all(|(_, ours)| columns.contains(ours))
            };
            let mut keys = self.tables.references(parent).iter().filter(primary);
            self.gaps |= !keys.any(|key| holds_back(key, table, one));
            self.found.push(Found { table, limb, referred: self.tables.references(table) });
            self.descend(&alias, table, &branches, &one.related, &found.related);
        }
    }
}

/// Those beneath before those above, and those that refer to others before these.
fn in_order(mut found: Vec<Found<'_>>) -> Vec<Limb> {
    let mut ordered = Vec::with_capacity(found.len());
    while !found.is_empty() {
        let free = |place: &usize| {
            let Some(one) = found.get(*place) else { return false };
            found.iter().enumerate().filter(|(other, _)| other != place).all(|(_, other)| {
                let beneath = other.limb.branches.len() > one.limb.branches.len()
                    && other.limb.branches.starts_with(&one.limb.branches);
                let table = (&other.table.schema, &other.table.name);
                !beneath && !one.referred.iter().any(|key| (&key.schema, &key.table) == table)
            })
        };
        // Tables that refer to each other in a circle have none; the last is beneath no other one that is left.
        let next = (0..found.len()).rev().find(free).unwrap_or(found.len() - 1);
        ordered.push(found.remove(next).limb);
    }
    ordered
}
