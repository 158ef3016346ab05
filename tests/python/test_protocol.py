"""Encoding, and the checks of messages from the broker."""

from pathlib import PurePosixPath
from typing import Any

import msgpack
import pytest
from bellis import BrokerError
from bellis._wire import protocol


def refusal(data: bytes) -> BrokerError:
    with pytest.raises(BrokerError) as caught:
        kind, fields = protocol.decode(data)
        assert kind == "jobs"
        for status in fields.maps("jobs"):
            status.uint("count")
            status.text("name")
            status.map("spec")
    assert caught.value.code == "bad_message"
    return caught.value


def test_message_is_an_array_of_kind_and_fields() -> None:
    assert protocol.encode("ping", {"nonce": 1}) == b"\x92\xa4ping\x81\xa5nonce\x01"


def test_message_of_exactly_1_mib_is_sent_and_one_byte_more_is_not() -> None:
    overhead = len(protocol.encode("submit", {"x": "a" * 100_000})) - 100_000
    room = protocol.MESSAGE_BYTES_MAX - overhead
    assert len(protocol.encode("submit", {"x": "a" * room})) == 1_048_576
    with pytest.raises(BrokerError, match="submit would be 1,048,577 bytes") as caught:
        protocol.encode("submit", {"x": "a" * (room + 1)})
    assert caught.value.code == "too_large"


def test_jobs_may_hold_paths_and_foreign_integers() -> None:
    class Int64:
        def __index__(self) -> int:
            return 5

    data = protocol.encode("submit", {"job": {"cwd": PurePosixPath("/data"), "count": Int64()}})
    assert msgpack.unpackb(data) == ["submit", {"job": {"cwd": "/data", "count": 5}}]


@pytest.mark.parametrize("value", [object(), 2**64, "\udc80", {1, 2}])
def test_values_that_msgpack_cannot_encode_are_refused_by_name(value: Any) -> None:
    with pytest.raises(BrokerError, match="submit cannot be encoded") as caught:
        protocol.encode("submit", {"job": value})
    assert caught.value.code == "bad_message"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        b"not msgpack",
        b"\x92\xa4jobs",
        b"\xdd\x05\x00\x00\x00",
        b"\x92\xa4jobs\x81\xa1x\xa1\xff",
        b"\x91" * 100_000,
        b"\x92\xa4jobs\x80\x00",
    ],
)
def test_bytes_that_are_not_msgpack(data: bytes) -> None:
    assert "message from the broker" in str(refusal(data))


@pytest.mark.parametrize("message", [1, [], ["jobs"], ["jobs", {}, 1], {"jobs": 1}])
def test_messages_that_are_not_kind_and_fields(message: Any) -> None:
    assert "expected [kind, fields]" in str(refusal(msgpack.packb(message)))


def test_kind_and_fields_have_their_types() -> None:
    assert "kind of a message from the broker is 3" in str(refusal(msgpack.packb([3, {}])))
    assert "fields of jobs is [1]" in str(refusal(msgpack.packb(["jobs", [1]])))


def job(**fields: Any) -> "dict[str, Any]":
    return {"count": 1, "name": "a", "spec": {}, **fields}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("count", -1),
        ("count", 2**63),
        ("count", True),
        ("count", 1.0),
        ("count", "1"),
        ("count", None),
        ("name", 3),
        ("name", None),
        ("spec", [1]),
        ("spec", None),
    ],
)
def test_wrong_field_is_named_with_its_value(field: str, value: Any) -> None:
    data = msgpack.packb(["jobs", {"jobs": [job(), job(**{field: value})]}])
    assert f"jobs.jobs[1].{field} is {value!r}: expected" in str(refusal(data))


@pytest.mark.parametrize("field", ["count", "spec"])
def test_missing_field_is_named(field: str) -> None:
    fields = job()
    del fields[field]
    data = msgpack.packb(["jobs", {"jobs": [fields]}])
    assert f"jobs.jobs[0].{field} is missing: expected" in str(refusal(data))


def test_maps_are_an_array_of_maps() -> None:
    assert "jobs.jobs is missing" in str(refusal(msgpack.packb(["jobs", {}])))
    assert "jobs.jobs is 4" in str(refusal(msgpack.packb(["jobs", {"jobs": 4}])))
    assert "jobs.jobs[0] is 'x'" in str(refusal(msgpack.packb(["jobs", {"jobs": ["x"]}])))


def test_long_wrong_value_is_shown_in_part() -> None:
    data = msgpack.packb(["jobs", {"jobs": [job(count="x" * 10_000)]}])
    assert len(str(refusal(data))) < 300


def test_largest_value_is_accepted_a_text_may_be_left_out_and_unknown_keys_are_ignored() -> None:
    big = 2**63 - 1
    wire = {"count": big, "spec": {}, "colour": "red"}
    _, fields = protocol.decode(msgpack.packb(["jobs", {"jobs": [wire], "later": [1]}]))
    (got,) = fields.maps("jobs")
    assert got.uint("count") == big
    assert got.text("name") == ""


def test_short_error_text_stays_as_it_is() -> None:
    text = "é" * 8192
    assert protocol.cut_error_text(text) == text


@pytest.mark.parametrize("shift", range(4))
def test_long_error_text_keeps_its_two_ends_within_16_kib(shift: int) -> None:
    text = "F" + "a" * shift + "𝄞" * 10_000 + "L"  # four bytes each, cut at every place
    cut = protocol.cut_error_text(text)
    assert 16_000 < len(cut.encode()) <= 16_384
    assert cut.startswith("F" + "a" * shift + "𝄞")
    assert cut.endswith("𝄞L")
    assert "40,0" in cut
    assert "\ufffd" not in cut


def test_error_text_with_lone_surrogates_is_escaped() -> None:
    assert protocol.cut_error_text("file \udcff") == "file \\udcff"
