"""Why nobody answers at an endpoint, as far as its socket file shows."""

import os
from pathlib import Path

from bellis._base.machine import user_name

_RUNNING = "is bellis-broker running?"


def why_no_broker(endpoint: str) -> str:
    """One sentence: the socket belongs to another user, or does not exist, or nothing is known."""
    if not endpoint.startswith("ipc:///"):
        return _RUNNING
    path = Path(endpoint[len("ipc://") :])
    try:
        path.stat()
    except PermissionError:
        return "permission denied" + _owner(path)
    except OSError:
        return f"there is no such socket file; {_RUNNING}"
    if not os.access(path, os.W_OK, effective_ids=True):  # a connection needs write permission
        return "permission denied" + _owner(path)
    return _RUNNING


def _owner(path: Path) -> str:
    """The owner of the socket, or of the folder that this user may not enter; empty if it is this
    user."""
    for seen in (path, *path.parents):
        try:
            uid = seen.stat().st_uid
        except OSError:
            continue
        own = os.geteuid()
        if uid == own:
            return ""
        return f": {seen} belongs to user {user_name(uid)}, and this is user {user_name(own)}"
    return ""
