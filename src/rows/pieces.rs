//! A checked `where`, cut where `:pass_started` stands.

/// A piece of a predicate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// SQL as the file says it.
    Sql(String),
    /// A value to be bound.
    PassStarted,
}

/// Cuts a predicate. A colon inside a literal or a quoted name is text.
pub fn pieces(filter: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for (place, text) in filter.split(":pass_started").enumerate() {
        if place > 0 {
            pieces.push(Piece::PassStarted);
        }
        pieces.push(Piece::Sql(text.to_owned()));
    }
    pieces
}
