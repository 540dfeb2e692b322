//! `[source]` and `[target]` of a migration of kind `files`.

use super::{bucket, http, identifier, optional_identifier, required, source};
use crate::hint::nearest;
use crate::spec::file::{Ordered, SourceSection, TargetSection};
use crate::spec::files::{FileColumn, FilesSource, FilesTarget, Rewrite, StampValue};
use crate::spec::json_path::JsonPath;
use crate::spec::problem::{Path, Problems, listed};
use crate::spec::template::{Part, Template};
use crate::spec::transfer::{FileColumnSection, RewriteSection, TargetKey};
use regex_lite::Regex;
use std::collections::HashSet;

const KEY_EXAMPLE: &str = "write `key = \"photos/{id}/{n}-{name}\"`";
const STAMPS: [(&str, StampValue); 4] = [
    ("$now", StampValue::Now),
    ("$state", StampValue::State),
    ("$run", StampValue::Run),
    ("$definition", StampValue::Definition),
];

pub(super) fn check(
    source: Option<SourceSection>,
    target: Option<TargetSection>,
    problems: &mut Problems,
) -> Option<(FilesSource, FilesTarget)> {
    let (from, to) = (Path::root().key("source"), Path::root().key("target"));
    let mut files = None;
    let table = source.map(|mut section| {
        files = columns(&from.key("files"), section.files.take(), problems);
        let at = from.key("http");
        let http = required(&at, section.http.take(), problems);
        let http = http.and_then(|http| http::check(&at, http, problems));
        (source::check(&from, section, problems), http)
    });
    let target = target.map(|section| self::target(&to, section, problems));
    let (draft, http) = table?;
    let key = draft.key.clone();
    if let (Some(key), Some(Some(target)), Some(files)) = (&key, &target, &files) {
        check_key(&to.key("key"), &target.key, key, files, problems);
        check_columns(&to.key("columns"), &target.columns, key, files, problems);
    }
    let source = FilesSource { table: draft.finish()?, files: files?, http: http? };
    Some((source, target??))
}

fn columns(path: &Path, written: Option<Vec<FileColumnSection>>, problems: &mut Problems) -> Option<Vec<FileColumn>> {
    let sections = required(path, written, problems)?;
    if sections.is_empty() {
        problems.add(path, "is empty", "write a section `[[source.files]]` for each column that holds URLs");
        return None;
    }
    let mut seen = HashSet::new();
    let mut checked = Vec::new();
    for (place, section) in sections.into_iter().enumerate() {
        let at = path.index(place);
        let place = (section.column.clone(), section.path.clone());
        let whole = (section.column.clone(), None);
        if section.column.is_some() && (!seen.insert(place) || section.path.is_some() && seen.contains(&whole)) {
            problems.add(&at.key("column"), "names the same URLs a second time", "name each column and path once");
        }
        checked.push(column(&at, section, problems));
    }
    checked.into_iter().collect()
}

fn column(path: &Path, section: FileColumnSection, problems: &mut Problems) -> Option<FileColumn> {
    let column = identifier(&path.key("column"), section.column, problems);
    let digest_column = optional_identifier(&path.key("digest_column"), section.digest_column, problems);
    let at = path.key("path");
    let json = match section.path.as_deref().map(JsonPath::parse) {
        Some(Ok(json)) => Some(json),
        Some(Err(wrong)) => {
            let hint = "write `$`, then `.name`, `[\"name\"]`, `[n]` or `[*]`, as in `$[*].original`";
            problems.add(&at, wrong, hint);
            return None;
        }
        None => None,
    };
    if digest_column.is_some() && json.as_ref().is_some_and(JsonPath::leads_to_many) {
        let hint = "leave it out, or name one URL by `path`: one digest cannot be that of many files";
        problems.add(&path.key("digest_column"), "stands beside a path to many URLs", hint);
    }
    let rewrite = match section.rewrite {
        Some(section) => Some(rewrite(&path.key("rewrite"), section, problems)?),
        None => None,
    };
    Some(FileColumn { column: column?, digest_column, path: json, rewrite })
}

