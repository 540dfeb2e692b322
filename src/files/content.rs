//! What a file is said to be, and whether it is that: a page that tells of an error is no picture, whatever its status.

use hyper::header::{
    CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue,
};

/// Bytes that are looked at.
pub(super) const LOOKED_AT: usize = 512;

/// Bytes of what is taken over of one header, at most: S3 takes some kilobytes of all of them, and would refuse every file of a server
/// that says more.
const LONGEST: usize = 500;

/// What a server says of a file that stands beside the object, too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    /// What it is, with its parameters.
    pub(super) content_type: Option<String>,
    /// What a browser is to make of it, and what it is called.
    pub(super) disposition: Option<String>,
    /// The language that it is in.
    pub(super) language: Option<String>,
}

impl Said {
    /// What these headers say.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let text = |name: HeaderName| {
            // As it will be signed: every blank once.
            let words: Vec<&str> = headers.get(name)?.to_str().ok()?.split_ascii_whitespace().collect();
            Some(words.join(" ")).filter(|text| !text.is_empty() && text.len() <= LONGEST)
        };
        let content_type = said(headers).map(|essence| {
            let whole = text(CONTENT_TYPE);
            let parameters = whole.as_deref().and_then(|whole| whole.split_once(';')).map(|(_, rest)| rest.trim());
            match parameters.filter(|parameters| !parameters.is_empty()) {
                Some(parameters) => format!("{essence}; {parameters}"),
                None => essence,
            }
        });
        Self { content_type, disposition: text(CONTENT_DISPOSITION), language: text(CONTENT_LANGUAGE) }
    }

    /// Its type less its parameters.
    pub(super) fn essence(&self) -> Option<&str> {
        self.content_type.as_deref()?.split(';').next()
    }
}

/// Why a file is not what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum WrongType {
    /// Its type is none of those that are wanted.
    #[error("its content type is none of `content_types`")]
    Unwanted,
    /// Its server does not say what it is, and it has to be something.
    #[error("its server names no content type, and `content_types` asks for one")]
    Unsaid,
    /// It says that it is a picture or a document, and is a page.
    #[error("it is a page of HTML, XML or JSON where a file was promised")]
    Page,
    /// What comes is not the file but a packed form of it, that nobody asked for.
    #[error("its server packs what it was asked to send as it is (`Content-Encoding`)")]
    Packed,
}

/// The type that a server names, less its parameters.
pub(super) fn said(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    (essence.contains('/') && essence.len() <= LONGEST / 2).then_some(essence)
}

/// Checks what the head of an answer says.
pub(super) fn check_head(headers: &HeaderMap, wanted: &[String]) -> Result<(), WrongType> {
    let is_packed = |value: &HeaderValue| {
        let plain = value.to_str().map(str::trim);
        !plain.is_ok_and(|coding| coding.is_empty() || coding.eq_ignore_ascii_case("identity"))
    };
    if headers.get_all(CONTENT_ENCODING).iter().any(is_packed) {
        return Err(WrongType::Packed);
    }
    if wanted.is_empty() {
        return Ok(());
    }
    let said = said(headers).ok_or(WrongType::Unsaid)?;
    let matches = |wanted: &String| match wanted.strip_suffix('*') {
        Some(kind) => said.starts_with(kind),
        None => said == *wanted,
    };
    if wanted.iter().any(matches) { Ok(()) } else { Err(WrongType::Unwanted) }
}

