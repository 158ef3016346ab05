//! Submitting, watching and steering jobs (CLIENTS.md).

use std::time::{Duration, Instant};

use crate::access::check_endpoint;
use crate::error::{Code, Error, Result};
use crate::line::Line;
use crate::messages::{bye, ping, FromBroker, Hello};
use crate::options::ControlOptions;
use crate::requests::Request;
use crate::status::{Explanation, JobStatus, Submitted};
use crate::wire::from_json;

const PING_AFTER: Duration = Duration::from_secs(2);

/// What becomes of a job that the broker has stored under the submitted one's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// It goes on.
    GoOn,
    /// It goes on if its programs are the same.
    GoOnSame,
    /// It is forgotten.
    Forget,
}

/// What [`Control::watch`] is to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WatchOrder {
    /// Watch on.
    GoOn,
    /// Cancel the job, and watch it end.
    Cancel,
    /// Stop watching; the job runs on.
    Stop,
}

/// A connection to a broker, as a client. It belongs to one thread at a time.
///
/// Each function waits for the broker's answer. Errors of all of them: NoBroker after
/// `ControlOptions::timeout`, and then it is unknown whether the request was carried out; Refused
/// with the broker's code and words, and then nothing was changed. A `job` is a job's id or its
/// name.
pub struct Control {
    options: ControlOptions,
    line: Line,
    welcome: bool,
    req: u64,
    open: Vec<(u64, Request)>,
}

impl Control {
    /// [`Control::connect`] by [`ControlOptions::from_environment`].
    pub fn from_environment() -> Result<Control> {
        Control::connect(&ControlOptions::from_environment()?)
    }

    /// Connects and waits for the broker's welcome. Errors: Settings, NoBroker, Refused.
    pub fn connect(options: &ControlOptions) -> Result<Control> {
        check_endpoint(&options.access.endpoint)?;
        let line = Line::open(&options.access)?;
        let mut control = Control {
            options: options.clone(),
            line,
            welcome: false,
            req: 0,
            open: Vec::new(),
        };
        control.say_hello();
        let until = Instant::now() + options.timeout;
        while !control.welcome {
            let message = control.receive(until)?;
            if let Some(FromBroker::Error { code, message, .. }) = message {
                return Err(Error::Refused { code, message });
            }
        }
        Ok(control)
    }

    /// Submits a job: a map with the keys of a pipeline file (docs/PIPELINE.md), such as
    /// `serde_json::json!({"name": "smooth", "tasks": [...]})`. Errors: Settings, if it has more
    /// than 1 MiB; Refused with `DifferentLayout`, `DifferentPrograms`, `InvalidSpec`, `Limit`,
    /// `Storage`.
    pub fn submit(&mut self, job: &serde_json::Value, stored: Stored) -> Result<Submitted> {
        let request = Request::Submit {
            fresh: stored == Stored::Forget,
            same_programs: stored == Stored::GoOnSame,
            job: from_json(job),
        };
        match self.ask(request)? {
            FromBroker::Submitted { submitted, .. } => Ok(submitted),
            other => Err(unexpected(&other)),
        }
    }

    /// The status of a job. Errors: `UnknownJob`.
    pub fn status(&mut self, job: &str) -> Result<JobStatus> {
        let jobs = self.jobs_of(job)?;
        let none = || Error::Refused {
            code: Code::UnknownJob,
            message: format!("no job {}", job),
        };
        jobs.into_iter().next().ok_or_else(none)
    }

    /// The status of all jobs.
    pub fn jobs(&mut self) -> Result<Vec<JobStatus>> {
        self.jobs_of("")
    }

    fn jobs_of(&mut self, job: &str) -> Result<Vec<JobStatus>> {
        match self.ask(Request::Status { job: job.into() })? {
            FromBroker::Jobs { jobs, .. } => Ok(jobs),
            other => Err(unexpected(&other)),
        }
    }

    /// Ends a job. Returns its id when that is on disk. Errors: `UnknownJob`.
    pub fn cancel(&mut self, job: &str, reason: &str) -> Result<String> {
        match self.ask(Request::Cancel {
            job: job.into(),
            reason: reason.into(),
        })? {
            FromBroker::Cancelled { job, .. } => Ok(job),
            other => Err(unexpected(&other)),
        }
    }

