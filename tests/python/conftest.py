"""No test sees the settings of the shell that runs it."""

import os

import pytest


@pytest.fixture(autouse=True)
def no_bellis_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("BELLIS_"):
            monkeypatch.delenv(name)
