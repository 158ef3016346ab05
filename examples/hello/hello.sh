#!/bin/sh
# A worker of any kind. `bellis run shell.toml` starts `bellis exec`, which runs this once for each block.
# Exit code 0 completes the block. Any other fails it, and the end of stderr is the error.
echo "hello from block $BELLIS_BLOCK_ID:" \
  "reads $BELLIS_READ_SHAPE at $BELLIS_READ_OFFSET, writes $BELLIS_WRITE_SHAPE at $BELLIS_WRITE_OFFSET"
