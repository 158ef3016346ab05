#!/bin/sh
# `bellis exec` runs this once for each block. od prints one row of voxels on each line.
set -eu
set -- $POLYGLOT_SHAPE
nz=$3 plane=$(($2 * $3))
first=${BELLIS_READ_OFFSET%% *}
count=${BELLIS_READ_SHAPE%% *}
od="od -An -v -tu1 -w$nz -j $((first * plane)) -N $((count * plane))"
rows=$($od "$POLYGLOT_INPUT" | awk -v first="$first" '
  { for (z = 0; z < NF; ++z) voxel[NR - 1, z] = $(z + 1) }
  END {
    split(ENVIRON["POLYGLOT_SHAPE"], all); split(ENVIRON["BELLIS_WRITE_OFFSET"], begin)
    split(ENVIRON["BELLIS_WRITE_SHAPE"], shape); split(ENVIRON["BELLIS_READ_SHAPE"], read)
    if (NR != read[1] * all[2]) exit 1
    for (x = begin[1]; x < begin[1] + shape[1]; ++x)
      for (y = begin[2]; y < begin[2] + shape[2]; ++y) {
        printf "%d ", (x * all[2] + y) * all[3] + begin[3]
        for (z = begin[3]; z < begin[3] + shape[3]; ++z) {
          sum = 13
          for (i = -1; i <= 1; ++i)
            for (j = -1; j <= 1; ++j)
              for (k = -1; k <= 1; ++k) sum += voxel[(x - first + i) * all[2] + y + j, z + k]
          printf "\\0%03o", int(sum / 27)
        }
        print ""
      }
  }')
printf '%s\n' "$rows" | while read -r place bytes; do
  printf %b "$bytes" | dd of="$POLYGLOT_OUTPUT" bs=1 seek="$place" conv=notrunc status=none
done
