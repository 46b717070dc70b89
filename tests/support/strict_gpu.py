"""A stand-in for CuPy on machines without a GPU: NumPy underneath, and stricter than CuPy.

To NumPy, an array of this module is as foreign as an array on a card. It

- never turns into a NumPy array implicitly, nor mixes with one in an operation (use `get` and `asarray`);
- has only functions, methods and keywords that CuPy has (FUNCTIONS, METHODS; test_strict_gpu.py compares them with the
  real CuPy if that is installed);
- never makes float64 from float32 alone, unless a dtype was requested;
- counts what makes the host wait for the card (`counted`, `waits`), transfers to the card and launches on it;
- fills fresh memory with NaN, which reveals a read before the first write.

CUDA cannot run here: RawModule runs a kernel's NumPy twin instead (strict_raw.py).
"""

import operator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import numpy as np

# name -> keywords it may be given. A function that CuPy has under another meaning or not at all is left out.
_UFUNC = {"out", "dtype"}
_REDUCTION = {"axis", "dtype", "out", "keepdims"}
_EXTREMUM = {"axis", "out", "keepdims"}
FUNCTIONS: dict[str, set[str]] = {
    **dict.fromkeys(["add", "subtract", "multiply", "divide", "true_divide", "maximum", "minimum"], _UFUNC),
    **dict.fromkeys(
        ["exp", "log", "logaddexp", "sqrt", "tanh", "isfinite", "isnan", "less", "greater", "equal"], _UFUNC
    ),
    **dict.fromkeys(["sum", "mean", "prod"], _REDUCTION),
    **dict.fromkeys(["max", "min", "amax", "any", "all"], _EXTREMUM),
    "arange": {"dtype"},
    "argmax": {"axis", "dtype", "out", "keepdims"},
    "argpartition": {"axis"},
    "argsort": {"axis", "kind"},
    "ascontiguousarray": {"dtype"},
    "asfortranarray": {"dtype"},
    "broadcast_to": set(),
    "concatenate": {"axis", "out", "dtype"},
    "copyto": {"casting", "where"},
    "cumsum": {"axis", "dtype", "out"},
    "dot": {"out"},
    "einsum": set(),
    "expand_dims": {"axis"},
    "eye": {"M", "k", "dtype", "order"},
    "full": {"dtype", "order"},
    "full_like": {"dtype", "order"},
    "matmul": {"out", "dtype"},
    "ones": {"dtype", "order"},
    "ones_like": {"dtype"},
    "stack": {"axis", "out", "dtype"},
    "take": {"axis", "out"},
    "take_along_axis": {"axis"},
    "tri": {"M", "k", "dtype"},
    "tril": {"k"},
    "where": set(),
    "zeros": {"dtype", "order"},
    "zeros_like": {"dtype", "order", "shape"},
}
METHODS: dict[str, set[str]] = {
    **dict.fromkeys(["sum", "mean", "prod"], _REDUCTION),
    **dict.fromkeys(["max", "min", "any", "all"], _EXTREMUM),
    "argmax": {"axis", "out", "dtype", "keepdims"},
    "argsort": {"axis", "kind"},
    "astype": {"order", "casting", "copy"},
    "copy": {"order"},
    "cumsum": {"axis", "dtype", "out"},
    "fill": set(),
    "ravel": {"order"},
    "reshape": {"order"},
    "squeeze": {"axis"},
    "swapaxes": set(),
    "transpose": set(),
    "view": {"dtype"},
}
# Attributes that come back as they are, without touching the card.
PROPERTIES = ("shape", "dtype", "ndim", "size", "itemsize", "nbytes", "strides")
VIEWS = ("T", "real", "imag")
ARITHMETIC = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and_", "or_", "xor")
COMPARISONS = ("lt", "le", "gt", "ge", "eq", "ne")


nan, inf, pi = np.nan, np.inf, np.pi


class StrictError(TypeError):
    """Raised for something that CuPy, or a card, would not do."""


@dataclass
class Counts:
    """Counts since the start of `counted`."""

    synchronizations: int = 0  # the host waited for the card
    uploads: int = 0  # arrays that went from the host to the card (asynchronous)
    launches: int = 0  # kernels, products and operations, each as one, though some of CuPy's are several


_counts = Counts()
_waits = 0  # since the program began


@contextmanager
def counted():
    """Counts within a with statement: `with counted() as counts: ...; counts.synchronizations`."""
    global _counts
    before, _counts = _counts, Counts()
    try:
        yield _counts
    finally:
        _counts = before


