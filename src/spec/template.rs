//! The template of an object's key: text, columns of the row, and what is known of a file.

use std::fmt;

/// A template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(pub Vec<Part>);

/// A part of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// As it stands.
    Text(String),
    /// `{column}`, or `{row.column}` where the column is called like one of the words below.
    Column(String),
    /// `{name}`: the file's name, the last segment of its URL's path.
    Name,
    /// `{ext}`: the name's extension with its dot, or that of the content type.
    Ext,
    /// `{digest}`: SHA-256 of the bytes, in hex.
    Digest,
    /// `{n}`: the URL's number within the row, from 1.
    Number,
    /// `{source}`: SHA-256 of the old URL, in hex.
    Source,
}

/// The words that are no columns.
pub(super) const WORDS: [(&str, Part); 5] =
    [("name", Part::Name), ("ext", Part::Ext), ("digest", Part::Digest), ("n", Part::Number), ("source", Part::Source)];

impl Template {
    /// Understands a template; otherwise what is wrong with it. `{{` and `}}` are braces.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (mut parts, mut plain, mut rest) = (Vec::new(), String::new(), text);
        while let Some(place) = rest.find(['{', '}']) {
            let (before, from) = rest.split_at(place);
            plain.push_str(before);
            if let Some(after) = from.strip_prefix("{{").or_else(|| from.strip_prefix("}}")) {
                plain.push_str(from.get(..1).unwrap_or_default());
                rest = after;
                continue;
            }
            let inside = from.strip_prefix('{').and_then(|inside| inside.split_once('}'));
            let Some((name, after)) = inside else {
                return Err("has a brace without its counterpart".to_owned());
            };
            if name.is_empty() || name.contains('{') {
                return Err(format!("has `{{{name}}}` in it, which names nothing"));
            }
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            parts.push(part(name));
            rest = after;
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Self(parts))
    }

    /// The columns of the row that occur in it.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| if let Part::Column(name) = part { Some(name.as_str()) } else { None })
    }
}

fn part(name: &str) -> Part {
    if let Some(column) = name.strip_prefix("row.").filter(|column| !column.is_empty()) {
        return Part::Column(column.to_owned());
    }
    let word = WORDS.into_iter().find(|(word, _)| *word == name);
    word.map_or_else(|| Part::Column(name.to_owned()), |(_, part)| part)
}

impl fmt::Display for Template {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in &self.0 {
            match part {
                Part::Text(text) => formatter.write_str(&text.replace('{', "{{").replace('}', "}}"))?,
                Part::Column(name) => write!(formatter, "{{row.{name}}}")?,
                word => {
                    let name = WORDS.iter().find(|(_, part)| part == word).map_or("", |(name, _)| name);
                    write!(formatter, "{{{name}}}")?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_understood() {
        let text = |text: &str| Part::Text(text.to_owned());
        let column = |name: &str| Part::Column(name.to_owned());
        for (written, parts) in [
            (
                "photos/{id}/{n}-{name}",
                vec![text("photos/"), column("id"), text("/"), Part::Number, text("-"), Part::Name],
            ),
            ("{row.name}{ext}", vec![column("name"), Part::Ext]),
            ("{{a}}{digest}", vec![text("{a}"), Part::Digest]),
            ("{a b}", vec![column("a b")]),
            ("plain", vec![text("plain")]),
            ("", vec![]),
        ] {
            let parsed = Template::parse(written).unwrap();
            assert_eq!(parsed.0, parts, "{written}");
            assert_eq!(Template::parse(&parsed.to_string()), Ok(parsed), "{written}");
        }
        for wrong in ["{", "}", "a{b", "a}b", "{}", "{a{b}"] {
            assert!(Template::parse(wrong).is_err(), "{wrong}");
        }
    }
}
