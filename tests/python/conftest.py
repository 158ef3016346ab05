"""Keeps the settings of the shell that runs the tests away from them."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from bellis.logging import get_log_basedir, set_log_basedir


@pytest.fixture(autouse=True)
def no_bellis_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("BELLIS_"):
            monkeypatch.delenv(name)


@pytest.fixture
def logs_in_a_folder(tmp_path: Path) -> Iterator[None]:
    """Workers write their logs below the test's own folder."""
    former = get_log_basedir()
    set_log_basedir(tmp_path / "logs")
    yield
    set_log_basedir(former)
