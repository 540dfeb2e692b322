//! Which object a file becomes, and what the row then says: the key from its template, the URL from the key.

use crate::digest;
use crate::spec::{FilesTarget, Part, Template};
use std::fmt::Write as _;
use url::Url;

/// Bytes of a key, at most.
const LONGEST: usize = 1024;
/// An extension is no longer.
const EXTENSION: usize = 10;
/// The segment below which milkrun keeps what it notes: a row that led there could write lines of the journal.
const NOTES: &str = ".milkrun";

/// The templates of a target.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Naming {
    prefix: String,
    template: Template,
    url: (String, String),
}

/// What is known of a file when its key is made.
pub(super) struct Known<'a> {
    /// What the row says.
    pub(super) url: &'a str,
    /// Its number within the row.
    pub(super) number: u32,
    /// What its server says that it is.
    pub(super) content_type: Option<&'a str>,
    /// SHA-256 of its bytes, in hex.
    pub(super) digest: Option<&'a str>,
}

/// A key that no object can have, or that no URL can name.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum Unnamable {
    /// A column of the template is NULL.
    #[error("the column `{0}` of the key's template is NULL: name one that never is, or leave the row out by `where`")]
    Null(String),
    /// Longer than a key may be.
    #[error(
        "the object's key would have {0} bytes, and S3 takes 1024: write `{{source}}{{ext}}` in place of `{{name}}`"
    )]
    Long(usize),
    /// Clients take such segments out of a URL before they send it.
    #[error("the object's key would have a segment `.` or `..`, which no URL can name: put a character before it")]
    Dots,
    /// Lines of the journal are what `rollback` believes.
    #[error(
        "the object's key would have a segment `.milkrun`, and there milkrun keeps what it notes: put a character before it"
    )]
    Notes,
    /// Nothing of it is left, or nothing but blanks, which AWS's SDK cannot say.
    #[error("the object's key would be empty, or nothing but blanks")]
    Empty,
}

impl Naming {
    pub(super) fn of(target: &FilesTarget) -> Self {
        Self { prefix: target.prefix.clone(), template: target.key.clone(), url: target.url.clone() }
    }

    /// Whether a key cannot be made before all bytes are known.
    pub(super) fn needs_digest(&self) -> bool {
        self.template.0.contains(&Part::Digest)
    }

    /// Whether a key can be made of the URL and the row alone, before anything of the file is known.
    pub(super) fn is_told_by(&self, url: &str) -> bool {
        self.template.0.iter().all(|part| match part {
            Part::Digest => false,
            Part::Ext => !extension(url, None).is_empty(),
            _ => true,
        })
    }

    /// Whether the same URL in one row may become two objects.
    pub(super) fn numbers(&self) -> bool {
        self.template.0.contains(&Part::Number)
    }

