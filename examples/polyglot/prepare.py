"""Makes what the polyglot example needs, in a folder:

    python3 prepare.py FOLDER

scan.raw is a scan of a head, 128 x 96 x 24 voxels of uint8 in C order, from nibabel's own tests.
mean.raw is as large, and all zero. pipeline.toml is the one beside this script, with those groups
whose programs are there; its task waits for one worker of each.
"""

import json
import shutil
import sys
from pathlib import Path

import nibabel
import numpy as np
import tomllib

HERE = Path(__file__).resolve().parent
GROUP = "[[tasks.workers]]\n"


def scan() -> bytes:
    image = nibabel.load(Path(nibabel.__file__).parent / "tests" / "data" / "example4d.nii.gz")
    voxels = np.asarray(image.dataobj[..., 0]).astype(np.int64)
    return (voxels * 255 // voxels.max()).astype(np.uint8).tobytes()


def pipeline() -> str:
    task, *groups = (HERE / "pipeline.toml").read_text().split(GROUP)
    kept = []
    for group in groups:
        program = tomllib.loads(group)["command"][0]
        if shutil.which(program):
            kept.append(group)
        else:
            print(f"without {program}, which is not there")
    head = f"cwd = {json.dumps(str(HERE))}\n{task.rstrip()}\nmin_workers = {len(kept)}\n\n"
    return head + "".join(GROUP + group for group in kept)


folder = Path(sys.argv[1])
volume = scan()
(folder / "scan.raw").write_bytes(volume)
(folder / "mean.raw").write_bytes(bytes(len(volume)))
(folder / "pipeline.toml").write_text(pipeline())
