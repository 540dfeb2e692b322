//! `database`, `password` and `secret:` as they are written: where a database is, without asking anybody yet.

use super::definition::{DatabaseRef, PasswordRef, SecretRef};
use super::file::{Database, LongDatabase};
use super::problem::{Path, Problems};
use super::schema;
use crate::sql::ConnectOptions;
use std::path::PathBuf;

/// Understands a `database` field.
pub(super) fn database(path: &Path, written: Option<Database>, problems: &mut Problems) -> Option<DatabaseRef> {
    match written {
        None => {
            problems.add(path, "is missing", schema::example(path));
            None
        }
        Some(Database::Short(text)) => short(path, &text, problems),
        Some(Database::Long(long)) => self::long(path, long, problems),
    }
}

fn short(path: &Path, text: &str, problems: &mut Problems) -> Option<DatabaseRef> {
    if text.starts_with('$') {
        return variable(path, text, problems).map(DatabaseRef::Env);
    }
    if text.starts_with("secret:") {
        return secret(path, text, problems).map(DatabaseRef::Secret);
    }
    let url = literal(path, text, problems)?;
    Some(DatabaseRef::Url { url, password: None, ca: None })
}

fn long(path: &Path, long: LongDatabase, problems: &mut Problems) -> Option<DatabaseRef> {
    let at_url = path.key("url");
    let url = match long.url {
        None => {
            problems.add(&at_url, "is missing", schema::example(&at_url));
            None
        }
        Some(text) if text.starts_with('$') || text.starts_with("secret:") => {
            let hint = format!("write `{} = \"{text}\"`, or a URL without its password", path.last_key());
            problems.add(&at_url, "must be a literal URL in the long form", hint);
            None
        }
        Some(text) => literal(&at_url, &text, problems),
    };
    let at_password = path.key("password");
    let password = match long.password {
        None => Some(None),
        Some(text) if text.starts_with('$') => {
            variable(&at_password, &text, problems).map(|name| Some(PasswordRef::Env(name)))
        }
        Some(text) if text.starts_with("secret:") => {
            secret(&at_password, &text, problems).map(|secret| Some(PasswordRef::Secret(secret)))
        }
        Some(text) if text.is_empty() => {
            problems.add(&at_password, "is empty", format!("{}, or leave it out", schema::example(&at_password)));
            None
        }
        Some(_) => {
            problems.add(
                &at_password,
                "is a password written down",
                "put it into the environment and write `password = \"$NAME\"`, or `password = \"secret:NAME-OR-ARN\"`",
            );
            None
        }
    };
    if long.ca.as_deref() == Some("") {
        problems.add(&path.key("ca"), "is empty", schema::example(&path.key("ca")));
    }
    Some(DatabaseRef::Url { url: url?, password: password?, ca: long.ca.map(PathBuf::from) })
}

fn literal(path: &Path, text: &str, problems: &mut Problems) -> Option<String> {
    match ConnectOptions::from_url(text) {
        Ok(ConnectOptions { password: Some(_), .. }) => {
            problems.add(
                path,
                "holds a password",
                "put the URL into the environment and write `\"$NAME\"`, or `\"secret:NAME-OR-ARN\"`, or the long form \
                 `{ url = \"mysql://USER@HOST/DATABASE\", password = \"$NAME\" }`",
            );
            None
        }
        Ok(_) => Some(text.to_owned()),
        Err(error) => {
            let is_variable =
                !text.is_empty() && text.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
            let hint =
                if is_variable { format!("for the environment's variable write `\"${text}\"`") } else { error.hint };
            problems.add(path, error.message, hint);
            None
        }
    }
}

pub(super) fn variable(path: &Path, text: &str, problems: &mut Problems) -> Option<String> {
    let name = text.strip_prefix('$').unwrap_or_default();
    let legal = |(place, character): (usize, char)| {
        character == '_' || character.is_ascii_alphabetic() || (place > 0 && character.is_ascii_digit())
    };
    if !name.is_empty() && name.chars().enumerate().all(legal) {
        return Some(name.to_owned());
    }
    problems.add(
        path,
        "does not name a variable of the environment",
        "write `\"$NAME\"`: letters, digits and `_`, no digit first, nothing else in the string",
    );
    None
}

pub(super) fn secret(path: &Path, text: &str, problems: &mut Problems) -> Option<SecretRef> {
    let rest = text.strip_prefix("secret:").unwrap_or_default();
    // Names and ARNs hold colons and slashes, but no `#`.
    let (id, field) = match rest.split_once('#') {
        Some((id, field)) => (id, Some(field)),
        None => (rest, None),
    };
    let legal = |character: char| character.is_ascii_alphanumeric() || "/_+=.@-:".contains(character);
    if id.is_empty() || !id.chars().all(legal) || field == Some("") {
        problems.add(
            path,
            "does not name a secret",
            "write `\"secret:NAME-OR-ARN\"`, or `\"secret:NAME-OR-ARN#FIELD\"` for one field of a JSON secret",
        );
        return None;
    }
    Some(SecretRef { id: id.to_owned(), field: field.map(str::to_owned) })
}
