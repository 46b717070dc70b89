"""Who wants to know how far a backward has come: a sum over ranks may begin while the rest is still computed.

    with told_of_layers(listener):
        model.loss_and_gradients(...)      # calls listener(gradients of a layer) as soon as they are complete

The backward of a stack (stack.py) runs from its last layer to its first, and never comes back to one. What belongs to
no layer, such as the table, which is used three times, is complete when the whole backward is.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

Listener = Callable[[Any], None]

_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


@contextmanager
def told_of_layers(listener: Listener) -> Iterator[None]:
    """Inside the with statement, in this thread, `listener` is called with the gradients of each layer that is done."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def layer_is_done(gradients: Any) -> None:
    """No later backward of this step writes to `gradients`, the tree of one layer."""
    listener = _listener.get()
    if listener is not None:
        listener(gradients)
