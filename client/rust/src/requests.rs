//! What a client asks a broker for, by MESSAGES.md, "Client".

use rmpv::Value;

use crate::error::{Error, Result};
use crate::wire::{pack, MESSAGE_BYTES_MAX};

/// What a client asks for. `req` is the request's number, from 1.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Request {
    Submit {
        fresh: bool,
        same_programs: bool,
        job: Value,
    },
    Status {
        job: String,
    },
    Cancel {
        job: String,
        reason: String,
    },
    Watch {
        job: String,
        interval_ms: u32,
    },
    RetryFailed {
        job: String,
    },
    Pause {
        job: String,
        task: String,
    },
    Resume {
        job: String,
        task: String,
    },
    SetWorkers {
        job: String,
        task: String,
        group: u32,
        count: u32,
    },
    WorkerGone {
        worker: u64,
    },
    Explain {
        job: String,
        task: String,
        block: i64,
        worker: u64,
    },
}

impl Request {
    /// The message. Errors: Settings, where it is larger than a broker takes.
    pub(crate) fn pack(&self, req: u64) -> Result<Vec<u8>> {
        let (kind, mut fields) = self.parts();
        fields.insert(0, ("req", Value::from(req)));
        let bytes = pack(kind, fields);
        if bytes.len() > MESSAGE_BYTES_MAX {
            let text = format!(
                "the {} has {} bytes; a broker takes at most 1 MiB",
                kind,
                bytes.len()
            );
            return Err(Error::Settings(text));
        }
        Ok(bytes)
    }

    fn parts(&self) -> (&'static str, Vec<(&'static str, Value)>) {
        let text = |text: &String| Value::from(text.as_str());
        match self {
            Request::Submit {
                fresh,
                same_programs,
                job,
            } => {
                let mut fields = vec![("job", job.clone())];
                let flags = [("fresh", fresh), ("same_programs", same_programs)];
                fields.extend(
                    flags
                        .iter()
                        .filter(|(_, flag)| **flag)
                        .map(|&(key, _)| (key, true.into())),
                );
                ("submit", fields)
            }
            Request::Status { job } if job.is_empty() => ("status", vec![]),
            Request::Status { job } => ("status", vec![("job", text(job))]),
            Request::Cancel { job, reason } => {
                ("cancel", vec![("job", text(job)), ("reason", text(reason))])
            }
            Request::Watch { job, interval_ms } => (
                "watch",
                vec![
                    ("job", text(job)),
                    ("interval_ms", Value::from(*interval_ms)),
                ],
            ),
            Request::RetryFailed { job } => ("retry_failed", vec![("job", text(job))]),
            Request::Pause { job, task } => ("pause", job_and_task(job, task)),
            Request::Resume { job, task } => ("resume", job_and_task(job, task)),
            Request::SetWorkers {
                job,
                task,
                group,
                count,
            } => {
                let mut fields = job_and_task(job, task);
                fields.extend([
                    ("group", Value::from(*group)),
                    ("count", Value::from(*count)),
                ]);
                ("set_workers", fields)
            }
            Request::WorkerGone { worker } => {
                ("worker_gone", vec![("worker", Value::from(*worker))])
            }
            Request::Explain {
                job,
                task,
                block,
                worker,
            } => {
                let mut fields = job_and_task(job, task);
                if *worker > 0 {
                    fields.push(("worker", Value::from(*worker)));
                } else {
                    fields.push(("block", Value::from(*block)));
                }
                ("explain", fields)
            }
        }
    }
}

fn job_and_task(job: &str, task: &str) -> Vec<(&'static str, Value)> {
    let mut fields = vec![("job", Value::from(job))];
    if !task.is_empty() {
        fields.push(("task", Value::from(task)));
    }
    fields
}
