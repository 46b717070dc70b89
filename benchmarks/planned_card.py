"""What a card would be asked to do, written down instead of done.

The stand-in for CuPy of tests/support/strict_gpu.py runs the package's own code on arrays that have shapes and
addresses, but whose memory is never touched. So a step of a big model takes a second, and its kernels, products and
operations are those that the code asks for today:

    with planned() as plan:
        step(...)
    plan.launches           what was started on the card, in order, with its bytes and operations
    plan.peak               the most bytes of arrays that were alive at once

Bytes count each array that a launch reads or writes once; an array that a kernel may write and that held numbers before
counts twice, because it may be read, too. Of a table of embeddings, only the rows that are taken count. Operations
count a multiply-add of a product as two, and nothing else.
"""

import ctypes
import inspect
import operator
import sys
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

from numpy_transformer.backend.kernels import arithmetic, launcher  # noqa: E402

strict_gpu, strict_cuda = import_module("strict_gpu"), import_module("strict_cuda")

# CuPy's functions whose result has the shape that all arguments broadcast to: nobody needs to compute it.
OPERATORS = *strict_gpu.ARITHMETIC, *strict_gpu.COMPARISONS, "neg", "invert", "abs"
ELEMENTWISE = {getattr(operator, name) for name in OPERATORS}
COPIES = {"ndarray.copy", "ndarray.astype", "ascontiguousarray"}
FILLS = {"zeros_like", "ones_like", "full_like"}
# Kernels that take few rows of a table: the table's parameter, and the one that has as many rows as are taken.
GATHERED = {
    "embedding_forward": ("weight", "y"),
    "input_embedding_forward": ("weight", "y"),
    "placed_embedding_forward": ("weight", "y"),
    "embedding_pieces": ("dweight", "dy"),
    "embedding_runs": ("dweight", "partial"),
}
BARELY_WRITTEN = {("decoder_self_attention", "cache")}  # all of it is read, and a column for each hypothesis written


class Launch(NamedTuple):
    """Something that was started on the card."""

    kind: str  # "kernel", "product", or "operation" of CuPy
    name: str
    bytes: int
    operations: int = 0
    sizes: tuple[int, int, int] = (0, 0, 0)  # M, K, N of each of a product's matrices
    batch: int = 1  # how many of them
    itemsize: int = 4  # bytes of a number of a product's factors


class Plan:
    """The launches so far, and the memory of the arrays that are alive."""

    def __init__(self) -> None:
        self.launches: list[Launch] = []
        self.peak = self.alive = 0
        self._written: set[int] = set()  # the memory, by its owner, that holds numbers
        self._places: dict[int, tuple[int, int]] = {}  # of each owner of memory: address -> (bytes, owner)

    def born(self, array: np.ndarray) -> None:
        """An array that owns its memory, when it is first seen."""
        if not array.nbytes or self._places.get(array.ctypes.data) == (array.nbytes, id(array)):
            return
        self._written.add(id(array))
        self._places[array.ctypes.data] = array.nbytes, id(array)
        self.alive += array.nbytes
        self.peak = max(self.peak, self.alive)
        weakref.finalize(array, self._died, id(array), array.ctypes.data, array.nbytes)

    def unwritten(self, array: np.ndarray) -> None:
        """Fresh memory: it holds no numbers yet."""
        self._written.discard(id(array))

    def _died(self, owner: int, address: int, size: int) -> None:
        self._places.pop(address)
        self.alive -= size
        self._written.discard(owner)

    def _moved(self, read: Iterable[np.ndarray], written: Iterable[np.ndarray]) -> dict[int, int]:
        """By address: bytes of arrays that are read, written, or both; what is written is read if it held numbers."""
        reads, writes = ({array.ctypes.data: array for array in arrays} for arrays in (read, written))
        reads |= {address: array for address, array in writes.items() if id(_owner(array)) in self._written}
        self._written |= {id(_owner(array)) for array in writes.values()}
        each = {**reads, **writes}
        return {place: array.nbytes * ((place in reads) + (place in writes)) for place, array in each.items()}

    def kernel(self, kernel: launcher.Kernel, arguments: tuple[Any, ...]) -> None:
        """One of the package's own kernels; its source tells which arrays it may write."""
        parameters = _parameters(kernel.file, kernel.name)
        if len(parameters) != len(arguments):
            raise LookupError(f"{kernel.name}: {len(arguments)} arguments for {len(parameters)} parameters")
        hosts = dict(zip(parameters, map(_hosts, arguments), strict=True))
        read, written = (
            [array for name, arrays in hosts.items() for array in arrays if parameters[name] == constant]
            for constant in (True, False)
        )
        moved = self._moved(read, written)
        if kernel.name in GATHERED:
            [table], [rows] = (hosts[name] for name in GATHERED[kernel.name])
            moved[table.ctypes.data] = min(moved[table.ctypes.data], moved[rows.ctypes.data])
        self.launches.append(Launch("kernel", kernel.name, sum(moved.values())))

    def product(
        self, sizes: tuple[int, int, int], batch: int, itemsizes: tuple[int, int], *, to: int, adds: bool
    ) -> None:
        """Of `batch` pairs of matrices (M, K) and (K, N), with the bytes of a factor's number and of the product's.

        It is written, or added to what stands, at the address `to`.
        """
        self._written |= {owner for start, (size, owner) in self._places.items() if start <= to < start + size}
        M, K, N = sizes
        moved = batch * (itemsizes[0] * K * (M + N) + itemsizes[1] * M * N * (1 + adds))
        self.launches.append(Launch("product", "cuBLAS", moved, 2 * batch * M * K * N, sizes, batch, itemsizes[0]))

    def operation(self, name: str, read: list[np.ndarray], written: np.ndarray) -> None:
        """One of CuPy's own."""
        self.launches.append(Launch("operation", name, sum(self._moved(read, [written]).values())))


