"""The stand-in for CuPy refuses what it promises to refuse, and allows nothing that CuPy lacks."""

import inspect

import numpy as np
import pytest
import strict_gpu
from strict_gpu import StrictError, asarray, counted


@pytest.fixture
def x() -> strict_gpu.ndarray:
    return asarray(np.arange(6, dtype=np.float32).reshape(2, 3))


@pytest.mark.parametrize(
    "attempt",
    [
        np.asarray,
        np.sum,
        lambda x: np.add(x, 1),
        lambda x: np.concatenate([x, x]),
        lambda x: x + np.ones(3, dtype=np.float32),
        lambda x: np.ones(3, dtype=np.float32) * x,
        lambda x: strict_gpu.matmul(x, np.ones((3, 2), dtype=np.float32)),
        lambda x: x.__iadd__(np.ones(3, dtype=np.float32)),
        lambda x: x.__setitem__(0, np.ones(3, dtype=np.float32)),
        lambda x: x[np.array([0, 1])],
        lambda x: x[[0, 1]],
    ],
)
def test_an_array_of_the_card_never_meets_one_of_the_host(x, attempt):
    with pytest.raises(TypeError):
        attempt(x)


def test_unknown_functions_methods_and_keywords_are_refused(x):
    with pytest.raises(AttributeError, match="nanquantile"):
        _ = strict_gpu.nanquantile
    with pytest.raises(AttributeError, match="tofile"):
        x.tofile("nowhere")
    with pytest.raises(StrictError, match="where"):
        strict_gpu.sum(x, where=x > 1)
    with pytest.raises(StrictError, match="initial"):
        x.max(initial=0)


def test_float32_stays_float32(x):
    assert (x * 2.0 + 1).dtype == np.float32
    assert strict_gpu.cumsum(x, axis=1, dtype=np.float64).dtype == np.float64  # asked for
    for attempt in (lambda: x * np.float64(2), lambda: x / asarray(np.arange(1, 4))):
        with pytest.raises(StrictError, match="float64"):
            attempt()


@pytest.mark.parametrize(
    "wait",
    [
        lambda x: float(x.sum()),
        lambda x: int(x[0, 0]),
        lambda x: bool(x[0, 0]),
        lambda x: x.sum().item(),
        lambda x: x.tolist(),
        lambda x: x.get(),
        lambda x: x.nonzero(),
        lambda x: x[x > 1],
        lambda x: x.__setitem__(x > 1, 0),
        lambda x: "yes" if x[0, 0] == 0 else "no",
    ],
)
def test_each_synchronisation_is_counted(x, wait):
    with counted() as counts:
        wait(x)
    assert counts.synchronizations == 1


def test_work_on_the_card_and_uploads_do_not_wait(x):
    with counted() as counts:
        y = asarray(np.ones(3, dtype=np.float32))
        z = strict_gpu.exp((x + y) @ y)[asarray(np.array([1, 0]))]
        z *= 2
        assert len(z) == 2
        assert z.shape == (2,)
    assert counts.synchronizations == 0
    assert counts.uploads == 2


def test_fresh_memory_is_poisoned():
    assert np.isnan(strict_gpu.empty((2, 3), dtype=np.float32).get()).all()
    assert np.isnan(strict_gpu.empty_like(strict_gpu.ones(3)).get()).all()
    with pytest.raises(IndexError):
        strict_gpu.ones(3)[strict_gpu.empty(2, dtype=np.int64)]


def test_a_negative_index_does_not_wrap(x):
    with pytest.raises(StrictError, match="wrap"):
        x[asarray(np.array([-1]))]


def test_views_share_memory(x):
    x.T[0] = 7
    x.reshape(6)[-1:] = 8
    assert x.get().tolist() == [[7, 1, 2], [7, 4, 8]]


# --- Against the real CuPy, which imports without a card ---


def test_cupy_has_every_function_and_keyword():
    cupy = pytest.importorskip("cupy", reason="CuPy is not installed")
    for name, keywords in strict_gpu.FUNCTIONS.items():
        _has_keywords(getattr(cupy, name), keywords, name)
    for name in ("asarray", "array", "empty", "empty_like", "array_equal"):
        _, *others = inspect.signature(getattr(strict_gpu, name)).parameters
        own = set(others) - {"a2"}
        _has_keywords(getattr(cupy, name), own, name)


def test_cupy_has_the_same_card():
    cupy = pytest.importorskip("cupy", reason="CuPy is not installed")
    cuda = strict_gpu.cuda
    for name in ("Device", "Event", "get_current_stream", "get_elapsed_time"):
        assert callable(getattr(cupy.cuda, name)), name
    for kind in (cuda.Device, cuda.Event, cuda.Stream):
        for name in vars(kind):
            assert name.startswith("_") or hasattr(getattr(cupy.cuda, kind.__name__), name), name
    assert all(hasattr(cupy.cuda.runtime, name) for name in vars(cuda.runtime))
    assert all(hasattr(cupy.cuda.MemoryPool, name) for name in vars(type(cuda.pool)) if not name.startswith("_"))
    assert callable(cupy.get_default_memory_pool)
    assert all(hasattr(cupy.lib.stride_tricks, name) for name in vars(strict_gpu.lib.stride_tricks))


def test_cupy_arrays_have_every_method_and_attribute():
    cupy = pytest.importorskip("cupy", reason="CuPy is not installed")
    own = {name for name in vars(strict_gpu.ndarray) if name.startswith("__")}
    own -= {
        "__module__",
        "__dict__",
        "__weakref__",
        "__getattr__",
        "__array_function__",
        "__array_ufunc__",
        "__index__",
    }
    for name in own | {
        *strict_gpu.METHODS,
        *strict_gpu.PROPERTIES,
        *strict_gpu.VIEWS,
        "get",
        "set",
        "item",
        "tolist",
        "flags",
    }:
        assert hasattr(cupy.ndarray, name), name
    for name, keywords in strict_gpu.METHODS.items():
        _has_keywords(getattr(cupy.ndarray, name), keywords, name)


def _has_keywords(function, keywords, name):
    """Compiled functions and ufuncs list their keywords in the docstring or nowhere."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (ValueError, TypeError):
        return
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return
    assert keywords <= {p.name for p in parameters}, name
