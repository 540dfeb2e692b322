//! What a file is said to be, and whether it is that: a page that tells of an error is no picture, whatever its status.

use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};

/// Bytes that are looked at.
pub(super) const LOOKED_AT: usize = 512;

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
    #[error("it is a page of HTML or XML where a file was promised")]
    Page,
    /// What comes is not the file but a packed form of it, that nobody asked for.
    #[error("its server packs what it was asked to send as it is (`Content-Encoding`)")]
    Packed,
}

/// The type that a server names, less its parameters.
pub(super) fn said(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence.contains('/').then_some(essence)
}

/// Checks what the head of an answer says.
pub(super) fn check_head(headers: &HeaderMap, wanted: &[String]) -> Result<(), WrongType> {
    let packed = headers.get(CONTENT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !packed.trim().is_empty() && !packed.trim().eq_ignore_ascii_case("identity") {
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
    if promised.is_some_and(is_markup) && !looks_binary(name) || is_markup_name(name) {
        return Ok(());
    }
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
    let text = behind_comments(start.trim_ascii_start());
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

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// Types of text that may well be a page. A picture is none, also where it is one of XML.
fn is_markup(content_type: &str) -> bool {
    let is_text = content_type.starts_with("text/") || content_type.ends_with("xml") || content_type.ends_with("xhtml");
    is_text && !content_type.starts_with("image/")
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
            ("<!-- without end", Some("image/png"), "https://h/a.png"),
            ("", Some("image/png"), "https://h/a.png"),
        ] {
            assert_eq!(check_start(start.as_bytes(), promised, name), Ok(()), "{start}");
        }
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
        assert_eq!(check_head(&HeaderMap::new(), &[]), Ok(()));
    }
}
