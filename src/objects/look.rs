//! What becomes of a target that is there.

use super::Objects;
use super::compare::{Compared, Other, seconds};
use super::copy::Way;
use crate::fault::Fault;
use crate::s3::{Listed, Over};
use crate::spec::Existing;
use tokio::time::Instant;

/// How often a source may change while it is looked at.
const LOOKS: u32 = 3;
/// Of two times in whole seconds the later one may be the earlier one, by so much: a source that changes while it is copied is older than its
/// copy.
const SLACK: i64 = 1;

/// What is to be done about an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Todo {
    /// Copy it over this.
    Copy(Listed, Over),
    /// It is there, and this is what is there of which version.
    Nothing(Listed, Other),
    /// There is none any more.
    Gone,
    /// It is set aside, and why.
    Aside(&'static str, String),
    /// It changed each time that it was looked at.
    Unstable,
}

impl Objects {
    /// Looks at source and target of an object.
    pub(super) async fn look(&self, ours: Listed, target: &str, way: Way, deadline: Instant) -> Result<Todo, Fault> {
        let conditional = way.began.conditional;
        let mut ours = ours;
        for _ in 0..LOOKS {
            return Ok(match self.compare(&ours, target, way.began, deadline).await? {
                Compared::Same(_, theirs) if !way.rewrites => Todo::Nothing(ours, theirs),
                Compared::Same(_, theirs) => Todo::Copy(ours, over(theirs, conditional)),
                Compared::Missing if conditional => Todo::Copy(ours, Over::Nothing),
                Compared::Missing => Todo::Copy(ours, Over::Anything),
                Compared::Gone => Todo::Gone,
                Compared::Differs(theirs)
                    if way.overwrites || may_replace(self.definition.target.copy.existing, &ours, &theirs, way) =>
                {
                    Todo::Copy(ours, over(theirs, conditional))
                }
                Compared::Differs(theirs) => Todo::Aside("conflict", conflict(&ours, &theirs)),
                Compared::Shut(class, message) => Todo::Aside(class, message),
                Compared::Changed(now) => {
                    ours = now;
                    continue;
                }
            });
        }
        Ok(Todo::Unstable)
    }
}

/// In the place of this one, and of no other where the server can tell.
fn over(theirs: Other, conditional: bool) -> Over {
    if conditional { Over::Version(theirs.etag) } else { Over::Anything }
}

/// Whether a target that differs may be replaced.
fn may_replace(existing: Existing, ours: &Listed, theirs: &Other, way: Way) -> bool {
    let times = seconds(ours.modified).zip(theirs.at);
    let newer = |slack| times.is_some_and(|(ours, theirs)| ours + slack > theirs);
    let since = theirs.at.is_some_and(|at| at > way.began.at);
    // What a killed run had announced, or what an attempt without an answer was at, may have been copied just before: then it is as long.
    let copied = way.recovered && theirs.bytes == ours.bytes;
    let own = theirs.ours || since && (copied || newer(SLACK + 1));
    match existing {
        Existing::Fail => false,
        Existing::SkipSame => own,
        Existing::ReplaceOlder => own || newer(0),
    }
}

fn conflict(ours: &Listed, theirs: &Other) -> String {
    format!(
        "the target exists and is another object: its tag is {}, that of the source {}; delete it, or set `copy.existing`",
        theirs.etag, ours.etag
    )
}

#[cfg(test)]
mod tests {
    use super::super::began::Began;
    use super::*;

    #[test]
    fn only_what_is_older_or_ours_is_replaced() {
        let ours = |at: i64| Listed {
            key: "k".to_owned(),
            bytes: 3,
            etag: "a".to_owned(),
            modified: Some(at * 1000 + 999),
            class: None,
        };
        let theirs = |at| Other { etag: "b".to_owned(), bytes: 3, at: Some(at), ours: false };
        let began = Began { at: 100, conditional: true };
        let way = Way { began, looks_first: true, overwrites: false, rewrites: false, recovered: false, dated: false };
        for (existing, source, target, replaced) in [
            (Existing::SkipSame, 120, 110, true),
            (Existing::SkipSame, 110, 110, true),
            (Existing::SkipSame, 110, 111, true),
            (Existing::SkipSame, 110, 112, false),
            (Existing::SkipSame, 120, 90, false),
            (Existing::SkipSame, 120, 100, false),
            (Existing::ReplaceOlder, 120, 90, true),
            (Existing::ReplaceOlder, 90, 90, false),
            (Existing::ReplaceOlder, 80, 90, false),
            (Existing::Fail, 120, 110, false),
        ] {
            let found = may_replace(existing, &ours(source), &theirs(target), way);
            assert_eq!(found, replaced, "{existing:?} {source} {target}");
        }
        let unknown = Other { at: None, ..theirs(1) };
        assert!(!may_replace(Existing::ReplaceOlder, &ours(120), &unknown, way));
        assert!(may_replace(Existing::SkipSame, &ours(80), &Other { ours: true, ..theirs(120) }, way));
        assert!(may_replace(Existing::SkipSame, &ours(80), &theirs(120), Way { recovered: true, ..way }));
        let longer = Other { bytes: 4, ..theirs(120) };
        assert!(
            !may_replace(Existing::SkipSame, &ours(80), &longer, Way { recovered: true, ..way }),
            "somebody else's"
        );
        assert!(!may_replace(Existing::SkipSame, &ours(120), &theirs(90), Way { recovered: true, ..way }));
    }
}
