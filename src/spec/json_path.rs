//! Paths into JSON: `$`, `.name`, `["name"]`, `[n]` and `[*]`, which is all that it takes to say where URLs are.

use std::fmt;

/// Where values are within a JSON document; it may lead to any number of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonPath(pub Vec<PathStep>);

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathStep {
    /// A member of an object.
    Member(String),
    /// An element of an array, from 0.
    Element(usize),
    /// Every element of an array.
    Every,
}

impl JsonPath {
    /// Understands a path; otherwise what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let Some(mut rest) = text.strip_prefix('$') else { return Err("does not begin with `$`, the whole document") };
        let mut steps = Vec::new();
        while !rest.is_empty() {
            let step;
            (step, rest) = if let Some(name) = rest.strip_prefix('.') {
                member(name)?
            } else if let Some(inside) = rest.strip_prefix("[\"") {
                quoted(inside)?
            } else if let Some(inside) = rest.strip_prefix('[') {
                element(inside)?
            } else {
                return Err("goes on with something that is neither `.` nor `[`");
            };
            steps.push(step);
        }
        Ok(Self(steps))
    }

    /// Whether it may lead to more than one value.
    pub fn leads_to_many(&self) -> bool {
        self.0.contains(&PathStep::Every)
    }
}

fn member(text: &str) -> Result<(PathStep, &str), &'static str> {
    let end = text.find(['.', '[']).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let plain = |character: char| character.is_alphanumeric() || matches!(character, '_' | '-' | '$' | '@');
    if name.is_empty() || !name.chars().all(plain) {
        return Err("has a name that needs quotes, as in `[\"name\"]`");
    }
    Ok((PathStep::Member(name.to_owned()), rest))
}

fn quoted(text: &str) -> Result<(PathStep, &str), &'static str> {
    const OPEN: &str = "has a quoted name that does not end with `\"]`";
    let mut escaped = false;
    let end = text.char_indices().find(|(_, character)| {
        let ends = *character == '"' && !escaped;
        escaped = *character == '\\' && !escaped;
        ends
    });
    let (end, _) = end.ok_or(OPEN)?;
    let (name, rest) = text.split_at(end);
    let name = serde_json::from_str(&format!("\"{name}\"")).map_err(|_| "has a quoted name that is no JSON string")?;
    Ok((PathStep::Member(name), rest.strip_prefix("\"]").ok_or(OPEN)?))
}

fn element(text: &str) -> Result<(PathStep, &str), &'static str> {
    let (place, rest) = text.split_once(']').ok_or("has a `[` without its `]`")?;
    let step = match place {
        "*" => PathStep::Every,
        digits if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            PathStep::Element(digits.parse().map_err(|_| "has a place that is too large")?)
        }
        _ => return Err("has something between `[` and `]` that is no place, no `*` and no name in double quotes"),
    };
    Ok((step, rest))
}

impl fmt::Display for JsonPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("$")?;
        for step in &self.0 {
            match step {
                PathStep::Member(name) => write!(formatter, "[{}]", serde_json::Value::from(name.as_str()))?,
                PathStep::Element(place) => write!(formatter, "[{place}]")?,
                PathStep::Every => formatter.write_str("[*]")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_understood_in_every_spelling() {
        let member = |name: &str| PathStep::Member(name.to_owned());
        for (text, steps) in [
            ("$", vec![]),
            ("$[*].original", vec![PathStep::Every, member("original")]),
            ("$.a[\"b c\"][2]", vec![member("a"), member("b c"), PathStep::Element(2)]),
            (r#"$["q\"\\]"].x"#, vec![member("q\"\\]"), member("x")]),
            ("$.größe", vec![member("größe")]),
        ] {
            assert_eq!(JsonPath::parse(text), Ok(JsonPath(steps)), "{text}");
            let again = JsonPath::parse(text).unwrap();
            assert_eq!(JsonPath::parse(&again.to_string()), Ok(again), "{text}");
        }
        for wrong in
            ["", "a", "$a", "$.", "$..a", "$.a b", "$[", "$[]", "$[-1]", "$[a]", "$['a']", "$[\"a]", "$[1", "$[*"]
        {
            assert!(JsonPath::parse(wrong).is_err(), "{wrong}");
        }
    }
}
