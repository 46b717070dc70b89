"""A web page for your own computer: type a sentence, watch its translation appear (docs/serve.md).

    turns.py        one translation at a time, in the order of arrival
    translation.py  a text -> events: drafts while the search goes on, the n best, their attention
    about.py        what the page says about the model
    service.py      what all requests share: the translator, the limits, the address
    handler.py      one HTTP request: what is refused, what is answered
    server.py       the server: connections, beginning and end

The search knows nothing about the server. It reports each step to an observer (decoding/live.py), and an exception
that the observer raises ends it.
"""

from numpy_transformer.serve.about import About, about_models
from numpy_transformer.serve.server import PageServer, serve

__all__ = ["About", "PageServer", "about_models", "serve"]
