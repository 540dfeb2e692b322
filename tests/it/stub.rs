//! A web server of a few lines on loopback, which plays an AWS service with answers that a test writes down.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::config::{Credentials, SharedCredentialsProvider};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// A request: its first line and its body.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) line: String,
    pub(crate) body: String,
}

/// The server; it ends with the test's runtime.
pub(crate) struct Stub {
    endpoint: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Stub {
    /// Serves `answer`: status and body for each request.
    pub(crate) async fn start(answer: impl Fn(&Request) -> (u16, Vec<u8>) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (seen, answer) = (Arc::clone(&requests), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
                tokio::spawn(async move { while_open(connection, &seen, &*answer).await });
            }
        });
        Self { endpoint, requests }
    }

    /// What was asked so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// A configuration whose every service is this server.
    pub(crate) fn config(&self) -> SdkConfig {
        let credentials = Credentials::new("key", "secret", None, None, "test");
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-central-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .endpoint_url(&self.endpoint)
            .build()
    }
}

async fn while_open(
    connection: TcpStream,
    seen: &Mutex<Vec<Request>>,
    answer: &(impl Fn(&Request) -> (u16, Vec<u8>) + Send + Sync),
) {
    let mut connection = BufReader::new(connection);
    loop {
        let mut line = String::new();
        if connection.read_line(&mut line).await.unwrap_or(0) == 0 {
            return;
        }
        let mut length = 0;
        loop {
            let mut header = String::new();
            connection.read_line(&mut header).await.unwrap();
            let header = header.trim().to_lowercase();
            if header.is_empty() {
                break;
            }
            if let Some(value) = header.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        connection.read_exact(&mut body).await.unwrap();
        let request = Request { line: line.trim().to_owned(), body: String::from_utf8(body).unwrap() };
        let (status, body) = answer(&request);
        seen.lock().unwrap().push(request);
        let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n", body.len());
        connection.write_all(head.as_bytes()).await.unwrap();
        connection.write_all(&body).await.unwrap();
    }
}
