"""Encoding, and the checks of messages from the broker."""

from pathlib import PurePosixPath
from typing import Any

import msgpack
import pytest
from bellis import BrokerError
from bellis._wire import protocol
from fake_broker import block


def refusal(data: bytes) -> BrokerError:
    with pytest.raises(BrokerError) as caught:
        kind, fields = protocol.decode(data)
        assert kind == "work"
        protocol.blocks_of_work(fields, "A")
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
def test_what_msgpack_cannot_carry_is_refused_by_name(value: Any) -> None:
    with pytest.raises(BrokerError, match="submit cannot be encoded") as caught:
        protocol.encode("submit", {"job": value})
    assert caught.value.code == "bad_message"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        b"not msgpack",
        b"\x92\xa4work",
        b"\xdd\x05\x00\x00\x00",
        b"\x92\xa4work\x81\xa1x\xa1\xff",
        b"\x91" * 100_000,
        b"\x92\xa4work\x80\x00",
    ],
)
def test_bytes_that_are_not_msgpack(data: bytes) -> None:
    assert "message from the broker" in str(refusal(data))


@pytest.mark.parametrize("message", [1, [], ["work"], ["work", {}, 1], {"work": 1}])
def test_messages_that_are_not_kind_and_fields(message: Any) -> None:
    assert "expected [kind, fields]" in str(refusal(msgpack.packb(message)))


def test_kind_and_fields_have_their_types() -> None:
    assert "kind of a message from the broker is 3" in str(refusal(msgpack.packb([3, {}])))
    assert "fields of work is [1]" in str(refusal(msgpack.packb(["work", [1]])))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("lease", -1),
        ("lease", 2**63),
        ("lease", True),
        ("lease", 1.0),
        ("lease", None),
        ("index", "1"),
        ("id", 2**63),
        ("id", None),
        ("attempt", -2),
        ("read", None),
        ("read", [[0], [1], [2]]),
        ("read", [[0, 0], [1]]),
        ("read", [[], []]),
        ("read", [[0] * 9, [1] * 9]),
        ("write", [[0], [-1]]),
        ("write", [[0.5], [1]]),
        ("write", [["0"], [1]]),
        ("write", {"offset": [0], "shape": [1]}),
    ],
)
def test_wrong_field_of_a_block_is_named_with_its_value(field: str, value: Any) -> None:
    data = msgpack.packb(["work", {"blocks": [block(1), block(2, **{field: value})]}])
    assert f"work.blocks[1].{field} is {value!r}: expected" in str(refusal(data))


@pytest.mark.parametrize("field", ["lease", "index", "id", "read", "write"])
def test_missing_field_of_a_block_is_named(field: str) -> None:
    fields = block(1)
    del fields[field]
    data = msgpack.packb(["work", {"blocks": [fields]}])
    assert f"work.blocks[0].{field} is missing: expected" in str(refusal(data))


def test_blocks_are_an_array_of_maps() -> None:
    assert "work.blocks is missing" in str(refusal(msgpack.packb(["work", {}])))
    assert "work.blocks is 4" in str(refusal(msgpack.packb(["work", {"blocks": 4}])))
    assert "work.blocks[0] is 'x'" in str(refusal(msgpack.packb(["work", {"blocks": ["x"]}])))


def test_long_wrong_value_is_shown_in_part() -> None:
    data = msgpack.packb(["work", {"blocks": [block(1, read="x" * 10_000)]}])
    assert len(str(refusal(data))) < 300


def test_largest_values_are_accepted_and_unknown_keys_ignored() -> None:
    big = 2**63 - 1
    wire = block(big, index=big, id=-(2**63), read=[[-(2**63)], [big]], colour="red")
    kind, fields = protocol.decode(msgpack.packb(["work", {"blocks": [wire], "later": [1]}]))
    (got,) = protocol.blocks_of_work(fields, "A")
    assert (got.lease, got.index, got.block_id) == (big, big, ("A", -(2**63)))
    assert got.read_roi.shape == (big,)
    assert kind == "work"


def test_attempt_left_out_is_the_first() -> None:
    wire = block(1)
    del wire["attempt"]
    _, fields = protocol.decode(msgpack.packb(["work", {"blocks": [wire]}]))
    assert protocol.blocks_of_work(fields, "A")[0].attempt == 1


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
