//! How a worker ends: tests, as in tests.rs.

use serde_json::json;

use super::talk::{leases, no_stock, Talk};
use super::*;

#[test]
fn drain_returns_the_stock_and_finishes_what_is_in_hand() {
    let mut talk = Talk::welcomed(json!({"worker": 7})).wants();
    talk.work(&[1, 2]);
    talk.take();
    talk.hear("drain", json!({"reason": "fewer"}));
    let returned = json!({"results": [{"lease": 2, "status": "returned"}]});
    assert_eq!(talk.one("release"), returned);
    assert_eq!(talk.session.no_more(), Some("fewer"));
    talk.work(&[3]); // was on its way
    assert_eq!(leases(&talk.one("release"), "results"), [3]);
    talk.finish(1);
    assert_eq!(talk.kinds(), ["release", "bye"]);
    assert_eq!(talk.session.end(), Some(&End::Left("fewer".into())));
}

#[test]
fn drain_before_welcome_waits_for_it() {
    let mut talk = Talk::new(0, no_stock());
    talk.said();
    talk.hear("drain", json!({"reason": "fewer"}));
    assert_eq!(talk.kinds(), [""; 0]);
    talk.hear("welcome", json!({"worker": 7}));
    assert_eq!(talk.kinds(), ["bye"]);
}

#[test]
fn leave_ends_work_at_once() {
    let mut talk = Talk::welcomed(json!({"worker": 7})).wants();
    talk.work(&[1, 2]);
    let (_, lost) = talk.session.take(talk.now).unwrap();
    talk.hear("leave", json!({"reason": "cancelled"}));
    assert_eq!(talk.kinds(), ["bye"]);
    assert!(lost.load(Ordering::SeqCst));
    assert_eq!(
        talk.session.work_ends_at(),
        Some((talk.now + LOST_GRACE_MS, true))
    );
    talk.finish(1);
    assert_eq!((talk.kinds(), talk.session.work_ends_at()), (vec![], None));
}

#[test]
fn a_worker_that_stops_takes_its_request_back_first() {
    let mut talk = Talk::welcomed(json!({"worker": 7})).wants();
    talk.session.takers = 0;
    talk.session.stop("enough", talk.now);
    assert_eq!(talk.kinds(), ["hello", "bye"]);
}

#[test]
fn a_signal_returns_what_is_in_hand() {
    let mut talk = Talk::welcomed(json!({"worker": 7})).wants();
    talk.work(&[1, 2]);
    talk.take();
    talk.session.takers = 0;
    talk.session.stop_at_once("a signal", talk.now);
    let said = talk.said();
    assert_eq!(
        said.iter()
            .map(|(kind, _)| kind.as_str())
            .collect::<Vec<_>>(),
        ["release", "bye"]
    );
    assert_eq!(leases(&said[0].1, "results"), [1, 2]);
    assert_eq!(said[0].1["results"][0]["status"], "returned");
}

#[test]
fn what_is_held_while_nobody_answers_goes_back_as_well() {
    for at_once in [false, true] {
        let mut talk = Talk::welcomed(json!({"worker": 7})).wants();
        talk.work(&[1, 2]);
        talk.take();
        talk.session.takers = 0;
        talk.error("hello_first");
        assert_eq!(leases(&talk.one("hello"), "held"), [1, 2]);
        if at_once {
            talk.session.stop_at_once("a signal", talk.now);
            let said = talk.said();
            assert_eq!(
                (said[0].0.as_str(), leases(&said[0].1, "held")),
                ("hello", vec![])
            );
            assert_eq!(said[1].0, "bye");
        } else {
            talk.session.stop("enough", talk.now);
            talk.finish(1);
            assert_eq!(talk.kinds(), [""; 0]);
            talk.hear("welcome", json!({"worker": 7, "held": [1, 2]}));
            let said = talk.said();
            assert_eq!(
                (leases(&said[0].1, "results"), said[1].0.as_str()),
                (vec![1, 2], "bye")
            );
        }
    }
}

#[test]
fn errors_end_the_worker_or_are_reported() {
    for (code, ends) in [
        ("storage", false),
        ("bad_message", false),
        ("unknown_job", true),
        ("unauthorized", true),
    ] {
        let mut talk = Talk::welcomed(json!({"worker": 7}));
        talk.error(code);
        assert_eq!(talk.session.end().is_some(), ends, "{}", code);
        assert_eq!(
            talk.session.take_notices().len(),
            usize::from(!ends),
            "{}",
            code
        );
    }
    let mut talk = Talk::new(0, no_stock());
    talk.error("limit");
    assert!(talk.session.end().is_some());
}
