//! The worker's threads and socket, against a broker that follows a script.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bellis::{Access, Code, Error, Prefetch, Worker, WorkerOptions};
use rmpv::Value;

/// A ROUTER with one peer.
struct Broker {
    socket: zmq::Socket,
    endpoint: String,
    peer: Vec<u8>,
}

fn value(fields: &serde_json::Value) -> Value {
    match fields {
        serde_json::Value::Object(map) => Value::Map(
            map.iter()
                .map(|(k, v)| (k.as_str().into(), value(v)))
                .collect(),
        ),
        serde_json::Value::Array(items) => Value::Array(items.iter().map(value).collect()),
        serde_json::Value::String(text) => text.as_str().into(),
        serde_json::Value::Bool(flag) => (*flag).into(),
        other => other.as_i64().unwrap().into(),
    }
}

impl Broker {
    fn new() -> Broker {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::SeqCst);
        let endpoint = format!("ipc:///tmp/bellis-rust-{}-{}", std::process::id(), number);
        Broker {
            socket: bound(&endpoint),
            endpoint,
            peer: vec![],
        }
    }

    /// As if it was killed and started again: it knows no connection.
    fn restart(&mut self) {
        self.socket = zmq::Context::new().socket(zmq::ROUTER).unwrap(); // closes the former one
        self.socket = bound(&self.endpoint);
    }

    fn options(&self) -> WorkerOptions {
        WorkerOptions {
            access: Access {
                endpoint: self.endpoint.clone(),
                ..Access::default()
            },
            prefetch: Prefetch::Blocks(0),
            connect_timeout: Duration::from_secs(60),
            ..WorkerOptions::default()
        }
    }

    fn hear(&mut self) -> (String, Value) {
        let mut frames = self
            .socket
            .recv_multipart(0)
            .expect("a message within a minute");
        let bytes = frames.pop().unwrap();
        self.peer = frames.remove(0);
        match rmpv::decode::read_value(&mut bytes.as_slice()).unwrap() {
            Value::Array(mut parts) => {
                let fields = parts.pop().unwrap();
                (parts[0].as_str().unwrap().to_string(), fields)
            }
            other => panic!("{}", other),
        }
    }

    /// The next message that is no heartbeat; it must be of that kind.
    fn expect(&mut self, kind: &str) -> Value {
        loop {
            let (heard, fields) = self.hear();
            if heard == kind {
                return fields;
            }
            assert_eq!(heard, "ping", "{} was expected", kind);
        }
    }

    fn say(&self, kind: &str, fields: serde_json::Value) {
        let mut bytes = vec![];
        let message = Value::Array(vec![kind.into(), value(&fields)]);
        rmpv::encode::write_value(&mut bytes, &message).unwrap();
        self.socket
            .send_multipart([self.peer.as_slice(), &bytes], 0)
            .unwrap();
    }

    fn work(&self, leases: &[u64]) {
        let roi = || serde_json::json!([[0, 0], [1, 2]]);
        let block = |lease: &u64| serde_json::json!({"lease": lease, "index": 5, "id": -3, "read": roi(), "write": roi()});
        let blocks: Vec<_> = leases.iter().map(block).collect();
        self.say("work", serde_json::json!({ "blocks": blocks }));
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _gone = std::fs::remove_file(&self.endpoint["ipc://".len()..]);
    }
}

fn bound(endpoint: &str) -> zmq::Socket {
    let socket = zmq::Context::new().socket(zmq::ROUTER).unwrap();
    socket.set_linger(0).unwrap();
    socket.set_rcvtimeo(60_000).unwrap();
    socket.bind(endpoint).unwrap();
    socket
}

fn leases(fields: &Value, key: &str) -> Vec<u64> {
    let list = fields[key]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    list.iter()
        .map(|one| one["lease"].as_u64().unwrap())
        .collect()
}

/// Runs a worker of one function beside a script.
fn with_worker(
    broker: &mut Broker,
    options: WorkerOptions,
    function: impl FnMut(&bellis::Block) -> Result<(), String> + Send + 'static,
    script: impl FnOnce(&mut Broker),
) -> bellis::Result<u64> {
    let worker = std::thread::spawn(move || Worker::connect(&options)?.run(function));
    script(broker);
    worker.join().unwrap()
}

