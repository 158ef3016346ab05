import os

import bellis_minimal

_, NY, NZ = map(int, os.environ["POLYGLOT_SHAPE"].split())
SCAN = os.open(os.environ["POLYGLOT_INPUT"], os.O_RDONLY)
MEAN = os.open(os.environ["POLYGLOT_OUTPUT"], os.O_WRONLY)


def process(block: bellis_minimal.Block) -> None:
    (x0, y0, z0), (nx, ny, nz) = block.write
    for x in range(x0, x0 + nx):
        for y in range(y0, y0 + ny):
            places = [((x + i) * NY + y + j) * NZ + z0 - 1 for i in (-1, 0, 1) for j in (-1, 0, 1)]
            columns = [sum(near) for near in zip(*(os.pread(SCAN, nz + 2, p) for p in places))]
            row = bytes((sum(columns[z : z + 3]) + 13) // 27 for z in range(nz))
            os.pwrite(MEAN, row, (x * NY + y) * NZ + z0)


bellis_minimal.work(process)
