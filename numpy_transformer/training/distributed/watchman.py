"""The process beside each rank that sees it die, and ends the whole run with one line that says so.

A rank cannot do it: one that was killed does nothing any more, and the others wait for it in the depth of an engine, or
are killed at once by what started them. So each rank has a watchman (watch.py starts it), which only reads and waits.
Those of all ranks report to rank 0's over TCP, once a second even if all is well:

    rank 0 --pipe-- watchman 0 ==== watchman 1 --pipe-- rank 1
                        \\\\====== watchman 2 --pipe-- rank 2

When a rank has ended without saying so, or says nothing for `SILENCE` seconds, watchman 0 waits a moment for others
that may have died before (starters kill what is left), names the first, and tells all watchmen to kill their ranks. If
rank 0's host is what went away, watchman 1 says it, and each kills its own rank.

It runs alone, from its file, and imports the standard library only. Messages are lines of JSON.
"""

import contextlib
import json
import os
import select
import selectors
import signal
import socket
import sys
import time
from typing import Any

SILENCE = 15.0  # seconds
BEAT = 1.0
GRACE = 0.3  # for reports of what may have happened before
UNWINDING = 10.0  # for a rank that has failed to end by itself
CONNECTING = 60.0
PORT_OF_NOBODY = 0  # the system chooses
LONGEST_LINE = 1 << 16


class Peer:
    """A socket or a pipe that brings lines, and when the last one came."""

    def __init__(self, descriptor: int, send: Any = None) -> None:
        self.descriptor, self._send = descriptor, send
        self.heard = time.monotonic()
        self.rank: int | None = None  # of a watchman, once it has said so
        self._rest = b""

    def read(self) -> list[dict[str, Any]] | None:
        """What has come; None at the end."""
        try:
            content = os.read(self.descriptor, LONGEST_LINE)
        except OSError:
            content = b""
        if not content:
            return None
        self.heard = time.monotonic()
        *lines, self._rest = (self._rest + content).split(b"\n")
        if len(self._rest) > LONGEST_LINE:
            return None
        found = []
        for line in lines:
            with contextlib.suppress(ValueError):
                if isinstance(message := json.loads(line), dict):
                    found.append(message)
        return found

    def send(self, **message: Any) -> None:
        """A line for it; nothing, if it is gone."""
        with contextlib.suppress(OSError):
            self._send(json.dumps(message).encode() + b"\n")