    /// What had failed is open again. Returns how many blocks are. Errors: `UnknownJob`, `Storage`,
    /// `Limit`.
    pub fn retry_failed(&mut self, job: &str) -> Result<u64> {
        match self.ask(Request::RetryFailed { job: job.into() })? {
            FromBroker::Retried { blocks, .. } => Ok(blocks),
            other => Err(unexpected(&other)),
        }
    }

    /// No block of the task (empty: of the job) is handed out until `resume`. Errors: `UnknownJob`,
    /// `UnknownTask`.
    pub fn pause(&mut self, job: &str, task: &str) -> Result<()> {
        self.ask_ok(Request::Pause {
            job: job.into(),
            task: task.into(),
        })
    }

    /// Ends a `pause`. Errors: as there.
    pub fn resume(&mut self, job: &str, task: &str) -> Result<()> {
        self.ask_ok(Request::Resume {
            job: job.into(),
            task: task.into(),
        })
    }

    /// From now on `count` workers of a group (its place in the task's `[[tasks.workers]]`) are
    /// started. `task` may be empty if the job has one. Errors: `UnknownJob`, `UnknownTask`,
    /// `InvalidSpec`.
    pub fn set_workers(&mut self, job: &str, task: &str, group: u32, count: u32) -> Result<()> {
        self.ask_ok(Request::SetWorkers {
            job: job.into(),
            task: task.into(),
            group,
            count,
        })
    }

    /// Vouches that the process of this worker has ended. Errors: `UnknownWorker`, `WorkerAlive`.
    pub fn worker_gone(&mut self, worker: u64) -> Result<()> {
        self.ask_ok(Request::WorkerGone { worker })
    }

    /// Why a block does not run; `block` is its id. Errors: `UnknownJob`, `UnknownTask`,
    /// `InvalidSpec`.
    pub fn explain_block(&mut self, job: &str, task: &str, block: i64) -> Result<Explanation> {
        self.explain(Request::Explain {
            job: job.into(),
            task: task.into(),
            block,
            worker: 0,
        })
    }

    /// Why a worker is idle. Errors: `UnknownJob`, `UnknownWorker`.
    pub fn explain_worker(&mut self, job: &str, worker: u64) -> Result<Explanation> {
        self.explain(Request::Explain {
            job: job.into(),
            task: String::new(),
            block: 0,
            worker,
        })
    }

    fn explain(&mut self, request: Request) -> Result<Explanation> {
        match self.ask(request)? {
            FromBroker::Explained { explanation, .. } => Ok(explanation),
            other => Err(unexpected(&other)),
        }
    }

    /// Follows a job, and returns its last status. `progress` is called at once and whenever
    /// something has changed, at most once in `interval` (20 ms to 60 s). It goes on over a restart
    /// of the broker, if that takes less than `ControlOptions::timeout`. Errors: `UnknownJob`,
    /// `Limit`; NoBroker.
    pub fn watch(
        &mut self,
        job: &str,
        interval: Duration,
        mut progress: impl FnMut(&JobStatus) -> WatchOrder,
    ) -> Result<JobStatus> {
        let interval_ms = interval.as_millis().clamp(20, 60_000) as u32;
        let watch = self.send(Request::Watch {
            job: job.into(),
            interval_ms,
        })?;
        let answer = self.follow(watch, &mut progress);
        self.open.clear();
        answer
    }

    fn follow(
        &mut self,
        watch: u64,
        progress: &mut impl FnMut(&JobStatus) -> WatchOrder,
    ) -> Result<JobStatus> {
        loop {
            let message = self.receive_in_time()?;
            match message {
                Some(FromBroker::Ended { req, status }) if req == watch => return Ok(status),
                Some(FromBroker::Error { code, message, req }) if req == watch => {
                    return Err(Error::Refused { code, message });
                }
                Some(FromBroker::Progress { req, status, .. }) if req == watch => {
                    match progress(&status) {
                        WatchOrder::GoOn => {}
                        WatchOrder::Stop => return Ok(status),
                        WatchOrder::Cancel => {
                            let reason = "cancelled by who watched it".to_string();
                            self.send(Request::Cancel {
                                job: status.job,
                                reason,
                            })?;
                        }
                    }
                }
                _ => {}
            }
        }
    }

