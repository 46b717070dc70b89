"""What a user may demand of translations, in text; `compile` turns it into rules for the search."""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from numpy_transformer.data.clean_text import clean_text
from numpy_transformer.decoding.option_values import is_whole
from numpy_transformer.decoding.required_terms import RequiredTerms, Term
from numpy_transformer.decoding.rules import BannedText, ForcedPrefix, MinimumLength, NoRepeatedNgram, Rule
from numpy_transformer.decoding.token_texts import TokenTexts
from numpy_transformer.errors import InputError

LONGEST_TRANSLATION = 10_000  # tokens; memory of attention grows with it
MOST_REQUIRED = 256  # tokens of all required terms; time grows faster than their number


class Vocabulary(Protocol):
    """What constraints need from a tokenizer."""

    special_tokens: dict[str, int]

    @property
    def vocabulary(self) -> Mapping[int, bytes]: ...

    def encode(self, text: str) -> list[int]: ...


class Demands(NamedTuple):
    """Compiled constraints: what beam_search obeys, and whether a given translation fulfils it."""

    rules: list[Rule]
    required: RequiredTerms | None
    maximum_length: int | None  # most tokens that a translation may have; None for the usual number
    room: int  # the tokens that it takes to fulfil everything in a row; the usual maximum grows to it

    def hold(self, ids: Sequence[int]) -> bool:
        """Whether the tokens of a translation, without bos and eos, fulfil everything."""
        return (
            (self.maximum_length is None or len(ids) <= self.maximum_length)
            and all(rule.holds(ids) for rule in self.rules)
            and (self.required is None or self.required.holds(ids))
        )


NO_DEMANDS = Demands([], None, None, 0)


@dataclass(frozen=True, kw_only=True)
class Constraints:
    """Demands on translations. Lengths count tokens. Raises InputError for impossible values.

    minimum_length, maximum_length: tokens of a translation; the default maximum is the source length + 50.
    no_repeat_ngram: no sequence of this many tokens occurs twice in one translation.
    prefix: how every translation begins. It may end within a word; with a space at its end, it ends with the word.
    banned: texts that occur in no translation, neither as words nor as parts of them.
    required: texts that occur in every translation, as words or as parts of them.

    Texts are cleaned as all others are (data/clean_text.py). Case and spelling count.
    """

    minimum_length: int = 0
    maximum_length: int | None = None
    no_repeat_ngram: int | None = None
    prefix: str = ""
    banned: tuple[str, ...] = ()
    required: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        lengths = {"min-length": self.minimum_length, "max-length": self.maximum_length}
        for name, count in {**lengths, "no-repeat-ngram": self.no_repeat_ngram}.items():
            if not is_whole(count) and (count is not None or name == "min-length"):
                raise InputError(f"{name} is {count!r}; it must be a whole number")
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
        if not isinstance(self.prefix, str):
            raise InputError(f"prefix is a {type(self.prefix).__name__}; give a str")
        for name in ("banned", "required"):
            terms = getattr(self, name)
            if not isinstance(terms, tuple | list):
                raise InputError(f"{name} is a {type(terms).__name__}; give a tuple of texts")
            for text in terms:
                if not isinstance(text, str):
                    raise InputError(f"a {name} term is a {type(text).__name__}; give a str")
                if not clean_text(text):
                    raise InputError(f"a {name} term is blank: name at least one character")
        for text in (self.prefix, *self.banned, *self.required):
            if any("\ud800" <= character <= "\udfff" for character in text):
                raise InputError(f"{text!r} holds half a surrogate pair, which is not a character")

    def compile(self, tokenizer: Vocabulary, *, eos_id: int) -> Demands:
        """`tokenizer` is that of the target language.

        Raises InputError if its tokens cannot write a text, max-length leaves no room for prefix and required terms, or
        these are too many.
        """
        tokens = TokenTexts(tokenizer.vocabulary, special=set(tokenizer.special_tokens.values()))
        prefix = _cleaned_prefix(self.prefix)
        texts = {clean_text(text) for text in self.required}
        terms = []
        for text in sorted(texts):
            if text not in prefix and not any(text in other for other in texts - {text}):  # else it comes with these
                after_space, bare = tokenizer.encode(f" {text}"), tokenizer.encode(text)
                terms.append(Term(text.encode("utf-8"), tokens, after_space=after_space, bare=bare))
        required = RequiredTerms(terms, tokens, eos_id=eos_id) if terms else None
        tokens_of_terms = required.tokens if required else 0
        if tokens_of_terms > MOST_REQUIRED:
            raise InputError(
                f"the required terms have {tokens_of_terms:,} tokens; require at most {MOST_REQUIRED} in a translation"
            )

        rules: list[Rule] = []
        tokens_of_prefix = 0
        if prefix:
            written = tokens.written(tokenizer.encode(prefix))
            before = written[: len(written) - len(written.lstrip())]  # SentencePiece writes a space before every word
            rule = ForcedPrefix(before + prefix.encode("utf-8"), tokens, eos_id=eos_id, reserve=tokens_of_terms)
            rules.append(rule)
            tokens_of_prefix = rule.tokens
        if self.minimum_length:
            rules.append(MinimumLength(self.minimum_length, eos_id))
        if self.no_repeat_ngram is not None:
            rules.append(NoRepeatedNgram(self.no_repeat_ngram))
        # A model could write a letter in both forms.
        forms = {unicodedata.normalize(form, clean_text(text)) for text in self.banned for form in ("NFC", "NFD")}
        rules += [BannedText(text.encode("utf-8"), tokens) for text in sorted(forms)]
        # What may overlap needs no more than its longest part.
        least = max(tokens_of_prefix, *(term.fewest for term in terms), 0)
        if self.maximum_length is not None and least > self.maximum_length:
            raise InputError(f"max-length is {self.maximum_length}, but prefix and required terms have {least} tokens")
        room = max(self.minimum_length, tokens_of_prefix + tokens_of_terms)
        return Demands(rules, required, self.maximum_length, room)


def _cleaned_prefix(text: str) -> str:
    """A space at its end stays, but one is enough: it says that the last word is whole."""
    prefix = clean_text(text)
    return f"{prefix} " if prefix and text[-1].isspace() else prefix
