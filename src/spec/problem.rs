//! What is wrong with a migration file: every problem of it at once, each with its place and what to write instead.

use crate::debug::debug_is_display;
use std::fmt;

/// One thing that is wrong with a migration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where: a path such as `source.related[0].table`, or line and column of what is not TOML.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
    /// What to write instead.
    pub hint: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.field.is_empty() {
            write!(formatter, "{}: ", self.field)?;
        }
        formatter.write_str(&self.message)?;
        if self.hint.is_empty() { Ok(()) } else { write!(formatter, "; {}", self.hint) }
    }
}

/// A migration file that cannot be used, with everything that is wrong with it. Displayed, one problem a line, each
/// line after the file's name; Debug is the same text.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", lines(.file, .problems))]
pub struct FileError {
    /// The file's name, without its folder.
    pub file: String,
    /// At least one.
    pub problems: Vec<Problem>,
}

debug_is_display!(FileError);

impl FileError {
    /// A file that could not even be read.
    pub(super) fn whole(file: &str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        let problem = Problem { field: String::new(), message: message.into(), hint: hint.into() };
        Self { file: file.to_owned(), problems: vec![problem] }
    }
}

fn lines(file: &str, problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("{file}: {problem}")).collect::<Vec<_>>().join("\n")
}

/// A place in a migration file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Path(Vec<Step>);

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A field of a table.
    Key(String),
    /// A place in a list, from 0.
    Index(usize),
}

impl Path {
    /// The file itself.
    pub(super) fn root() -> Self {
        Self::default()
    }

    /// A field of what is here.
    pub(super) fn key(&self, key: &str) -> Self {
        self.with(Step::Key(key.to_owned()))
    }

    /// An element of what is here.
    pub(super) fn index(&self, index: usize) -> Self {
        self.with(Step::Index(index))
    }

    /// One step further.
    pub(super) fn with(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }

    /// The steps from the file itself to here.
    pub(super) fn steps(&self) -> &[Step] {
        &self.0
    }

    /// The name of the innermost field.
    pub(super) fn last_key(&self) -> &str {
        let name = self.0.iter().rev().find_map(|step| match step {
            Step::Key(key) => Some(key.as_str()),
            Step::Index(_) => None,
        });
        name.unwrap_or_default()
    }

    /// Without its last step.
    pub(super) fn parent(&self) -> Self {
        let mut steps = self.0.clone();
        steps.pop();
        Self(steps)
    }

    fn is_at_or_below(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(index) => write!(formatter, "[{index}]")?,
                Step::Key(key) => {
                    if place > 0 {
                        formatter.write_str(".")?;
                    }
                    formatter.write_str(&bare_or_quoted(key))?;
                }
            }
        }
        Ok(())
    }
}

/// A key as TOML writes it.
pub(super) fn bare_or_quoted(key: &str) -> String {
    let bare = |character: char| character.is_ascii_alphanumeric() || character == '_' || character == '-';
    if !key.is_empty() && key.chars().all(bare) { key.to_owned() } else { format!("{key:?}") }
}

/// A file with more problems than this is wrong as a whole; naming the rest would help nobody.
const MOST: usize = 100;

/// The problems found so far, up to a hundred.
#[derive(Debug, Default)]
pub(super) struct Problems {
    found: Vec<(Path, Problem)>,
    spoiled: Vec<Path>,
}

impl Problems {
    /// Records a problem, unless what is wrong there was said already.
    pub(super) fn add(&mut self, path: &Path, message: impl Into<String>, hint: impl Into<String>) {
        if self.full() || self.spoiled.iter().any(|spoiled| path.is_at_or_below(spoiled)) {
            return;
        }
        let problem = Problem { field: path.to_string(), message: message.into(), hint: hint.into() };
        if !self.found.iter().any(|(_, known)| *known == problem) {
            self.found.push((path.clone(), problem));
        }
    }

    /// Says no more about this place: what is wrong with it has been said, the rest would be its consequence.
    pub(super) fn spoil(&mut self, path: Path) {
        if !self.full() {
            self.spoiled.push(path);
        }
    }

    /// Whether no more is said about the file.
    pub(super) fn full(&self) -> bool {
        self.found.len() >= MOST
    }

    /// Whether nothing is wrong here or below, so that checks across fields may build on it.
    pub(super) fn sound(&self, path: &Path) -> bool {
        !self.found.iter().map(|(place, _)| place).chain(&self.spoiled).any(|place| place.is_at_or_below(path))
            && !self.spoiled.iter().any(|place| path.is_at_or_below(place))
    }

    /// Everything that was found, in that order.
    pub(super) fn into_found(self) -> Vec<Problem> {
        self.found.into_iter().map(|(_, problem)| problem).collect()
    }
}

/// `` `a`, `b` and `c` ``.
pub(super) fn listed<'a>(words: impl IntoIterator<Item = &'a str>, and: &str) -> String {
    let mut words: Vec<String> = words.into_iter().map(|word| format!("`{word}`")).collect();
    let last = words.pop().unwrap_or_default();
    if words.is_empty() { last } else { format!("{} {and} {last}", words.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reads_as_it_is_written_in_the_file() {
        let path = Path::root().key("source").key("related").index(1).key("on").key("order id");
        assert_eq!(path.to_string(), "source.related[1].on.\"order id\"");
        assert_eq!(path.last_key(), "order id");
    }

    #[test]
    fn what_was_said_once_is_not_said_again_below() {
        let mut problems = Problems::default();
        let source = Path::root().key("source");
        problems.add(&source.key("key"), "is wrong", "");
        assert!(!problems.sound(&source));
        assert!(problems.sound(&source.key("table")));
        problems.spoil(source.clone());
        problems.add(&source.key("table"), "is missing", "");
        assert_eq!(problems.into_found().len(), 1);
    }
}
