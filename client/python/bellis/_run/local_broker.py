"""The broker of one run, in this process."""

import contextlib
import os
from typing import Any, Optional

from bellis import _core  # imported before the zygote is forked, so that workers have it
from bellis._base.private_files import is_private_dir
from bellis._run.private_folder import PrivateFolder
from bellis._wire import endpoint as endpoints
from bellis._wire.access import Access

# The longest path of a socket, less the characters that are added to the folder's path.
_FOLDER_BYTES_MAX = 90


class LocalBroker:
    """An endpoint, and later, when the zygote has been forked, a broker that listens there.

    `host` None: the endpoint is a socket file in a private folder. Otherwise it is tcp on `host`
    and `port`, encrypted, with keys of its own. `hello_wait_s` is how long a worker may take from
    the start of its process to its hello; None: the broker's default. `state_dir` is where the
    broker keeps progress; empty: nowhere. `job_memory_max` is as in `settings`. Owns the folder and
    the broker.
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
        """Makes the private folder, if the endpoint is a socket file."""
        if not self.endpoint:
            self._private = _private_folder()
            self.folder = self._private.path
            self.endpoint = f"ipc://{self.folder}/broker"

    def start(self) -> None:
        """Starts the broker, a thread that listens at `endpoint`."""
        try:
            self._broker = _core.Broker(self.endpoint, **self._more)
        except RuntimeError:
            if not self.port:
                raise
            # Another process has taken the port since it was found free.
            address = endpoints.parse(self.endpoint, listen=True)
            any_port = address._replace(port=0).text
            self._broker = _core.Broker(any_port, **self._more)
        self.endpoint = self._broker.endpoint

    @property
    def port(self) -> int:
        """0 for a socket file."""
        return endpoints.parse(self.endpoint, listen=True).port if self.endpoint else 0

    def access(self, role: str) -> Access:
        """What a peer of that role ("owner", "launcher", "watcher") needs to connect."""
        return Access(**self._broker.access(role))

    def stop(self) -> None:
        """Stops the broker at once and removes the folder. Does nothing the second time."""
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
    # libzmq opens sockets by name, so nobody else may be able to change what that name means.
    too_long = len(os.fsencode(folder.path)) > _FOLDER_BYTES_MAX
    if too_long or not is_private_dir(folder.path):
        folder.remove()
        folder = PrivateFolder("/tmp")
    return folder
