//! Two writers of the same batches, as runs play them that overlap.

use super::stage::{LIMIT, Stage, effort, range};
use milkrun::engine::migration::{Migration, Outcome};
use milkrun::fault::Class;
use milkrun::spec::RowsDefinition;

/// Creates the targets, and has each batch of five keys written by two at once: what both of them have moved and skipped. Neither sets
/// anything aside.
pub(super) fn write_at_once(stage: &Stage, definition: &RowsDefinition) -> Outcome {
    let (one, two) = (stage.open(definition), stage.open(definition));
    stage.run(async {
        one.prepare(LIMIT).await.expect("the targets");
        let range = range(&one).await.expect("rows");
        let mut both = Outcome::default();
        let mut after = None;
        while let Some(read) = one.read(&range, after.as_ref(), 5, LIMIT).await.expect("a batch") {
            let effort = effort();
            let (first, second) = tokio::join!(one.write(&read.batch, &effort), two.write(&read.batch, &effort));
            for result in [first, second] {
                match result {
                    Ok(outcome) => {
                        both.moved += outcome.moved;
                        both.skipped += outcome.skipped;
                        assert_eq!(outcome.aside, []);
                    }
                    // The one that came second is told to try again.
                    Err(fault) => assert_eq!(fault.class, Class::Transient, "{:?}: {fault}", stage.kind),
                }
            }
            after = Some(read.end);
        }
        both
    })
}
