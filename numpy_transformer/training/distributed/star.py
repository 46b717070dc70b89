"""Small messages between ranks where there is no MPI: over TCP, by the environment variables that torchrun sets.

    RANK, WORLD_SIZE          this process, and how many there are
    MASTER_ADDR, MASTER_PORT  where rank 0 listens; the next port, if torchrun itself has taken that one

All others are connected with rank 0, which passes on what they say. These are a few hundred bytes a step; gradients go
another way (nccl.py).
"""

import json
import os
import socket
import time
from typing import Any

from numpy_transformer.errors import InputError
from numpy_transformer.training.distributed.ranks import RanksGoneError

VARIABLES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
CONNECTING = 300.0  # seconds: hosts of a batch job do not start at once


class Star:
    """The part of `ranks.Ranks` that carries small messages."""

    def __init__(self) -> None:
        """Raises InputError for variables that are missing or impossible, and for ranks that do not come."""
        missing = [name for name in VARIABLES if name not in os.environ]
        if missing:
            raise InputError(
                f"--distributed nccl: start it with mpiexec (and pip install mpi4py), or set {', '.join(missing)}"
            )
        try:
            self.rank, self.size, port = (int(os.environ[name]) for name in ("RANK", "WORLD_SIZE", "MASTER_PORT"))
        except ValueError:
            raise InputError("RANK, WORLD_SIZE and MASTER_PORT must be whole numbers") from None
        if not 0 <= self.rank < self.size:
            raise InputError(f"RANK is {self.rank}; it must be from 0 to WORLD_SIZE - 1, which is {self.size - 1}")
        port += os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
        self.host = socket.gethostname()
        address = os.environ["MASTER_ADDR"]
        try:
            connections = self._accepted(port) if self.rank == 0 else [_connected(address, port)]
        except OSError as error:
            raise InputError(f"{address} port {port} (MASTER_ADDR, MASTER_PORT): {error.strerror or error}") from None
        self._files = [connection.makefile("rwb") for connection in connections]  # of rank 0: by rank, from 1
        if self.rank:
            self._send(self._files[0], self.rank)

    def broadcast(self, value: Any) -> Any:
        if self.rank:
            return self._receive(self._files[0])
        for file in self._files:
            self._send(file, value)
        return value

    def gather(self, value: Any) -> list[Any]:
        if self.rank:
            self._send(self._files[0], value)
            return self._receive(self._files[0])
        return self.broadcast([value, *map(self._receive, self._files)])

    def close(self) -> None:
        self.gather(None)
        for file in self._files:
            file.close()

    def _accepted(self, port: int) -> list[socket.socket]:
        by_rank: dict[int, socket.socket] = {}
        with socket.create_server(("", port), backlog=self.size) as listener:
            listener.settimeout(CONNECTING)
            while len(by_rank) < self.size - 1:
                connection, _ = listener.accept()
                with connection.makefile("rb", buffering=0) as file:
                    by_rank[self._receive(file)] = connection
        return [by_rank[rank] for rank in sorted(by_rank)]

    def _send(self, file: Any, value: Any) -> None:
        try:
            file.write(json.dumps(value).encode() + b"\n")
            file.flush()
        except OSError:
            raise RanksGoneError from None

    def _receive(self, file: Any) -> Any:
        try:
            line = file.readline()
        except OSError:
            line = b""
        if not line:
            raise RanksGoneError
        return json.loads(line)


def _connected(address: str, port: int) -> socket.socket:
    end = time.monotonic() + CONNECTING
    while True:
        try:
            connection = socket.create_connection((address, port), timeout=5)
            connection.settimeout(None)
            return connection
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)
