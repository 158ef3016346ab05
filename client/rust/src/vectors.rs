//! The codec reads what tests/conformance/vectors says, refuses what is refused, and writes what
//! means the same.

use rmpv::Value;
use serde_json::Value as Json;

use crate::error::Error;
use crate::messages::{acquire, bye, ping, release, FromBroker, Held, Hello, Outcome};
use crate::requests::Request;
use crate::wire::{from_json, pack, unpack};

const FOLDER: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../tests/conformance/vectors"
);
const FROM_BROKER: [&str; 16] = [
    "welcome",
    "work",
    "committed",
    "drain",
    "leave",
    "pong",
    "recall",
    "error",
    "submitted",
    "jobs",
    "cancelled",
    "retried",
    "progress",
    "ended",
    "explained",
    "ok",
];
/// Keys of a capability that this crate does not announce (WORKERS.md, "Runs of blocks"): unknown
/// keys.
const NOT_SPOKEN: [&str; 2] = ["runs", "grid"];
const OF_LAUNCHERS: [&str; 4] = ["launch", "stop", "launched", "exited"];

fn vectors(kind: &str) -> Json {
    let text = std::fs::read_to_string(format!("{}/{}.json", FOLDER, kind)).expect(kind);
    serde_json::from_str(&text).expect(kind)
}

fn cases(vectors: &Json, which: &str) -> Vec<(String, Vec<u8>)> {
    let case = |case: &Json| {
        let hex = case["hex"].as_str().unwrap();
        let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        (
            case["how"].as_str().unwrap().to_string(),
            (0..hex.len()).step_by(2).map(byte).collect(),
        )
    };
    vectors[which]
        .as_array()
        .unwrap()
        .iter()
        .map(case)
        .collect()
}

fn packed(message: &Json) -> Vec<u8> {
    let fields = message[1].as_object().unwrap();
    let pairs = fields
        .iter()
        .map(|(key, value)| (key.as_str(), from_json(value)))
        .collect();
    pack(message[0].as_str().unwrap(), pairs)
}

#[test]
fn each_encoding_of_what_a_broker_says_is_read_as_the_same() {
    for kind in FROM_BROKER {
        let vectors = vectors(kind);
        let meant = FromBroker::read(&packed(&vectors["message"])).expect(kind);
        assert_ne!(meant, FromBroker::Unknown, "{}", kind);
        let encodings = cases(&vectors, "encodings");
        assert!(encodings.len() > 3);
        for (how, bytes) in encodings {
            assert_eq!(
                FromBroker::read(&bytes).as_ref(),
                Ok(&meant),
                "{}: {}",
                kind,
                how
            );
        }
    }
}

#[test]
fn what_is_refused_is_refused_and_the_field_is_named() {
    for kind in FROM_BROKER {
        let vectors = vectors(kind);
        let named = vectors["refused"]
            .as_array()
            .unwrap()
            .iter()
            .map(|case| case["names"].as_str().unwrap());
        for ((how, bytes), name) in cases(&vectors, "refused").into_iter().zip(named) {
            let field = name[kind.len() + 1..]
                .split(['.', '['])
                .next()
                .unwrap_or_default();
            if NOT_SPOKEN.contains(&field) {
                continue;
            }
            match FromBroker::read(&bytes) {
                Err(Error::BadMessage(text)) => {
                    assert!(
                        text.starts_with(name.trim_end_matches("[0]")),
                        "{}: {}",
                        how,
                        text
                    );
                }
                other => panic!("{}: {:?}", how, other),
            }
        }
    }
}

#[test]
fn what_is_no_message_is_refused() {
    for (how, bytes) in cases(&vectors("envelope"), "refused") {
        match (how.as_str(), FromBroker::read(&bytes)) {
            ("a kind that nobody knows", read) => assert_eq!(read, Ok(FromBroker::Unknown)),
            (_, Err(Error::BadMessage(_))) => {}
            (_, other) => panic!("{}: {:?}", how, other),
        }
    }
}