def wait() -> None:
    """The host waits for the card."""
    global _waits
    _waits += 1
    _counts.synchronizations += 1


def waits() -> int:
    """How often the host has waited since the program began."""
    return _waits


class ndarray:  # noqa: N801  (CuPy's name)
    """An array on the pretended card."""

    __array_ufunc__ = None  # numpy_array + this raises TypeError instead of converting
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, host: np.ndarray) -> None:
        self._host = host

    # --- The ways to the host: each makes it wait ---

    def get(self, stream: Any = None, order: str = "C", out: Any = None, blocking: bool = True) -> np.ndarray:
        wait()
        if out is None:
            return self._host.copy()
        out[...] = self._host
        return out

    def item(self) -> Any:
        return self.get().item()

    def tolist(self) -> Any:
        return self.get().tolist()

    def __float__(self) -> float:
        return float(self.get())

    def __int__(self) -> int:
        return int(self.get())

    def __bool__(self) -> bool:
        return bool(self.get())

    def __complex__(self) -> complex:
        return complex(self.get())

    def nonzero(self) -> tuple["ndarray", ...]:
        wait()
        return tuple(map(ndarray, self._host.nonzero()))

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        raise StrictError("implicit conversion to a NumPy array: use get() where that is meant")

    def __array_function__(self, function: Any, *_: Any) -> Any:
        raise StrictError(f"numpy.{function.__name__} was called on an array of the card: use array_module")

    # --- What stays on the card, and the way to it ---

    def set(self, arr: np.ndarray, stream: Any = None) -> None:
        _counts.uploads += 1
        self._host[...] = arr

    def __len__(self) -> int:
        return len(self._host)

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        return f"strict_gpu.{self._host!r}"

    def __getattr__(self, name: str) -> Any:
        if name in PROPERTIES:
            return getattr(self._host, name)
        if name in VIEWS:
            return ndarray(getattr(self._host, name))
        if name == "flags":
            return self._host.flags
        if name == "data":  # where it stands on the card
            return SimpleNamespace(ptr=self._host.ctypes.data)
        if name in METHODS:
            return _wrapped(getattr(self._host, name), METHODS[name], f"ndarray.{name}", [self._host])
        raise AttributeError(f"an array of CuPy has no {name!r}, or strict_gpu.py does not know it yet")

    def __getitem__(self, key: Any) -> "ndarray":
        result = np.asarray(self._host[_index(key)])
        _count_launch(result, [self._host])
        return ndarray(result)

    def __setitem__(self, key: Any, value: Any) -> None:
        _counts.launches += 1
        self._host[_index(key)] = _unwrap(value)


def _operator(name: str) -> None:
    function = getattr(operator, name)

    def forward(self: ndarray, other: Any) -> ndarray:
        return _call(function, [self, other], {}, name)

    def backward(self: ndarray, other: Any) -> ndarray:
        return _call(function, [other, self], {}, name)

    def in_place(self: ndarray, other: Any) -> ndarray:
        _counts.launches += 1
        getattr(operator, f"i{name}")(self._host, _unwrap(other))
        return self

    plain = name.strip("_")
    setattr(ndarray, f"__{plain}__", forward)
    if plain not in COMPARISONS:
        setattr(ndarray, f"__r{plain}__", backward)
        if plain != "matmul":  # CuPy has no @=
            setattr(ndarray, f"__i{plain}__", in_place)


for _name in (*ARITHMETIC, *COMPARISONS):
    _operator(_name)
for _name in ("neg", "invert", "abs"):
    _unary = getattr(operator, _name)
    setattr(ndarray, f"__{_name}__", lambda self, _function=_unary: _call(_function, [self], {}, _function.__name__))


def _unwrap(value: Any) -> Any:
    """The NumPy array underneath; a NumPy array itself is refused. Python and NumPy scalars pass."""
    if isinstance(value, ndarray):
        return value._host
    if isinstance(value, np.ndarray):
        raise StrictError("a NumPy array met an array of the card: to_device moves it")
    if isinstance(value, list | tuple):
        return type(value)(map(_unwrap, value))
    return value


def _index(key: Any) -> Any:
    """A boolean mask makes the host wait, to learn how many elements it picks."""
    host = _unwrap(key)
    parts = host if isinstance(host, tuple) else (host,)
    if any(isinstance(part, list) for part in parts):
        raise StrictError("a list as an index is uploaded at each use: make an array of it once")
    if any(isinstance(part, np.ndarray) and part.dtype == bool for part in parts):
        wait()
    if any(isinstance(part, np.ndarray) and part.dtype != bool and part.size and part.min() < 0 for part in parts):
        raise StrictError("a negative index in an index array: a card would wrap it silently")
    return host


