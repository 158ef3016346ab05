"""Facts about this computer: its name, its clock, its users."""

import os
import pwd
import time
from typing import Optional


def machine_name() -> str:
    """The name of this kernel and pid namespace (PROTOCOL.md "Machine"); empty if unknown."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return f"{file.readline().strip()}:{os.readlink('/proc/self/ns/pid')}"
    except (OSError, ValueError):
        return ""


def boot_time_ns() -> int:
    """The time by the clock of leases, which goes on while the machine sleeps."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def process_state(pid: int) -> Optional[str]:
    """The state in /proc: R, S, D, T (stopped), Z (dead) ...; None if there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # "pid (name) state ...": the name may hold any character, so the last ")" ends it.
            return chr(file.read().rpartition(b")")[2].split()[0][0])
    except (OSError, IndexError):
        return None


def user_name(uid: int) -> str:
    """The login name of a user, else "uid 1000"."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
