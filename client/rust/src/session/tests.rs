//! The state machine, against a broker of few words: each test is a conversation.

use serde_json::json;

use super::talk::{leases, no_stock, Talk};
use super::*;
use crate::messages::Roi;
use crate::options::Prefetch;

#[test]
fn it_takes_one_block_at_a_time_with_one_message_each_way() {
    let mut talk = Talk::welcomed(json!({"worker": 7}));
    talk.session.takers = 1;
    assert_eq!(talk.one("acquire"), json!({"want": 1}));
    assert_eq!(talk.kinds(), [""; 0]); // a request waits in the broker
    talk.work(&[1]);
    let (block, _) = talk.session.take(talk.now).unwrap();
    assert_eq!(
        block.write,
        Roi {
            offset: vec![0],
            shape: vec![1]
        }
    );
    talk.session.takers = 0;
    assert!(talk.session.is_working() && talk.session.working_on() == 1);
    talk.finish(1);
    talk.session.takers = 1;
    assert_eq!(
        talk.one("release"),
        json!({"results": [{"lease": 1, "status": "completed"}], "want": 1})
    );
    talk.hear("leave", json!({"reason": "done"}));
    assert_eq!(talk.one("bye"), json!({"reason": "done"}));
    assert_eq!(talk.session.end(), Some(&End::Left("done".into())));
}

#[test]
fn a_hello_that_is_not_answered_is_said_again_and_then_over_another_socket() {
    let mut talk = Talk::new(
        3,
        WorkerOptions {
            connect_timeout: std::time::Duration::from_secs(60),
            ..no_stock()
        },
    );
    assert_eq!(talk.one("hello")["greeting"], 1);
    talk.pass(9_990);
    assert_eq!(talk.kinds(), [""; 0]);
    talk.pass(10);
    assert_eq!(talk.one("hello")["greeting"], 2);
    talk.pass(9_990);
    assert_eq!(talk.session.take_out(), (false, vec![]));
    talk.pass(10);
    let (reopen, out) = talk.session.take_out();
    assert!(reopen && out.len() == 1);
    talk.pass(50_000);
    assert_eq!(
        talk.session.end(),
        Some(&End::Failed(Error::NoBroker(
            "no broker answers for 60 s".into()
        )))
    );
}

#[test]
fn a_worker_that_waits_pings_a_silent_broker() {
    let mut talk = Talk::welcomed(json!({"worker": 7}));
    talk.pass(10_000);
    assert_eq!(talk.kinds(), ["ping"]);
    talk.hear("pong", json!({"nonce": 1}));
    talk.pass(10_000);
    assert_eq!(talk.kinds(), ["ping"]);
    talk.pass(10_000);
    assert_eq!(talk.one("hello")["worker"], 7);
}

#[test]
fn many_hello_first_bring_one_hello_with_all_that_is_held() {
    let mut talk =
        Talk::welcomed(json!({"worker": 7, "durable": true, "job": "j", "task": "t"})).wants();
    talk.work(&[1, 2, 3]);
    assert_eq!((talk.take(), talk.take()), (Some(1), Some(2)));
    talk.finish(1);
    assert_eq!(leases(&talk.one("release"), "results"), [1]);
    talk.error("hello_first");
    talk.error("hello_first");
    let hello = talk.one("hello");
    assert_eq!(
        (&hello["worker"], &hello["greeting"], &hello["job"]),
        (&json!(7), &json!(2), &json!("j"))
    );
    assert_eq!(leases(&hello, "held"), [2, 3, 1]);
    assert_eq!(
        hello["held"][0],
        json!({"lease": 2, "index": 102, "attempt": 1})
    );
    talk.work(&[9]); // from before the hello: it went back
    talk.hear(
        "welcome",
        json!({"worker": 7, "durable": true, "held": [1, 2]}),
    );
    let release = talk.one("release"); // again, as it may not be on disk; and the request again
    assert_eq!(
        (leases(&release, "results"), &release["want"]),
        (vec![1], &json!(1))
    );
    assert_eq!(talk.take(), None); // neither 3 nor 9 is this worker's
    talk.hear("welcome", json!({"worker": 8})); // a second one: nothing
    assert_eq!((talk.session.number(), talk.kinds()), (7, vec![]));
}

