"""What a user may demand of translations, in text; `compile` turns it into rules on tokens."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from numpy_transformer.decoding.required_terms import RequiredTerms, Term
from numpy_transformer.decoding.rules import BannedText, ForcedPrefix, MinimumLength, NoRepeatedNgram, Rule
from numpy_transformer.errors import InputError

LONGEST_TRANSLATION = 10_000  # tokens; memory of attention grows with it
MOST_REQUIRED = 256  # tokens of all required terms; time grows faster than their number


class Vocabulary(Protocol):
    """What constraints need from a tokenizer."""

    @property
    def vocabulary(self) -> Mapping[int, bytes]: ...

    def encode(self, text: str) -> list[int]: ...


class Compiled(NamedTuple):
    """The constraints as beam_search takes them."""

    rules: list[Rule]
    required: RequiredTerms | None
    least_limit: int  # tokens that a translation must be allowed to have


@dataclass(frozen=True, kw_only=True)
class Constraints:
    """Lengths count tokens. Raises InputError for impossible values.

    minimum_length, maximum_length: tokens of a translation; the default maximum is the source length + 50.
    no_repeat_ngram: no sequence of this many tokens occurs twice in one translation.
    prefix: how every translation begins.
    banned: texts that occur in no translation, as a whole or as a part of words.
    required: texts that occur in every translation.
    """

    minimum_length: int = 0
    maximum_length: int | None = None
    no_repeat_ngram: int | None = None
    prefix: str = ""
    banned: tuple[str, ...] = ()
    required: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.minimum_length < 0:
            raise InputError(f"min-length is {self.minimum_length}; it must be at least 0")
        if self.maximum_length is not None and self.maximum_length < max(1, self.minimum_length):
            least = "min-length" if self.minimum_length > 1 else "1"
            raise InputError(f"max-length is {self.maximum_length}; it must be at least {least}")
        for name, value in (
            ("min-length", self.minimum_length),
            ("max-length", self.maximum_length),
            ("no-repeat-ngram", self.no_repeat_ngram),
        ):
            if value is not None and value > LONGEST_TRANSLATION:
                raise InputError(f"{name} is {value}; it must be at most {LONGEST_TRANSLATION:,}")
        if self.no_repeat_ngram is not None and self.no_repeat_ngram < 1:
            raise InputError(f"no-repeat-ngram is {self.no_repeat_ngram}; it must be at least 1")
        for name in ("banned", "required"):
            if isinstance(getattr(self, name), str):
                raise InputError(f"{name} is a str; give a tuple of texts")
            if not all(text.strip() for text in getattr(self, name)):
                raise InputError(f"a {name} term is blank: name at least one character")

    def compile(self, tokenizer: Vocabulary, *, eos_id: int, pad_id: int) -> Compiled:
        """`tokenizer` is that of the target language.

        Raises InputError if max-length leaves no room for the prefix and the required terms, or these are too many.
        """
        rules: list[Rule] = []
        prefix = tokenizer.encode(self.prefix)
        if prefix:
            rules.append(ForcedPrefix(prefix))
        if self.minimum_length:
            rules.append(MinimumLength(self.minimum_length, eos_id))
        if self.no_repeat_ngram is not None:
            rules.append(NoRepeatedNgram(self.no_repeat_ngram))
        rules += [BannedText(text.encode("utf-8"), tokenizer.vocabulary) for text in self.banned]
        required = None
        if self.required:
            texts = [text.strip() for text in self.required]
            terms = [Term(tokenizer.encode(f" {text}"), tokenizer.encode(text)) for text in texts]
            required = RequiredTerms(terms, eos_id=eos_id, pad_id=pad_id)
        if required is not None and required.tokens > MOST_REQUIRED:
            raise InputError(
                f"the required terms have {required.tokens:,} tokens; require at most {MOST_REQUIRED} in a translation"
            )
        least_limit = max(self.minimum_length, len(prefix) + (required.tokens if required else 0))
        if self.maximum_length is not None and least_limit > self.maximum_length:
            raise InputError(
                f"max-length is {self.maximum_length}, but prefix and required terms have {least_limit} tokens"
            )
        return Compiled(rules, required, least_limit)