@contextmanager
def planned() -> Iterator[Plan]:
    """device="gpu" means a card on which everything is written down and nothing computed."""
    plan = Plan()
    with ExitStack() as stack:
        stack.enter_context(patch.dict(sys.modules, {"cupy": strict_gpu, "cupy.cuda": strict_cuda}))
        stack.enter_context(np.errstate(all="ignore"))
        for place, name, instead in _replacements(plan):
            stack.enter_context(patch.object(place, name, instead))
        stack.callback(_forget_calls)
        _forget_calls()
        yield plan


def _replacements(plan: Plan) -> list[tuple[Any, str, Any]]:
    """(where, what, by what) of the stand-in."""
    array = strict_gpu.ndarray

    def born(self: Any, host: np.ndarray) -> None:
        if host.base is None:
            plan.born(host)
        self._host = host

    def empty(shape: Any, dtype: Any = float, order: str = "C") -> Any:
        fresh = array(np.empty(shape, dtype, order))
        plan.unwritten(fresh._host)
        return fresh

    def get(self: Any, key: Any) -> Any:
        found = _taken(self._host, strict_gpu._unwrap(key))
        if not np.may_share_memory(found, self._host):  # else it is a view
            plan.operation("getitem", [found], found)
        return array(found)

    def put(self: Any, key: Any, value: Any) -> None:
        plan.operation("setitem", _hosts(value), _taken(self._host, strict_gpu._unwrap(key)))

    def launch(kernel: Any, like: Any, grid: tuple[int, ...], block: int, *arguments: Any, **_: Any) -> None:
        if 0 not in grid:
            plan.kernel(kernel, arguments)

    def in_place(name: str) -> Callable[..., Any]:
        def change(self: Any, other: Any) -> Any:
            plan.operation(name, [*_hosts(other), self._host], self._host)
            return self

        return change

    def call(function: Any, args: Any, kwargs: dict[str, Any], name: str, owner: Any = ()) -> Any:
        read = [*owner, *(host for leaf in strict_gpu._leaves([*args, *kwargs.values()]) for host in _hosts(leaf))]
        result = kwargs.get("out")
        if result is None:
            made = _result(function, args, kwargs, name, owner)
            result = array(made)
            if made.base is None:
                plan.unwritten(made)
        if not any(np.may_share_memory(result._host, host) for host in read):  # else it is a view
            plan.operation(name, read, result._host)
        return result

    names = [name.strip("_") for name in strict_gpu.ARITHMETIC]
    changes = [(array, f"__i{name}__", in_place(name)) for name in names if hasattr(array, f"__i{name}__")]
    return [
        (array, "__init__", born),
        (array, "__getitem__", get),
        (array, "__setitem__", put),
        *changes,
        (strict_gpu, "empty", empty),
        (strict_gpu, "_call", call),
        (launcher.Kernel, "launch", launch),
        *_cublas(plan),
    ]