/// Checks its first bytes: where `promised` says that it is no page, it must not be one.
pub(super) fn check_start(start: &[u8], promised: Option<&str>, name: &str) -> Result<(), WrongType> {
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
    let text = behind_comments(start.trim_ascii_start());
    if promised.is_some_and(is_picture) && is_text(text) {
        return Err(WrongType::Page);
    }
    if promised.is_some_and(is_markup) && !looks_binary(name) || is_markup_name(name) {
        return Ok(());
    }
    let begins = |with: &str| text.get(..with.len()).is_some_and(|head| head.eq_ignore_ascii_case(with.as_bytes()));
    let page = ["<!doctype html", "<html", "<head", "<body"].into_iter().any(begins);
    // As Azure and S3 say that there is nothing, and pages of XHTML.
    let of_xml = [&b"<Error"[..], b"<html", b"<!DOCTYPE html"].into_iter().any(|part| contains(text, part));
    let error = begins("<?xml") && of_xml || begins("<Error>");
    if page || error { Err(WrongType::Page) } else { Ok(()) }
}

/// What follows the comments that a text begins with; those that do not end are left.
fn behind_comments(mut text: &[u8]) -> &[u8] {
    while let Some(comment) = text.strip_prefix(b"<!--") {
        let Some(end) = comment.windows(3).position(|window| window == b"-->") else { break };
        text = comment.get(end + 3..).unwrap_or_default().trim_ascii_start();
    }
    text
}