#[test]
fn results_are_kept_until_they_are_committed_or_dropped() {
    let mut talk = Talk::welcomed(json!({"worker": 7, "durable": true})).wants();
    talk.work(&[1, 2, 3]);
    for lease in [1, 2, 3] {
        assert_eq!(talk.take(), Some(lease));
        talk.finish(lease);
    }
    talk.said();
    talk.hear("committed", json!({"leases": [1], "dropped": [3]}));
    talk.error("hello_first");
    assert_eq!(leases(&talk.one("hello"), "held"), [2]);
}

#[test]
fn without_a_disk_results_are_not_kept() {
    let mut talk = Talk::welcomed(json!({"worker": 7})).wants();
    talk.work(&[1, 2]);
    assert_eq!((talk.take(), talk.take()), (Some(1), Some(2)));
    talk.finish(1);
    talk.said();
    talk.error("hello_first");
    assert_eq!(leases(&talk.one("hello"), "held"), [2]);
    talk.finish(2); // while nobody has answered: this result waits
    talk.hear("welcome", json!({"worker": 7, "held": [2]}));
    assert_eq!(leases(&talk.one("release"), "results"), [2]);
}

#[test]
fn a_lease_that_welcome_does_not_list_is_lost() {
    let mut talk = Talk::welcomed(json!({"worker": 7})).wants();
    talk.work(&[1]);
    let (_, lost) = talk.session.take(talk.now).unwrap();
    talk.error("hello_first");
    talk.hear("welcome", json!({"worker": 7}));
    assert!(lost.load(Ordering::SeqCst));
    assert_eq!(
        talk.session.work_ends_at(),
        Some((talk.now + LOST_GRACE_MS, false))
    );
    talk.said();
    talk.finish(1);
    assert_eq!((talk.kinds(), talk.session.work_ends_at()), (vec![], None));
}

#[test]
fn a_worker_that_was_given_up_comes_as_a_new_one() {
    let mut talk = Talk::welcomed(json!({"worker": 7, "durable": true})).wants();
    talk.work(&[1, 2]);
    let (_, lost) = talk.session.take(talk.now).unwrap();
    let former = talk.session.me.session;
    talk.error("unknown_worker");
    let hello = talk.one("hello");
    assert_eq!(
        (hello.get("worker"), &hello["greeting"], hello.get("held")),
        (None, &json!(1), None)
    );
    assert_ne!(hello["session"], json!(former));
    assert!(lost.load(Ordering::SeqCst));
    talk.error("unknown_worker"); // with the number that it was given: it is not wanted
    assert!(matches!(
        talk.session.end(),
        Some(End::Failed(Error::Refused {
            code: Code::UnknownWorker,
            ..
        }))
    ));
}

#[test]
fn heartbeats_move_the_end_of_the_leases() {
    let mut talk = Talk::new(
        0,
        WorkerOptions {
            heartbeat_ms: 4000,
            ..no_stock()
        },
    );
    assert_eq!(talk.one("hello")["heartbeat_ms"], 4000);
    talk.pass(100);
    talk.hear(
        "welcome",
        json!({"worker": 7, "lease_ms": 20_000, "heartbeat_ms": 4000}),
    );
    talk = talk.wants();
    talk.work(&[1]);
    talk.take();
    talk.session.takers = 0;
    let promise = 20_000 - 200 - 500;
    assert_eq!(talk.session.work_ends_at(), Some((promise, false))); // from when hello was sent
    talk.pass(4000);
    assert_eq!(talk.one("ping"), json!({"nonce": 1}));
    talk.pass(1000);
    talk.hear("pong", json!({"nonce": 1}));
    assert_eq!(talk.session.work_ends_at(), Some((4100 + promise, false)));
    talk.hear("pong", json!({"nonce": 77})); // nobody asked
    assert_eq!(talk.session.work_ends_at(), Some((4100 + promise, false)));
}

