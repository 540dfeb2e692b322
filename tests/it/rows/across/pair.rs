//! Two databases, and a migration from one to the other.

use crate::rows::stage::{KINDS, Kind, LIMIT, Stage, compare, effort, walk};
use milkrun::engine::migration::{Comparison, Outcome, Repair};
use milkrun::rows::{Rows, RowsError};
use milkrun::spec::{RowsDefinition, parse};

/// Where rows come from and where they go.
pub(super) struct Pair {
    pub(super) source: Stage,
    pub(super) target: Stage,
}

/// Every pair of databases.
pub(super) fn pairs() -> impl Iterator<Item = (Kind, Kind)> {
    KINDS.into_iter().flat_map(|source| KINDS.into_iter().map(move |target| (source, target)))
}

impl Pair {
    pub(super) fn new((source, target): (Kind, Kind)) -> Self {
        println!("{source:?} → {target:?}");
        Self { source: Stage::new(source), target: Stage::new(target) }
    }

    /// The definition in this TOML, less `name`, `kind` and the databases.
    pub(super) fn definition(source: &str, target: &str, limits: &str) -> RowsDefinition {
        let text = format!(
            "name = \"m\"\nkind = \"rows\"\n[source]\ndatabase = \"$SHOP\"\n{source}\n[target]\ndatabase = \"$HISTORY\"\n{target}\n[limits]\n{limits}\n"
        );
        parse("m", &text).unwrap_or_else(|error| panic!("{error}\nin: {text}")).into_rows().expect("rows")
    }

    pub(super) fn try_open(&self, definition: &RowsDefinition) -> Result<Rows, RowsError> {
        self.source.run(Rows::between(definition, &self.source.options, &self.target.options, LIMIT))
    }

    pub(super) fn open(&self, definition: &RowsDefinition) -> Rows {
        self.try_open(definition).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Creates the target, and walks the whole source in batches of `size`.
    pub(super) fn move_all(&self, definition: &RowsDefinition, size: u64) -> Outcome {
        let rows = self.open(definition);
        self.source.run(async {
            rows.prepare(LIMIT).await.expect("the target");
            walk(&rows, size, &effort()).await.expect("a walk")
        })
    }

    /// Compares everything.
    pub(super) fn verify_all(&self, definition: &RowsDefinition, size: u64, repair: Option<&Repair>) -> Comparison {
        let rows = self.open(definition);
        self.source.run(compare(&rows, size, repair))
    }
}
