//! A worker for `bellis conformance`, which can be slow and can fail, as checks ask of it.

use std::{thread::sleep, time::Duration};

fn number(name: &str) -> usize {
    let text = std::env::var(name).unwrap_or_default();
    text.parse().unwrap_or(0)
}

fn main() -> bellis::Result<()> {
    bellis::work(|block| {
        for _ in 0..number("BELLIS_CONFORMANCE_MS") {
            if block.is_lost() {
                return Err("somebody else has the block".into());
            }
            sleep(Duration::from_millis(1));
        }
        match number("BELLIS_CONFORMANCE_ERROR_BYTES") {
            0 => Ok(()),
            size => Err("x".repeat(size)),
        }
    })?;
    Ok(())
}