fn rewrite(path: &Path, section: RewriteSection, problems: &mut Problems) -> Option<Rewrite> {
    let from = required(&path.key("from"), section.from, problems);
    let to = required(&path.key("to"), section.to, problems);
    let expression = match from.as_deref().map(Regex::new).transpose() {
        Ok(expression) => expression,
        Err(error) => {
            problems.add(&path.key("from"), format!("is no regular expression: {error}"), "correct it");
            return None;
        }
    };
    let (from, to, expression) = (from?, to?, expression?);
    if let Some(group) = unknown_group(&expression, &to) {
        let hint = "write `${1}` where a letter, a digit or `_` comes behind it, and `$$` for a `$` of the URL";
        problems.add(&path.key("to"), format!("names the group `{group}`, which `from` does not have"), hint);
        return None;
    }
    Some(Rewrite { from, to })
}

/// A group that a replacement names and its expression lacks: it would be replaced by nothing, and another file fetched.
fn unknown_group(expression: &Regex, to: &str) -> Option<String> {
    let known = |name: &str| match name.parse::<usize>() {
        Ok(number) => number < expression.captures_len(),
        Err(_) => expression.capture_names().flatten().any(|known| known == name),
    };
    let mut rest = to;
    while let Some((_, behind)) = rest.split_once('$') {
        if let Some(after) = behind.strip_prefix('$') {
            rest = after;
            continue;
        }
        let in_name = |character: char| character.is_ascii_alphanumeric() || character == '_';
        let braced = behind.strip_prefix('{').and_then(|inside| inside.split_once('}'));
        let (name, after) = braced.unwrap_or_else(|| {
            behind.split_at(behind.find(|character: char| !in_name(character)).unwrap_or(behind.len()))
        });
        // A `$` before anything else is a `$`.
        if !(name.is_empty() || known(name)) {
            return Some(name.to_owned());
        }
        rest = after;
    }
    None
}

fn target(path: &Path, section: TargetSection, problems: &mut Problems) -> Option<FilesTarget> {
    let at = path.key("bucket");
    let bucket = required(&at, section.bucket, problems).filter(|name| bucket::name(&at, name, problems));
    let mut plain = |name: &str, value: Option<String>| bucket::plain(&path.key(name), value, problems);
    let region = plain("region", section.region);
    let role = plain("role", section.role);
    let kms_key = plain("kms_key", section.kms_key);
    let storage_class = plain("storage_class", section.storage_class);
    let cache_control = plain("cache_control", section.cache_control);
    let endpoint = bucket::endpoint(&path.key("endpoint"), section.endpoint, problems);
    let prefix = bucket::prefix(&path.key("prefix"), section.prefix, problems);
    let content_types = types(&path.key("content_types"), section.content_types.unwrap_or_default(), problems);
    let key = key(&path.key("key"), section.key, problems);
    let url = url(&path.key("url"), section.url, problems);
    let columns = stamps(&path.key("columns"), section.columns.unwrap_or_default(), problems);
    problems.sound(path).then_some(())?;
    Some(FilesTarget {
        bucket: bucket?,
        prefix,
        region,
        role,
        endpoint,
        kms_key,
        storage_class,
        cache_control,
        key: key?,
        url: url?,
        content_types: content_types?,
        columns: columns?,
        hooks: Vec::new(),
    })
}

fn key(path: &Path, written: Option<TargetKey>, problems: &mut Problems) -> Option<Template> {
    let text = match written {
        None => {
            problems.add(path, "is missing", KEY_EXAMPLE);
            return None;
        }
        Some(TargetKey::Columns(_)) => {
            problems.add(path, "must be a string, not a list", KEY_EXAMPLE);
            return None;
        }
        Some(TargetKey::Template(text)) => text,
    };
    match Template::parse(&text) {
        Ok(template) => Some(template),
        Err(wrong) => {
            problems.add(path, wrong, format!("{KEY_EXAMPLE}; a brace of its own is written twice"));
            None
        }
    }
}

fn url(path: &Path, written: Option<String>, problems: &mut Problems) -> Option<(String, String)> {
    let text = required(path, written, problems)?;
    match text.split_once("{key}") {
        Some((before, after)) if !before.is_empty() && !before.contains(['{', '}']) && !after.contains(['{', '}']) => {
            Some((before.to_owned(), after.to_owned()))
        }
        _ => {
            let hint = "write `url = \"https://files.example.com/{key}\"`, with nothing else in braces";
            problems.add(path, "does not hold `{key}` once, behind some text", hint);
            None
        }
    }
}

