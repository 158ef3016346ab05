"""Which messages a launcher sends when, and which it sends again."""

from typing import Any

import pytest
from bellis._run.launcher_session import LauncherSession
from bellis.errors import BrokerError

HELLO = {"role": "launcher"}


def known(now: float = 0.0) -> LauncherSession:
    session = LauncherSession(HELLO, now)
    assert session.take_outgoing(now) == [("hello", HELLO)]
    session.on_welcome()
    return session


def kinds(session: LauncherSession, now: float) -> "list[tuple[str, Any]]":
    return [
        (kind, fields.get("worker", fields.get("nonce")))
        for kind, fields in session.take_outgoing(now)
    ]


def test_reports_wait_for_the_welcome_and_are_confirmed_by_a_later_pong() -> None:
    session = LauncherSession(HELLO, 0.0)
    session.report("launched", worker=1, pid=10)
    assert kinds(session, 0.0) == [("hello", None)]
    session.on_welcome()
    assert kinds(session, 0.0) == [("launched", 1)]
    session.report("exited", worker=1)
    assert kinds(session, 0.1) == [("exited", 1)]
    assert session.exit_is_pending(1)
    assert kinds(session, 0.25) == [("ping", 1)]
    session.on_pong(1)
    assert not session.exit_is_pending(1)


def test_after_a_new_welcome_all_reports_that_may_be_lost_are_repeated() -> None:
    session = known()
    session.report("launched", worker=1, pid=10)
    assert kinds(session, 0.0) == [("launched", 1)]
    assert kinds(session, 0.25) == [("ping", 1)]
    session.on_pong(1)
    session.report("exited", worker=2)
    assert kinds(session, 0.3) == [("exited", 2)]
    session.on_error(BrokerError("hello_first", ""), 0.4)
    assert kinds(session, 0.4) == [("hello", None)]
    session.on_welcome()
    assert kinds(session, 0.4) == [("launched", 1), ("exited", 2)]


def test_pings_get_rarer_while_there_is_nothing_to_say() -> None:
    session = known()
    times = []
    now = 0.0
    for _ in range(6):
        now = session.next_at
        assert kinds(session, now)[0][0] == "ping"
        times.append(now)
    assert times == [5, 10, 20, 40, 80, 140]


def test_many_refusals_are_answered_by_one_hello() -> None:
    session = known()
    for _ in range(3):
        session.on_error(BrokerError("hello_first", ""), 1.0)
    assert kinds(session, 1.0) == [("hello", None)]
    session.on_error(BrokerError("hello_first", ""), 1.5)
    assert kinds(session, 1.5) == []
    session.on_error(BrokerError("hello_first", ""), 2.0)
    assert kinds(session, 2.0) == [("hello", None)]


def test_a_refused_hello_is_an_error() -> None:
    session = LauncherSession(HELLO, 0.0)
    with pytest.raises(BrokerError, match="no token"):
        session.on_error(BrokerError("unauthorized", "no token"), 0.0)
