"""The rank's side of its watchman (watchman.py): a sign of life once a second, and words before an end.

What goes on in the rank, such as an evaluation that takes minutes, does not matter to it: a thread gives the signs.
They end when the process is stopped, or has no memory or processor left.
"""

import json
import os
import secrets
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from numpy_transformer.program import program_name
from numpy_transformer.training.distributed import watchman

SIOCGIFADDR = 0x8915  # Linux: the address of a network interface


class Watch:
    """The watchman of this rank; all ranks make theirs together, since they must learn where rank 0's listens."""

    def __init__(self, rank: int, size: int, host: str, broadcast: Callable[[Any], Any]) -> None:
        arguments = [rank, size, host, program_name(), os.getpid()]
        self._process = subprocess.Popen(
            [sys.executable, "-I", watchman.__file__, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # what kills the rank's group must not kill the watchman
        )
        self.on_stop: Callable[[int], None] = lambda number: None  # another rank was asked to end the run
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._connected = threading.Event() if size > 1 and rank == 0 else None
        self._missing = set(range(1, size))
        place = None
        if rank == 0:
            token = secrets.token_hex(16)
            self._send(listen=1, token=token)
            port = json.loads(self._line())["port"]
            place = {"connect": addresses(host), "port": port, "token": token, "host": host}
        place = broadcast(place)
        if rank:
            self._send(**place)
        threading.Thread(target=self._give_signs, name="signs of life", daemon=True).start()
        threading.Thread(target=self._listen, name="other ranks' words", daemon=True).start()
        if self._connected is not None:
            self._connected.wait(watchman.CONNECTING)

    def stop_all(self, number: int) -> None:
        """This rank has received a signal that asks for the end of the run."""
        self._send(stop=number)

    def failed(self, what: str) -> None:
        """This rank ends because of an error: so does the run."""
        self._send(failed=what)

    def close(self) -> None:
        """The run is over for this rank, as it should be."""
        self._over.set()
        self._send(end=1)

    def _give_signs(self) -> None:
        while not self._over.wait(watchman.BEAT):
            if not self._send(beat=1):
                os._exit(1)  # without a watchman the others could not know how this rank fares

    def _listen(self) -> None:
        while line := self._line():
            message = json.loads(line)
            if "stop" in message:
                self.on_stop(message["stop"])
            elif "connected" in message and self._connected is not None:
                self._missing.discard(message["connected"])
                if not self._missing:
                    self._connected.set()

    def _line(self) -> bytes:
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def _send(self, **message: Any) -> bool:
        assert self._process.stdin is not None
        with self._lock, suppress(OSError):
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()
            return True
        return False


def addresses(host: str) -> list[str]:
    """Where this host may be reached: by its name, by each interface; last, from itself."""
    found = [host]
    with suppress(ImportError, OSError):
        import fcntl

        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            for _, name in socket.if_nameindex():
                with suppress(OSError):
                    asked = fcntl.ioctl(probe.fileno(), SIOCGIFADDR, name.encode()[:15].ljust(40, b"\0"))
                    found.append(socket.inet_ntoa(asked[20:24]))
    return sorted(dict.fromkeys(found), key=lambda address: address.startswith("127."))
