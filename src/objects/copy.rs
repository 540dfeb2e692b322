//! One object: copied by its server, in one call or part by part, or carried from one server to another.

use super::Objects;
use super::across::PART;
use super::began::Began;
use super::compare::{bare, listed};
use super::failure::{Side, fault};
use super::look::Todo;
use super::walk::left;
use crate::fault::{Class, Fault};
use crate::s3::{Listed, Object, Origin, Over, S3Error};
use std::time::Duration;
use tokio::time::Instant;

/// Bytes of what is copied in one call, at most. S3 would take 5 GB, but a call has to end within a run.
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html>
const ONE_CALL: u64 = 512 << 20;
/// Bytes of a key, at most.
pub(super) const LONGEST: usize = 1024;
/// How often an object that changes under way is looked at again.
const ROUNDS: u32 = 4;
/// What takes longer is looked at again afterwards: its source may have changed meanwhile.
const LONG: Duration = Duration::from_millis(500);
/// The first wait of an object whose server stumbles.
const WAIT: Duration = Duration::from_millis(100);

/// What became of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It was copied: so many bytes.
    Copied(u64),
    /// It was there, so many bytes.
    There(u64),
    /// There is none any more: it is no item.
    Gone,
    /// It is set aside, and why.
    Aside(&'static str, String),
    /// There was no time for it, or not for all of it.
    Unfinished,
}

/// How an object is to be copied.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(super) struct Way {
    pub(super) began: Began,
    /// What is there is looked at before, not only when it is met.
    pub(super) looks_first: bool,
    /// Whatever differs is copied again.
    pub(super) overwrites: bool,
    /// So is what looks the same: its bytes are known not to be.
    pub(super) rewrites: bool,
    /// A killed run had announced it, and may have copied it.
    pub(super) recovered: bool,
    /// What is known of it is what an inventory knew, days ago perhaps: it is compared with nothing.
    pub(super) dated: bool,
}

