//! `[[after_row]]`: who is told of a row that follows its files.

use super::{http, required};
use crate::spec::files::{FilesSource, FilesTarget, HookRef, TextRef};
use crate::spec::filter;
use crate::spec::problem::{Path, Problems};
use crate::spec::reference;
use crate::spec::transfer::AfterRowSection;
use url::Url;

pub(super) fn check(path: &Path, sections: Vec<AfterRowSection>, problems: &mut Problems) -> Option<Vec<HookRef>> {
    let hooks: Vec<_> =
        sections.into_iter().enumerate().map(|(place, section)| hook(&path.index(place), section, problems)).collect();
    hooks.into_iter().collect()
}

/// A row that no longer matches once it has followed would not be found again to be told of.
pub(super) fn check_filter(source: &FilesSource, target: &FilesTarget, problems: &mut Problems) {
    let Some(filter) = target.hooks.first().and(source.table.filter.as_ref()) else { return };
    let named = filter::names(filter);
    let written = source.files.iter().map(|file| &file.column).chain(target.columns.iter().map(|(name, _)| name));
    for column in written.filter(|column| named.contains(&column.to_lowercase())) {
        problems.add(
            &Path::root().key("source").key("where"),
            format!("names `{column}`, which is written when a row follows: with `[[after_row]]` it has to match before and after"),
            "leave it out: rows that have followed are skipped in any case",
        );
    }
}

fn hook(path: &Path, section: AfterRowSection, problems: &mut Problems) -> Option<HookRef> {
    let url = required(&path.key("webhook"), section.webhook, problems);
    let url = url.and_then(|text| self::url(&path.key("webhook"), text, problems));
    let headers = http::headers(&path.key("headers"), section.headers.unwrap_or_default(), problems);
    Some(HookRef { url: url?, headers: headers? })
}

fn url(path: &Path, text: String, problems: &mut Problems) -> Option<TextRef> {
    if text.starts_with('$') {
        return reference::variable(path, &text, problems).map(TextRef::Env);
    }
    if text.starts_with("secret:") {
        return reference::secret(path, &text, problems).map(TextRef::Secret);
    }
    let parsed = Url::parse(&text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let Some(parsed) = parsed else {
        problems.add(path, "is no URL to POST to", "write `webhook = \"$PROFILE_HOOK_URL\"`, or a URL with `https`");
        return None;
    };
    if !parsed.username().is_empty() || parsed.password().is_some() {
        problems.add(
            path,
            "holds a user or a password written down",
            "write them by `headers`, as `secret:NAME-OR-ARN`",
        );
        return None;
    }
    Some(TextRef::Literal(text))
}
