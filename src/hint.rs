//! What messages offer to those who wrote something else: the name that was probably meant.

/// The candidate that somebody who wrote `word` most likely meant.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let most = (word.chars().count() / 3).clamp(1, 3);
    candidates
        .into_iter()
        .map(|candidate| (strsim::osa_distance(&word, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn the_nearest_word_is_close_or_not_offered() {
        assert_eq!(nearest("tabel", ["table", "key"]), Some("table"));
        assert_eq!(nearest("Where", ["where", "table"]), Some("where"));
        assert_eq!(nearest("colour", ["table", "key"]), None);
        assert_eq!(nearest("x", ["key"]), None);
    }
}
