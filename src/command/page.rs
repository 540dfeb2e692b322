//! Pages of dead letters. `next` is an opaque word that a shell passes on as it is, and that shows no key where keys are hidden.

use super::error::CommandError;
use crate::digest;
use crate::ledger::{Ledger, LedgerError, Record, item};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Digits at the end of a token that tell one that was issued from one that was not, or was cut.
const CHECK: usize = 8;

/// A page of what is shown, and the `next` that asks for the one after it.
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    pub(super) next: Option<String>,
}

/// The page after `next`, of up to `most` records of which `shown` makes something. Where keys may be seen it is in the order of the keys;
/// hidden ones are in the order of their digests, so that no word names a key, at the price of reading all of them for each page.
pub(super) async fn of<T>(
    ledger: &dyn Ledger,
    name: &str,
    next: Option<&str>,
    (most, keys): (usize, bool),
    time: Duration,
    shown: impl Fn(&Record) -> Result<Option<T>, LedgerError>,
) -> Result<Page<T>, CommandError> {
    let after = next.map(|next| read(name, next, keys).ok_or_else(unknown)).transpose()?;
    let page = if keys {
        visible(ledger, name, after, most, time, shown).await?
    } else {
        hidden(ledger, name, after, most, time, shown).await?
    };
    Ok(page)
}

async fn visible<T>(
    ledger: &dyn Ledger,
    name: &str,
    mut after: Option<String>,
    most: usize,
    time: Duration,
    shown: impl Fn(&Record) -> Result<Option<T>, LedgerError>,
) -> Result<Page<T>, LedgerError> {
    let (began, mut items, mut last) = (Instant::now(), Vec::new(), None);
    let mut size = most.clamp(100, 1000);
    loop {
        let page = ledger.list(name, item::DEAD, after.as_deref(), size, false, time).await?;
        for record in &page.records {
            let Some(item) = shown(record)? else { continue };
            if items.len() == most {
                return Ok(Page { items, next: last });
            }
            items.push(item);
            if items.len() == most {
                last = Some(token(name, &record.item, true));
            }
        }
        after = page.next;
        let Some(place) = &after else { return Ok(Page { items, next: None }) };
        // Whoever goes on from there goes on looking.
        if began.elapsed() > time {
            let next = last.unwrap_or_else(|| token(name, place, true));
            return Ok(Page { items, next: Some(next) });
        }
        // Most of what is there is not shown: it is passed over in larger steps.
        size = 1000;
    }
}

async fn hidden<T>(
    ledger: &dyn Ledger,
    name: &str,
    after: Option<String>,
    most: usize,
    time: Duration,
    shown: impl Fn(&Record) -> Result<Option<T>, LedgerError>,
) -> Result<Page<T>, LedgerError> {
    let mut first = BTreeMap::new();
    let (mut from, mut more) = (None, false);
    loop {
        let page = ledger.list(name, item::DEAD, from.as_deref(), 1000, false, time).await?;
        for record in &page.records {
            let place = digest::sha256(&record.item);
            if after.as_ref().is_none_or(|after| place > *after)
                && let Some(item) = shown(record)?
            {
                first.insert(place, item);
                // No more of them are held than are shown.
                if first.len() > most {
                    first.pop_last();
                    more = true;
                }
            }
        }
        from = page.next;
        if from.is_none() {
            break;
        }
    }
    let next = first.last_key_value().filter(|_| more).map(|(place, _)| token(name, place, false));
    Ok(Page { items: first.into_values().collect(), next })
}

/// A place in the list as a word of letters, digits, `-` and `_`; a hidden place is a digest already.
fn token(name: &str, place: &str, shown: bool) -> String {
    let word = if shown { BASE64.encode(place) } else { place.to_owned() };
    let check = check(name, &word);
    word + &check
}

/// The place that a word stands for; `None` if no page of this migration ended there.
fn read(name: &str, token: &str, shown: bool) -> Option<String> {
    let (word, end) = token.split_at_checked(token.len().checked_sub(CHECK)?)?;
    if end != check(name, word) {
        return None;
    }
    if !shown {
        return (word.len() == 64).then(|| word.to_owned());
    }
    let place = String::from_utf8(BASE64.decode(word).ok()?).ok()?;
    place.starts_with(item::DEAD).then_some(place)
}

fn check(name: &str, word: &str) -> String {
    let mut check = digest::sha256(format!("{name} {word}"));
    check.truncate(CHECK);
    check
}

fn unknown() -> CommandError {
    // It may be a key that somebody took for one: it is not repeated.
    CommandError::Usage(
        "`next` is none that `failed` gave for this migration as it is now: pass on the `next` of the page before, whole, or leave \
         it out to begin anew"
            .to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_words_that_lead_back_and_cannot_be_made_up() {
        let place = "dead#[\"O'Brien $x\",\"1\"]";
        let shown = token("m", place, true);
        let hash = digest::sha256(place);
        let hidden = token("m", &hash, false);
        for token in [&shown, &hidden] {
            assert!(token.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_'), "{token}");
            assert!(!token.starts_with('-'), "{token}");
        }
        assert_eq!(read("m", &shown, true).as_deref(), Some(place));
        assert_eq!(read("m", &hidden, false), Some(hash.clone()));
        // Of another migration, of the other kind, cut, made up.
        for (name, token, kind) in [
            ("n", shown.as_str(), true),
            ("m", &shown, false),
            ("m", &hidden, true),
            ("m", &shown[1..], true),
            ("m", &hidden[..63], false),
            ("m", &hash, false),
            ("m", place, true),
            ("m", "", true),
            ("m", "ü", false),
        ] {
            assert_eq!(read(name, token, kind), None, "{token}");
        }
    }
}
