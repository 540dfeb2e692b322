//! Whether the target may be the source itself by another name. The servers are asked; what they do not say is settled here.

use super::Findings;
use super::faults::RowsError;
use super::link::Deadline;
use super::tables::Tables;
use crate::fault::Class;
use crate::spec::{After, RowsDefinition};
use crate::sql::{Session, Sharing, SqlError};

/// Tells the tables whether they are in one place after all. Where nobody can say, and a row might be taken for its own copy and
/// deleted, that is a problem; where rows stay, a warning.
pub(super) async fn settle(
    tables: &mut Tables,
    definition: &RowsDefinition,
    (session, target): (&mut Session, &mut Session),
    deadline: Deadline,
) -> Result<Findings, RowsError> {
    let mut findings = Findings::default();
    let Some(field) = tables.named_alike(definition).filter(|_| !tables.is_same_place) else { return Ok(findings) };
    let (asked, refused) = match Box::pin(session.shares_a_server(target, deadline.left())).await? {
        Sharing::Yes => {
            tables.is_same_place = true;
            return Ok(findings);
        }
        Sharing::No => return Ok(findings),
        Sharing::Unknown { asked, refused } => (asked, refused),
    };
    let what = "may be the source, or one of its related tables, by another name";
    if definition.target.after == After::Keep {
        findings.warnings.push(format!(
            "{field}: {what}: the servers give no answer to {asked}; nothing is deleted, but `verify` with `overwrite` would write into it"
        ));
        return Ok(findings);
    }
    let answer = match refused {
        // Another attempt may be answered.
        Some(refusal) if refusal.meaning.class.passes() || refusal.meaning.class == Class::Capacity => {
            return Err(SqlError::Statement(refusal).into());
        }
        Some(refusal) => format!("error {}, {}", refusal.code, refusal.meaning.what),
        None => "no lock".to_owned(),
    };
    findings.problem(
        field,
        format!(
            "{what}, and its rows would be deleted in favour of themselves: both servers were asked by {asked} whether they are one, \
             and the answer was {answer}"
        ),
        "if they are one, name it by one URL in both sections; if not, allow both database users that call, or give the target's \
         table another name",
    );
    Ok(findings)
}
