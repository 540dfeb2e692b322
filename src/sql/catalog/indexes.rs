//! Indexes put together from their parts, which every catalog lists one by one.

use super::Index;

/// Indexes as far as their parts have come: index after index, and those of one in their order.
#[derive(Default)]
pub(super) struct Indexes {
    found: Vec<Index>,
    /// A part of the last one was no whole column: those behind it do not count.
    ended: bool,
}

impl Indexes {
    /// The next part, of `index`, of which only the first part's facts count. `column` is `None` where the part is no whole
    /// column; `ordered`: it sorts as the column itself does, ascending; `alike`: what the column takes for equal, it does too.
    pub(super) fn part(&mut self, index: Index, column: Option<String>, ordered: bool, alike: bool) {
        let mut index = if let Some(begun) = self.found.pop_if(|last| last.name == index.name) {
            begun
        } else {
            self.ended = false;
            index
        };
        match column {
            Some(column) if !self.ended => {
                index.columns.push(column);
                index.usable &= ordered;
                index.unique &= alike;
            }
            _ => {
                self.ended = true;
                index.unique = false;
                index.usable &= !index.columns.is_empty();
            }
        }
        self.found.push(index);
    }

    /// All of them.
    pub(super) fn into_found(self) -> Vec<Index> {
        self.found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_an_expression_does_not_count() {
        let index = |name: &str| Index { name: name.into(), unique: true, usable: true, ..Index::default() };
        let mut indexes = Indexes::default();
        for (name, column, ordered) in [
            ("whole", Some("a"), true),
            ("whole", Some("b"), true),
            ("mixed", Some("a"), true),
            ("mixed", None, true),
            ("mixed", Some("b"), false),
            ("expression", None, true),
            ("expression", Some("a"), true),
            ("descending", Some("a"), false),
            ("apart", Some("a"), true),
        ] {
            indexes.part(index(name), column.map(str::to_owned), ordered, name != "apart");
        }
        let found: Vec<_> = indexes
            .into_found()
            .into_iter()
            .map(|index| (index.name, index.columns.join(" "), index.unique, index.usable))
            .collect();
        let expected = [
            ("whole", "a b", true, true),
            ("mixed", "a", false, true),
            ("expression", "", false, false),
            ("descending", "a", true, false),
            ("apart", "a", false, true),
        ];
        assert_eq!(
            found,
            expected.map(|(name, columns, unique, usable)| (name.into(), columns.into(), unique, usable))
        );
    }
}