def _cublas(plan: Plan) -> list[tuple[Any, str, Any]]:
    """The stand-in's products."""
    strict_cublas = import_module("strict_cublas")
    names = ("gemmEx", "gemmStridedBatchedEx")
    taken = {name: list(inspect.signature(getattr(strict_cublas, name)).parameters) for name in names}

    def recorder(name: str) -> Callable[..., None]:
        def call(*arguments: Any) -> None:
            told = dict(zip(taken[name], arguments, strict=True))
            beta = ctypes.cast(told["beta"], ctypes.POINTER(ctypes.c_uint32))[0]
            sizes = told["n"], told["k"], told["m"]  # cuBLAS thinks in columns
            itemsizes = tuple(strict_cublas.DTYPES[told[kind]].itemsize for kind in ("Atype", "Ctype"))
            plan.product(sizes, told.get("batchCount", 1), itemsizes, to=told["C"], adds=bool(beta))

        return call

    return [(strict_cublas, name, recorder(name)) for name in names]


def _forget_calls() -> None:
    """Products keep the function that they call, which is another one now."""
    arithmetic._plan.cache_clear()


def _result(function: Any, args: Any, kwargs: dict[str, Any], name: str, owner: Any) -> np.ndarray:
    """Memory for the result, with its shape and dtype. Of what few functions make, with the numbers."""
    hosts = [strict_gpu._unwrap(a) for a in args]
    if function in ELEMENTWISE or isinstance(function, np.ufunc):
        like = [np.ones((1,) * a.ndim, a.dtype) if isinstance(a, np.ndarray) else a for a in hosts]
        shape = np.broadcast_shapes(*(np.shape(a) for a in hosts))
        return np.empty(shape, np.asarray(function(*like)).dtype)
    if name == "arange":
        return np.empty(len(range(*hosts)), kwargs.get("dtype", int))
    if name in FILLS:
        return np.empty(hosts[0].shape, hosts[0].dtype)
    if name in COPIES:
        [source] = owner or hosts[:1]
        dtype = hosts[0] if name == "ndarray.astype" else source.dtype
        if kwargs.get("copy", name != "ascontiguousarray") or source.dtype != dtype or not source.flags.c_contiguous:
            return np.empty(source.shape, dtype)
        return source
    return np.asarray(function(*hosts, **{key: strict_gpu._unwrap(value) for key, value in kwargs.items()}))


def _taken(array: np.ndarray, key: Any) -> np.ndarray:
    """array[key]: a view, or for an array of indices fresh memory for what would be taken."""
    if isinstance(key, np.ndarray) and key.dtype != bool:
        return np.empty((*key.shape, *array.shape[1:]), array.dtype)
    return np.asarray(array[key])


def _owner(array: np.ndarray) -> np.ndarray:
    """The array whose memory this is a view of."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def _hosts(argument: Any) -> list[np.ndarray]:
    """The arrays of the card in an argument: itself, those in a struct, or none."""
    found: list[np.ndarray] = []
    if isinstance(argument, strict_gpu.ndarray):
        found.append(argument._host)
    elif hasattr(argument, "mapped"):  # a struct of a kernel's arguments
        argument.mapped(lambda part: found.extend(_hosts(part)))
    return found


@cache
def _parameters(file: str, kernel: str) -> dict[str, bool]:
    """The names of a kernel's parameters, and whether each is a pointer to what the kernel only reads."""
    text = launcher.source(file).split(f" {kernel}(", 1)[1]
    parameters = [parameter.strip() for parameter in text[: text.index(")")].split(",")]
    names = {parameter.split()[-1].lstrip("*"): parameter.startswith("const ") for parameter in parameters}
    return {name: constant or (kernel, name) in BARELY_WRITTEN for name, constant in names.items()}
