"""The vectors are what MESSAGES.md says, and the workers in Python read them."""

import contextlib
import json
import sys
from collections.abc import Iterator
from typing import Any, Callable

import bellis
import pytest
from bellis import BrokerError
from bellis._wire import protocol

from . import make_vectors
from .packing import Pairs, pack

sys.path.append(str(make_vectors.ROOT / "tests" / "python"))
sys.path.append(str(make_vectors.ROOT / "client" / "python-minimal"))
import bellis_minimal
from fake_broker import FakeBroker, Wire

VECTORS = {path.stem: json.loads(path.read_text()) for path in make_vectors.VECTORS.glob("*.json")}


def test_vectors_are_those_of_the_page(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(make_vectors, "VECTORS", tmp_path)
    make_vectors.main()
    made = {path.stem: json.loads(path.read_text()) for path in tmp_path.glob("*.json")}
    assert made == VECTORS, "run `python -m tests.conformance.make_vectors`"


def without_unknown(value: Any) -> Any:
    if isinstance(value, dict):
        known = {k: v for k, v in value.items() if not str(k).startswith("x-")}
        return {k: without_unknown(v) for k, v in known.items()}
    return [without_unknown(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("kind", sorted(VECTORS.keys() - {"envelope"}))
def test_control_reads_every_encoding_as_the_same(kind: str) -> None:
    for encoding in VECTORS[kind]["encodings"]:
        read, fields = protocol.decode(bytes.fromhex(encoding["hex"]))
        assert [read, without_unknown(fields.raw)] == VECTORS[kind]["message"], encoding["how"]


def test_control_refuses_what_is_no_message() -> None:
    for wrong in VECTORS["envelope"]["refused"]:
        if wrong["code"] != "bad_message" or "levels" in wrong["how"]:
            continue  # unknown kinds are ignored, and nesting is the broker's limit
        if "key that" in wrong["how"]:
            continue  # it is an unknown key
        with pytest.raises(BrokerError) as refused:
            protocol.decode(bytes.fromhex(wrong["hex"]))
        assert refused.value.code == "bad_message", wrong["how"]


@contextlib.contextmanager
def environment(endpoint: str) -> "Iterator[None]":
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BELLIS_ENDPOINT", endpoint)
        patch.setenv("BELLIS_PREFETCH", "0")
        yield


@pytest.mark.parametrize("work", [bellis.work, bellis_minimal.work])
def test_a_worker_reads_every_encoding_of_what_a_broker_says(work: Callable[..., int]) -> None:
    given = VECTORS["work"]["message"][1]
    leases = [block["lease"] for block in given["blocks"]]
    if work is bellis.work:  # it says `runs`, and the others are a key that it does not know
        for run in given["runs"]:
            leases += range(run["lease"], run["lease"] + run["count"])
    works = VECTORS["work"]["encodings"]
    welcome = dict(VECTORS["welcome"]["message"][1])
    del welcome["lease_ms"]  # no second connection, which pings

    def script(wire: Wire) -> None:
        wire.expect("hello")
        wire.send_bytes(pack(["welcome", Pairs([*make_vectors.UNKNOWN, *welcome.items()])]))
        kind, fields = wire.receive()
        assert kind in ("acquire", "release")
        assert fields["want"] == 1
        for one in works:
            wire.send_bytes(bytes.fromhex(one["hex"]))
            handed_in: list[int] = []
            while len(handed_in) < len(leases):
                kind, fields = wire.receive()
                handed_in += [result["lease"] for result in fields.get("results", [])]
                for run in fields.get("runs", []):
                    handed_in += range(run["lease"], run["lease"] + run["count"])
            assert handed_in == leases, one["how"]
            wire.send_bytes(bytes.fromhex(VECTORS["pong"]["encodings"][-1]["hex"]))
        wire.send_bytes(bytes.fromhex(VECTORS["leave"]["encodings"][-1]["hex"]))
        while wire.receive()[0] != "bye":
            pass

    seen: list[Any] = []
    with FakeBroker(script) as broker, environment(broker.endpoint):
        assert work(seen.append) == len(works) * len(leases)
    assert len(seen) == len(works) * len(leases)
