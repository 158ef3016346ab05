"""Facts about this computer: its name, its users."""

import os
import pwd


def machine_name() -> str:
    """The name of this kernel and pid namespace (WORKERS.md "Machine"); empty if unknown."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return f"{file.readline().strip()}:{os.readlink('/proc/self/ns/pid')}"
    except (OSError, ValueError):
        return ""


def user_name(uid: int) -> str:
    """The login name of a user, else "uid 1000"."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
