"""A web page for one's own computer: type a sentence, watch its translation appear (docs/serve.md).

    turns.py        one translation at a time, in the order of arrival
    translation.py  a text -> events: drafts while the search goes on, the n best, their attention
    about.py        what the page says about the model
    service.py      what all requests share: the translator, the limits, the address
    handler.py      one HTTP request: what is refused, what is answered
    server.py       the server: connections, beginning and end

The search knows nothing of the server: it tells an observer of each step (decoding/live.py), and what the observer
raises ends it.
"""

from numpy_transformer.serve.about import About, about_models
from numpy_transformer.serve.server import PageServer, serve

__all__ = ["About", "PageServer", "about_models", "serve"]