    /// Waits for the end of a job, and returns its status. Errors: as [`Control::watch`].
    pub fn wait(&mut self, job: &str) -> Result<JobStatus> {
        self.watch(job, Duration::from_secs(1), |_| WatchOrder::GoOn)
    }

    fn say_hello(&mut self) {
        self.welcome = false;
        let hello = Hello {
            role: "client",
            token: self.options.access.token.clone(),
            language: "rust".into(),
            host: crate::os::host(),
            pid: i64::from(std::process::id()),
            ..Hello::default()
        };
        self.line.send(&hello.pack());
    }

    /// `receive`, and while nothing comes a ping: a broker that was started again answers with
    /// `hello_first`. Then another socket: libzmq may have given the endpoint up.
    fn receive_in_time(&mut self) -> Result<Option<FromBroker>> {
        let end = Instant::now() + self.options.timeout;
        let mut is_pinged = false;
        loop {
            match self.receive(end.min(Instant::now() + PING_AFTER)) {
                Err(Error::NoBroker(_)) if Instant::now() < end => {}
                other => return other,
            }
            if self.welcome && !is_pinged {
                self.line.send(&ping(1));
            } else {
                self.line.reopen()?;
                self.say_hello();
            }
            is_pinged = true;
        }
    }

    fn send(&mut self, request: Request) -> Result<u64> {
        self.req += 1;
        let bytes = request.pack(self.req)?;
        if self.welcome {
            self.line.send(&bytes);
        }
        self.open.push((self.req, request));
        Ok(self.req)
    }

    fn ask_ok(&mut self, request: Request) -> Result<()> {
        match self.ask(request)? {
            FromBroker::Ok { .. } => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    fn ask(&mut self, request: Request) -> Result<FromBroker> {
        let asked = self.send(request)?;
        let answer = loop {
            match self.receive_in_time() {
                Ok(Some(FromBroker::Error { code, message, req })) if req == asked => {
                    break Err(Error::Refused { code, message });
                }
                Ok(Some(message)) if req_of(&message) == asked => break Ok(message),
                Ok(_) => {}
                Err(error) => break Err(error),
            }
        };
        self.open.clear();
        answer
    }

    /// The next message; none: it was one between this connection and the broker. A broker that was
    /// started again is said hello to, and asked again. Errors: NoBroker, Refused.
    fn receive(&mut self, until: Instant) -> Result<Option<FromBroker>> {
        let bytes = loop {
            if let Some(bytes) = self.line.receive() {
                break bytes;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let place = &self.options.access.endpoint;
                let text = format!(
                    "no answer from a broker at {} in time; is one running?",
                    place
                );
                return Err(Error::NoBroker(text));
            }
            self.line.wait(&[], left.as_millis() as i64 + 1);
        };
        match FromBroker::read(&bytes)? {
            FromBroker::Welcome(_) if !self.welcome => {
                self.welcome = true;
                for (req, request) in &self.open {
                    self.line.send(&request.pack(*req)?);
                }
                Ok(None)
            }
            FromBroker::Error {
                code: Code::HelloFirst,
                ..
            } => {
                if self.welcome {
                    self.say_hello();
                }
                Ok(None)
            }
            FromBroker::Error {
                code,
                message,
                req: 0,
            } => Err(Error::Refused { code, message }),
            message => Ok(Some(message)),
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.line.send(&bye(""));
    }
}

fn req_of(message: &FromBroker) -> u64 {
    match message {
        FromBroker::Submitted { req, .. }
        | FromBroker::Jobs { req, .. }
        | FromBroker::Cancelled { req, .. }
        | FromBroker::Retried { req, .. }
        | FromBroker::Explained { req, .. }
        | FromBroker::Ok { req } => *req,
        _ => 0,
    }
}

fn unexpected(message: &FromBroker) -> Error {
    Error::BadMessage(format!(
        "the broker's answer was of another kind than was asked for: {:?}",
        message
    ))
}
