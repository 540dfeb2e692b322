//! What SHOW GRANTS of MySQL and MariaDB says about one table. It shows enabled roles' grants too.

use super::Privileges;
use super::json::name;

/// What the lines grant on `schema`.`table` as a whole. A line that is not understood grants nothing.
pub(super) fn granted<'a>(lines: impl IntoIterator<Item = &'a str>, schema: &str, table: &str) -> Privileges {
    let mut granted = Privileges::default();
    for line in lines {
        let Some((grants, rest)) = line
            .strip_prefix("GRANT ")
            .map(|rest| (true, rest))
            .or_else(|| line.strip_prefix("REVOKE ").map(|rest| (false, rest)))
        else {
            continue;
        };
        let Some((words, object)) = split_outside(rest, " ON ") else { continue };
        if !covers(object, schema, table) {
            continue;
        }
        for word in words.split(',') {
            match word.trim() {
                "ALL" | "ALL PRIVILEGES" => {
                    granted = Privileges {
                        select: grants,
                        insert: grants,
                        update: grants,
                        delete: grants,
                        create: grants,
                        triggers: grants,
                        ..Privileges::default()
                    };
                }
                "SELECT" => granted.select = grants,
                "INSERT" => granted.insert = grants,
                "UPDATE" => granted.update = grants,
                "DELETE" => granted.delete = grants,
                "CREATE" => granted.create = grants,
                "TRIGGER" => granted.triggers = grants,
                _ => {}
            }
        }
    }
    granted
}

fn covers(object: &str, schema: &str, table: &str) -> bool {
    if object.starts_with("*.* ") {
        return true;
    }
    let Some((granted_schema, rest)) = name(object) else { return false };
    if rest.starts_with(".* ") {
        return like(&granted_schema, schema);
    }
    // A schema beside a table is no pattern, but its wildcards may be escaped as if it were.
    rest.strip_prefix('.').and_then(name).is_some_and(|(granted_table, _)| {
        granted_table == table && (granted_schema == schema || granted_schema.replace('\\', "") == schema)
    })
}

/// Splits at the first `word` outside of backticks.
fn split_outside<'a>(text: &'a str, word: &str) -> Option<(&'a str, &'a str)> {
    let mut quoted = false;
    for (place, character) in text.char_indices() {
        if character == '`' {
            quoted = !quoted;
        } else if !quoted && text.get(place..).is_some_and(|rest| rest.starts_with(word)) {
            return Some((text.get(..place)?, text.get(place + word.len()..)?));
        }
    }
    None
}

/// MySQL's LIKE with `_`, `%` and `\`.
fn like(pattern: &str, text: &str) -> bool {
    let mut pattern_rest = pattern.chars();
    match pattern_rest.next() {
        None => text.is_empty(),
        Some('%') => {
            let rest = pattern_rest.as_str();
            text.char_indices().map(|(place, _)| place).chain([text.len()]).any(|place| like(rest, &text[place..]))
        }
        Some(character) => {
            let mut text_rest = text.chars();
            let Some(found) = text_rest.next() else { return false };
            let fits = match character {
                '_' => true,
                '\\' => pattern_rest.next() == Some(found),
                plain => plain == found,
            };
            fits && like(pattern_rest.as_str(), text_rest.as_str())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(lines: &[&str]) -> String {
        let granted = granted(lines.iter().copied(), "my_shop", "orders");
        [granted.select, granted.insert, granted.update, granted.delete, granted.create, granted.triggers]
            .iter()
            .zip("siudct".chars())
            .filter_map(|(yes, letter)| yes.then_some(letter))
            .collect()
    }

    #[test]
    fn grants_of_every_level() {
        assert_eq!(ask(&["GRANT USAGE ON *.* TO `r`@`%`"]), "");
        assert_eq!(ask(&["GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost` WITH GRANT OPTION"]), "siudct");
        assert_eq!(ask(&["GRANT SELECT, CREATE ON `my\\_shop`.* TO `r`@`%`"]), "sc");
        assert_eq!(ask(&["GRANT SELECT, CREATE ON `my%`.* TO `r`@`%`"]), "sc");
        assert_eq!(ask(&["GRANT SELECT ON `myXshop`.* TO `r`@`%`"]), "");
        assert_eq!(ask(&["GRANT SELECT ON `my\\_shopX`.* TO `r`@`%`"]), "");
        assert_eq!(ask(&["GRANT INSERT, DELETE ON `my_shop`.`orders` TO `r`@`%`"]), "id");
        assert_eq!(ask(&["GRANT SELECT, TRIGGER ON `my_shop`.`orders` TO `r`@`%`"]), "st");
        assert_eq!(ask(&["GRANT INSERT ON `my_shop`.`order``s` TO `r`@`%`"]), "");
        assert_eq!(ask(&["GRANT SELECT (`a`, `b ON c`), INSERT ON `my_shop`.`orders` TO `r`@`%`"]), "i");
        assert_eq!(ask(&["GRANT EXECUTE ON PROCEDURE `my_shop`.`orders` TO `r`@`%`", "GRANT `ro` TO `r`@`%`"]), "");
        assert_eq!(ask(&["GRANT SELECT, INSERT ON *.* TO `r`@`%`", "REVOKE INSERT ON `my_shop`.* FROM `r`@`%`"]), "s");
    }
}
