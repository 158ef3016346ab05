"""Settings of workers and clients, from keyword arguments or else from the environment."""

import os
import re
from numbers import Integral
from typing import Optional, Union

from bellis._base.private_files import is_of_another
from bellis._wire import access as access_module
from bellis._wire import endpoint as endpoints
from bellis._wire.access import Access
from bellis._wire.protocol import INT_MAX
from bellis.context import Context
from bellis.errors import BrokerError

File = Union[str, "os.PathLike[str]", Access]

CONNECT_TIMEOUT_S = 10.0
LOST_TIMEOUT_S = 300.0
STARTER_WAIT_S = 86_400.0
STARTER_WAIT_S_MAX = 2_592_000.0
HEARTBEAT_MS = 4000
HEARTBEAT_MS_MAX = 3_600_000
PREFETCH_MAX = 1023
DUTIES = ("work", "check", "post_check")
_SIZE = re.compile(r"(?P<number>[0-9]+) ?((?P<prefix>[kmgtpe])(?P<binary>i)?)?b?")


def worker_access(file: "Optional[File]", endpoint: Optional[str], token: Optional[str]) -> Access:
    """The access to a worker's broker. Raises BrokerError (`environment`) if no setting gives
    it."""
    found = _access(file, endpoint, token)
    if not found.endpoint:
        raise BrokerError(
            "environment",
            "BELLIS_ENDPOINT is not set, nor BELLIS_CONTEXT, nor BELLIS_ACCESS: start this worker "
            "by a launcher, or set it to the broker's endpoint (ipc://PATH or tcp://HOST:PORT), or "
            "BELLIS_ACCESS to its access file",
        )
    return _checked(found, endpoint)


def control_access(file: "Optional[File]", endpoint: Optional[str], token: Optional[str]) -> Access:
    """The access to a script's broker. By default this is a broker of this user."""
    found = _access(file, endpoint, token)
    if found.endpoint:
        return _checked(found, endpoint)
    runtime_dir = _read("XDG_RUNTIME_DIR")
    # The broker has the same rule. After `su` the folder may belong to another user, who could
    # listen there.
    if runtime_dir.startswith("/") and not is_of_another(runtime_dir):
        folder = f"{runtime_dir}/bellis"
    else:
        folder = f"/tmp/bellis-{os.getuid()}"
    return found._replace(endpoint=f"ipc://{folder}/broker.sock")


def _access(file: "Optional[File]", endpoint: Optional[str], token: Optional[str]) -> Access:
    """Arguments override the environment, and an endpoint overrides that of an access file.

    A `token` that is given replaces all keys.
    """
    if token is not None:
        found = Access(token=token)
    elif isinstance(file, Access):
        found = file
    elif file is not None:
        found = access_module.read_file(file)
    else:
        found = _access_of_environment()
    if endpoint is None:
        endpoint = (found.endpoint if file is not None else "") or _read("BELLIS_ENDPOINT")
    return found._replace(endpoint=endpoint or found.endpoint)


def _checked(found: Access, given: Optional[str]) -> Access:
    """`found`, with an endpoint that a socket can connect to."""
    field = "endpoint"
    if given is None:
        field = "BELLIS_ENDPOINT" if _read("BELLIS_ENDPOINT") else "the access file's endpoint"
    try:
        return found._replace(endpoint=endpoints.parse(found.endpoint, field=field).text)
    except ValueError as error:
        raise BrokerError("environment", str(error)) from None


def _access_of_environment() -> Access:
    """The keys in the variables, else those in the file that BELLIS_ACCESS names."""
    names = access_module.VARIABLES
    fields = {name: _read(variable) for name, variable in names.items()}
    path = _read("BELLIS_ACCESS")
    if path and not any(fields.values()):
        return access_module.read_file(path)
    return access_module.of_fields(fields, "the environment's BELLIS_..._KEY")


def job(given: Optional[str]) -> str:
    return given if given is not None else _read("BELLIS_JOB")


def task(given: Optional[str]) -> str:
    return given if given is not None else _read("BELLIS_TASK")


def worker_id(given: Optional[int]) -> int:
    """The worker's number; 0: the broker gives it one."""
    if given is None:
        return number_of_worker(_read("BELLIS_WORKER_ID") or "0", "BELLIS_WORKER_ID")
    return _worker_number(given, f"worker_id is {given!r}")


def number_of_worker(text: str, name: str) -> int:
    value = int(text) if text.isascii() and text.isdigit() else None
    return _worker_number(value, f"{name} is {text!r}")


def _worker_number(value: Optional[int], shown: str) -> int:
    if value is None or not 0 <= value <= INT_MAX:
        raise BrokerError("environment", f"{shown}: expected an integer from 0 to {INT_MAX}")
    return value


