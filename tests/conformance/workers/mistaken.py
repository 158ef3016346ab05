"""A worker that makes one mistake on purpose: mistaken.py MISTAKE.

It is the worker of client/python-minimal, of level 2, with something taken away from it or added.
"""

import os
import sys
import time
from typing import Any, Callable

import bellis_minimal
from bellis_minimal import _Pulse, _unpacked, _Worker

MISTAKES: "dict[str, Callable[[], None]]" = {}
unpack = _unpacked


def mistake(function: "Callable[[], None]") -> "Callable[[], None]":
    MISTAKES[function.__name__] = function
    return function


def replace(owner: Any, name: str, make: Callable[[Any], Any]) -> None:
    """Gives `make` the former function, and puts what it returns in its place."""
    setattr(owner, name, make(getattr(owner, name)))


def change_sent(change: "Callable[[_Worker, str, dict[str, Any]], list[Any]]") -> None:
    """Sends, in place of each message, the messages that `change` returns."""

    def make(send: Any) -> Any:
        def changed(worker: _Worker, kind: str, /, **fields: Any) -> None:
            for new_kind, new_fields in change(worker, kind, fields):
                send(worker, new_kind, **new_fields)

        return changed

    replace(_Worker, "send", make)


def change_read(change: "Callable[[str, dict[str, Any]], Any]") -> None:
    """Reads what `change` returns; a kind that it does not know is ignored."""
    bellis_minimal._unpacked = lambda data: change(*unpack(data))


@mistake
def says_no_hello() -> None:
    change_sent(lambda _, kind, fields: [("acquire", {})] if kind == "hello" else [(kind, fields)])


@mistake
def asks_before_the_welcome() -> None:
    change_sent(
        lambda _, kind, fields: [(kind, fields)] + [("acquire", {"want": 1})] * (kind == "hello")
    )


@mistake
def hands_in_another_lease() -> None:
    def change(_: _Worker, kind: str, fields: dict[str, Any]) -> list[Any]:
        results = [{**result, "lease": result["lease"] + 1} for result in fields.get("results", [])]
        return [(kind, {**fields, "results": results} if results else fields)]

    change_sent(change)


@mistake
def hands_in_twice() -> None:
    def change(_: _Worker, kind: str, fields: dict[str, Any]) -> list[Any]:
        again = [(kind, {"results": fields["results"]})] if fields.get("results") else []
        return [*again, (kind, fields)]

    change_sent(change)


@mistake
def ignores_drain() -> None:
    change_read(lambda kind, fields: ("ignored", {}) if kind == "drain" else (kind, fields))


@mistake
def says_no_bye() -> None:
    change_sent(lambda _, kind, fields: [] if kind == "bye" else [(kind, fields)])


@mistake
def drops_its_block_at_drain() -> None:
    change_sent(
        lambda _, kind, fields: [] if kind == "release" and fields["results"] else [(kind, fields)]
    )


@mistake
def dies_of_unknown_kinds() -> None:
    known = {"welcome", "work", "pong", "drain", "leave", "error", "committed"}

    def change(kind: str, fields: dict[str, Any]) -> Any:
        assert kind in known, f"what is {kind}?"
        return kind, fields

    change_read(change)


@mistake
def dies_of_unknown_keys() -> None:
    def change(kind: str, fields: dict[str, Any]) -> Any:
        assert not any(key.startswith("x_") for key in fields), fields
        return kind, fields

    change_read(change)


@mistake
def reads_short_encodings_only() -> None:
    def read(data: bytes) -> Any:
        kind, fields = unpack(data)
        assert data[0] == 0x92 and (data[1] & 0xE0) == 0xA0, data[:20]
        return kind, fields

    bellis_minimal._unpacked = read


@mistake
def never_pings() -> None:
    _Pulse.run = lambda self: None  # type: ignore[method-assign]