#[test]
fn every_message_has_a_test() {
    let mut kinds: Vec<String> = std::fs::read_dir(FOLDER)
        .unwrap()
        .map(|entry| {
            entry
                .unwrap()
                .path()
                .file_stem()
                .unwrap()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    let sent = said()
        .into_iter()
        .map(|bytes| unpack(&bytes).unwrap().0)
        .collect::<Vec<_>>();
    kinds.retain(|kind| !sent.contains(kind) && !FROM_BROKER.contains(&kind.as_str()));
    kinds.retain(|kind| kind != "envelope" && !OF_LAUNCHERS.contains(&kind.as_str()));
    assert_eq!(kinds, Vec::<String>::new());
}

/// The messages of the vectors, as this crate says them.
fn said() -> Vec<Vec<u8>> {
    let held = |lease, index| Held {
        lease,
        index,
        attempt: 1,
    };
    let hello = Hello {
        role: "worker",
        job: "smooth-1".into(),
        task: "smooth".into(),
        worker: 7,
        language: "go".into(),
        host: "node3".into(),
        pid: 4711,
        machine: "0f3c:pid:[4026531836]".into(),
        session: 81985529216486895,
        greeting: 2,
        heartbeat_ms: 4000,
        held: vec![held(300, 41)],
        ..Hello::default()
    };
    let results = [
        (held(300, 0), Outcome::Completed),
        (held(301, 0), Outcome::Failed("disk full".into())),
    ];
    let job = || "smooth-1".to_string();
    let task = || "smooth".to_string();
    let submitted = from_json(&vectors("submit")["message"][1]["job"]);
    let requests = [
        Request::Submit {
            fresh: false,
            same_programs: false,
            job: submitted,
        },
        Request::Status { job: job() },
        Request::Cancel {
            job: job(),
            reason: "wrong file".into(),
        },
        Request::Watch {
            job: job(),
            interval_ms: 1000,
        },
        Request::RetryFailed { job: job() },
        Request::Pause {
            job: job(),
            task: task(),
        },
        Request::Resume {
            job: job(),
            task: String::new(),
        },
        Request::SetWorkers {
            job: job(),
            task: task(),
            group: 0,
            count: 16,
        },
        Request::WorkerGone { worker: 12 },
        Request::Explain {
            job: job(),
            task: task(),
            block: 7,
            worker: 0,
        },
    ];
    let mut said = vec![
        hello.pack(),
        acquire(1),
        release(&results, 2),
        ping(12),
        bye("drained"),
    ];
    said.extend(
        (1..)
            .zip(requests)
            .map(|(req, request)| request.pack(req).unwrap()),
    );
    said
}

/// Keys in one order, so that maps compare.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        Value::Map(pairs) => {
            let mut pairs: Vec<_> = pairs.iter().map(|(k, v)| (sorted(k), sorted(v))).collect();
            pairs.sort_by_key(|(key, _)| key.to_string());
            Value::Map(pairs)
        }
        other => other.clone(),
    }
}

#[test]
fn what_is_said_means_what_the_page_says() {
    for bytes in said() {
        let (kind, fields) = unpack(&bytes).unwrap();
        let (_, mut meant) = unpack(&packed(&vectors(&kind)["message"])).unwrap();
        meant.retain(|(key, _)| !NOT_SPOKEN.contains(&key.as_str().unwrap()));
        assert_eq!(
            sorted(&Value::Map(fields)),
            sorted(&Value::Map(meant)),
            "{}",
            kind
        );
    }
}

#[test]
fn a_long_error_loses_its_middle() {
    let text = "ä".repeat(20_000);
    let result = [(
        Held {
            lease: 1,
            index: 0,
            attempt: 1,
        },
        Outcome::Failed(text),
    )];
    let bytes = release(&result, 0);
    assert!(
        bytes.len() > 16_000 && bytes.len() < 16_500,
        "{}",
        bytes.len()
    );
    assert!(unpack(&bytes).is_ok());
}
