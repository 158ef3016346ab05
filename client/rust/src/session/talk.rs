//! A session under test, and what it says.

use rmpv::Value;
use serde_json::{json, Value as Json};

use super::*;
use crate::options::Prefetch;
use crate::wire::{from_json, pack, unpack};

/// A session, its time, and what it says as JSON.
pub(super) struct Talk {
    pub(super) session: Session,
    pub(super) now: i64,
}

fn sessions() -> u64 {
    use std::sync::atomic::AtomicU64;
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::SeqCst)
}

fn json_of(value: &Value) -> Json {
    match value {
        Value::Array(items) => items.iter().map(json_of).collect(),
        Value::Map(pairs) => Json::Object(
            pairs
                .iter()
                .map(|(k, v)| (k.as_str().unwrap().into(), json_of(v)))
                .collect(),
        ),
        Value::String(text) => text.as_str().unwrap().into(),
        Value::Boolean(flag) => (*flag).into(),
        other => other.as_i64().unwrap().into(),
    }
}

impl Talk {
    pub(super) fn new(given: u64, options: WorkerOptions) -> Talk {
        let me = Hello {
            role: "worker",
            worker: given,
            heartbeat_ms: options.heartbeat_ms,
            ..Hello::default()
        };
        Talk {
            session: Session::new(me, &options, sessions, 0),
            now: 0,
        }
    }

    /// A worker that said hello and was welcomed as number 7 without leases that end.
    pub(super) fn welcomed(welcome: Json) -> Talk {
        let mut talk = Talk::new(0, no_stock());
        assert_eq!(talk.said().len(), 1);
        talk.hear("welcome", welcome);
        talk
    }

    pub(super) fn said(&mut self) -> Vec<(String, Json)> {
        self.session.flush(self.now);
        let out = self.session.take_out().1;
        let read = |bytes: Vec<u8>| {
            unpack(&bytes).map(|(kind, fields)| (kind, json_of(&Value::Map(fields))))
        };
        out.into_iter().map(|bytes| read(bytes).unwrap()).collect()
    }

    /// The one message that was said.
    pub(super) fn one(&mut self, kind: &str) -> Json {
        let said = self.said();
        assert_eq!(
            said.iter()
                .map(|(kind, _)| kind.as_str())
                .collect::<Vec<_>>(),
            [kind],
            "{:?}",
            said
        );
        said[0].1.clone()
    }

    pub(super) fn kinds(&mut self) -> Vec<String> {
        self.said().into_iter().map(|(kind, _)| kind).collect()
    }

    pub(super) fn hear(&mut self, kind: &str, fields: Json) {
        let pairs = fields.as_object().unwrap().iter();
        let bytes = pack(
            kind,
            pairs
                .map(|(key, value)| (key.as_str(), from_json(value)))
                .collect(),
        );
        self.session
            .hear(FromBroker::read(&bytes).unwrap(), self.now);
    }

    pub(super) fn error(&mut self, code: &str) {
        self.hear("error", json!({"code": code, "message": "no"}));
    }

    pub(super) fn work(&mut self, leases: &[u64]) {
        let roi = json!([[0], [1]]);
        let block = |lease: &u64| json!({"lease": lease, "index": lease + 100, "id": 1, "read": roi, "write": roi});
        self.hear(
            "work",
            json!({ "blocks": leases.iter().map(block).collect::<Vec<_>>() }),
        );
    }

    /// Time passes, in steps of 10 ms.
    pub(super) fn pass(&mut self, ms: i64) {
        for _ in 0..ms / 10 {
            self.now += 10;
            self.session.tick(self.now);
        }
    }

    pub(super) fn take(&mut self) -> Option<u64> {
        self.session.take(self.now).map(|(block, _)| block.lease)
    }

    pub(super) fn finish(&mut self, lease: u64) {
        self.session.finish(lease, Outcome::Completed, self.now);
    }

    pub(super) fn wants(mut self) -> Talk {
        self.session.takers = 1;
        self.said();
        self
    }
}

pub(super) fn no_stock() -> WorkerOptions {
    WorkerOptions {
        prefetch: Prefetch::Blocks(0),
        heartbeat_ms: 0,
        ..WorkerOptions::default()
    }
}

pub(super) fn leases(fields: &Json, key: &str) -> Vec<u64> {
    let list = fields[key]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    list.iter()
        .map(|one| one["lease"].as_u64().unwrap())
        .collect()
}
