//! The messages that a worker or a client sends and receives, by MESSAGES.md.

use rmpv::Value;

use crate::error::{Code, Result};
use crate::status::{Explanation, JobStatus, Submitted};
use crate::wire::{pack, unpack, Fields};

/// A region of interest, in world units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roi {
    /// Where it begins, one number for each dimension.
    pub offset: Vec<i64>,
    /// How far it reaches in each dimension; not below 0.
    pub shape: Vec<i64>,
}

/// One hand-out of a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Leased {
    pub lease: u64,
    pub index: u64,
    pub id: i64,
    pub read: Roi,
    pub write: Roi,
    pub attempt: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Welcome {
    pub version: u64,
    pub job: String,
    pub task: String,
    pub worker: u64,
    pub duty: String,
    pub slot: u32,
    pub lease_ms: u32,
    pub heartbeat_ms: u32,
    pub durable: bool,
    pub prefetch: Option<u32>,
    pub held: Vec<u64>,
}

/// What a broker says to workers and clients.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum FromBroker {
    Welcome(Welcome),
    Work(Vec<Leased>),
    Committed {
        leases: Vec<u64>,
        dropped: Vec<u64>,
    },
    Drain {
        reason: String,
    },
    Leave {
        reason: String,
    },
    Recall {
        keep: u32,
    },
    Pong {
        nonce: u64,
    },
    Error {
        code: Code,
        message: String,
        req: u64,
    },
    Submitted {
        req: u64,
        submitted: Submitted,
    },
    Jobs {
        req: u64,
        jobs: Vec<JobStatus>,
    },
    Cancelled {
        req: u64,
        job: String,
    },
    Retried {
        req: u64,
        job: String,
        blocks: u64,
    },
    Progress {
        req: u64,
        status: JobStatus,
        dropped: u64,
    },
    Ended {
        req: u64,
        status: JobStatus,
    },
    Explained {
        req: u64,
        explanation: Explanation,
    },
    Ok {
        req: u64,
    },
    /// A kind of a newer broker, or one for launchers: to be ignored.
    Unknown,
}

impl FromBroker {
    /// Errors: BadMessage, which names the field.
    pub(crate) fn read(bytes: &[u8]) -> Result<FromBroker> {
        let (kind, pairs) = unpack(bytes)?;
        let fields = Fields::new(&kind, &pairs)?;
        let req = || fields.uint_or("req", 0);
        Ok(match kind.as_str() {
            "welcome" => FromBroker::Welcome(read_welcome(&fields)?),
            "work" => FromBroker::Work(fields.required_maps("blocks", read_leased)?),
            "committed" => FromBroker::Committed {
                leases: fields.uints("leases")?,
                dropped: fields.uints("dropped")?,
            },
            "drain" => FromBroker::Drain {
                reason: fields.str_or("reason", "")?,
            },
            "leave" => FromBroker::Leave {
                reason: fields.str_or("reason", "")?,
            },
            "recall" => FromBroker::Recall {
                keep: fields.uint32_or("keep", 1)?,
            },
            "pong" => FromBroker::Pong {
                nonce: fields.uint_or("nonce", 0)?,
            },
            "error" => FromBroker::Error {
                code: Code::from_text(&fields.str_or("code", "bad_message")?),
                message: fields.str_or("message", "")?,
                req: req()?,
            },
            "submitted" => FromBroker::Submitted {
                req: req()?,
                submitted: Submitted::read(&fields)?,
            },
            "jobs" => FromBroker::Jobs {
                req: req()?,
                jobs: fields.maps("jobs", JobStatus::read)?,
            },
            "cancelled" => FromBroker::Cancelled {
                req: req()?,
                job: fields.str("job")?,
            },
            "retried" => FromBroker::Retried {
                req: req()?,
                job: fields.str("job")?,
                blocks: fields.uint_or("blocks", 0)?,
            },
            "progress" => FromBroker::Progress {
                req: req()?,
                status: JobStatus::read(&fields.map("status")?)?,
                dropped: fields.uint_or("dropped", 0)?,
            },
            "ended" => FromBroker::Ended {
                req: req()?,
                status: JobStatus::read(&fields.map("status")?)?,
            },
            "explained" => FromBroker::Explained {
                req: req()?,
                explanation: Explanation::read(&fields)?,
            },
            "ok" => FromBroker::Ok { req: req()? },
            _ => FromBroker::Unknown,
        })
    }
}

fn read_welcome(fields: &Fields) -> Result<Welcome> {
    fields.str_or("broker", "")?;
    Ok(Welcome {
        version: fields.uint_or("version", 1)?,
        job: fields.str_or("job", "")?,
        task: fields.str_or("task", "")?,
        worker: fields.uint_or("worker", 0)?,
        duty: fields.str_or("duty", "work")?,
        slot: fields.uint32_or("slot", 0)?,
        lease_ms: fields.uint32_or("lease_ms", 0)?,
        heartbeat_ms: fields.uint32_or("heartbeat_ms", 0)?,
        durable: fields.bool_or("durable", false)?,
        prefetch: fields.uint32("prefetch")?,
        held: fields.uints("held")?,
    })
}