@mistake
def pings_only_while_it_waits() -> None:
    def make(extend: Any) -> Any:
        def slow(self: _Pulse, sent: float) -> None:
            extend(self, sent)
            while self.worker.working:  # in the thread that pings
                time.sleep(0.05)

        return slow

    replace(_Pulse, "extend", make)
    _Pulse.arm = lambda self: None  # type: ignore[method-assign]


@mistake
def works_past_its_lease() -> None:
    _Pulse.arm = lambda self: None  # type: ignore[method-assign]


@mistake
def forgets_what_it_held() -> None:
    _Worker.held = lambda self: []  # type: ignore[method-assign]


@mistake
def takes_a_new_session_for_each_hello() -> None:
    def change(_: _Worker, kind: str, fields: dict[str, Any]) -> list[Any]:
        if kind == "hello":
            fields = {**fields, "session": bellis_minimal._new_session()}
        return [(kind, fields)]

    change_sent(change)


@mistake
def counts_no_greetings() -> None:
    change_sent(
        lambda _, kind, fields: [(kind, {**fields, "greeting": 1} if kind == "hello" else fields)]
    )


@mistake
def works_on_the_first_of_several_blocks() -> None:
    def want_more(_: _Worker, kind: str, fields: dict[str, Any]) -> list[Any]:
        first = kind == "release" and not fields["results"]
        return [(kind, {**fields, "want": 8} if first else fields)]

    def first_only(kind: str, fields: dict[str, Any]) -> Any:
        return kind, {"blocks": fields["blocks"][:1]} if kind == "work" else fields

    change_sent(want_more)
    change_read(first_only)


@mistake
def says_errors_of_any_length() -> None:
    bellis_minimal._cut = lambda text: text


@mistake
def exits_with_0_when_refused() -> None:
    change_read(lambda kind, fields: ("leave", {}) if kind == "error" else (kind, fields))


@mistake
def loses_results_with_the_connection() -> None:
    def make(be_welcomed: Any) -> Any:
        def forgetful(self: _Worker, welcome: dict[str, Any]) -> None:
            self.results.clear()
            be_welcomed(self, welcome)

        return forgetful

    replace(_Worker, "be_welcomed", make)


@mistake
def answers_each_hello_first() -> None:
    def make(handle: Any) -> Any:
        def eager(self: _Worker, kind: str, fields: dict[str, Any]) -> None:
            if kind == "error" and fields["code"] == "hello_first":
                self.say_hello()
            else:
                handle(self, kind, fields)

        return eager

    replace(_Worker, "handle", make)


@mistake
def takes_silence_for_nothing_to_do() -> None:
    bellis_minimal.PING_S = 1e5
    os.environ["BELLIS_LOST_TIMEOUT"] = "100000"


@mistake
def says_the_number_of_its_environment() -> None:
    def change(worker: _Worker, kind: str, fields: dict[str, Any]) -> list[Any]:
        return [(kind, {**fields, "worker": worker.given} if kind == "hello" else fields)]

    change_sent(change)


@mistake
def keeps_what_was_committed() -> None:
    _Worker.forget = lambda self, lease: None  # type: ignore[method-assign]


@mistake
def works_on_what_came_before_the_welcome() -> None:
    def make(handle: Any) -> Any:
        def eager(self: _Worker, kind: str, fields: dict[str, Any]) -> None:
            if kind == "work":
                self.late = fields["blocks"]  # type: ignore[attr-defined]
            handle(self, kind, fields)
            for block in getattr(self, "late", []) if self.is_welcome else []:
                self.work_on(block, process)

        return eager

    replace(_Worker, "handle", make)


def process(block: bellis_minimal.Block) -> None:
    time.sleep(int(os.environ.get("BELLIS_CONFORMANCE_MS", "0")) / 1000)
    if size := int(os.environ.get("BELLIS_CONFORMANCE_ERROR_BYTES", "0")):
        raise RuntimeError("x" * size)


if __name__ == "__main__":
    MISTAKES[sys.argv[1]]()
    bellis_minimal.work(process, heartbeat_ms=2000)
