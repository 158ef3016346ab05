"""The rooms depend on one another in one direction only.

    broker/{net,launcher} + main -> broker/core -> broker/schedule -> common <- client/cpp <- tools

System headers are on the default path, so linking alone would not keep <zmq.hpp> out of the
scheduler. This does.
"""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# Room (folder) -> folders of ours that it may include from.
ALLOWED = {
    "common": ["common"],
    "broker/schedule": ["broker/schedule", "common"],
    "broker/core": ["broker/core", "broker/schedule", "common"],
    "broker/net": ["broker/net", "common"],
    "broker/launcher": ["broker/launcher", "common"],
    "broker": ["broker", "common"],
    "client/cpp": ["client/cpp", "common"],
    "client/python/native": [
        "client/python/native",
        "client/cpp",
        # The same scheduler, not a second one.
        "broker/schedule",
        "broker/server.h",
        # The same log files, links and bounds.
        "broker/launcher/ended_logs.h",
        "broker/launcher/run_links.h",
        "broker/launcher/worker_log.h",
        "common",
    ],
    "tools": [
        "tools",
        "client/cpp",
        "broker/server.h",
        "broker/launcher",
        # `bellis plan` says what the scheduler would do, without a broker.
        "broker/schedule",
        "common",
    ],
    "examples": ["examples", "client/cpp", "common"],
}

# Headers that only these folders may include, at any depth.
RESERVED = {
    r"zmq\.hpp|zmq\.h": ["broker/net", "broker/launcher", "client/cpp", "common/access"],
    r"sodium\.h": ["broker/net"],
    r"msgpack": ["common/protocol"],
    r"toml\+\+": ["common/task"],
    r"spdlog/": [
        "broker/server.cc",
        "broker/main.cc",
        "broker/log_file.cc",
        "broker/launcher",
        "tools",
        "client/python/native/broker_thread.cc",
    ],
    r"nanobind|Python\.h": ["client/python/native"],
    r"CLI/": ["broker/main.cc", "broker/launcher/main.cc", "tools"],
}

# What would make the scheduler impure.
IMPURE = re.compile(
    r"<(chrono|thread|mutex|atomic|condition_variable|random|fstream|filesystem|iostream|future|"
    r"unistd\.h|sys/.*|fcntl\.h|time\.h|ctime)>"
)

INCLUDE = re.compile(r'^\s*#include\s+([<"])([^>"]+)[>"]', re.MULTILINE)


def sources() -> list[Path]:
    folders = ["common", "broker", "client", "tools", "examples"]
    return [
        p for f in folders for p in sorted((ROOT / f).rglob("*.[hc]*")) if p.suffix in (".h", ".cc")
    ]


def room_of(path: str) -> str:
    return max((room for room in ALLOWED if path.startswith(room + "/")), key=len)


@pytest.mark.parametrize("path", sources(), ids=lambda p: str(p.relative_to(ROOT)))
def test_includes_go_with_the_arrows(path: Path) -> None:
    name = str(path.relative_to(ROOT))
    room = room_of(name)
    for kind, include in INCLUDE.findall(path.read_text()):
        if kind == '"':
            assert any(include.startswith(a) for a in ALLOWED[room]), f"{name} includes {include}"
        for pattern, homes in RESERVED.items():
            if re.match(pattern, include):
                assert any(name.startswith(home) for home in homes), f"{name} includes {include}"
        if room in ("broker/schedule", "broker/core"):
            assert not IMPURE.match(f"<{include}>"), f"{name} is not pure: <{include}>"


def test_there_is_something_to_check() -> None:
    assert len(sources()) > 50
