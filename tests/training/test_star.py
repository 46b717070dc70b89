"""Small messages between ranks that were started by environment variables."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import json
from numpy_transformer.training.distributed.star import Star

star = Star()
first = star.broadcast({"text": "x" * 100_000, "none": None} if star.rank == 0 else None)
everybody = [star.gather([star.rank, 0.1 + star.rank]) for _ in range(3)]
star.close()
print(json.dumps([len(first["text"]), everybody]))
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("", 0))
        return probe.getsockname()[1]


def test_all_ranks_hear_the_same():
    variables = {"WORLD_SIZE": "3", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            cwd=ROOT,
            env={**os.environ, **variables, "RANK": str(rank)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in (2, 0, 1)
    ]
    for process in processes:
        said, _ = process.communicate()
        assert json.loads(said) == [100_000, [[[rank, 0.1 + rank] for rank in range(3)]] * 3]