def duty(given: Optional[str]) -> str:
    """What the worker does with blocks; `work` by default."""
    value = given if given is not None else _read("BELLIS_DUTY") or "work"
    if value not in DUTIES:
        shown = f"duty is {value!r}" if given is not None else f"BELLIS_DUTY is {value!r}"
        raise BrokerError("environment", f"{shown}: expected work, check or post_check")
    return value


def heartbeat_ms(given: Optional[int]) -> int:
    """How often the worker pings, in milliseconds; 0: never."""
    value: Optional[int] = given
    shown = f"heartbeat_ms is {given!r}"
    if given is None:
        text = _read("BELLIS_HEARTBEAT_MS") or str(HEARTBEAT_MS)
        value = int(text) if text.isascii() and text.isdigit() else None
        shown = f"BELLIS_HEARTBEAT_MS is {text!r}"
    if value is None or not 0 <= value <= HEARTBEAT_MS_MAX:
        raise BrokerError(
            "environment",
            f"{shown}: expected milliseconds, 0 for none, at most {HEARTBEAT_MS_MAX}",
        )
    return value


def prefetch() -> Optional[int]:
    """How many blocks to ask for in advance; None: as many as take about a millisecond."""
    text = _read("BELLIS_PREFETCH") or "auto"
    if text == "auto":
        return None
    value = int(text) if text.isascii() and text.isdigit() else -1
    if not 0 <= value <= PREFETCH_MAX:
        raise BrokerError(
            "environment", f"BELLIS_PREFETCH is {text!r}: expected auto, or 0 to {PREFETCH_MAX}"
        )
    return value


def context() -> Optional[Context]:
    """The context that a run has put into the environment, besides the single variables."""
    text = _read(Context.ENV_VARIABLE)
    return Context.from_text(text) if text else None


def connect_timeout(given: Optional[float]) -> float:
    """Seconds to wait for the broker's welcome."""
    return _seconds(given, "connect_timeout", "BELLIS_CONNECT_TIMEOUT", CONNECT_TIMEOUT_S)


def lost_timeout(given: Optional[float]) -> float:
    """Seconds for which a waiting worker tolerates a silent broker before it ends."""
    return _seconds(given, "lost_timeout", "BELLIS_LOST_TIMEOUT", LOST_TIMEOUT_S)


def _seconds(given: Optional[float], name: str, variable: str, otherwise: float) -> float:
    if given is not None:
        value = given
        shown = f"{name} is {given!r}"
    else:
        text = _read(variable) or str(otherwise)
        shown = f"{variable} is {text!r}"
        try:
            value = float(text)
        except ValueError:
            value = 0.0
    if not 0 < value <= 1e6:  # also refuses NaN
        raise BrokerError("environment", f"{shown}: expected seconds, more than 0, at most 1000000")
    return value


def starter_wait() -> float:
    """Seconds to wait for a worker whose starter has returned; 0: the run does not wait."""
    text = _read("BELLIS_STARTER_WAIT") or str(STARTER_WAIT_S)
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= STARTER_WAIT_S_MAX:  # also refuses NaN
        raise BrokerError(
            "environment",
            f"BELLIS_STARTER_WAIT is {text!r}: expected seconds, 0 not to wait, at most "
            f"{STARTER_WAIT_S_MAX:g}",
        )
    return value


def job_memory_max(given: "Optional[Union[int, str]]") -> int:
    """Bytes that a job's schedule may take in the broker; 0: half of the machine's memory."""
    value = given if given is not None else _read("BELLIS_JOB_MEMORY_MAX") or 0
    name = "job_memory_max" if given is not None else "BELLIS_JOB_MEMORY_MAX"
    number = -1
    if isinstance(value, str):
        parts = _SIZE.fullmatch(value.strip().lower())
        if parts:
            power = " kmgtpe".index(parts["prefix"] or " ")
            number = int(parts["number"]) * (1024 if parts["binary"] else 1000) ** power
    elif isinstance(value, Integral) and not isinstance(value, bool):
        number = int(value)
    if not 0 <= number <= INT_MAX:
        raise BrokerError(
            "environment",
            f"{name} is {value!r}: expected bytes, as in 4000000000 or '4GB', 0 for half of the "
            "memory",
        )
    return number


def _read(name: str) -> str:
    """The variable as UTF-8, whatever the locale says; unset is empty.

    `os.environ` decodes by the locale: with a Latin-1 locale, a task called "größe" would reach the
    broker under another name.
    """
    if not os.supports_bytes_environ:
        return os.environ.get(name, "")
    data = os.environb.get(os.fsencode(name), b"")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise BrokerError("environment", f"{name} is {data!r}: expected UTF-8") from None
