"""A language model goes on with a text, piece by piece."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from bpe.decoding import IncrementalDecoder
from numpy_transformer.data.clean_text import clean_letters
from numpy_transformer.decoding.attention_maps import StackMaps
from numpy_transformer.decoding.attention_weights import stack_weights
from numpy_transformer.decoding.continuation import complete
from numpy_transformer.decoding.token_by_token import Sampling
from numpy_transformer.errors import InputError
from numpy_transformer.models.decoder_only import LanguageModel


class Completer:
    """A language model and its tokenizer (a bpe.Tokenizer, or what has its methods)."""

    def __init__(self, model: LanguageModel, tokenizer: Any) -> None:
        self.model, self.tokenizer = model.quantised(), tokenizer

    def stream(
        self, prompt: str, *, length: int = 200, sampling: Sampling | None = None, texts: int = 1
    ) -> Iterator[list[str]]:
        """What is added to each of `texts` texts, in pieces, up to `length` tokens: greedy, or as `sampling` says.

        A text ends at the model's own end. Raises InputError for an empty prompt and one longer than the context.
        """
        if length < 1 or texts < 1:
            raise InputError(f"length is {length} and texts {texts}; both must be at least 1")
        ids = self.tokenizer.encode(clean_letters(prompt))
        decoders = [IncrementalDecoder(self.tokenizer.vocabulary.__getitem__) for _ in range(texts)]
        ended = np.zeros(texts, dtype=bool)
        for tokens in complete(self.model, ids, length, sampling, texts=texts):
            ended |= tokens == self.model.config.eos_id
            if ended.all():
                break
            yield [
                "" if over else decoder.push(int(token))
                for decoder, token, over in zip(decoders, tokens, ended, strict=True)
            ]
        yield [decoder.finish() for decoder in decoders]

    def attention(self, text: str) -> StackMaps:
        """What each token of a text looks at, the prompt and its completion, say: read again as a whole.

        Raises InputError for a text of fewer than two tokens, and one longer than the context.
        """
        ids, vocabulary = self.tokenizer.encode(clean_letters(text)), self.tokenizer.vocabulary
        context = self.model.config.context
        if len(ids) < 2:
            raise InputError("the text has fewer than two tokens: no token looks back at another")
        if context is not None and len(ids) > context:
            raise InputError(f"the text has {len(ids)} tokens; the model's context is {context}: lower --length")
        return StackMaps([vocabulary[token] for token in ids], stack_weights(self.model, ids), looks_back=True)

    def complete(
        self, prompt: str, *, length: int = 200, sampling: Sampling | None = None, texts: int = 1
    ) -> list[str]:
        """The whole completions, without the prompt; arguments as in `stream`."""
        pieces = self.stream(prompt, length=length, sampling=sampling, texts=texts)
        return ["".join(parts) for parts in zip(*pieces, strict=True)]