def _call(function: Any, args: Any, kwargs: dict[str, Any], name: str, owner: Any = ()) -> Any:
    arrays = [a for a in (*owner, *_leaves(args), *_leaves(kwargs.values())) if isinstance(a, np.ndarray | ndarray)]
    result = function(*map(_unwrap, args), **{key: _unwrap(value) for key, value in kwargs.items()})
    given = kwargs.get("out")
    if given is not None or result is None:
        _counts.launches += 1
        return given
    result = np.asarray(result)
    _count_launch(result, [_unwrap(a) if isinstance(a, ndarray) else a for a in arrays])
    floats = [a.dtype for a in arrays if a.dtype.kind in "fc"]
    if result.dtype == np.float64 and floats and np.float64 not in floats and not _dtype_was_given(args, kwargs):
        raise StrictError(f"{name} made float64 out of {', '.join(map(str, floats))}")
    return ndarray(result)


def _count_launch(result: np.ndarray, arrays: list[np.ndarray]) -> None:
    """One, unless the result is a view: then nothing was computed."""
    _counts.launches += not any(np.may_share_memory(result, array) for array in arrays)


def _leaves(values: Any) -> list[Any]:
    return [leaf for value in values for leaf in (value if isinstance(value, list | tuple) else (value,))]


def _dtype_was_given(args: Any, kwargs: dict[str, Any]) -> bool:
    return kwargs.get("dtype") is not None or any(isinstance(a, type | np.dtype | str) for a in args)


def _wrapped(function: Any, keywords: set[str], name: str, owner: Any = ()) -> Any:
    def call(*args: Any, **kwargs: Any) -> Any:
        if not kwargs.keys() <= keywords:
            raise StrictError(f"{name} of CuPy has no keyword {', '.join(sorted(kwargs.keys() - keywords))}")
        return _call(function, args, kwargs, name, owner)

    return call


def asarray(a: Any, dtype: Any = None, order: Any = None, *, blocking: bool = False) -> ndarray:
    """Copy to the card, unless it is there already. CuPy stages it in pinned memory, so the host does not wait."""
    if isinstance(a, ndarray):
        return ndarray(np.asarray(a._host, dtype=dtype, order=order))
    _counts.uploads += 1
    return ndarray(np.array(a, dtype=dtype, order=order))


def array(obj: Any, dtype: Any = None, copy: bool = True, order: Any = "K") -> ndarray:
    """Like asarray, but always a copy."""
    return asarray(obj, dtype).copy()


def empty(shape: Any, dtype: Any = float, order: str = "C") -> ndarray:
    """Uninitialised memory: filled with NaN, or with the largest integer."""
    host = np.empty(shape, dtype, order)
    host.fill(np.nan if host.dtype.kind in "fc" else True if host.dtype == bool else np.iinfo(host.dtype).max)
    return ndarray(host)


def empty_like(a: ndarray, dtype: Any = None, order: str = "K", shape: Any = None) -> ndarray:
    """Uninitialised memory of another array's shape and dtype."""
    return empty(a.shape if shape is None else shape, a.dtype if dtype is None else dtype)


def array_equal(a1: ndarray, a2: ndarray, equal_nan: bool = False) -> ndarray:
    """Whether all are equal: one number on the card; reading it makes the host wait."""
    return ndarray(np.asarray(np.array_equal(_unwrap(a1), _unwrap(a2), equal_nan=equal_nan)))


def count_launch() -> None:
    """Something outside of this file was started on the card."""
    _counts.launches += 1


lib = SimpleNamespace(
    stride_tricks=SimpleNamespace(
        as_strided=_wrapped(np.lib.stride_tricks.as_strided, {"shape", "strides"}, "as_strided"),
        sliding_window_view=_wrapped(np.lib.stride_tricks.sliding_window_view, {"axis"}, "sliding_window_view"),
    )
)


def get_default_memory_pool() -> Any:
    """Of the pretended card."""
    return import_module("strict_cuda").pool


def __getattr__(name: str) -> Any:
    if name == "cuda":
        return import_module("strict_cuda")
    if name == "RawModule":
        return import_module("strict_raw").RawModule
    if name in FUNCTIONS:
        return _wrapped(getattr(np, name), FUNCTIONS[name], name)
    raise AttributeError(f"CuPy has no {name!r}, or strict_gpu.py does not know it yet")