#[test]
fn a_hello_that_was_answered_late_promises_nothing_before_the_next_pong() {
    let mut talk = Talk::new(
        0,
        WorkerOptions {
            heartbeat_ms: 400,
            ..no_stock()
        },
    );
    talk.said();
    talk.pass(5000);
    let terms = json!({"worker": 7, "lease_ms": 2000, "heartbeat_ms": 400});
    talk.hear("welcome", terms);
    talk.session.takers = 1;
    assert_eq!(talk.kinds(), ["ping"]);
    talk.hear("pong", json!({"nonce": 1}));
    assert_eq!(talk.kinds(), ["acquire"]);
}

#[test]
fn leases_that_ended_in_stock_are_given_up_by_a_hello() {
    let mut talk = Talk::new(
        0,
        WorkerOptions {
            heartbeat_ms: 400,
            ..no_stock()
        },
    );
    talk.said();
    talk.hear(
        "welcome",
        json!({"worker": 7, "lease_ms": 2000, "heartbeat_ms": 400}),
    );
    talk = talk.wants();
    talk.work(&[1]);
    talk.now = 2000; // the machine slept
    assert_eq!(talk.take(), None);
    talk.session.tick(talk.now);
    assert_eq!(talk.one("hello").get("held"), None);
}

#[test]
fn limit_makes_it_ask_for_less() {
    let mut talk = Talk::new(
        0,
        WorkerOptions {
            prefetch: Prefetch::Blocks(1000),
            ..no_stock()
        },
    );
    talk.said();
    talk.hear("welcome", json!({"worker": 7}));
    talk.session.takers = 1;
    assert_eq!(talk.one("acquire"), json!({"want": 1001}));
    talk.error("limit");
    assert_eq!(talk.kinds(), [""; 0]);
    talk.pass(LIMIT_PAUSE_MS);
    assert_eq!(talk.one("acquire"), json!({"want": 1}));
}

#[test]
fn blocks_in_advance_go_back_when_one_takes_long() {
    let mut talk = Talk::new(
        0,
        WorkerOptions {
            prefetch: Prefetch::Auto,
            ..no_stock()
        },
    );
    talk.said();
    talk.hear("welcome", json!({"worker": 7}));
    talk = talk.wants();
    talk.work(&[1, 2, 3]);
    talk.take();
    talk.session.takers = 0;
    talk.pass(10);
    assert_eq!(talk.kinds(), [""; 0]);
    talk.pass(10);
    assert_eq!(leases(&talk.one("release"), "results"), [2, 3]);
}

#[test]
fn recall_returns_the_newest_and_keeps_what_has_begun() {
    let mut talk = Talk::welcomed(json!({"worker": 7})).wants();
    talk.work(&[1, 2, 3, 4, 5]);
    assert_eq!((talk.take(), talk.take()), (Some(1), Some(2)));
    talk.session.takers = 0;
    talk.hear("recall", json!({"keep": 4}));
    assert_eq!(leases(&talk.one("release"), "results"), [5]);
    talk.hear("recall", json!({"keep": 4}));
    assert_eq!(talk.kinds(), [""; 0]);
    talk.hear("recall", json!({}));
    assert_eq!(leases(&talk.one("release"), "results"), [3, 4]);
}

#[test]
fn a_newer_protocol_is_refused() {
    let mut talk = Talk::new(0, no_stock());
    talk.hear("welcome", json!({"worker": 7, "version": 2}));
    assert!(matches!(
        talk.session.end(),
        Some(End::Failed(Error::Refused {
            code: Code::Version,
            ..
        }))
    ));
}