fn read_leased(fields: &Fields) -> Result<Leased> {
    let roi = |key| fields.roi(key).map(|(offset, shape)| Roi { offset, shape });
    Ok(Leased {
        lease: fields.uint("lease")?,
        index: fields.uint("index")?,
        id: fields.int("id")?,
        read: roi("read")?,
        write: roi("write")?,
        attempt: fields.uint32_or("attempt", 1)?,
    })
}

/// A lease as a hello lists it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Held {
    pub lease: u64,
    pub index: u64,
    pub attempt: u32,
}

/// The fields of a hello. What has its default is left out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Hello {
    pub role: &'static str,
    pub token: String,
    pub job: String,
    pub task: String,
    pub worker: u64,
    pub duty: String,
    pub language: String,
    pub host: String,
    pub pid: i64,
    pub machine: String,
    pub session: u64,
    pub greeting: u64,
    pub heartbeat_ms: u32,
    pub held: Vec<Held>,
}

impl Hello {
    pub(crate) fn pack(&self) -> Vec<u8> {
        let mut fields = vec![
            ("version", Value::from(1)),
            ("role", Value::from(self.role)),
        ];
        let texts = [
            ("token", &self.token),
            ("job", &self.job),
            ("task", &self.task),
            ("duty", &self.duty),
            ("language", &self.language),
            ("host", &self.host),
            ("machine", &self.machine),
        ];
        for (key, text) in texts {
            if !text.is_empty() {
                fields.push((key, Value::from(text.as_str())));
            }
        }
        let numbers = [
            ("worker", self.worker),
            ("session", self.session),
            ("greeting", self.greeting),
            ("heartbeat_ms", u64::from(self.heartbeat_ms)),
        ];
        fields.extend(
            numbers
                .iter()
                .filter(|(_, n)| *n > 0)
                .map(|&(key, n)| (key, Value::from(n))),
        );
        if self.pid != 0 {
            fields.push(("pid", Value::from(self.pid)));
        }
        if !self.held.is_empty() {
            fields.push((
                "held",
                Value::Array(self.held.iter().map(Held::value).collect()),
            ));
        }
        pack("hello", fields)
    }
}

impl Held {
    fn value(&self) -> Value {
        map(vec![
            ("lease", Value::from(self.lease)),
            ("index", Value::from(self.index)),
            ("attempt", Value::from(self.attempt)),
        ])
    }
}

fn map(fields: Vec<(&str, Value)>) -> Value {
    Value::Map(
        fields
            .into_iter()
            .map(|(key, value)| (Value::from(key), value))
            .collect(),
    )
}

/// What became of a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Completed,
    Failed(String),
    Returned,
}

/// Errors of blocks are cut in the middle at this many bytes, as the broker does.
const ERROR_BYTES_MAX: usize = 16 << 10;

fn result_value(lease: u64, outcome: &Outcome) -> Value {
    let (status, error) = match outcome {
        Outcome::Completed => ("completed", None),
        Outcome::Failed(error) => ("failed", Some(cut(error))),
        Outcome::Returned => ("returned", None),
    };
    let mut fields = vec![
        ("lease", Value::from(lease)),
        ("status", Value::from(status)),
    ];
    if let Some(error) = error.filter(|text| !text.is_empty()) {
        fields.push(("error", Value::from(error)));
    }
    map(fields)
}

fn cut(text: &str) -> String {
    if text.len() <= ERROR_BYTES_MAX {
        return text.to_string();
    }
    let half = ERROR_BYTES_MAX / 2 - 8;
    let head = (0..=half)
        .rev()
        .find(|&i| text.is_char_boundary(i))
        .unwrap_or(0);
    let tail = (text.len() - half..=text.len())
        .find(|&i| text.is_char_boundary(i))
        .unwrap_or(text.len());
    format!("{}\n...\n{}", &text[..head], &text[tail..])
}

pub(crate) fn release(results: &[(Held, Outcome)], want: u32) -> Vec<u8> {
    let results = results
        .iter()
        .map(|(held, outcome)| result_value(held.lease, outcome))
        .collect();
    let mut fields = vec![("results", Value::Array(results))];
    if want > 0 {
        fields.push(("want", Value::from(want)));
    }
    pack("release", fields)
}

pub(crate) fn acquire(want: u32) -> Vec<u8> {
    pack("acquire", vec![("want", Value::from(want))])
}

pub(crate) fn ping(nonce: u64) -> Vec<u8> {
    pack("ping", vec![("nonce", Value::from(nonce))])
}

pub(crate) fn bye(reason: &str) -> Vec<u8> {
    pack("bye", vec![("reason", Value::from(reason))])
}
