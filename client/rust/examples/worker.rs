//! A worker that writes the write ROI of each block into a file of its own: `worker FOLDER [MS]`,
//! where MS is how long it takes for a block. The environment says where the broker is.

use std::{path::Path, thread::sleep, time::Duration};

fn main() -> bellis::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().unwrap_or_else(|| ".".into());
    let ms = arguments
        .next()
        .and_then(|text| text.parse().ok())
        .unwrap_or(0);
    let blocks = bellis::work(|block| {
        let roi = block.write();
        sleep(Duration::from_millis(ms));
        std::fs::write(
            Path::new(&folder).join(format!("{}.txt", block.index())),
            format!("{:?} {:?}\n", roi.offset, roi.shape),
        )
    })?;
    println!("{} blocks", blocks);
    Ok(())
}
