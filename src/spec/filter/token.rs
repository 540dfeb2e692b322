//! The words of a condition, read so that MySQL, PostgreSQL and SQLite would all read them alike; what they would not is
//! refused: here, or once the database is known.

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

/// What is read: hints speak of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    Condition,
    Query,
}

impl Of {
    fn word(self) -> &'static str {
        match self {
            Self::Condition => "condition",
            Self::Query => "query",
        }
    }

    /// With what it may have for parameters.
    fn hint(self, hint: &str) -> String {
        match self {
            Self::Condition => format!("{hint}, `:pass_started` is the only parameter"),
            Self::Query => format!("{hint}, a query has no parameters"),
        }
    }
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

    /// Whether brackets behind it are a subscript; those of `ARRAY[…]` are not.
    fn has_elements(&self) -> bool {
        match self.kind {
            Kind::Word => self.name() != "array",
            Kind::Quoted | Kind::Close => true,
            _ => false,
        }
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

/// All tokens of a condition, or the first thing that cannot be one.
pub(super) fn tokens(filter: &str) -> Result<Vec<Token<'_>>, Finding> {
    tokens_of(Of::Condition, filter)
}

/// The same of whatever it is.
pub(super) fn tokens_of(of: Of, text: &str) -> Result<Vec<Token<'_>>, Finding> {
    if text.contains('\0') {
        return Err(Finding::new("holds a NUL character", "take it out"));
    }
    let mut tokens: Vec<Token<'_>> = Vec::new();
    // Of each parenthesis and bracket that is open: whether it is that of a subscript.
    let mut open: Vec<bool> = Vec::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let blanks = length_while(rest, char::is_whitespace);
        if blanks > 0 {
            at += blanks;
            continue;
        }
        let touching = tokens.last().filter(|last| last.at + last.text.len() == at);
        let (kind, length) = one(of, rest, touching, open.last() == Some(&true))?;
        let (token, _) = rest.split_at(length);
        match kind {
            Kind::Open => open.push(token == "[" && tokens.last().is_some_and(Token::has_elements)),
            Kind::Close => {
                open.pop();
            }
            _ => {}
        }
        tokens.push(Token { kind, text: token, at });
        at += length;
    }
    Ok(tokens)
}

/// The token at the beginning of `rest`: what it is and how many bytes it has. `touching` ends where it begins; `subscript`: it
/// stands in one.
fn one(of: Of, rest: &str, touching: Option<&Token<'_>>, subscript: bool) -> Result<(Kind, usize), Finding> {
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
                // PostgreSQL's `tags[low:high]`. MySQL has no brackets, and SQLite takes them for the quotes of a name.
                if subscript {
                    return Ok((Kind::Symbol, 1));
                }
                let message = format!("holds the parameter `{}`", &rest[..length]);
                let hint = match of {
                    Of::Condition => "`:pass_started` is the only one: the time at which the pass began",
                    Of::Query => "write the value itself, a query has no parameters",
                };
                return Err(Finding::new(message, hint));
            }
            (Kind::PassStarted, length)
        }
        ';' => {
            let hint = format!("write one {}, without the end of a statement", of.word());
            return Err(Finding::new("holds a `;`", hint));
        }
        '-' if second == '-' => return Err(comment("--")),
        '/' if second == '*' => return Err(comment("/*")),
        '#' => {
            let hint = format!("MySQL takes it for a comment: write the {} without it", of.word());
            return Err(Finding::new("holds a `#`", hint));
        }
        '?' => {
            let hint = of.hint("write the value itself");
            return Err(Finding::new(
                "holds a placeholder `?`",
                format!(
                    "{hint}; PostgreSQL's `?`, `?|` and `?&` of jsonb are jsonb_exists(column, 'key'), jsonb_exists_any and \
                     jsonb_exists_all"
                ),
            ));
        }
        '$' => {
            let hint = of.hint("write values as they are, texts in '…'");
            return Err(Finding::new("holds a `$` outside of quotes", hint));
        }
        '@' => at_sign(rest, touching)?,
        digit if digit.is_ascii_digit() => {
            (Kind::Number, length_while(rest, |character| character.is_ascii_alphanumeric() || character == '.'))
        }
        letter if begins_word(letter) => (Kind::Word, length_while(rest, in_word)),
        other => (Kind::Symbol, other.len_utf8()),
    })
}

/// `@` outside of quotes: an operator of PostgreSQL's or part of one, or else the beginning of a variable of MySQL's.
fn at_sign(rest: &str, touching: Option<&Token<'_>>) -> Result<(Kind, usize), Finding> {
    let signs = length_while(rest, |character| character == '@');
    let behind = &rest[signs..];
    let name = length_while(behind, in_word);
    let is_variable = match signs {
        // `<@`, which MySQL would take apart: `foreign` knows the database.
        1 if touching.is_some_and(|before| before.is("<")) => false,
        1 => behind.starts_with(begins_word) || behind.starts_with(['`', '\'', '"']),
        _ => behind.starts_with('`') || (name > 0 && !is_operand(behind)),
    };
    if !is_variable {
        return Ok((Kind::Symbol, signs));
    }
    let message = format!("holds the variable `{}`", &rest[..signs + name]);
    let hint = "write the value itself: a variable differs from session to session";
    if signs == 1 {
        return Err(Finding::new(message, hint));
    }
    Err(Finding::new(message, format!("{hint}; PostgreSQL's operator `@@` has a blank behind it")))
}

/// `to_tsquery('x')`, `pg_catalog.to_tsquery('x')`, `tsquery 'x'`: behind `@@` a variable could not go on like this.
fn is_operand(behind: &str) -> bool {
    let name = length_while(behind, |character| in_word(character) || character == '.');
    behind[name..].trim_start().starts_with(['(', '\''])
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