    /// The key of a file's object; `column` gives the text of a column of its row.
    pub(super) fn key<'a>(
        &self,
        known: &Known<'_>,
        column: impl Fn(&str) -> Option<&'a str>,
    ) -> Result<String, Unnamable> {
        let mut key = self.prefix.clone();
        for part in &self.template.0 {
            match part {
                Part::Text(text) => key.push_str(text),
                Part::Column(name) => key.push_str(column(name).ok_or_else(|| Unnamable::Null(name.clone()))?),
                Part::Name => key.push_str(&file_name(known.url)),
                Part::Ext => key.push_str(&extension(known.url, known.content_type)),
                Part::Digest => key.push_str(known.digest.unwrap_or_default()),
                Part::Number => {
                    let _ = write!(key, "{}", known.number);
                }
                Part::Source => key.push_str(&digest::sha256(known.url)),
            }
        }
        if key.trim().is_empty() {
            return Err(Unnamable::Empty);
        }
        if key.len() > LONGEST {
            return Err(Unnamable::Long(key.len()));
        }
        if key.split('/').any(|segment| matches!(segment, "." | "..")) {
            return Err(Unnamable::Dots);
        }
        let behind_prefix = key.get(self.prefix.len()..).unwrap_or_default();
        if behind_prefix.split('/').any(|segment| segment == NOTES) {
            return Err(Unnamable::Notes);
        }
        Ok(key)
    }

    /// What the row gets.
    pub(super) fn url(&self, key: &str) -> String {
        format!("{}{}{}", self.url.0, encoded(key), self.url.1)
    }

    /// The key of the object that a URL of ours names; `None`: it is none of ours.
    pub(super) fn key_of(&self, url: &str) -> Option<String> {
        let encoded = url.strip_prefix(self.url.0.as_str())?.strip_suffix(self.url.1.as_str())?;
        let key = urlencoding::decode(encoded).ok()?.into_owned();
        // What could not have been made here is somebody else's, however much its beginning looks alike.
        (self.url(&key) == url && self.fits(&key)).then_some(key)
    }

    /// What the keys of all its objects begin with.
    pub(super) fn begins(&self) -> String {
        match self.template.0.first() {
            Some(Part::Text(text)) => format!("{}{text}", self.prefix),
            _ => self.prefix.clone(),
        }
    }

    /// Whether a URL names an object of the target.
    pub(super) fn is_ours(&self, url: &str) -> bool {
        self.key_of(url).is_some()
    }

    /// Whether a key may have come of the template, of whatever row and file.
    pub(super) fn fits(&self, key: &str) -> bool {
        let Some(mut rest) = key.strip_prefix(self.prefix.as_str()) else { return false };
        let mut parts = self.template.0.iter().peekable();
        let mut open = false;
        while let Some(part) = parts.next() {
            let Part::Text(text) = part else {
                open = true;
                continue;
            };
            let found = match (open, parts.peek()) {
                (false, _) => rest.starts_with(text.as_str()).then_some(0),
                // The last one stands at the very end.
                (true, None) => rest.len().checked_sub(text.len()).filter(|_| rest.ends_with(text.as_str())),
                (true, Some(_)) => rest.find(text.as_str()),
            };
            let Some(place) = found else { return false };
            let Some(after) = rest.get(place + text.len()..) else { return false };
            (rest, open) = (after, false);
        }
        open || rest.is_empty()
    }
}

/// A key as part of a URL: `/` stays, everything that is not unreserved is encoded.
fn encoded(key: &str) -> String {
    key.split('/').map(urlencoding::encode).collect::<Vec<_>>().join("/")
}

/// The last segment of a URL's path, decoded where that gives text; what would be another segment stays encoded.
fn file_name(url: &str) -> String {
    let path = match Url::parse(url) {
        Ok(parsed) => parsed.path().to_owned(),
        Err(_) => url.split(['?', '#']).next().unwrap_or_default().to_owned(),
    };
    let last = path.rsplit('/').find(|segment| !segment.is_empty()).unwrap_or("file");
    match urlencoding::decode(last) {
        Ok(text) if !text.contains('\0') => text.replace('/', "%2F"),
        _ => last.to_owned(),
    }
}

/// With its dot: of the name or, where that has none, of the content type.
fn extension(url: &str, content_type: Option<&str>) -> String {
    let name = file_name(url);
    let own = name.rsplit_once('.').map(|(_, extension)| extension).filter(|extension| {
        !extension.is_empty()
            && extension.len() <= EXTENSION
            && extension.bytes().all(|byte| byte.is_ascii_alphanumeric())
    });
    match own {
        Some(extension) => format!(".{}", extension.to_ascii_lowercase()),
        None => content_type.and_then(of_type).map(|extension| format!(".{extension}")).unwrap_or_default(),
    }
}

