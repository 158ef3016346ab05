"""A worker in Python. `bellis run python.toml` starts it."""

import bellis


def process(block: bellis.Block) -> None:
    print(f"hello from block {block.block_id[1]}: reads {block.read_roi}, writes {block.write_roi}")


bellis.work(process)
