//! The control side against a real broker, which tests/clients/test_rust.py starts: without one
//! (BELLIS_TEST_BROKER is not set) there is nothing to test.

use std::time::Duration;

use bellis::{Code, Control, Duty, JobState, Stored, WatchOrder, Worker, WorkerOptions};
use serde_json::{json, Value};

fn connect() -> Option<Control> {
    std::env::var_os("BELLIS_TEST_BROKER")?;
    Some(Control::from_environment().expect("a broker"))
}

fn job(name: &str, blocks: u64, more: Value) -> Value {
    let mut task = json!({"task_id": "t", "total_roi": [[0], [blocks * 10]], "read_roi": [[0], [10]],
                          "write_roi": [[0], [10]], "read_write_conflict": false, "external_workers": true});
    for (key, value) in more.as_object().unwrap() {
        task[key] = value.clone();
    }
    json!({"name": name, "tasks": [task]})
}

fn worker_of(job: &str) -> Worker {
    let options = WorkerOptions::from_environment().unwrap();
    Worker::connect(&WorkerOptions {
        job: job.into(),
        ..options
    })
    .unwrap()
}

#[test]
fn a_job_is_submitted_steered_and_watched() {
    let mut control = match connect() {
        Some(control) => control,
        None => return,
    };
    let submitted = control
        .submit(&job("steered", 4, json!({})), Stored::GoOn)
        .unwrap();
    assert_eq!((submitted.resumed, submitted.done), (false, 0));
    control.pause("steered", "").unwrap();
    let status = control.status(&submitted.job).unwrap();
    assert_eq!(
        (status.state, status.name.as_str()),
        (JobState::Running, "steered")
    );
    assert_eq!((status.tasks[0].blocks, status.tasks[0].paused), (4, true));
    assert!(control
        .jobs()
        .unwrap()
        .iter()
        .any(|status| status.job == submitted.job));
    let why = control.explain_block("steered", "t", 0).unwrap();
    assert!(
        !why.summary.is_empty() && why.steps[0].task == "t",
        "{:?}",
        why
    );
    control.resume("steered", "t").unwrap();
    assert_eq!(worker_of(&submitted.job).run(|_| ()), Ok(4));
    let mut seen = 0;
    let ended = control.watch("steered", Duration::from_millis(50), |_| {
        seen += 1;
        WatchOrder::GoOn
    });
    let ended = ended.unwrap();
    assert_eq!(
        (ended.state, ended.tasks[0].completed),
        (JobState::Completed, 4)
    );
    assert_eq!(ended.tasks[0].languages[0].language, "rust");
    assert!(seen <= 1);
    assert_eq!(control.wait("steered").unwrap().state, JobState::Completed);
}

#[test]
fn failed_blocks_have_the_words_of_the_worker_and_are_tried_again() {
    let mut control = match connect() {
        Some(control) => control,
        None => return,
    };
    let submitted = control
        .submit(&job("failing", 3, json!({"max_retries": 0})), Stored::GoOn)
        .unwrap();
    let worker = worker_of(&submitted.job);
    let fails = |block: &bellis::Block| match block.index() {
        1 => Err("no signal here"),
        2 => panic!("out of range"),
        _ => Ok(()),
    };
    assert_eq!(worker.run(fails), Ok(3));
    drop(worker);
    let ended = control.wait("failing").unwrap();
    assert_eq!((ended.state, ended.tasks[0].failed), (JobState::Failed, 2));
    let mut errors: Vec<&str> = ended.tasks[0]
        .failures
        .iter()
        .map(|one| one.error.as_str())
        .collect();
    errors.sort_unstable();
    assert_eq!(errors, ["no signal here", "panicked: out of range"]);
    assert_eq!(control.retry_failed("failing").unwrap(), 2);
    let ended = control.watch("failing", Duration::from_millis(20), |_| WatchOrder::Cancel);
    assert_eq!(ended.unwrap().state, JobState::Cancelled);
}

#[test]
fn several_threads_work_with_one_worker() {
    let mut control = match connect() {
        Some(control) => control,
        None => return,
    };
    let submitted = control
        .submit(&job("threads", 60, json!({})), Stored::GoOn)
        .unwrap();
    let worker = worker_of(&submitted.job);
    let work = || {
        let mut blocks = 0;
        while let Some(block) = worker.acquire().unwrap() {
            block.complete();
            blocks += 1;
        }
        blocks
    };
    let blocks: u64 = std::thread::scope(|scope| {
        let threads = [(); 4].map(|()| scope.spawn(work));
        threads.map(|thread| thread.join().unwrap()).iter().sum()
    });
    assert_eq!(blocks, 60);
    assert_eq!(control.wait("threads").unwrap().state, JobState::Completed);
}

#[test]
fn a_checker_answers_with_a_bool() {
    let mut control = match connect() {
        Some(control) => control,
        None => return,
    };
    let check = json!({"check": {"command": ["a program that nobody starts here"]}});
    let submitted = control
        .submit(&job("checked", 6, check), Stored::GoOn)
        .unwrap();
    let options = WorkerOptions {
        job: submitted.job.clone(),
        duty: Duty::Check,
        ..WorkerOptions::from_environment().unwrap()
    };
    let answers = std::thread::spawn(move || {
        let checker = Worker::connect(&options).unwrap();
        checker.run(|block| block.index() % 2 == 0)
    });
    let mut done = vec![];
    worker_of(&submitted.job)
        .run(|block| done.push(block.index()))
        .unwrap();
    done.sort_unstable();
    assert_eq!(done, [1, 3, 5]);
    assert_eq!(answers.join().unwrap(), Ok(6));
    assert_eq!(control.wait("checked").unwrap().tasks[0].skipped, 3);
}

#[test]
fn errors_have_the_codes_of_the_broker() {
    let mut control = match connect() {
        Some(control) => control,
        None => return,
    };
    let code = |error: bellis::Error| error.code().cloned();
    assert_eq!(
        control.status("nobody").map_err(code),
        Err(Some(Code::UnknownJob))
    );
    assert_eq!(
        control.cancel("nobody", "").map_err(code),
        Err(Some(Code::UnknownJob))
    );
    assert_eq!(
        control.worker_gone(12345).map_err(code),
        Err(Some(Code::UnknownWorker))
    );
    assert_eq!(
        control
            .submit(&json!({"name": "x"}), Stored::GoOn)
            .map_err(code),
        Err(Some(Code::InvalidSpec))
    );
    control
        .submit(&job("sizes", 2, json!({})), Stored::GoOn)
        .unwrap();
    assert_eq!(
        control.set_workers("sizes", "t", 5, 2).map_err(code),
        Err(Some(Code::InvalidSpec))
    );
    assert_eq!(
        control.pause("sizes", "u").map_err(code),
        Err(Some(Code::UnknownTask))
    );
    assert_eq!(
        control.explain_worker("sizes", 999).map_err(code),
        Err(Some(Code::UnknownWorker))
    );
    let too_large = job("large", 2, json!({"task_id": "x".repeat(2 << 20)}));
    let refused = control
        .submit(&too_large, Stored::GoOn)
        .unwrap_err()
        .to_string();
    assert!(refused.contains("1 MiB"), "{}", refused);
    assert!(control
        .cancel("sizes", "enough")
        .unwrap()
        .starts_with("sizes"));
}
