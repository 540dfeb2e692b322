//! Three S3 servers of different make, and what each cannot show: ministack answers as AWS does but keeps all in memory and checks no
//! signatures; SeaweedFS writes to disk and checks them, but keeps paths and not keys; Moto keeps keys, in memory, but no checksums, and copies
//! whatever version of an object there is.

use super::server::Server;
use aws_config::SdkConfig;
use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};
use milkrun::s3::S3;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

const MINISTACK: &str = r#"
tools="${MILKRUN_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/milkrun}"
prepare() {
  IOT_MTLS_ENABLED=0 BIND_HOST=127.0.0.1 GATEWAY_PORT="$2" AWS_ENDPOINT_URL="http://127.0.0.1:$2" SERVICES=s3,sns,sts \
    "$tools/ministack/bin/ministack" &
  server=$!
}
ready() {
  "$tools/ministack/bin/python" -c 'import socket, sys; socket.create_connection(("127.0.0.1", int(sys.argv[1])), 1)' "$2" 2>/dev/null
}
"#;

const SEAWEEDFS: &str = r#"
tools="${MILKRUN_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/milkrun}"
# As the tests' own: none that an outgoing connection might be given before the server has it.
free() { "$tools/seaweedfs/bin/python" -c 'import random, socket
while True:
    port = random.randrange(12000, 32000)
    try: socket.socket().bind(("127.0.0.1", port))
    except OSError: continue
    print(port)
    break'; }
prepare() {
  echo '{"identities": [{"name": "test", "credentials": [{"accessKey": "test", "secretKey": "test"}], "actions": ["Admin", "Read", "Write", "List"]}]}' >"$1/s3.json"
  mkdir "$1/data"
  "$tools/seaweedfs/bin/weed" server -dir="$1/data" -ip=127.0.0.1 -ip.bind=127.0.0.1 -master.port="$(free)" \
    -master.port.grpc="$(free)" -volume.port="$(free)" -volume.port.grpc="$(free)" -filer.port="$(free)" -filer.port.grpc="$(free)" \
    -s3.port.iceberg=0 -s3.port.lance=0 \
    -s3 -s3.port="$2" -s3.port.grpc="$(free)" -s3.config="$1/s3.json" -volume.max=2000 -master.volumeSizeLimitMB=64 &
  server=$!
}
ready() {
  "$tools/seaweedfs/bin/python" -c 'import urllib.request, urllib.error, sys
try: urllib.request.urlopen("http://127.0.0.1:" + sys.argv[1], timeout=1)
except urllib.error.HTTPError: pass' "$2" 2>/dev/null
}
"#;

const MOTO: &str = r#"
tools="${MILKRUN_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/milkrun}"
prepare() {
  "$tools/moto/bin/moto_server" -H 127.0.0.1 -p "$2" &
  server=$!
}
ready() {
  "$tools/moto/bin/python" -c 'import socket, sys; socket.create_connection(("127.0.0.1", int(sys.argv[1])), 1)' "$2" 2>/dev/null
}
"#;

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Make {
    Ministack,
    SeaweedFs,
    Moto,
}

/// Those that keep what milkrun relies on where something changes or breaks meanwhile: checksums, and the version that a copy is made of.
pub(crate) const MAKES: [Make; 2] = [Make::Ministack, Make::SeaweedFs];
/// All of them.
pub(crate) const ALL: [Make; 3] = [Make::Ministack, Make::SeaweedFs, Make::Moto];

impl Make {
    /// A key is what it was written as. SeaweedFS makes paths of keys: what begins or ends with a slash, or has two of them or a dot between
    /// them, arrives as another key or not at all.
    pub(crate) fn keeps_keys(self) -> bool {
        self != Self::SeaweedFs
    }

    /// It takes such a key: Moto lists control characters as they are, which makes its listing no XML, and answers that there is no
    /// such place where a key holds a tab or a line feed.
    pub(crate) fn takes(self, key: &str) -> bool {
        self != Self::Moto || !key.contains(char::is_control)
    }
}

/// Where it is: started by the first test that asks.
pub(crate) fn endpoint(make: Make) -> String {
    static MINI: OnceLock<Server> = OnceLock::new();
    static WEED: OnceLock<Server> = OnceLock::new();
    static MOTO_SERVER: OnceLock<Server> = OnceLock::new();
    let server = match make {
        Make::Ministack => MINI.get_or_init(|| Server::start("ministack", MINISTACK)),
        Make::SeaweedFs => WEED.get_or_init(|| Server::start("seaweedfs", SEAWEEDFS)),
        Make::Moto => MOTO_SERVER.get_or_init(|| Server::start("moto", MOTO)),
    };
    format!("http://127.0.0.1:{}", server.port)
}

/// A client, what it was made from, and a bucket that no other test knows.
pub(crate) async fn bucket(make: Make) -> (S3, SdkConfig, String) {
    static BUCKETS: AtomicU32 = AtomicU32::new(0);
    let url = tokio::task::spawn_blocking(move || endpoint(make)).await.unwrap();
    let config = super::dynamodb::config(&url).await;
    let name = format!("files-{}-{}", std::process::id(), BUCKETS.fetch_add(1, Ordering::Relaxed));
    let client =
        aws_sdk_s3::Client::from_conf(aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build());
    let mut patience = 100;
    // A server that answers may still be about to have volumes.
    let here = CreateBucketConfiguration::builder().location_constraint(BucketLocationConstraint::EuCentral1).build();
    while let Err(error) = client.create_bucket().bucket(&name).create_bucket_configuration(here.clone()).send().await {
        patience -= 1;
        assert!(patience > 0, "{error:?}");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    (S3::new(&config), config, name)
}

/// For a test that keeps gigabytes: one at a time, so that a disk of 40 GB will do.
pub(crate) fn gigabytes() -> MutexGuard<'static, ()> {
    static ROOM: Mutex<()> = Mutex::new(());
    ROOM.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes a bucket with the one object in it, and with it what it took of the disk: `SeaweedFS` gives back at once what was a bucket's.
pub(crate) async fn give_back(client: &aws_sdk_s3::Client, bucket: &str, key: &str) {
    client.delete_object().bucket(bucket).key(key).send().await.unwrap();
    client.delete_bucket().bucket(bucket).send().await.unwrap();
}
