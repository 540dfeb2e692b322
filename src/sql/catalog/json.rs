//! Which columns of a MariaDB table are JSON, read from its definition.

/// The columns with a check of their own by `json_valid`: what MariaDB makes of a column declared as JSON. Texts, such as
/// comments and defaults, are passed over.
pub(super) fn checked_columns(definition: &str) -> Vec<String> {
    const CHECK: &str = "CHECK (json_valid(";
    let mut columns = Vec::new();
    let mut rest = definition;
    while let Some(character) = rest.chars().next() {
        rest = match character {
            '\'' => after_text(rest),
            '`' => name(rest).map_or("", |(_, after)| after),
            _ => match rest.strip_prefix(CHECK).and_then(name) {
                Some((column, after)) if after.starts_with("))") => {
                    columns.push(column);
                    after
                }
                _ => rest.get(character.len_utf8()..).unwrap_or_default(),
            },
        };
    }
    columns
}

/// What follows the text in quotes that `text` begins with.
fn after_text(text: &str) -> &str {
    let mut escaped = false;
    for (place, character) in text.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            // A doubled quote ends one text and begins the next, which comes to the same.
            '\'' => return text.get(place + 1..).unwrap_or_default(),
            _ => {}
        }
    }
    ""
}

/// A quoted name at the start of a text, and what follows it.
pub(super) fn name(text: &str) -> Option<(String, &str)> {
    let mut name = String::new();
    let mut rest = text.strip_prefix('`')?;
    loop {
        let (part, after) = rest.split_once('`')?;
        name.push_str(part);
        match after.strip_prefix('`') {
            Some(more) => {
                name.push('`');
                rest = more;
            }
            None => return Some((name, after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_are_found_and_texts_are_not() {
        let definition = "CREATE TABLE `t` (\n  `a``b` longtext COLLATE utf8mb4_bin DEFAULT NULL CHECK (json_valid(`a``b`)),\n  \
            `c` longtext DEFAULT 'it''s \\' CHECK (json_valid(`c`))' COMMENT 'é CHECK (json_valid(`c`))',\n  \
            `CHECK (json_valid(` int,\n  `d` longtext CHECK (json_valid(`d`) and `d` <> ''),\n  \
            `e` longtext CHECK (json_valid(`e`))\n)";
        assert_eq!(checked_columns(definition), ["a`b", "e"]);
        assert!(checked_columns("'unclosed").is_empty());
    }
}
