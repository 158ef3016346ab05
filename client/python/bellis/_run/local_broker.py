"""The broker of one run, in this process."""

import contextlib
import os
from typing import Any, Optional

from bellis import _core  # before the zygote is forked, so that workers have it
from bellis._base.private_files import is_private_dir
from bellis._run.private_folder import PrivateFolder
from bellis._wire import endpoint as endpoints
from bellis._wire.access import Access

# The longest path of a socket, less what libzmq and we add to the folder's.
_FOLDER_BYTES_MAX = 90


class LocalBroker:
    """Somewhere to listen, and later, when the zygote has been forked, a broker that does.

    `host` None: a socket file in a folder of our own that nobody else may enter. Else tcp on that
    host, `port` of it, encrypted, with keys of its own. `hello_wait_s` is how long a worker's hello
    may take from its process's start on; None: as long as the broker waits by itself. `state_dir`
    is where it keeps progress; empty: nowhere. `job_memory_max` as in `settings`. Owns the folder
    and the broker.
    """

    def __init__(
        self,
        host: Optional[str],
        port: int = 0,
        hello_wait_s: Optional[float] = None,
        state_dir: str = "",
        job_memory_max: int = 0,
    ) -> None:
        self.folder = ""
        self._private: Optional[PrivateFolder] = None
        self._more: dict[str, Any] = {"state_dir": state_dir, "job_memory_max": job_memory_max}
        if hello_wait_s is not None:
            self._more["hello_wait_ms"] = int(hello_wait_s * 1000)
        self._broker: Any = None
        self.endpoint = ""
        if host is not None:
            self.endpoint = endpoints.Endpoint("", host, port).text

    def prepare(self) -> None:
        """Makes the folder, if there is to be one."""
        if not self.endpoint:
            self._private = _private_folder()
            self.folder = self._private.path
            self.endpoint = f"ipc://{self.folder}/broker"

    def start(self) -> None:
        """Listens from now on, at `endpoint`. Starts a thread."""
        try:
            self._broker = _core.Broker(self.endpoint, **self._more)
        except RuntimeError:
            if not self.port:
                raise
            # Meanwhile somebody else listens at the port that was free before.
            address = endpoints.parse(self.endpoint, listen=True)
            any_port = address._replace(port=0).text
            self._broker = _core.Broker(any_port, **self._more)
        self.endpoint = self._broker.endpoint

    @property
    def port(self) -> int:
        """0 for a socket file."""
        return endpoints.parse(self.endpoint, listen=True).port if self.endpoint else 0

    def access(self, role: str) -> Access:
        """What a holder of this role needs to connect: "owner", "launcher" or "watcher"."""
        return Access(**self._broker.access(role))

    def stop(self) -> None:
        """At once. Leaves nothing. Does nothing the second time."""
        broker, self._broker = self._broker, None
        with contextlib.suppress(OSError):
            if broker is not None:
                broker.stop(at_once=True)
        if self._private is not None:
            self._private.remove()
            self._private = None
            self.folder = ""


def _private_folder() -> PrivateFolder:
    folder = PrivateFolder()
    # libzmq opens sockets by name: nobody else may be able to change what the name stands for.
    too_long = len(os.fsencode(folder.path)) > _FOLDER_BYTES_MAX
    if too_long or not is_private_dir(folder.path):
        folder.remove()
        folder = PrivateFolder("/tmp")
    return folder
