"""A web page for your own computer: type a sentence, watch its translation appear (docs/serve.md).

    turns.py             one answer at a time, in the order of arrival
    service.py           what all requests share: what the page asks and shows, the limits, the address
    translation_page.py  the page that translates
    translation.py       a text -> events: drafts while the search goes on, the n best, their attention
    completion_page.py   the page on which a language model goes on with a text
    about.py             what a page says about the model
    handler.py           one HTTP request: what is refused, what is answered
    server.py            the server: connections, beginning and end

The search knows nothing about the server. It reports each step to an observer (decoding/live.py), and an exception
that the observer raises ends it.
"""

from numpy_transformer.serve.about import About, about_models
from numpy_transformer.serve.completion_page import CompletionPage
from numpy_transformer.serve.server import PageServer, serve
from numpy_transformer.serve.translation_page import TranslationPage

__all__ = ["About", "CompletionPage", "PageServer", "TranslationPage", "about_models", "serve"]
