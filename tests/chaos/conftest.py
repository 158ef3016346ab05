"""Fixtures that the tests of the checker share."""

from pathlib import Path

import pytest

from tests.chaos.checker_world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)
