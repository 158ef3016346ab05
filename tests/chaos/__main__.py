"""Chaos: a real broker and real workers, killed, stopped, cut off and starved at random; and a
checker that decides from their histories whether the promises were kept.

    python -m tests.chaos [--seconds 60] [--seed N] [--keep DIR]

The seed fixes which faults are made and when, but not how the system schedules the processes: a run
cannot be repeated exactly. On a violation the folder is kept and named. The exit code is 0 if all
promises were kept, else 1.
"""

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.checker import check
from tests.chaos.driver import Driver
from tests.chaos.history import read_histories
from tests.chaos.report import Violation
from tests.chaos.site import ROOT, Site


def rooted() -> bool:
    """Whether this process may make namespaces and file systems."""
    if os.geteuid() != 0 or not all(map(shutil.which, ("unshare", "nsenter", "ip", "mount"))):
        return False
    probe = ["unshare", "--net", "--mount", "ip", "link", "set", "lo", "up"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="chaos", description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=60, help="of faults (default: 60)")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 30))
    parser.add_argument("--keep", help="where to work, and to leave everything")
    parser.add_argument("--durability", choices=["full", "os"], default="os")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> int:
    options = arguments()
    able = rooted()
    if able and not options.inside:
        again = [sys.executable, "-m", "tests.chaos", "--inside", "--seed", str(options.seed)]
        again += ["--seconds", str(options.seconds), "--durability", options.durability]
        again += ["--keep", options.keep] if options.keep else []
        return subprocess.run(["unshare", "--net", "--mount", *again], check=False).returncode
    folder = Path(options.keep or tempfile.mkdtemp(prefix="bellis-chaos-")).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    print(f"chaos: seed {options.seed}, {options.seconds:g} s of faults", flush=True)
    if not able:
        print("chaos: not root, or no namespaces: no links are cut, and no disk is filled")
    bin_dir = Path(os.environ.get("BELLIS_BIN_DIR", ROOT / "build" / "release" / "bin"))
    site = Site(folder, bin_dir, able, options.durability)
    if not site.table.able:
        print("chaos: no control group of our own: the process table is not filled")
    driver = Driver(site, options.seed)
    trouble: list[Violation] = []
    try:
        driver.run(options.seconds)
    except RuntimeError as error:
        trouble.append(Violation("broker", str(error)))
    finally:
        driver.close()
        site.close()
    began = time.monotonic()
    report = check(driver.specs, read_histories(site.histories), site.outputs)
    report.violations += trouble
    print(f"chaos: faults: {driver.faults.text()}; the broker was started {site.starts} times")
    print(
        f"chaos: {len(driver.specs)} jobs, {report.blocks} blocks, {report.runs} runs "
        f"({report.runs_again} again), {report.told_committed} results told to be on disk; "
        f"checked in {time.monotonic() - began:.1f} s"
    )
    for line in report.lines():
        print(f"chaos: {line}")
    print(
        f"chaos: seed {options.seed}: {len(report.violations)} violations, {report.lost} lost, "
        f"{len(report.outside)} outside the guarantee"
    )
    if report.ok and not options.keep:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        print(f"chaos: everything is in {folder}")
    return 0 if report.ok and driver.all_ended else 1


if __name__ == "__main__":
    sys.exit(main())
