//! The client for whatever rows point at, against a server that does what hostile and broken servers do.

use crate::support::file_server::{FileServer, answer};
use crate::support::http_exchange::Request;
use async_trait::async_trait;
use milkrun::http::{Fetcher, Guard, HttpError, Limits, Names, Resume};
use std::io::{self, Write as _};
use std::net::{IpAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Short, so that what hangs is over soon.
const LIMITS: Limits = Limits {
    connect: Duration::from_secs(2),
    first_byte: Duration::from_secs(2),
    idle: Duration::from_secs(1),
    least_rate: 1000,
    max_bytes: 1 << 20,
};

fn guard(hosts: &[&str], private: &[&str]) -> Guard {
    let owned = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
    Guard::new(&owned(hosts), &owned(private)).unwrap()
}

/// One that may contact this server and nothing else.
fn fetcher(server: &FileServer) -> Fetcher {
    Fetcher::new(guard(&["127.0.0.1"], &[&server.address.to_string()]), hyper::HeaderMap::new(), LIMITS).unwrap()
}

async fn whole(fetcher: &Fetcher, url: &str) -> Result<Vec<u8>, HttpError> {
    let mut answer = fetcher.get(url, None).await?;
    let mut all = Vec::new();
    while let Some(bytes) = answer.body.next().await? {
        all.extend_from_slice(&bytes);
    }
    Ok(all)
}

/// What a request ends with.
async fn error(fetcher: &Fetcher, url: &str) -> String {
    whole(fetcher, url).await.expect_err(url).to_string()
}

fn serve(handler: impl Fn(&Request, &mut TcpStream) -> io::Result<bool> + Send + Sync + 'static) -> FileServer {
    FileServer::start(handler)
}

#[tokio::test]
async fn a_file_comes_whole_with_what_its_server_says_of_it() {
    let bytes: Vec<u8> = (0..200_000u32).flat_map(u32::to_le_bytes).collect();
    let sent = bytes.clone();
    let server = serve(move |asked, stream| match asked.path.as_str() {
        "/chunked" => {
            write!(stream, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nETag: W/\"weak\"\r\n\r\n")?;
            for part in sent.chunks(7000) {
                write!(stream, "{:x}\r\n", part.len())?;
                stream.write_all(part)?;
                stream.write_all(b"\r\n")?;
            }
            stream.write_all(b"0\r\n\r\n")?;
            Ok(true)
        }
        "/long-tag" => answer(stream, "200 OK", &format!("ETag: \"{}\"\r\n", "x".repeat(10_000)), b"x"),
        _ => answer(stream, "200 OK", "ETag: \"strong\"\r\nContent-Type: image/png\r\n", &sent),
    });
    let fetcher = fetcher(&server);
    let known = fetcher.get(&server.url("/a%20b?c=d#e"), None).await.unwrap();
    assert_eq!((known.from, known.length, known.etag.as_deref()), (0, Some(800_000), Some("\"strong\"")));
    assert_eq!(known.headers["content-type"], "image/png");
    drop(known);
    assert!(whole(&fetcher, &server.url("/whole")).await.unwrap() == bytes);
    let unknown = fetcher.get(&server.url("/chunked"), None).await.unwrap();
    assert_eq!((unknown.length, unknown.etag), (None, None), "a weak tag is none");
    assert_eq!(fetcher.get(&server.url("/long-tag"), None).await.unwrap().etag, None, "nor is one without end");
    assert!(whole(&fetcher, &server.url("/chunked")).await.unwrap() == bytes);
    let asked = &server.asked()[0];
    assert_eq!(asked.path, "/a%20b?c=d", "as the row has it, less what is for browsers");
    assert_eq!((asked.header("accept-encoding"), asked.header("accept")), (Some("identity"), Some("*/*")));
    assert!(asked.header("user-agent").unwrap().starts_with("milkrun/"));
}

#[tokio::test]
async fn connections_are_used_again() {
    let server = serve(|_, stream| answer(stream, "200 OK", "", b"x"));
    let fetcher = fetcher(&server);
    for _ in 0..20 {
        assert_eq!(whole(&fetcher, &server.url("/")).await.unwrap(), b"x");
    }
    assert_eq!((server.asked().len(), server.connections()), (20, 1));
}

#[tokio::test]
async fn only_two_hundred_is_a_file() {
    let server = serve(|asked, stream| {
        let status = asked.path.trim_start_matches('/').to_owned();
        answer(stream, &format!("{status} Whatever"), "Retry-After: 7\r\n", b"<html>no such picture</html>")
    });
    let fetcher = fetcher(&server);
    for status in [201, 204, 206, 300, 304, 400, 401, 403, 404, 410, 416, 429, 500, 503] {
        let error = whole(&fetcher, &server.url(&format!("/{status}"))).await.unwrap_err();
        assert_eq!(error.to_string(), format!("the server answered {status}"));
        assert_eq!(error.slows(), matches!(status, 429 | 503), "{status}");
        assert_eq!(error.passes(), matches!(status, 429 | 500 | 503), "{status}");
        let HttpError::Status { retry_after, .. } = error else { panic!("{error}") };
        assert!(status == 206 || retry_after == Some(Duration::from_secs(7)), "{status}: {retry_after:?}");
    }
}

#[tokio::test]
async fn what_is_not_listed_is_never_contacted() {
    let server = serve(|_, stream| answer(stream, "200 OK", "", b"secret"));
    let port = server.address.port();
    let strict = Fetcher::new(guard(&["files.example.com"], &[]), hyper::HeaderMap::new(), LIMITS).unwrap();
    for host in [
        "127.0.0.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.1",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "0",
    ] {
        assert_eq!(
            error(&strict, &format!("http://{host}:{port}/")).await,
            "its host is not in `allow_hosts`",
            "{host}"
        );
    }
    // A host that is listed, but not as one that may be private.
    let listed = Fetcher::new(guard(&["127.0.0.1", "localhost"], &[]), hyper::HeaderMap::new(), LIMITS).unwrap();
    let why = "its port is neither 80 nor 443, and `allow_addresses` does not name it";
    assert_eq!(error(&listed, &format!("http://2130706433:{port}/")).await, why);
    for url in ["http://127.0.0.1/", "http://localhost/"] {
        assert_eq!(error(&listed, url).await, "its address is not of the public internet (this machine)", "{url}");
    }
    assert_eq!(error(&listed, "not a url").await, "it is no URL: it cannot be read as one");
    assert_eq!(error(&listed, "file:///proc/self/environ").await, "its scheme is neither http nor https");
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn the_runtime_is_not_contacted_even_where_a_file_lists_it() {
    let runtime = serve(|_, stream| answer(stream, "200 OK", "", b"the next event"));
    let redirecting = {
        let url = runtime.url("/2018-06-01/runtime/invocation/next");
        serve(move |_, stream| answer(stream, "302 Found", &format!("Location: {url}\r\n"), b""))
    };
    let private = [runtime.address.to_string(), redirecting.address.to_string()];
    let guard = guard(&["127.0.0.1"], &[&private[0], &private[1]]).never([runtime.address]);
    let fetcher = Fetcher::new(guard, hyper::HeaderMap::new(), LIMITS).unwrap();
    for url in [runtime.url("/"), redirecting.url("/")] {
        assert_eq!(error(&fetcher, &url).await, "its address is that of the runtime itself");
    }
    assert_eq!((runtime.connections(), redirecting.connections()), (0, 1));
}

#[tokio::test]
async fn every_hop_of_a_redirect_is_checked_like_the_first() {
    let inner = serve(|_, stream| answer(stream, "200 OK", "", b"secret"));
    let secret = inner.url("/");
    let server = serve(move |asked, stream| match asked.path.as_str() {
        "/ok" => answer(stream, "200 OK", "", b"moved"),
        "/relative" => answer(stream, "307 Temporary Redirect", "Location: ok\r\n", b""),
        "/round" => answer(stream, "302 Found", "Location: /round\r\n", b""),
        "/nowhere" => answer(stream, "301 Moved", "", b""),
        "/inside" => answer(stream, "308 Permanent Redirect", &format!("Location: {secret}\r\n"), b""),
        "/decimal" => answer(stream, "303 See Other", "Location: http://2130706433/\r\n", b""),
        "/metadata" => answer(stream, "302 Found", "Location: http://169.254.169.254/latest/\r\n", b""),
        _ => answer(stream, "302 Found", "Location: file:///proc/self/environ\r\n", b""),
    });
    let fetcher = fetcher(&server);
    assert_eq!(whole(&fetcher, &server.url("/relative")).await.unwrap(), b"moved");
    for (path, message) in [
        ("/round", "the server redirects without end"),
        ("/nowhere", "the server redirects to nowhere"),
        ("/inside", "its port is neither 80 nor 443, and `allow_addresses` does not name it"),
        ("/decimal", "its address is not of the public internet (this machine)"),
        ("/metadata", "its host is not in `allow_hosts`"),
        ("/environ", "its scheme is neither http nor https"),
    ] {
        assert_eq!(error(&fetcher, &server.url(path)).await, message, "{path}");
    }
    assert_eq!(inner.connections(), 0);
}

#[tokio::test]
async fn headers_of_a_source_go_to_no_other_origin() {
    let other = serve(|_, stream| answer(stream, "200 OK", "", b"other"));
    let elsewhere = other.url("/");
    let server = serve(move |asked, stream| match asked.path.as_str() {
        "/away" => answer(stream, "302 Found", &format!("Location: {elsewhere}\r\n"), b""),
        _ => answer(stream, "302 Found", "Location: /away\r\n", b""),
    });
    let private = [server.address.to_string(), other.address.to_string()];
    let mut headers = hyper::HeaderMap::new();
    headers.insert("authorization", "Bearer t0ken".parse().unwrap());
    let fetcher = Fetcher::new(guard(&["127.0.0.1"], &[&private[0], &private[1]]), headers, LIMITS).unwrap();
    assert_eq!(whole(&fetcher, &server.url("/")).await.unwrap(), b"other");
    let authorized = |server: &FileServer| {
        server.asked().iter().map(|asked| asked.header("authorization").is_some()).collect::<Vec<_>>()
    };
    assert_eq!((authorized(&server), authorized(&other)), (vec![true, true], vec![false]));
}

/// Says that every name means this machine, and counts how often it is asked.
struct Counting(AtomicUsize);

#[async_trait]
impl Names for Counting {
    async fn addresses(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(vec!["127.0.0.1".parse().unwrap()])
    }
}

/// What is checked is what is connected to: there is no second look at the name, which might have changed its mind by then.
#[tokio::test]
async fn a_name_is_resolved_once_for_a_connection_and_checked_then() {
    let inside = serve(|_, stream| answer(stream, "200 OK", "", b"secret"));
    let server = serve(|_, stream| answer(stream, "302 Found", "Location: http://rebinding.test/\r\n", b""));
    let port = server.address.port();
    let guard = guard(&["files.test", "rebinding.test"], &[&format!("files.test:{port}")]);
    let names = Arc::new(Counting(AtomicUsize::new(0)));
    let fetcher = Fetcher::with_names(guard, hyper::HeaderMap::new(), LIMITS, names.clone()).unwrap();
    let url = format!("http://files.test:{port}/");
    assert_eq!(error(&fetcher, &url).await, "its address is not of the public internet (this machine)");
    assert_eq!((names.0.load(Ordering::SeqCst), server.connections(), inside.connections()), (2, 1, 0));
}

#[tokio::test]
async fn what_is_broken_or_endless_is_an_error_and_never_a_file() {
    let server = serve(|asked, stream| {
        match asked.path.as_str() {
            "/short" => stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort")?,
            "/truncated" => stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nshort")?,
            "/unfinished" => {
                stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n")?;
            }
            "/large" => stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\nx")?,
            "/endless" => {
                stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
                let _ = (0..100_000).try_for_each(|_| stream.write_all(&[0; 4096]));
            }
            "/slow" => {
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")?;
                let drop_by_drop = |_| {
                    std::thread::sleep(Duration::from_millis(200));
                    stream.write_all(b"x")
                };
                let _ = (0..1000).try_for_each(drop_by_drop);
            }
            "/stalled" => {
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nx")?;
                std::thread::sleep(Duration::from_secs(4));
            }
            "/silent" => std::thread::sleep(Duration::from_secs(4)),
            "/head" => {
                stream.write_all(b"HTTP/1.1 200 OK\r\nX-Large: ")?;
                let _ = stream.write_all(&vec![b'x'; 1 << 20]);
            }
            _ => stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n")?,
        }
        Ok(false)
    });
    let fetcher = fetcher(&server);
    let malformed = "the answer broke off or is malformed";
    for (path, message) in [
        ("/short", "the server promised 100 bytes and sent 5"),
        ("/truncated", malformed),
        ("/unfinished", malformed),
        ("/large", "it is larger than 1048576 bytes"),
        ("/endless", "it is larger than 1048576 bytes"),
        ("/slow", "too few bytes came within 1s"),
        ("/stalled", "no more bytes came within 1s"),
        ("/silent", "no answer within 2s"),
        ("/head", malformed),
        ("/ssh", malformed),
    ] {
        assert_eq!(error(&fetcher, &server.url(path)).await, message, "{path}");
    }
}

#[tokio::test]
async fn a_body_that_ends_with_its_connection_is_told_from_one_that_says_its_end() {
    let server = serve(|asked, stream| {
        let head = match asked.path.as_str() {
            "/length" => "Content-Length: 3\r\n\r\nabc",
            "/chunks" => "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
            _ => "Connection: close\r\n\r\nabc",
        };
        write!(stream, "HTTP/1.1 200 OK\r\n{head}")?;
        Ok(false)
    });
    let fetcher = fetcher(&server);
    for (path, ends) in [("/length", true), ("/chunks", true), ("/neither", false)] {
        assert_eq!(fetcher.get(&server.url(path), None).await.unwrap().ends, ends, "{path}");
        assert_eq!(whole(&fetcher, &server.url(path)).await.unwrap(), b"abc", "{path}");
    }
}

#[tokio::test]
async fn what_a_server_compresses_unasked_stays_as_it_is() {
    // A megabyte of zeros, as gzip has it.
    let bomb = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xed\xc1\x01\x0d\x00\x00\x00\xc2\xa0\xf7\x4f\x6d\x0e\x37\xa0"
        .to_vec();
    let sent = bomb.clone();
    let server = serve(move |_, stream| answer(stream, "200 OK", "Content-Encoding: gzip\r\n", &sent));
    let fetcher = fetcher(&server);
    assert_eq!(whole(&fetcher, &server.url("/")).await.unwrap(), bomb);
    assert_eq!(fetcher.get(&server.url("/"), None).await.unwrap().headers["content-encoding"], "gzip");
}

#[tokio::test]
async fn what_is_left_is_asked_for_by_a_strong_tag_alone() {
    let server = serve(|asked, stream| {
        let resumed = asked.header("range") == Some("bytes=4-") && asked.header("if-range") == Some("\"v1\"");
        match asked.path.as_str() {
            "/ranges" if resumed => {
                answer(stream, "206 Partial", "Content-Range: bytes 4-9/10\r\nETag: \"v1\"\r\n", b"456789")
            }
            "/other" if resumed => {
                answer(stream, "206 Partial", "Content-Range: bytes 4-9/10\r\nETag: \"v2\"\r\n", b"xxxxxx")
            }
            "/short" if resumed => {
                answer(stream, "206 Partial", "Content-Range: bytes 4-6/10\r\nETag: \"v1\"\r\n", b"456")
            }
            "/elsewhere" if resumed => {
                answer(stream, "206 Partial", "Content-Range: bytes 0-5/10\r\nETag: \"v1\"\r\n", b"012345")
            }
            _ => answer(stream, "200 OK", "ETag: \"v2\"\r\n", b"0123456789"),
        }
    });
    let fetcher = fetcher(&server);
    let resume = Resume { from: 4, etag: "\"v1\"".to_owned() };
    let mut rest = fetcher.get(&server.url("/ranges"), Some(&resume)).await.unwrap();
    assert_eq!((rest.from, rest.length), (4, Some(10)));
    assert_eq!(rest.body.next().await.unwrap().unwrap(), "456789".as_bytes());
    assert!(rest.body.next().await.unwrap().is_none());
    // Whoever knows no ranges, or has another file by now, sends the whole.
    let again = fetcher.get(&server.url("/changed"), Some(&resume)).await.unwrap();
    assert_eq!((again.from, again.length, again.etag.as_deref()), (0, Some(10), Some("\"v2\"")));
    for path in ["/other", "/elsewhere"] {
        let refused = fetcher.get(&server.url(path), Some(&resume)).await.err().unwrap();
        assert_eq!(refused.to_string(), "the server answered 206", "{path}");
    }
    let mut short = fetcher.get(&server.url("/short"), Some(&resume)).await.unwrap();
    assert_eq!(short.body.next().await.unwrap().unwrap(), "456".as_bytes());
    assert_eq!(short.body.next().await.unwrap_err().to_string(), "the server promised 6 bytes and sent 3");
}

#[tokio::test]
async fn a_reader_that_takes_its_time_is_no_slow_server() {
    let server = serve(|_, stream| answer(stream, "200 OK", "", &vec![7; 500_000]));
    let mut slowly = fetcher(&server).get(&server.url("/"), None).await.unwrap();
    let mut read = 0;
    while let Some(bytes) = slowly.body.next().await.unwrap() {
        if read == 0 {
            tokio::time::sleep(LIMITS.idle * 3).await;
        }
        read += bytes.len();
    }
    assert_eq!(read, 500_000);
}
