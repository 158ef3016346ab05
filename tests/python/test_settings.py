"""Where a worker finds its broker, its task and its id."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bellis import BrokerError, Client, Control
from bellis._wire import settings
from bellis._wire.access import Access


def test_missing_endpoint_is_one_clear_sentence() -> None:
    with pytest.raises(BrokerError, match="BELLIS_ENDPOINT is not set") as caught:
        Client()
    assert caught.value.code == "environment"


def test_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BELLIS_ENDPOINT", "")
    with pytest.raises(BrokerError, match="BELLIS_ENDPOINT is not set"):
        Client()


@pytest.mark.parametrize("endpoint", ["nowhere", "tcp://", "smoke://x", "ipc://" + "x" * 200])
def test_invalid_endpoint_is_named(endpoint: str) -> None:
    with pytest.raises(BrokerError, match="^endpoint is ") as caught:
        Client(endpoint=endpoint)
    assert caught.value.code == "environment"
    assert endpoint in str(caught.value)


def test_endpoint_of_the_environment_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BELLIS_ENDPOINT", "tcp://127.0.0.1:99999")
    for connect in (Client, Control):
        with pytest.raises(BrokerError, match='^BELLIS_ENDPOINT is "tcp://127.0.0.1:99999": port'):
            connect()


@pytest.mark.parametrize("text", ["x", "-1", "1.5", "9223372036854775808", "²", " 1"])
def test_malformed_worker_id_is_named(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("BELLIS_WORKER_ID", text)
    with pytest.raises(BrokerError, match=f"BELLIS_WORKER_ID is '{text}': expected"):
        Client(endpoint="tcp://127.0.0.1:1")


@pytest.mark.parametrize("text", ["soon", "0", "-3", "nan", "inf"])
def test_malformed_timeout_is_named(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("BELLIS_CONNECT_TIMEOUT", text)
    with pytest.raises(BrokerError, match=f"BELLIS_CONNECT_TIMEOUT is '{text}': expected"):
        Client(endpoint="tcp://127.0.0.1:1")


def test_arguments_are_checked_too() -> None:
    with pytest.raises(BrokerError, match="worker_id is -1"):
        Client(endpoint="tcp://127.0.0.1:1", worker_id=-1)
    with pytest.raises(BrokerError, match="connect_timeout is 0"):
        Client(endpoint="tcp://127.0.0.1:1", connect_timeout=0)


@pytest.mark.parametrize(
    ("given", "number"),
    [
        (None, 0),
        (0, 0),
        (np.int64(5), 5),
        ("12", 12),
        ("12b", 12),
        ("3 kB", 3000),
        ("3KiB", 3072),
        ("4GB", 4_000_000_000),
        ("4gib", 4 << 30),
        ("2E", 2 * 10**18),
    ],
)
def test_memory_of_a_job_is_bytes_or_a_text(
    monkeypatch: pytest.MonkeyPatch, given: Any, number: int
) -> None:
    monkeypatch.delenv("BELLIS_JOB_MEMORY_MAX", raising=False)
    assert settings.job_memory_max(given) == number
    if given is not None:
        monkeypatch.setenv("BELLIS_JOB_MEMORY_MAX", str(given))
        assert settings.job_memory_max(None) == number
        assert settings.job_memory_max(7) == 7


@pytest.mark.parametrize("value", ["much", "-1", "1.5GB", "9E9", -1, 1.5, True, 1 << 63, "10EB"])
def test_malformed_memory_of_a_job_is_named(monkeypatch: pytest.MonkeyPatch, value: Any) -> None:
    with pytest.raises(BrokerError, match=f"^job_memory_max is {value!r}: expected bytes"):
        settings.job_memory_max(value)
    monkeypatch.setenv("BELLIS_JOB_MEMORY_MAX", "much")
    with pytest.raises(BrokerError, match="^BELLIS_JOB_MEMORY_MAX is 'much': expected bytes"):
        settings.job_memory_max(None)


KEYS = {name: name[0] * 40 for name in ("server_key", "public_key", "secret_key")}


def access_file(folder: Path, **fields: str) -> Path:
    path = folder / "access"
    path.write_text(json.dumps(fields))
    path.chmod(0o600)
    return path


def test_keys_come_from_argument_then_variables_then_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert settings.control_access(None, "tcp://h:1", None) == Access("tcp://h:1")
    path = access_file(tmp_path, endpoint="tcp://h:2", role="owner", **KEYS)
    monkeypatch.setenv("BELLIS_ACCESS", str(path))
    of_file = Access("tcp://h:2", **KEYS)
    assert settings.control_access(None, None, None) == of_file
    monkeypatch.setenv("BELLIS_ENDPOINT", "tcp://h:3")
    assert settings.control_access(None, None, None).endpoint == "tcp://h:3"
    assert settings.control_access(path, None, None) == of_file
    assert settings.control_access(path, "tcp://h:4", None).endpoint == "tcp://h:4"
    for name, key in KEYS.items():
        monkeypatch.setenv(f"BELLIS_{name.upper()}", key.upper())
    assert settings.worker_access(None, None, None).secret_key == "S" * 40
    assert settings.worker_access(None, None, "given") == Access("tcp://h:3", "given")
    monkeypatch.setenv("BELLIS_SECRET_KEY", "short")
    with pytest.raises(BrokerError, match="secret_key has 5 characters"):
        settings.worker_access(None, None, None)


def test_invalid_access_files_are_named(tmp_path: Path) -> None:
    none = tmp_path / "none"
    with pytest.raises(BrokerError, match=f"access file '{none}' cannot be read") as caught:
        settings.control_access(none, None, None)
    assert caught.value.code == "environment"
    path = access_file(tmp_path, token="secret")
    assert settings.control_access(path, None, None).token == "secret"
    path.chmod(0o644)
    with pytest.raises(BrokerError, match="mode 0644.*chmod 600"):
        settings.control_access(path, None, None)
    path.chmod(0o600)
    for text in ("secret", "[]", "{}", '{"token": 3}', '{"server_key": "short"}'):
        path.write_text(text)
        with pytest.raises(BrokerError, match="access file"):
            settings.control_access(path, None, None)
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo, 0o600)
    with pytest.raises(BrokerError, match="not a regular file"):
        settings.control_access(fifo, None, None)


def test_variables_that_are_not_utf8_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BELLIS_TASK", os.fsdecode(b"caf\xe9"))
    with pytest.raises(BrokerError, match="BELLIS_TASK is .*: expected UTF-8"):
        settings.task(None)


def test_control_looks_where_a_broker_runs_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    assert (
        settings.control_access(None, None, None).endpoint
        == f"ipc:///tmp/bellis-{os.getuid()}/broker.sock"
    )
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/5")
    assert (
        settings.control_access(None, None, None).endpoint == "ipc:///run/user/5/bellis/broker.sock"
    )
    monkeypatch.setenv("BELLIS_ENDPOINT", "tcp://h:1")
    assert settings.control_access(None, None, None).endpoint == "tcp://h:1"
    assert settings.control_access(None, "tcp://h:2", None).endpoint == "tcp://h:2"
