//! An HTTP proxy before DynamoDB that loses requests and replies, delivers writes late and twice, is slow and throttles, by a
//! seeded plan; and which keeps account of every checkpoint that the server has accepted.

use super::fault_plan::FaultPlan;
use super::http_exchange::{Reply, Request, Upstream, proxy};
use super::loopback::Loopback;
use serde_json::Value;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What goes wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpFault {
    /// It is answered with 500 and never arrives.
    Reject,
    /// It is answered as if the table were at its capacity.
    Throttle,
    /// It is done, and the connection is cut instead of a reply.
    LoseReply,
    /// The connection is cut, and only later it arrives.
    Late,
    /// It is done and answered; a copy arrives later.
    Twice,
    /// It is done and answered when the client may wait no longer.
    Slow,
}

const FAULTS: [HttpFault; 6] =
    [HttpFault::Reject, HttpFault::Throttle, HttpFault::LoseReply, HttpFault::Late, HttpFault::Twice, HttpFault::Slow];

/// A write that the server has accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The record.
    pub item: String,
    /// Its sequence number.
    pub seq: u64,
    /// Its epoch.
    pub epoch: u64,
    /// Life, pass and the one integer of the cursor's key.
    pub place: (u64, u64, u64),
    /// The stamp, which tells one write from another.
    pub stamp: String,
}

/// The proxy; it ends with its owner.
pub struct FaultProxy {
    proxy: Loopback,
    shared: Arc<Shared>,
}

struct Shared {
    server: Upstream,
    plan: FaultPlan<HttpFault>,
    accepted: Mutex<Vec<Accepted>>,
}

impl FaultProxy {
    /// One before the endpoint `http://127.0.0.1:PORT`; so many of a hundred requests go wrong.
    pub fn before(endpoint: &str, seed: u64, rate: u64) -> Self {
        let shared = Arc::new(Shared {
            server: Upstream::at(endpoint),
            plan: FaultPlan::new(&FAULTS, seed, rate, 20..600).with_every_kind_soon(),
            accepted: Mutex::default(),
        });
        let replying = Arc::clone(&shared);
        Self { proxy: proxy(move |request| replying.reply(request)), shared }
    }

    /// The endpoint that leads through it.
    pub fn url(&self) -> String {
        self.proxy.url()
    }

    /// From now on nothing goes wrong any more; what is late arrives before this returns.
    pub fn calm(&self) {
        self.shared.plan.calm();
    }

    /// How many faults of each kind there were.
    pub fn injected(&self) -> Vec<(HttpFault, u64)> {
        self.shared.plan.injected()
    }

    /// What the server has accepted of this record, by sequence number.
    pub fn accepted(&self, item: &str) -> Vec<Accepted> {
        let mut all = self.shared.accepted.lock().expect("no panic while adding").clone();
        all.retain(|accepted| accepted.item == item);
        all.sort_by_key(|accepted| accepted.seq);
        all
    }

    /// Asserts that no sequence number was accepted twice, and that neither epoch nor (life, pass, cursor) ever moved back.
    #[track_caller]
    pub fn assert_forward(&self) {
        let accepted = self.accepted("move#0000");
        assert!(accepted.len() > 2, "nothing was seen: {accepted:?}");
        for pair in accepted.windows(2) {
            let forward = pair[0].seq < pair[1].seq && pair[0].epoch <= pair[1].epoch && pair[0].place <= pair[1].place;
            assert!(forward, "moved back:\n{:?}\n{:?}", pair[0], pair[1]);
        }
    }
}

impl Shared {
    /// What comes of a request. `None`: the connection is cut.
    fn reply(self: &Arc<Self>, request: Request) -> Option<Reply> {
        // A read that nobody waits for harms nobody.
        let matters = |fault| is_put(&request) || !matches!(fault, HttpFault::Late | HttpFault::Twice);
        let (fault, pause) = self.plan.draw(matters);
        match fault {
            Some(HttpFault::Reject) => Some(error("500 X", "InternalServerError")),
            Some(HttpFault::Throttle) => Some(error("400 X", "ProvisionedThroughputExceededException")),
            Some(HttpFault::LoseReply) => {
                self.forward(&request);
                None
            }
            Some(HttpFault::Late) => {
                self.later(request, pause);
                None
            }
            other => {
                if other == Some(HttpFault::Slow) {
                    std::thread::sleep(pause * 2);
                }
                let reply = self.forward(&request)?;
                if other == Some(HttpFault::Twice) {
                    self.later(request, pause);
                }
                Some(reply)
            }
        }
    }

    fn later(self: &Arc<Self>, request: Request, pause: Duration) {
        let shared = Arc::clone(self);
        self.plan.later(pause, move || {
            shared.forward(&request);
        });
    }

    fn forward(&self, request: &Request) -> Option<Reply> {
        let reply = self.server.forward(request)?;
        if reply.is_ok() && is_put(request) {
            self.note(&request.body);
        }
        Some(reply)
    }

    fn note(&self, body: &[u8]) {
        let body: Value = serde_json::from_slice(body).expect("a request is JSON");
        let item = &body["Item"];
        let text = |value: &Value| value["S"].as_str().unwrap_or_default().to_owned();
        let number = |name: &str| item[name]["N"].as_str().map_or(0, |digits| digits.parse().expect("an integer"));
        let cursor = &item["cursor"]["L"][0]["M"]["int"]["S"];
        let cursor = cursor.as_str().map_or(0, |digits| digits.parse().expect("an integer"));
        self.accepted.lock().expect("no panic while adding").push(Accepted {
            item: text(&item["item"]),
            seq: number("seq"),
            epoch: number("epoch"),
            place: (number("life"), number("pass"), cursor),
            stamp: text(&item["stamp"]),
        });
    }
}

/// Whether a request writes a record.
pub(crate) fn is_put(request: &Request) -> bool {
    request.header("x-amz-target") == Some("DynamoDB_20120810.PutItem")
}

/// An error as DynamoDB tells it; the connection stays open.
fn error(status: &str, kind: &str) -> Reply {
    let kind = format!("com.amazonaws.dynamodb.v20120810#{kind}");
    let body = format!("{{\"__type\":\"{kind}\",\"message\":\"a fault was injected\"}}");
    Reply::new(status, "application/x-amz-json-1.0", &body, false)
}
