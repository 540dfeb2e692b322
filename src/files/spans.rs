//! Where strings stand in a JSON text: what is written into a document changes these places and no other byte of it, so that numbers,
//! blanks and the order of members stay as they were.

use crate::spec::{JsonPath, PathStep};
use std::ops::Range;

/// A string of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Where it stands, its quotes included.
    pub(super) span: Range<usize>,
    /// What it says.
    pub(super) text: String,
}

/// Why a document has no strings where they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoStrings {
    /// It is no JSON.
    NotJson,
    /// Something else than a string or null is there.
    NotText,
}

/// The strings that a path leads to, in the order of the document. What is null, or is not there, is none.
pub(super) fn strings(document: &str, path: &JsonPath) -> Result<Vec<Found>, NoStrings> {
    // Whether it is JSON at all is not this scanner's business.
    if serde_json::from_str::<serde::de::IgnoredAny>(document).is_err() {
        return Err(NoStrings::NotJson);
    }
    let mut scanner = Scanner { text: document, at: 0, found: Vec::new() };
    scanner.value(Some(&path.0))?;
    Ok(scanner.found)
}

/// Goes through a text that is known to be JSON.
struct Scanner<'a> {
    text: &'a str,
    at: usize,
    found: Vec<Found>,
}

impl Scanner<'_> {
    /// Passes one value; with steps, takes along what they lead to.
    fn value(&mut self, steps: Option<&[PathStep]>) -> Result<(), NoStrings> {
        self.blanks();
        let start = self.at;
        match self.peek() {
            Some(b'"') => {
                self.string();
                if let Some([]) = steps {
                    let text = self.decoded(start)?;
                    self.found.push(Found { span: start..self.at, text });
                }
                Ok(())
            }
            Some(b'{') => {
                ends(steps)?;
                self.object(steps)
            }
            Some(b'[') => {
                ends(steps)?;
                self.array(steps)
            }
            _ => {
                while self.peek().is_some_and(|byte| !matches!(byte, b',' | b']' | b'}' | b' ' | b'\t' | b'\n' | b'\r'))
                {
                    self.at += 1;
                }
                let null = self.text.get(start..self.at) == Some("null");
                if null { Ok(()) } else { ends(steps) }
            }
        }
    }

    fn object(&mut self, steps: Option<&[PathStep]>) -> Result<(), NoStrings> {
        self.at += 1;
        loop {
            self.blanks();
            if self.passes(b'}') {
                return Ok(());
            }
            if self.passes(b',') {
                continue;
            }
            let start = self.at;
            self.string();
            let inner = match steps {
                Some([PathStep::Member(name), rest @ ..]) if self.decoded(start)? == *name => Some(rest),
                _ => None,
            };
            self.blanks();
            if !self.passes(b':') {
                return Err(NoStrings::NotJson);
            }
            self.value(inner)?;
        }
    }

    fn array(&mut self, steps: Option<&[PathStep]>) -> Result<(), NoStrings> {
        self.at += 1;
        let mut place = 0;
        loop {
            self.blanks();
            if self.passes(b']') {
                return Ok(());
            }
            if self.passes(b',') {
                continue;
            }
            let inner = match steps {
                Some([PathStep::Every, rest @ ..]) => Some(rest),
                Some([PathStep::Element(wanted), rest @ ..]) if *wanted == place => Some(rest),
                _ => None,
            };
            place += 1;
            self.value(inner)?;
        }
    }

    fn string(&mut self) {
        self.at += 1;
        while let Some(byte) = self.peek() {
            self.at += if byte == b'\\' { 2 } else { 1 };
            if byte == b'"' {
                return;
            }
        }
    }

    fn decoded(&self, start: usize) -> Result<String, NoStrings> {
        let text = self.text.get(start..self.at).ok_or(NoStrings::NotJson)?;
        serde_json::from_str(text).map_err(|_| NoStrings::NotJson)
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn passes(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    fn blanks(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.at += 1;
        }
    }
}

/// A path must not end at what is no string.
fn ends(steps: Option<&[PathStep]>) -> Result<(), NoStrings> {
    if steps == Some(&[]) { Err(NoStrings::NotText) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(document: &str, path: &str) -> Result<Vec<String>, NoStrings> {
        let found = strings(document, &JsonPath::parse(path).unwrap())?;
        for one in &found {
            let again: String = serde_json::from_str(&document[one.span.clone()]).unwrap();
            assert_eq!(again, one.text, "{document}");
        }
        Ok(found.into_iter().map(|one| one.text).collect())
    }

    #[test]
    fn strings_are_found_where_the_path_leads() {
        let photos = r#" [ {"original": "a\"1", "n": 1.50}, {"other":["x"],"original" : "bß\u00e4"},{"original":null},{} , 3 ] "#;
        assert_eq!(texts(photos, "$[*].original").unwrap(), ["a\"1", "bßä"]);
        assert_eq!(texts(photos, "$[1].original").unwrap(), ["bßä"]);
        assert_eq!(texts(photos, "$[1].other[0]").unwrap(), ["x"]);
        assert_eq!(texts(photos, "$[7].original").unwrap(), Vec::<String>::new());
        assert_eq!(texts("\"u\"", "$").unwrap(), ["u"]);
        assert_eq!(texts("{\"a\\u0062\": \"u\"}", "$.ab").unwrap(), ["u"]);
        assert_eq!(
            texts("{\"a\":\"1\",\"a\":\"2\"}", "$.a").unwrap(),
            ["1", "2"],
            "members of one name are all of them there"
        );
        assert_eq!(texts("[[\"a\"],[\"b\",\"c\"],[]]", "$[*][*]").unwrap(), ["a", "b", "c"]);
    }

    #[test]
    fn what_is_no_string_is_said_to_be_none() {
        assert_eq!(texts("[1]", "$[*]"), Err(NoStrings::NotText));
        assert_eq!(texts("[{\"a\":{}}]", "$[0].a"), Err(NoStrings::NotText));
        assert_eq!(texts("[\"a\"", "$[*]"), Err(NoStrings::NotJson));
        assert_eq!(texts("", "$"), Err(NoStrings::NotJson));
        assert_eq!(texts("null", "$"), Ok(Vec::new()));
    }
}