fn types(path: &Path, written: Vec<String>, problems: &mut Problems) -> Option<Vec<String>> {
    for (place, text) in written.iter().enumerate() {
        let token =
            |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-+._".contains(&b));
        let good = text.split_once('/').is_some_and(|(kind, sub)| token(kind) && (sub == "*" || token(sub)));
        if !good {
            let hint = "write a type such as `application/pdf`, or all of a kind, as `image/*`";
            problems.add(&path.index(place), format!("`{text}` is no content type"), hint);
        }
    }
    problems.sound(path).then(|| written.into_iter().map(|text| text.to_ascii_lowercase()).collect())
}

fn stamps(path: &Path, written: Ordered, problems: &mut Problems) -> Option<Vec<(String, StampValue)>> {
    let mut columns = Vec::new();
    for (column, text) in written.0 {
        let at = path.key(&column);
        if !super::plain(&at, &column, problems) {
            continue;
        }
        let words = || STAMPS.iter().map(|(word, _)| *word);
        if let Some((_, value)) = STAMPS.iter().find(|(word, _)| *word == text) {
            columns.push((column, *value));
            continue;
        }
        let hint = match nearest(&text, words()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("write {}", listed(words(), "or")),
        };
        problems.add(&at, format!("`{text}` is nothing that is written with the URLs"), hint);
    }
    problems.sound(path).then_some(columns)
}

/// Two rows never share a key, nor do two files of one row where that can be told.
fn check_key(path: &Path, template: &Template, key: &[String], files: &[FileColumn], problems: &mut Problems) {
    let missing: Vec<&str> =
        key.iter().map(String::as_str).filter(|name| !template.columns().any(|column| column == *name)).collect();
    if !missing.is_empty() {
        let braces: Vec<String> = missing.iter().map(|name| format!("{{{name}}}")).collect();
        let add = format!("add {}", listed(braces.iter().map(String::as_str), "and"));
        // A column of the template that is almost one of the key: only the database knows which of the two is there.
        let strange = || template.columns().filter(|column| !key.iter().any(|name| name == column));
        let misspelt = missing.iter().find_map(|name| Some((*name, nearest(name, strange())?)));
        let hint = match misspelt {
            Some((name, other)) => format!("did you mean `{other}` where `source.key` has `{name}`? If not, {add}"),
            None => add,
        };
        problems.add(
            path,
            format!(
                "leaves out {} of the source's key, so that two rows could have one object",
                listed(missing, "and")
            ),
            hint,
        );
    }
    for pair in template.0.windows(2) {
        if let [one, other] = pair
            && !matches!(one, Part::Text(_))
            && !matches!(other, Part::Text(_) | Part::Ext)
        {
            let hint = "put a character between them, or 1 and 23 would be the same as 12 and 3";
            problems.add(path, "has two values side by side", hint);
        }
    }
    let told_apart =
        template.0.iter().any(|part| matches!(part, Part::Name | Part::Number | Part::Source | Part::Digest));
    let many = files.len() > 1 || files.iter().any(|file| file.path.as_ref().is_some_and(JsonPath::leads_to_many));
    if many && !told_apart {
        problems.add(path, "would be the same for all files of a row", "add `{n}`, the URL's number within the row");
    }
}

/// What is written with the URLs is neither one of them nor the row's key.
fn check_columns(
    path: &Path,
    columns: &[(String, StampValue)],
    key: &[String],
    files: &[FileColumn],
    problems: &mut Problems,
) {
    for (column, _) in columns {
        let of_files = files.iter().any(|file| file.column == *column || file.digest_column.as_ref() == Some(column));
        if key.contains(column) || of_files {
            let hint = "name a column that nothing else is in";
            problems.add(&path.key(column), format!("`{column}` is a column of the key, of URLs or of digests"), hint);
        }
    }
    for (place, file) in files.iter().enumerate().filter(|(_, file)| key.contains(&file.column)) {
        let at = Path::root().key("source").key("files").index(place).key("column");
        problems.add(
            &at,
            format!("`{}` is a column of the key, which never changes", file.column),
            "name another column",
        );
    }
}
