"""What the kernels of embedding.cu write, in NumPy: functions with their names and arguments."""

import numpy as np

from numpy_transformer.backend.arrays import Array


def embedding_forward(weight: Array, ids: Array, y: Array, D: int, scale: float) -> None:
    y[...] = scale * weight[ids]


def input_embedding_forward(weight: Array, ids: Array, encoding: Array, y: Array, T: int, D: int, scale: float) -> None:
    y[...] = scale * weight[ids] + encoding


def placed_embedding_forward(
    weight: Array, ids: Array, encoding: Array, positions: Array, y: Array, D: int, scale: float
) -> None:
    y[...] = scale * weight[ids] + encoding[positions]


def embedding_pieces(
    dy: Array,
    ids: Array,
    order: Array,
    dweight: Array,
    partial: Array,
    N: int,
    D: int,
    window: int,
    scale: float,
) -> None:
    rows = dy.reshape(N, D)[order]
    changes = np.flatnonzero(np.diff(ids, prepend=-1))
    firsts = np.union1d(changes, np.arange(0, N, window))
    sums = scale * np.add.reduceat(rows, firsts, axis=0)
    for first, end, total in zip(firsts, [*firsts[1:], N], sums, strict=True):
        continues = first > 0 and ids[first - 1] == ids[first]
        if continues or (end < N and ids[end] == ids[first]):
            partial[first // window * 2 + (0 if continues else 1)] = total
        else:
            dweight[ids[first]] += total


def embedding_runs(ids: Array, partial: Array, dweight: Array, N: int, D: int, window: int) -> None:
    for end in range(window, N, window):
        start, id_ = end - window, ids[end]
        if ids[end - 1] != id_ or (start > 0 and ids[start - 1] == id_):
            continue
        pieces = [piece for piece in range(end, N, window) if ids[piece] == id_]
        dweight[id_] += partial[start // window * 2 + 1]
        for piece in pieces:
            dweight[id_] += partial[piece // window * 2]
