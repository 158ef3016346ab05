"""Where a worker finds its broker and its name."""

import os
from pathlib import Path

import pytest
from bellis import BrokerError, Client, settings


def test_missing_endpoint_is_one_clear_sentence() -> None:
    with pytest.raises(BrokerError, match="BELLIS_ENDPOINT is not set") as caught:
        Client()
    assert caught.value.code == "environment"


def test_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BELLIS_ENDPOINT", "")
    with pytest.raises(BrokerError, match="BELLIS_ENDPOINT is not set"):
        Client()


@pytest.mark.parametrize("endpoint", ["nowhere", "tcp://", "smoke://x", "ipc://" + "x" * 200])
def test_endpoint_that_is_none_is_named(endpoint: str) -> None:
    with pytest.raises(BrokerError, match="cannot connect to") as caught:
        Client(endpoint=endpoint)
    assert caught.value.code == "environment"
    assert endpoint in str(caught.value)


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


def test_token_comes_from_argument_then_variable_then_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert settings.token(None) == ""
    file = tmp_path / "token"
    file.write_text("from-file\n")
    file.chmod(0o600)
    monkeypatch.setenv("BELLIS_TOKEN_FILE", str(file))
    assert settings.token(None) == "from-file"
    monkeypatch.setenv("BELLIS_TOKEN", "")
    assert settings.token(None) == "from-file"
    monkeypatch.setenv("BELLIS_TOKEN", "from-variable")
    assert settings.token(None) == "from-variable"
    assert settings.token("given") == "given"
    assert settings.token("") == ""


def test_unreadable_token_file_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BELLIS_TOKEN_FILE", str(tmp_path / "none"))
    with pytest.raises(BrokerError, match="BELLIS_TOKEN_FILE .*none.* cannot be read") as caught:
        settings.token(None)
    assert caught.value.code == "environment"


def test_variables_that_are_not_utf8_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BELLIS_TASK", os.fsdecode(b"caf\xe9"))
    with pytest.raises(BrokerError, match="BELLIS_TASK is .*: expected UTF-8"):
        settings.task(None)


def test_control_looks_where_a_broker_runs_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    assert settings.control_endpoint(None) == f"ipc:///tmp/bellis-{os.getuid()}/broker.sock"
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/5")
    assert settings.control_endpoint(None) == "ipc:///run/user/5/bellis/broker.sock"
    monkeypatch.setenv("BELLIS_ENDPOINT", "tcp://h:1")
    assert settings.control_endpoint(None) == "tcp://h:1"
    assert settings.control_endpoint("tcp://h:2") == "tcp://h:2"