/// Why a copy did not come about.
pub(super) enum Stop {
    /// What is there, or the source, is not as it was expected.
    Otherwise,
    /// The source or the upload is not there any more.
    Lost,
    /// The time is up.
    Time,
    /// It is the object's own fault.
    Aside(&'static str, String),
    /// No object fares better.
    Fault(Fault),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl Stop {
    /// What a side's refusal means for one object.
    pub(super) fn of(side: Side, error: &S3Error) -> Self {
        match error {
            S3Error::Exists { .. } => Self::Otherwise,
            S3Error::Missing { .. } => Self::Lost,
            S3Error::Archived { .. } => Self::Aside("archived", "it is archived: restore it, then `retry`".to_owned()),
            S3Error::Denied { action, .. } => Self::Aside(
                "forbidden",
                format!(
                    "the {}'s bucket does not let it be copied: allow `{action}` and the reading of its source, its tags and its key of KMS, \
                     and the ACL that it is to get, then `retry`",
                    side.word()
                ),
            ),
            S3Error::Refused { code, .. } => {
                Self::Aside("poison", format!("the {}'s bucket refuses it: {code}", side.word()))
            }
            error => Self::Fault(fault(side, error)),
        }
    }
}

impl Stop {
    /// Class and message, if it is the object's own fault; otherwise the migration's.
    pub(super) fn aside(self) -> Result<(&'static str, String), Fault> {
        match self {
            Self::Aside(class, message) => Ok((class, message)),
            Self::Fault(fault) => Err(fault),
            Self::Otherwise | Self::Lost | Self::Time => {
                Err(Fault::new(Class::Transient, "a bucket did not say what there is of an object"))
            }
        }
    }
}

impl Objects {
    /// Copies an object, unless it is there. What passes by itself is tried again for as long as there is time.
    pub(super) async fn bring(&self, ours: &Listed, way: Way, deadline: Instant) -> Result<Fate, Fault> {
        let mut wait = WAIT;
        // Whether a copy of this very call may have arrived without anybody having heard of it.
        let mut tried = false;
        loop {
            let fault = match self.bring_once(ours, way, &mut tried, deadline).await {
                Ok(fate) => return Ok(fate),
                Err(Stop::Fault(fault)) if fault.class.passes() => fault,
                Err(Stop::Fault(fault)) => return Err(fault),
                Err(Stop::Aside(class, message)) => return Ok(Fate::Aside(class, message)),
                Err(Stop::Lost) => return Ok(Fate::Gone),
                Err(Stop::Otherwise | Stop::Time) => return Ok(Fate::Unfinished),
            };
            let now = Instant::now();
            if now >= deadline {
                return Ok(Fate::Unfinished);
            }
            if now + wait >= deadline {
                return Err(fault);
            }
            tokio::time::sleep(wait.mul_f64(0.5 + rand::random::<f64>())).await;
            wait *= 2;
        }
    }

    async fn bring_once(&self, ours: &Listed, way: Way, tried: &mut bool, deadline: Instant) -> Result<Fate, Stop> {
        let Some(target) = self.target_key(&ours.key) else { return Ok(Fate::Gone) };
        if target.len() > LONGEST {
            let message = "its key behind `target.prefix` would be longer than the 1,024 bytes that S3 takes";
            return Ok(Fate::Aside("poison", message.to_owned()));
        }
        if let Some(why) = self.unwanted(ours, deadline).await? {
            return Ok(Fate::Aside("poison", why.to_owned()));
        }
        let (mut ours, mut over) = (ours.clone(), Over::Nothing);
        let mut looks = way.looks_first || *tried || !way.began.conditional || self.is_long(ours.bytes);
        // As it stands it is good enough for a copy of that very version alone.
        if way.dated && (looks || ours.etag.is_empty()) {
            match self.now(&ours.key, deadline).await? {
                Some(now) => ours = now,
                None => return Ok(Fate::Gone),
            }
            looks |= self.is_long(ours.bytes);
        }
        for _ in 0..ROUNDS {
            if Instant::now() >= deadline {
                return Ok(Fate::Unfinished);
            }
            if looks {
                // What an attempt without an answer has left may be ours.
                let way = Way { recovered: way.recovered || *tried, ..way };
                match self.look(ours.clone(), &target, way, deadline).await? {
                    Todo::Copy(now, what) => (ours, over) = (now, what),
                    // An attempt without an answer has made it.
                    Todo::Nothing(now, theirs) if *tried && theirs.at.is_some_and(|at| at > way.began.at) => {
                        self.remember(&now, &theirs.etag, deadline).await?;
                        return Ok(Fate::Copied(now.bytes));
                    }
                    Todo::Nothing(now, _) => {
                        if way.recovered {
                            // Whoever copied it may not have come to say what it left behind.
                            Box::pin(self.with_hidden(&now, Object::default(), deadline)).await?;
                        }
                        return Ok(Fate::There(now.bytes));
                    }
                    Todo::Gone => return Ok(Fate::Gone),
                    Todo::Aside(class, message) => return Ok(Fate::Aside(class, message)),
                    Todo::Unstable => break,
                }
            }
            looks = true;
            let started = Instant::now();
            let copied = self.copy_once(&ours, &target, over.clone(), deadline).await;
            // Where it came about, too: until it is written down, or told, it is there without anybody knowing of what it is a copy.
            *tried |= matches!(copied, Ok(_) | Err(Stop::Fault(_)));
            match copied {
                Ok(etag) => {
                    let long = started.elapsed() >= LONG;
                    if long || bare(&ours.etag) != bare(&etag) {
                        self.remember(&ours, &etag, deadline).await?;
                    }
                    if !long {
                        return Ok(Fate::Copied(ours.bytes));
                    }
                    match self.now(&ours.key, deadline).await? {
                        Some(now) if bare(&now.etag) != bare(&ours.etag) => ours = now,
                        _ => return Ok(Fate::Copied(ours.bytes)),
                    }
                }
                Err(stop @ (Stop::Time | Stop::Aside(..) | Stop::Fault(_))) => return Err(stop),
                Err(Stop::Otherwise | Stop::Lost) => match self.now(&ours.key, deadline).await? {
                    None => return Ok(Fate::Gone),
                    Some(now) => ours = now,
                },
            }
        }
        let message = "it changed again and again while it was copied: `retry` when it is at rest";
        Ok(Fate::Aside("unstable", message.to_owned()))
    }

    /// An object as it is now; `None`: there is none any more.
    pub(super) async fn now(&self, key: &str, deadline: Instant) -> Result<Option<Listed>, Stop> {
        let head = self.source.head_of(&self.from, key, left(deadline)).await;
        Ok(head.map_err(|error| Stop::of(Side::Source, &error))?.map(|head| listed(key, head)))
    }

    /// It comes in parts.
    fn is_long(&self, bytes: u64) -> bool {
        bytes > if self.one_server { ONE_CALL } else { PART }
    }

    /// One attempt at this version, over what is expected to be there. The tag of the copy.
    async fn copy_once(&self, ours: &Listed, target: &str, over: Over, deadline: Instant) -> Result<String, Stop> {
        let object = self.bare(ours, target, over);
        // Boxed: they are too large to be moved about.
        match (self.one_server, self.is_long(ours.bytes)) {
            (true, true) => Box::pin(self.copy_in_parts(ours, object, deadline)).await,
            (false, true) => Box::pin(self.carry_in_parts(ours, object, deadline)).await,
            (false, false) => Box::pin(self.carry(ours, object, deadline)).await,
            (true, false) => {
                let (object, kms_key) = Box::pin(self.with_hidden(ours, object, deadline)).await?;
                let origin = Origin { bucket: &self.from, key: &ours.key, etag: &ours.etag };
                let copied = self.writer.copy(origin, &object, self.along(), left(deadline)).await;
                let copied = copied.map_err(|error| Stop::of(Side::Target, &error))?;
                self.leave_key(ours, kms_key.as_deref(), &copied);
                Ok(copied.etag.unwrap_or_default())
            }
        }
    }
}
