//! How workers and clients connect, and to which broker.

use std::time::Duration;

use crate::access::{check_endpoint, default_endpoint, variable, Access};
use crate::error::{Error, Result};

/// What a worker does with blocks (WORKERS.md, "Checkers").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duty {
    /// It works on them.
    Work,
    /// It looks whether their output is there already.
    Check,
    /// It looks whether what was just done is right.
    PostCheck,
}

impl Duty {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Duty::Work => "work",
            Duty::Check => "check",
            Duty::PostCheck => "post_check",
        }
    }
}

/// How many blocks a worker holds in advance, besides the one that it works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prefetch {
    /// As many as the task says (`prefetch` in the pipeline); if it says none, as `Auto`.
    Task,
    /// As many as take about a millisecond, at most 127: none, where blocks take longer.
    Auto,
    /// This many, at most 1,023.
    Blocks(u32),
}

/// The options of a worker. `from_environment` sets those that a launcher or a user gives.
#[derive(Debug, Clone)]
pub struct WorkerOptions {
    /// Where the broker is.
    pub access: Access,
    /// The id of the job; empty: the only running job.
    pub job: String,
    /// Empty: the only task of the job.
    pub task: String,
    /// The number that a launcher gave; 0: the broker gives one.
    pub worker: u64,
    /// What it does with blocks.
    pub duty: Duty,
    /// How many blocks it holds in advance.
    pub prefetch: Prefetch,
    /// How often a thread sends heartbeats, in milliseconds; 0: never. With heartbeats, leases end
    /// if the broker gets none for some time, and this process ends itself before that.
    pub heartbeat_ms: u32,
    /// Where it notes what it works on for its launcher; empty: nowhere.
    pub work_page: String,
    /// How long to wait for the first answer of the broker.
    pub connect_timeout: Duration,
    /// How long to wait for a broker that was there.
    pub lost_timeout: Duration,
    /// Shown in the summary.
    pub language: String,
}

impl Default for WorkerOptions {
    fn default() -> WorkerOptions {
        WorkerOptions {
            access: Access::default(),
            job: String::new(),
            task: String::new(),
            worker: 0,
            duty: Duty::Work,
            prefetch: Prefetch::Task,
            heartbeat_ms: 4000,
            work_page: String::new(),
            connect_timeout: Duration::from_secs(10),
            lost_timeout: Duration::from_secs(300),
            language: "rust".into(),
        }
    }
}

impl WorkerOptions {
    /// Reads the variables of WORKERS.md, "Environment"; BELLIS_ACCESS, BELLIS_CONNECT_TIMEOUT and
    /// BELLIS_LOST_TIMEOUT (seconds), too. Errors: Settings, which names the variable.
    pub fn from_environment() -> Result<WorkerOptions> {
        let others = WorkerOptions::default();
        let access = Access::from_environment()?;
        check_endpoint(&access.endpoint)?;
        Ok(WorkerOptions {
            access,
            job: variable("BELLIS_JOB").unwrap_or_default(),
            task: variable("BELLIS_TASK").unwrap_or_default(),
            worker: number("BELLIS_WORKER_ID", 0, (1 << 63) - 1)?,
            duty: duty()?,
            prefetch: prefetch()?,
            heartbeat_ms: number("BELLIS_HEARTBEAT_MS", 4000, u64::from(u32::MAX))? as u32,
            work_page: variable("BELLIS_WORK_PAGE").unwrap_or_default(),
            connect_timeout: seconds("BELLIS_CONNECT_TIMEOUT", others.connect_timeout)?,
            lost_timeout: seconds("BELLIS_LOST_TIMEOUT", others.lost_timeout)?,
            language: others.language,
        })
    }
}

/// Which broker to talk to, and how long to wait for it.
#[derive(Debug, Clone)]
pub struct ControlOptions {
    /// Where the broker is.
    pub access: Access,
    /// How long to wait for an answer, and how long a watched broker may be silent.
    pub timeout: Duration,
}

impl ControlOptions {
    /// As [`Access::from_environment`], with the endpoint at which a broker of this user listens if
    /// none is set; and BELLIS_CONNECT_TIMEOUT (seconds). Errors: Settings.
    pub fn from_environment() -> Result<ControlOptions> {
        let mut access = Access::from_environment()?;
        if access.endpoint.is_empty() {
            access.endpoint = default_endpoint();
        }
        Ok(ControlOptions {
            access,
            timeout: seconds("BELLIS_CONNECT_TIMEOUT", Duration::from_secs(5))?,
        })
    }
}

fn wrong(name: &str, text: &str, accepted: &str) -> Error {
    Error::Settings(format!("{} is '{}'; {}", name, text, accepted))
}

fn number(name: &str, otherwise: u64, max: u64) -> Result<u64> {
    let text = match variable(name) {
        None => return Ok(otherwise),
        Some(text) => text,
    };
    let read = text.parse().ok().filter(|&number: &u64| number <= max);
    read.ok_or_else(|| wrong(name, &text, &format!("an integer from 0 to {}", max)))
}

fn duty() -> Result<Duty> {
    match variable("BELLIS_DUTY").as_deref() {
        None | Some("work") => Ok(Duty::Work),
        Some("check") => Ok(Duty::Check),
        Some("post_check") => Ok(Duty::PostCheck),
        Some(other) => Err(wrong("BELLIS_DUTY", other, "work, check or post_check")),
    }
}

fn prefetch() -> Result<Prefetch> {
    let name = "BELLIS_PREFETCH";
    match variable(name).as_deref() {
        None => Ok(Prefetch::Task),
        Some("auto") => Ok(Prefetch::Auto),
        Some(text) => match text.parse() {
            Ok(blocks) if blocks <= 1023 => Ok(Prefetch::Blocks(blocks)),
            _ => Err(wrong(name, text, "auto, or an integer from 0 to 1023")),
        },
    }
}

/// A variable in seconds, above 0 and at most a day.
fn seconds(name: &str, otherwise: Duration) -> Result<Duration> {
    let text = match variable(name) {
        None => return Ok(otherwise),
        Some(text) => text,
    };
    match text.parse::<f64>() {
        Ok(seconds) if seconds > 0.0 && seconds <= 86_400.0 => Ok(Duration::from_secs_f64(seconds)),
        _ => Err(wrong(name, &text, "seconds, above 0, at most 86400")),
    }
}
