"""Programs that import this package under daisy's name, and by daisy's submodules."""

from pathlib import Path

import bellis
import pytest
from runs import Script

USES = """
import bellis
bellis.install_as_daisy()
bellis.install_as_daisy()
import daisy
import daisy.logging
from daisy import Block, Roi
from daisy.block import BlockStatus
from daisy.cl_monitor import CLMonitor
from daisy.client import Client
from daisy.coordinate import Coordinate
assert daisy is bellis and Block is bellis.Block and BlockStatus is bellis.block.BlockStatus
assert daisy.blocks.expand_roi_to_grid is bellis.expand_roi_to_grid
assert daisy.client.Client is daisy.Client
unit = Roi((0,), (1,))
task = daisy.Task("t", Roi((0,), (3,)), unit, unit, lambda block: None, read_write_conflict=False)
server = daisy.SerialServer()
CLMonitor(server)
assert server.run_blockwise([task])
"""


def test_install_as_daisy_gives_daisys_modules(tmp_path: Path) -> None:
    code, out, err = Script(USES, tmp_path).wait()
    assert code == 0, err
    assert out.count("Execution Summary") == 1


def test_install_as_daisy_fails_after_an_import_of_daisy(tmp_path: Path) -> None:
    program = (
        "import sys, types\n"
        "sys.modules['daisy'] = types.ModuleType('daisy')\n"
        "import bellis\n"
        "bellis.install_as_daisy()\n"
    )
    code, _, err = Script(program, tmp_path).wait()
    assert code == 1
    assert "ImportError: daisy is imported already" in err


@pytest.mark.parametrize("name", bellis._MODULES)
def test_submodules_are_there_by_attribute(name: str) -> None:
    assert getattr(bellis, name).__name__ == f"bellis.{name}"


def test_an_unknown_name_is_an_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'tcp'"):
        bellis.tcp  # noqa: B018
