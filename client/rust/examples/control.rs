//! Submits a job and watches it to its end: `control JOB.json`.

use bellis::{Control, JobState, Stored, WatchOrder};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("control JOB.json")?;
    let job = serde_json::from_str(&std::fs::read_to_string(path)?)?;
    let mut control = Control::from_environment()?;
    let submitted = control.submit(&job, Stored::GoOn)?;
    println!(
        "{}: {} blocks were completed before",
        submitted.job, submitted.done
    );
    let ended = control.watch(
        &submitted.job,
        std::time::Duration::from_millis(200),
        |status| {
            for task in &status.tasks {
                println!(
                    "{}: {} of {} blocks",
                    task.task, task.completed, task.blocks
                );
            }
            WatchOrder::GoOn
        },
    )?;
    println!("{:?} {}", ended.state, ended.reason);
    std::process::exit(if ended.state == JobState::Completed {
        0
    } else {
        1
    })
}
