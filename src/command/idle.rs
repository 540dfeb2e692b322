//! Limits that are set and do nothing, as the rest of the file stands: whoever sets one expects something of it, and `plan` says so.

use crate::spec::{Definition, Limits, Mode, Source};

/// What to say of them where the source is cut into so many shards.
pub(super) fn idle(definition: &Definition, shards: u32) -> Vec<String> {
    let limits = definition.limits();
    let mut said = Vec::new();
    if limits.lanes > shards {
        said.push(format!(
            "`limits.lanes` is {}, and the number of shards {shards}: the lanes beyond that have nothing to do; raise `limits.shards`, \
             which counts from the beginning or after `reset`, or lower `limits.lanes`",
            limits.lanes
        ));
    }
    // One that is the default need not have been set.
    if limits.sweep_every != Limits::default().sweep_every {
        if definition.mode() == Mode::Once {
            said.push(
                "`limits.sweep_every` does nothing with `mode = \"once\"`: leave it out, or write `mode = \"continuous\"`".to_owned(),
            );
        } else if definition.table().and_then(Source::walked_by_changes).is_some() {
            said.push(
                "`limits.sweep_every` does nothing with `source.changed`, by which every run sweeps: leave it out"
                    .to_owned(),
            );
        }
    }
    said
}