class Watchman:
    """The loop: wait for a line, an end, or the time when there should have been one."""

    def __init__(self, rank: int, size: int, host: str, program: str, parent: int) -> None:
        self.rank, self.size, self.host, self.program, self.parent = rank, size, host, program, parent
        self.selector = selectors.DefaultSelector()
        self.own = Peer(0, lambda content: os.write(1, content))
        self.selector.register(0, selectors.EVENT_READ, self.own)
        self.pidfd: int | None = None
        if hasattr(os, "pidfd_open"):  # a process that the rank has forked would keep the pipe open
            with contextlib.suppress(OSError):
                self.pidfd = os.pidfd_open(parent)
                self.selector.register(self.pidfd, selectors.EVENT_READ, None)
        self.listener: socket.socket | None = None
        self.token = ""
        self.peers: list[Peer] = []  # rank 0: the other watchmen; the others: watchman 0
        self.sockets: list[socket.socket] = []
        self.hosts: dict[int, str] = {rank: host}
        self.first_host = "its host"
        self.ended: set[int] = set()  # ranks whose work is done
        self.fault: tuple[float, int, str] | None = None  # when, which rank, what: the first known
        self.deadline: float | None = None  # when to act on it
        self.lost: str | None = None  # what happened to watchman 0
        self.own_words = False  # this rank has failed, and says itself why

    def serve(self) -> None:
        """Until the run is over."""
        beat = 0.0
        while True:
            now = time.monotonic()
            if self.deadline is not None and now >= self.deadline:
                self.act()
            if now >= beat:
                beat = now + BEAT
                for peer in self.peers:
                    peer.send(beat=1)
                self.look_at_the_clock(now)
            wait = beat - now if self.deadline is None else min(beat, self.deadline) - now
            for key, _ in self.selector.select(max(0.0, wait)):
                if key.fileobj is self.listener:
                    self.accept()
                elif key.data is None:
                    self.selector.unregister(key.fileobj)
                    self.own_rank_is_gone()
                else:
                    self.receive(key.data)

    # --- What comes ---

    def receive(self, peer: Peer) -> None:
        messages = peer.read()
        for message in messages or []:
            if peer is self.own:
                self.from_own_rank(message)
            else:
                self.from_watchman(peer, message)
        if messages is None:
            self.selector.unregister(peer.descriptor)
            if peer is self.own:
                self.own_rank_is_gone()
            elif self.rank == 0:
                self.peers.remove(peer)
                if peer.rank is not None and peer.rank not in self.ended:
                    self.note(peer.rank, "went away with its watchman, or its host did")
            else:
                self.peers.remove(peer)
                self.rank_0_is_gone("cannot be reached any more")

    def from_own_rank(self, message: dict[str, Any]) -> None:
        if "listen" in message:
            self.token = message["token"]
            self.listener = socket.create_server(("", PORT_OF_NOBODY), backlog=1024)
            self.selector.register(self.listener, selectors.EVENT_READ)
            self.own.send(port=self.listener.getsockname()[1])
        elif "connect" in message:
            self.first_host = message["host"]
            self.connect(message["connect"], message["port"], message["token"])
        elif "end" in message:
            self.ended.add(self.rank)
            self.up(end=self.rank)
        elif "stop" in message:
            self.up(stop=message["stop"])
        elif "failed" in message:
            if self.rank == 0 and self.fault is None:
                self.own_words = True
                self.deadline = time.monotonic() + UNWINDING
            self.note(self.rank, f"failed: {message['failed']}")

    def from_watchman(self, peer: Peer, message: dict[str, Any]) -> None:
        if self.rank != 0:
            if "over" in message:
                self.kill_own_rank()
            return
        if peer.rank is None:
            if message.get("token") != self.token:
                self.peers.remove(peer)
                self.selector.unregister(peer.descriptor)
                return
            peer.rank = int(message["rank"])
            self.hosts[peer.rank] = message["host"]
            self.own.send(connected=peer.rank)
        elif "end" in message:
            self.ended.add(message["end"])
        elif "stop" in message:
            self.own.send(stop=message["stop"])
        elif "fault" in message:
            self.note(peer.rank, message["fault"], message["at"])

    def look_at_the_clock(self, now: float) -> None:
        words = f"has not answered for {SILENCE:.0f} s"
        if self.rank not in self.ended and now - self.own.heard > SILENCE:
            self.note(self.rank, words)
        for peer in self.peers:
            if now - peer.heard > SILENCE:
                if self.rank:
                    self.rank_0_is_gone(words)
                elif peer.rank is not None and peer.rank not in self.ended:
                    self.note(peer.rank, words)

    # --- What follows ---

    def own_rank_is_gone(self) -> None:
        while select.select([self.own.descriptor], [], [], 0)[0]:  # its last words
            messages = self.own.read()
            for message in messages or []:
                self.from_own_rank(message)
            if messages is None:
                break
        if self.rank in self.ended:
            sys.exit(0)
        if self.own_words:
            self.end_all()
        self.note(self.rank, "was killed, or ended without a word")

    def note(self, rank: int, what: str, at: float | None = None) -> None:
        """Something has happened to a rank: the earliest such thing will be said."""
        at = time.time() if at is None else at
        if self.own_words:
            return
        if self.rank:
            self.up(fault=what, at=at)
        if self.fault is None or at < self.fault[0]:
            self.fault = at, rank, what
        if self.deadline is None:
            self.deadline = time.monotonic() + (GRACE if self.rank == 0 else SILENCE)

    def up(self, **message: Any) -> None:
        """To watchman 0."""
        if self.rank:
            for peer in self.peers:
                peer.send(**message)

    def rank_0_is_gone(self, what: str) -> None:
        self.lost = what
        self.deadline = time.monotonic() + GRACE

    def act(self) -> None:
        """It is time to do something about what was noted."""
        if self.lost is None:
            self.end_all()
        self.deadline = None
        if self.rank not in self.ended:
            if self.rank == 1:
                self.say(0, self.first_host, str(self.lost))
            self.kill_own_rank()

    def end_all(self) -> None:
        """Say what happened, end all ranks, and this process."""
        if self.fault is not None and not self.own_words:
            _, rank, what = self.fault
            self.say(rank, self.hosts.get(rank, "an unknown host"), what)
        for peer in self.peers:
            peer.send(over=1)
        self.kill_own_rank()

    def say(self, rank: int, host: str, what: str) -> None:
        line = " ".join(f"{self.program}: rank {rank} on {host} {what}; --resume goes on from the last save".split())
        with contextlib.suppress(OSError):
            os.write(2, line.encode(errors="backslashreplace") + b"\n")

    def kill_own_rank(self) -> None:
        if os.getppid() == self.parent:
            with contextlib.suppress(OSError):
                os.kill(self.parent, signal.SIGKILL)
        sys.exit(0)

    # --- The connections ---

    def accept(self) -> None:
        assert self.listener is not None
        with contextlib.suppress(OSError):
            self.add(self.listener.accept()[0])

    def connect(self, addresses: list[str], port: int, token: str) -> None:
        end = time.monotonic() + CONNECTING
        while time.monotonic() < end:
            for address in addresses:
                with contextlib.suppress(OSError):
                    connection = socket.create_connection((address, port), timeout=5)
                    self.add(connection)
                    self.peers[0].send(token=token, rank=self.rank, host=self.host)
                    return
            time.sleep(0.2)
        self.say(self.rank, self.host, f"cannot reach port {port} of {self.first_host}, where rank 0 is watched")
        self.kill_own_rank()

    def add(self, connection: socket.socket) -> None:
        connection.settimeout(5)
        self.sockets.append(connection)
        peer = Peer(connection.fileno(), connection.sendall)
        self.peers.append(peer)
        self.selector.register(peer.descriptor, selectors.EVENT_READ, peer)


def allow_many_connections() -> None:
    """As many as the system lets this process have, where it tells."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


if __name__ == "__main__":
    allow_many_connections()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # they are for the rank
        signal.signal(number, signal.SIG_IGN)
    own_rank, all_ranks, own_host, called, rank_process = sys.argv[1:]
    Watchman(int(own_rank), int(all_ranks), own_host, called, int(rank_process)).serve()
