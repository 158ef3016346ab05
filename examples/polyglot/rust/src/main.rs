use std::{env, error::Error, fs::OpenOptions, os::unix::fs::FileExt};

fn main() -> Result<(), Box<dyn Error>> {
    let shape: Vec<i64> = env::var("POLYGLOT_SHAPE")?
        .split(' ')
        .map(str::parse)
        .collect::<Result<_, _>>()?;
    let scan = OpenOptions::new()
        .read(true)
        .open(env::var("POLYGLOT_INPUT")?)?;
    let mean = OpenOptions::new()
        .write(true)
        .open(env::var("POLYGLOT_OUTPUT")?)?;
    let place = |x: i64, y: i64, z: i64| ((x * shape[1] + y) * shape[2] + z) as u64;

    bellis::work(|block| -> std::io::Result<()> {
        let bellis::Roi {
            offset: begin,
            shape: size,
        } = block.write();
        let width = size[2] as usize;
        let mut row = vec![0u8; width + 2];
        for x in begin[0]..begin[0] + size[0] {
            for y in begin[1]..begin[1] + size[1] {
                let mut sums = vec![13u32; width];
                for near in 0..9 {
                    scan.read_exact_at(
                        &mut row,
                        place(x + near / 3 - 1, y + near % 3 - 1, begin[2] - 1),
                    )?;
                    for (sum, three) in sums.iter_mut().zip(row.windows(3)) {
                        *sum += three.iter().map(|&voxel| u32::from(voxel)).sum::<u32>();
                    }
                }
                let means: Vec<u8> = sums.iter().map(|sum| (sum / 27) as u8).collect();
                mean.write_all_at(&means, place(x, y, begin[2]))?;
            }
        }
        Ok(())
    })?;
    Ok(())
}