/// Whether it begins as no picture does, but pages and what services answer: with a tag, or a member of an object of JSON.
fn is_text(start: &[u8]) -> bool {
    match start {
        [b'<', next, ..] => next.is_ascii_alphabetic() || matches!(next, b'!' | b'?'),
        [b'{', rest @ ..] => rest.trim_ascii_start().first() == Some(&b'"'),
        _ => false,
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// Types of text that may well be a page. A picture is none, also where it is one of XML.
fn is_markup(content_type: &str) -> bool {
    let is_text = content_type.starts_with("text/") || content_type.ends_with("xml") || content_type.ends_with("xhtml");
    is_text && !content_type.starts_with("image/")
}

/// Pictures that are no text.
fn is_picture(content_type: &str) -> bool {
    content_type.starts_with("image/") && !content_type.contains("xml")
}

fn extension(name: &str) -> Option<String> {
    let path = name.split(['?', '#']).next().unwrap_or_default();
    let last = path.rsplit('/').next().unwrap_or_default();
    last.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase())
}

fn is_markup_name(name: &str) -> bool {
    matches!(extension(name).as_deref(), Some("html" | "htm" | "xhtml" | "xml"))
}

/// Names that promise something else than a page.
fn looks_binary(name: &str) -> bool {
    matches!(
        extension(name).as_deref(),
        Some(
            "jpg"
                | "jpeg"
                | "jfif"
                | "png"
                | "gif"
                | "webp"
                | "avif"
                | "heic"
                | "heif"
                | "svg"
                | "ico"
                | "psd"
                | "tif"
                | "tiff"
                | "bmp"
                | "pdf"
                | "zip"
                | "gz"
                | "mp4"
                | "m4v"
                | "mov"
                | "avi"
                | "mkv"
                | "webm"
                | "mp3"
                | "m4a"
                | "ogg"
                | "flac"
                | "wav"
                | "doc"
                | "docx"
                | "xls"
                | "xlsx"
                | "ppt"
                | "pptx"
                | "odt"
                | "ods"
                | "odp"
                | "epub"
                | "dcm"
        )
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_no_picture() {
        for (start, promised, name) in [
            ("<!DOCTYPE HTML><html>", Some("image/jpeg"), "https://h/a.jpg"),
            ("\u{feff} \n<html lang=en>", None, "https://h/a.jpg?sig=x.html"),
            ("<html>", Some("text/html"), "https://h/a.PNG"),
            ("<!doctype html>", Some("text/html"), "https://h/logo.svg"),
            ("<html>", Some("image/svg+xml"), "https://h/logo"),
            ("<!-- 404 -->\n<!--\n--> <html>", Some("image/png"), "https://h/a"),
            ("<title>Login</title>", Some("image/webp"), "https://h/a.html"),
            ("\n{ \"error\": \"no such picture\" }", Some("image/jpeg"), "https://h/a.jpg"),
            ("<?xml version=\"1.0\"?>\n<!DOCTYPE html PUBLIC", Some("image/gif"), "https://h/a.gif"),
            (
                "<?xml version=\"1.0\"?><Error><Code>BlobNotFound</Code>",
                Some("application/octet-stream"),
                "https://h/a",
            ),
        ] {
            assert_eq!(check_start(start.as_bytes(), promised, name), Err(WrongType::Page), "{start}");
        }
        for (start, promised, name) in [
            ("\u{89}PNG", Some("image/png"), "https://h/a.png"),
            ("<html>", Some("text/html"), "https://h/page"),
            ("<html>", None, "https://h/page.html"),
            ("<svg xmlns", Some("image/svg+xml"), "https://h/a.svg"),
            ("<?xml version=\"1.0\"?><!-- of ours --><svg>", Some("image/svg+xml"), "https://h/a.svg"),
            ("<!-- of ours --><svg>", Some("text/plain"), "https://h/a.svg"),
            ("{\"v\": 1}", Some("application/json"), "https://h/a.json"),
            ("{\u{1}\u{2}", Some("image/x-tga"), "https://h/a.tga"),
            ("", Some("image/png"), "https://h/a.png"),
        ] {
            assert_eq!(check_start(start.as_bytes(), promised, name), Ok(()), "{start}");
        }
    }

    #[test]
    fn what_a_server_says_is_kept_as_far_as_s3_takes_it() {
        let of = |pairs: &[(HeaderName, &str)]| {
            let value = |text: &str| hyper::header::HeaderValue::from_str(text).unwrap();
            Said::of(&pairs.iter().map(|(name, text)| (name.clone(), value(text))).collect())
        };
        let said = of(&[
            (CONTENT_TYPE, "Text/Plain;charset=UTF-8 "),
            (CONTENT_DISPOSITION, "attachment;  filename=\"a.txt\""),
            (CONTENT_LANGUAGE, "de"),
        ]);
        assert_eq!(said.content_type.as_deref(), Some("text/plain; charset=UTF-8"));
        assert_eq!(said.essence(), Some("text/plain"));
        assert_eq!(said.disposition.as_deref(), Some("attachment; filename=\"a.txt\""));
        assert_eq!(said.language.as_deref(), Some("de"));
        let long = "x".repeat(9000);
        let said = of(&[(CONTENT_TYPE, format!("image/png; x={long}").as_str()), (CONTENT_DISPOSITION, long.as_str())]);
        assert_eq!(said, Said { content_type: Some("image/png".to_owned()), ..Said::default() });
        assert_eq!(of(&[(CONTENT_TYPE, format!("image/{long}").as_str())]), Said::default());
        assert_eq!(of(&[(CONTENT_TYPE, "image/png;")]).content_type.as_deref(), Some("image/png"));
    }

    #[test]
    fn only_what_is_wanted_is_taken() {
        let of = |pairs: &[(&'static str, &'static str)]| {
            let wanted = ["image/*".to_owned(), "application/pdf".to_owned()];
            let pairs = pairs.iter().map(|(name, value)| {
                let name = hyper::header::HeaderName::from_static(name);
                (name, hyper::header::HeaderValue::from_static(value))
            });
            check_head(&pairs.collect(), &wanted)
        };
        assert_eq!(of(&[("content-type", "image/PNG; charset=x")]), Ok(()));
        assert_eq!(of(&[("content-type", "application/pdf"), ("content-encoding", "identity")]), Ok(()));
        assert_eq!(of(&[("content-type", "text/html")]), Err(WrongType::Unwanted));
        assert_eq!(of(&[]), Err(WrongType::Unsaid));
        assert_eq!(of(&[("content-type", "image/png"), ("content-encoding", "gzip")]), Err(WrongType::Packed));
        let twice = [("content-type", "image/png"), ("content-encoding", "identity"), ("content-encoding", "br")];
        assert_eq!(of(&twice), Err(WrongType::Packed));
        assert_eq!(check_head(&HeaderMap::new(), &[]), Ok(()));
    }
}