#[test]
fn it_works_on_what_comes_and_leaves() {
    let mut broker = Broker::new();
    let options = broker.options();
    let function = |block: &bellis::Block| {
        assert_eq!(
            (block.id(), block.index(), block.attempt(), block.task()),
            (-3, 5, 1, "t")
        );
        assert_eq!(
            (
                block.write().offset.as_slice(),
                block.read().shape.as_slice()
            ),
            (&[0, 0][..], &[1, 2][..])
        );
        match block.lease() {
            2 => Err("no signal".to_string()),
            _ => Ok(()),
        }
    };
    let done = with_worker(&mut broker, options, function, |broker| {
        let hello = broker.expect("hello");
        assert_eq!(hello["language"].as_str(), Some("rust"));
        assert_eq!(
            (hello["greeting"].as_u64(), hello["heartbeat_ms"].as_u64()),
            (Some(1), Some(4000))
        );
        assert!(hello["session"].as_u64() > Some(0) && hello["machine"].as_str().is_some());
        broker.say("welcome", serde_json::json!({"worker": 7, "task": "t"}));
        assert_eq!(broker.expect("acquire")["want"].as_u64(), Some(1));
        broker.say("something new", serde_json::json!({}));
        broker.work(&[1]);
        assert_eq!(leases(&broker.expect("release"), "results"), [1]);
        broker.work(&[2]);
        let release = broker.expect("release");
        assert_eq!(release["want"].as_u64(), Some(1));
        assert_eq!(release["results"][0]["error"].as_str(), Some("no signal"));
        broker.say("leave", serde_json::json!({"reason": "done"}));
        broker.expect("bye");
    });
    assert_eq!(done, Ok(2));
}

#[test]
fn it_keeps_its_block_over_a_restart_of_the_broker() {
    let mut broker = Broker::new();
    let options = WorkerOptions {
        heartbeat_ms: 50,
        ..broker.options()
    };
    let (go_on, wait) = std::sync::mpsc::channel::<()>();
    let function = move |_: &bellis::Block| wait.recv().map_err(|error| error.to_string());
    let welcome = || serde_json::json!({"worker": 7, "lease_ms": 60_000, "heartbeat_ms": 50, "durable": true});
    let done = with_worker(&mut broker, options, function, |broker| {
        let session = broker.expect("hello")["session"].as_u64();
        broker.say("welcome", welcome());
        broker.expect("acquire");
        broker.work(&[1]);
        broker.restart();
        while broker.hear().0 != "ping" {} // while it computes
        broker.say("error", serde_json::json!({"code": "hello_first"}));
        let hello = broker.expect("hello");
        assert_eq!(
            (hello["session"].as_u64(), hello["worker"].as_u64()),
            (session, Some(7))
        );
        assert_eq!(leases(&hello, "held"), [1]);
        let mut again = welcome();
        again["held"] = serde_json::json!([1]);
        broker.say("welcome", again);
        go_on.send(()).unwrap();
        let mut results = vec![];
        while results.is_empty() {
            let (kind, fields) = broker.hear();
            results = if kind == "release" {
                leases(&fields, "results")
            } else {
                vec![]
            };
        }
        assert_eq!(results, [1]);
        broker.say("drain", serde_json::json!({"reason": "enough"}));
        while broker.hear().0 != "bye" {}
    });
    assert_eq!(done, Ok(1));
}

#[test]
fn a_refusal_has_the_brokers_code_and_words() {
    let mut broker = Broker::new();
    let options = broker.options();
    let done = with_worker(
        &mut broker,
        options,
        |_| Ok(()),
        |broker| {
            broker.expect("hello");
            broker.say(
                "error",
                serde_json::json!({"code": "unknown_task", "message": "no task x"}),
            );
        },
    );
    let refused = Error::Refused {
        code: Code::UnknownTask,
        message: "no task x".into(),
    };
    assert_eq!(done, Err(refused.clone()));
    assert_eq!(refused.to_string(), "no task x (unknown_task)");
}

#[test]
fn a_block_that_is_dropped_without_a_word_has_failed() {
    let mut broker = Broker::new();
    let options = broker.options();
    let worker = std::thread::spawn(move || {
        let worker = Worker::connect(&options).unwrap();
        assert_eq!(
            (worker.id(), worker.slot(), worker.job()),
            (7, 3, "j".to_string())
        );
        drop(worker.acquire().unwrap());
    });
    broker.expect("hello");
    broker.say(
        "welcome",
        serde_json::json!({"worker": 7, "slot": 3, "job": "j"}),
    );
    broker.expect("acquire");
    broker.work(&[1]);
    let release = broker.expect("release");
    assert_eq!(release["results"][0]["status"].as_str(), Some("failed"));
    broker.expect("bye");
    worker.join().unwrap();
}

#[test]
fn an_endpoint_that_is_none_is_named() {
    for endpoint in [
        "",
        "tcp://host",
        "tcp://host:0",
        "udp://host:1",
        "ipc://",
        "tcp://*:5",
        "ipc://@x",
    ] {
        let options = WorkerOptions {
            access: Access {
                endpoint: endpoint.into(),
                ..Access::default()
            },
            ..WorkerOptions::default()
        };
        match Worker::connect(&options).map(|_| ()) {
            Err(Error::Settings(text)) => assert!(text.contains("BELLIS_ENDPOINT"), "{}", text),
            other => panic!("{}: {:?}", endpoint, other),
        }
    }
}
