//! The words of a condition, read so that MySQL, PostgreSQL and SQLite would all read them alike; what they would not is
//! refused.

use super::Finding;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A name or a keyword without quotes.
    Word,
    /// A name in double quotes, backticks; in MySQL the former is a text.
    Quoted,
    /// A text in single quotes.
    Text,
    /// A number.
    Number,
    /// `(` or `[`.
    Open,
    /// `)` or `]`.
    Close,
    /// `:pass_started`.
    PassStarted,
    /// `::`.
    Cast,
    /// Any other character.
    Symbol,
}

/// A token and the byte at which it begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    pub(super) text: &'a str,
    pub(super) at: usize,
}

impl Token<'_> {
    /// The name without its quotes, in lower case: how a function is found.
    pub(super) fn name(&self) -> String {
        let bare = if self.kind == Kind::Quoted || self.kind == Kind::Text {
            self.text.get(1..self.text.len() - 1).unwrap_or_default()
        } else {
            self.text
        };
        bare.trim().to_lowercase()
    }

    /// Whether it is this symbol.
    pub(super) fn is(&self, symbol: &str) -> bool {
        self.text == symbol && self.kind != Kind::Text && self.kind != Kind::Quoted
    }
}

fn begins_word(character: char) -> bool {
    character.is_alphabetic() || character == '_' || (!character.is_ascii() && !character.is_whitespace())
}

fn in_word(character: char) -> bool {
    begins_word(character) || character.is_ascii_digit() || character == '$'
}

fn length_while(text: &str, holds: impl Fn(char) -> bool) -> usize {
    text.find(|character| !holds(character)).unwrap_or(text.len())
}

/// All tokens, or the first thing that cannot be one.
pub(super) fn tokens(filter: &str) -> Result<Vec<Token<'_>>, Finding> {
    if filter.contains('\0') {
        return Err(Finding::new("holds a NUL character", "take it out"));
    }
    let mut tokens: Vec<Token<'_>> = Vec::new();
    let mut at = 0;
    while let Some(rest) = filter.get(at..).filter(|rest| !rest.is_empty()) {
        let blanks = length_while(rest, char::is_whitespace);
        if blanks > 0 {
            at += blanks;
            continue;
        }
        let (kind, length) = one(rest, tokens.last().filter(|last| last.at + last.text.len() == at))?;
        let (text, _) = rest.split_at(length);
        tokens.push(Token { kind, text, at });
        at += length;
    }
    Ok(tokens)
}

/// The token at the beginning of `rest`: what it is and how many bytes it has. `touching` ends where it begins.
fn one(rest: &str, touching: Option<&Token<'_>>) -> Result<(Kind, usize), Finding> {
    let mut characters = rest.chars();
    let first = characters.next().unwrap_or_default();
    let second = characters.next().unwrap_or_default();
    Ok(match first {
        '\'' => (Kind::Text, quoted(rest, first)?),
        '"' | '`' => (Kind::Quoted, quoted(rest, first)?),
        '(' | '[' => (Kind::Open, 1),
        ')' | ']' => (Kind::Close, 1),
        ':' if second == ':' => (Kind::Cast, 2),
        ':' if begins_word(second) => {
            let length = 1 + length_while(&rest[1..], in_word);
            if &rest[..length] != ":pass_started" {
                let message = format!("holds the parameter `{}`", &rest[..length]);
                return Err(Finding::new(message, "`:pass_started` is the only one: the time at which the pass began"));
            }
            (Kind::PassStarted, length)
        }
        ';' => return Err(Finding::new("holds a `;`", "write one condition, without the end of a statement")),
        '-' if second == '-' => return Err(comment("--")),
        '/' if second == '*' => return Err(comment("/*")),
        '#' => return Err(Finding::new("holds a `#`", "MySQL takes it for a comment: write the condition without it")),
        '?' => {
            return Err(Finding::new(
                "holds a placeholder `?`",
                "write the value itself, `:pass_started` is the only parameter; PostgreSQL's `?`, `?|` and `?&` of jsonb are \
                 jsonb_exists(column, 'key'), jsonb_exists_any and jsonb_exists_all",
            ));
        }
        '$' => {
            let hint = "write values as they are, texts in '…'; `:pass_started` is the only parameter";
            return Err(Finding::new("holds a `$` outside of quotes", hint));
        }
        '@' if (begins_word(second) || second == '@' || "`'\"".contains(second)) && !touching.is_some_and(operator) => {
            let signs = length_while(rest, |character| character == '@');
            let length = signs + length_while(&rest[signs..], in_word);
            if length == signs && signs > 1 {
                (Kind::Symbol, signs)
            } else {
                let message = format!("holds the variable `{}`", &rest[..length]);
                return Err(Finding::new(
                    message,
                    "write the value itself: a variable differs from session to session",
                ));
            }
        }
        digit if digit.is_ascii_digit() => {
            (Kind::Number, length_while(rest, |character| character.is_ascii_alphanumeric() || character == '.'))
        }
        letter if begins_word(letter) => (Kind::Word, length_while(rest, in_word)),
        other => (Kind::Symbol, other.len_utf8()),
    })
}

fn operator(token: &Token<'_>) -> bool {
    token.kind == Kind::Symbol && "<@~".contains(token.text)
}

fn comment(mark: &str) -> Finding {
    Finding::new(
        format!("holds a comment (`{mark}`)"),
        "write it as a comment of the file, with `#` on a line of its own",
    )
}

/// How many bytes a quoted text has, its quotes included; a doubled quote is part of it.
fn quoted(rest: &str, quote: char) -> Result<usize, Finding> {
    let mut backslashes = 0;
    let mut characters = rest.char_indices().skip(1).peekable();
    while let Some((place, character)) = characters.next() {
        if character == quote {
            if backslashes % 2 == 1 && quote != '`' {
                let hint = format!("databases read it differently: write a quote inside of quotes as {quote}{quote}");
                return Err(Finding::new("holds a backslash before a quote", hint));
            }
            if characters.next_if(|(_, next)| *next == quote).is_none() {
                return Ok(place + 1);
            }
        }
        backslashes = if character == '\\' { backslashes + 1 } else { 0 };
    }
    Err(Finding::new("leaves a quote open", format!("close it with {quote}")))
}
