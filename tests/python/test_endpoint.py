"""Endpoints are parsed by the rules of common/endpoint.cc."""

import json
from pathlib import Path
from typing import Any

import bellis
import pytest
from bellis._wire import endpoint, host_address

VECTORS = json.loads(
    (Path(__file__).parents[1] / "common/endpoints.json").read_text(encoding="utf-8")
)


def _check(vector: "dict[str, Any]", listen: bool) -> None:
    text = vector["text"]
    expected = vector.get("listen", vector) if listen else vector
    if "path" in expected or "host" in expected:
        found = endpoint.parse(text, listen=listen)
        path, host = expected.get("path", ""), expected.get("host", "")
        assert found == (path, host, expected.get("port", 0))
        assert endpoint.parse(found.text, listen=listen) == found
        return
    why = expected.get("refused")
    if why is None:
        port = expected["port_refused"]
        why = f'port "{port}" is not accepted: expected a number from 1 to 65535'
        why += ", or 0 for a free one" if listen else ""
    with pytest.raises(ValueError) as caught:
        endpoint.parse(text, listen=listen, field="field")
    assert str(caught.value) == f'field is "{text}": {why}'


@pytest.mark.parametrize("listen", [False, True])
def test_endpoints_are_parsed_as_the_vectors_say(listen: bool) -> None:
    assert len(VECTORS) > 50
    for vector in VECTORS:
        _check(vector, listen)


@pytest.mark.parametrize("host", ["*", "127.1", "tcp://h", "h:5", "127.0.0.1;0.0.0.0", "a b"])
def test_an_invalid_host_is_named(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="^host is "):
        bellis.Server(host=host)
    monkeypatch.setenv("BELLIS_HOST", host)
    with pytest.raises(ValueError, match="^BELLIS_HOST is "):
        bellis.Server()


@pytest.mark.parametrize("value", [5, b"::1", Path("/run/b.sock")])
def test_a_value_that_is_not_a_text_is_named(value: Any) -> None:
    with pytest.raises(ValueError, match="^host is .*: expected a string, a name or an address$"):
        bellis.Server(host=value)
    for connect in (bellis.Client, bellis.Control):
        with pytest.raises(bellis.BrokerError, match="^endpoint is .*: expected a string, ipc://"):
            connect(endpoint=value)


def test_a_host_of_another_machine_is_named() -> None:
    with pytest.raises(ValueError, match="192.0.2.1.* not an address of this machine"):
        bellis.Server(host="192.0.2.1")
    with pytest.raises(ValueError, match="no-such-host.invalid.* cannot be looked up"):
        bellis.Server(host="no-such-host.invalid")


def test_a_server_listens_at_the_address_of_a_name() -> None:
    assert host_address.is_loopback(host_address.own_host("localhost", "host"))
    server = bellis.Server(host="localhost")
    assert server.hostname == "localhost" and server.port > 0


@pytest.mark.usefixtures("logs_in_a_folder")
@pytest.mark.parametrize("host", ["localhost", "0.0.0.0", "::1", "[::1]"])
def test_workers_come_to_where_a_run_listens(host: str) -> None:
    roi = bellis.Roi((0,), (10,))
    task = bellis.Task("t", bellis.Roi((0,), (20,)), roi, roi, _look_where_we_are)
    server = bellis.Server(host=host)
    assert not endpoint.is_every_address(server.hostname)
    assert server.run_blockwise([task])["t"].completed_count == 2


def _look_where_we_are(block: bellis.Block) -> None:
    context = bellis.Context.from_env()
    assert endpoint.parse(context["endpoint"]).host == context["hostname"]