fn of_type(content_type: &str) -> Option<&'static str> {
    Some(match content_type {
        "image/jpeg" => "jpg",
        "image/png" => "png",
        "image/gif" => "gif",
        "image/webp" => "webp",
        "image/avif" => "avif",
        "image/heic" => "heic",
        "image/svg+xml" => "svg",
        "image/tiff" => "tif",
        "application/pdf" => "pdf",
        "application/zip" => "zip",
        "application/json" => "json",
        "application/dicom" => "dcm",
        "text/plain" => "txt",
        "text/csv" => "csv",
        "video/mp4" => "mp4",
        "audio/mpeg" => "mp3",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn naming(template: &str) -> Naming {
        Naming {
            prefix: "p/".to_owned(),
            template: Template::parse(template).unwrap(),
            url: ("https://files.example.com/".to_owned(), String::new()),
        }
    }

    fn key(template: &str, url: &str, id: &str) -> Result<String, Unnamable> {
        let known = Known { url, number: 3, content_type: Some("image/png"), digest: Some("d1") };
        naming(template).key(&known, |_| Some(id))
    }

    #[test]
    fn keys_are_made_of_what_is_known() {
        let url = "https://h/a/b%20c%2Fd/x%C3%9F.JPG?sig=1#top";
        for (template, expected) in [
            ("photos/{id}/{n}-{name}", "p/photos/7/3-xß.JPG"),
            ("{id}/{digest}{ext}", "p/7/d1.jpg"),
            ("{id}/{source}", &format!("p/7/{}", digest::sha256(url))),
        ] {
            assert_eq!(key(template, url, "7").as_deref(), Ok(expected), "{template}");
        }
        assert_eq!(key("{id}{ext}", "https://h/a/", "7").as_deref(), Ok("p/7.png"), "by its type");
        assert_eq!(key("{id}-{name}", "https://h/", "7").as_deref(), Ok("p/7-file"));
        assert_eq!(key("{id}-{name}", "https://h/a%2Fb", "7").as_deref(), Ok("p/7-a%2Fb"));
        assert_eq!(key("{id}-{name}", "https://h/%FF%00", "7").as_deref(), Ok("p/7-%FF%00"));
        assert_eq!(key("{id}/x", "https://h/a", ".."), Err(Unnamable::Dots));
        assert_eq!(key("{id}/x", "https://h/a", &"ä".repeat(600)), Err(Unnamable::Long(1204)));
        for to_the_notes in [".milkrun/photos/journal", "/.milkrun", "a/.milkrun/b", ".milkrun"] {
            let url = "https://h/99999999999999-0.ndjson";
            assert_eq!(key("{id}/{name}", url, to_the_notes), Err(Unnamable::Notes), "{to_the_notes}");
        }
        assert_eq!(key("{id}/{name}", "https://h/.milkrun", "7"), Err(Unnamable::Notes));
        assert_eq!(key("{id}/x", "https://h/a", ".milkrun2").as_deref(), Ok("p/.milkrun2/x"));
        let known = Known { url: "u", number: 1, content_type: None, digest: None };
        assert_eq!(naming("{id}").key(&known, |_| None), Err(Unnamable::Null("id".to_owned())));
        let bare = Naming { prefix: String::new(), ..naming("{id}") };
        for nothing in ["", " ", "\t\n"] {
            assert_eq!(bare.key(&known, |_| Some(nothing)), Err(Unnamable::Empty), "{nothing:?}");
        }
    }

    #[test]
    fn every_key_and_its_url_agree() {
        let naming = naming("{id}/{name}");
        let mut bytes: Vec<String> = (1..=127u8).map(|byte| char::from(byte).to_string()).collect();
        bytes.extend(
            ["ß", "\u{1f69a}", "e\u{301}", "\u{202e}", "%2F", "%", "+", " ", "a+b c", "?x=1#y", "//", "\\"]
                .map(str::to_owned),
        );
        for text in bytes {
            let key = format!("p/7/a{text}b");
            let url = naming.url(&key);
            let parsed = Url::parse(&url).unwrap();
            assert_eq!(parsed.as_str(), url, "nothing of it is changed on the way: {text:?}");
            let path = parsed.path().strip_prefix('/').unwrap();
            assert_eq!(urlencoding::decode(path).unwrap(), key, "{text:?}");
            assert_eq!(parsed.query().or(parsed.fragment()), None, "{text:?}");
            assert_eq!(naming.key_of(&url), Some(key), "{text:?}");
        }
    }

    #[test]
    fn what_points_at_the_target_is_told_from_what_only_looks_so() {
        let naming = naming("photos/{id}/{n}-{name}");
        assert!(naming.is_ours("https://files.example.com/p/photos/7/1-a.jpg"));
        assert!(naming.is_ours("https://files.example.com/p/photos/8/12-a-b.jpg"));
        for other in [
            "https://files.example.com/photos/7/1-a.jpg",
            "https://files.example.com/p/photos/7",
            "https://files.example.com/p/photos/7/1",
            "https://other.example.com/p/photos/7/1-a.jpg",
            "https://files.example.com/p/photos/7/1-a b.jpg",
            "https://files.example.com/p/photos/7/1-a.jpg?x=1",
        ] {
            assert!(!naming.is_ours(other), "{other}");
        }
    }
}
