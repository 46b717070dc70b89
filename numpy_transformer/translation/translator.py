"""class Translator: a model and its tokenizer, from text to text."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from bpe import Tokenizer
from numpy_transformer.data.batching import LONGEST_SOURCE
from numpy_transformer.decoding import (
    EXTRA_LENGTH,
    Decoded,
    Sampling,
    beam_search,
    greedy_search,
    sample,
)
from numpy_transformer.decoding.alignment import Alignment, align_words, attended
from numpy_transformer.decoding.attention_maps import AttentionMaps
from numpy_transformer.decoding.attention_weights import attention_weights
from numpy_transformer.decoding.constraints import Constraints
from numpy_transformer.decoding.forced import forced_log_probabilities, padded
from numpy_transformer.decoding.lexical_shortlist import Shortlist
from numpy_transformer.decoding.packed import PackedModel
from numpy_transformer.decoding.recorder import BeamRecorder
from numpy_transformer.errors import InputError
from numpy_transformer.formats.marian import MarianTokenizer, is_marian_folder, load_marian
from numpy_transformer.models.transformer import Transformer
from numpy_transformer.storage.run_files import RunFiles

BATCH_TOKENS = 2048  # source tokens of a batch, padding included


class TextError(InputError):
    """A text cannot be translated. `number` counts the texts of the call from 1."""

    def __init__(self, number: int, reason: str) -> None:
        self.number = number
        self.reason = reason
        super().__init__(f"line {number} {reason}")

    def __reduce__(self) -> tuple[type, tuple[int, str]]:  # so that it comes out of a worker process
        return TextError, (self.number, self.reason)


class OverlongError(TextError):
    """A text has too many tokens."""

    def __init__(self, number: int, tokens: int) -> None:
        super().__init__(number, f"has {tokens:,} tokens, more than {LONGEST_SOURCE:,}: split it into sentences")


class ForbiddenError(TextError):
    """The constraints forbid whatever the search came upon."""

    def __init__(self, number: int) -> None:
        super().__init__(number, "has no translation that fulfils the constraints: loosen them, or widen the beam")


@dataclass(frozen=True)
class Hypothesis:
    """One translation of a sentence."""

    text: str
    ids: list[int]  # without bos and eos
    log_probability: float  # of the ids and the eos behind them, natural logarithm
    score: float  # log_probability / length penalty: what the search ranks by
    alignment: Alignment = ()  # from the words of the text to those of the translation, where it was asked for


class Translator:
    """Translates with a model and the tokenizer that it was trained with.

    What a sentence becomes depends on nothing but the sentence and the options: not on the other sentences, their
    order or the batch size.

    The first search packs the model's weights (decoding/packed.py). After a change of the model's parameters, make a
    new Translator.

    Raises InputError if the tokenizer does not fit the model.
    """

    def __init__(self, model: Transformer, tokenizer: Tokenizer | MarianTokenizer) -> None:
        config = model.config
        if len(tokenizer) != config.vocabulary_size:
            raise InputError(
                f"the tokenizer has {len(tokenizer)} tokens, the model {config.vocabulary_size}: "
                "use the tokenizer.json that the model was trained with"
            )
        if isinstance(tokenizer, Tokenizer) and model.tokenizer_digest not in (None, tokenizer.digest):
            raise InputError("the model was trained with another tokenizer: use the tokenizer.json of its run")
        if not {config.pad_id, config.bos_id, config.eos_id} <= set(tokenizer.special_tokens.values()):
            raise InputError(
                f"pad, bos and eos ({config.pad_id}, {config.bos_id}, {config.eos_id}) are no special tokens of the "
                "tokenizer: use the tokenizer.json that the model was trained with"
            )
        self.model = model
        self.tokenizer = tokenizer
        self.target_tokenizer = tokenizer.of_target if isinstance(tokenizer, MarianTokenizer) else tokenizer
        self._models = [model]  # one, or an ensemble
        self._shortlist: Shortlist | None = None

    def together_with(self, others: "Sequence[Translator]", *, names: Sequence[str | Path]) -> "Translator":
        """An ensemble: the probability of a token is the mean of all the models' (decoding/ensemble.py).

        Raises InputError, with the name of the first that does not fit, unless all have the same tokenizer.
        """
        for other, name in zip(others, names, strict=True):
            if not _same_tokenizer(self.tokenizer, other.tokenizer):
                raise InputError(f"{name}: has another tokenizer: an ensemble's models must share one")
        together = Translator(self.model, self.tokenizer)
        together._models = [model for translator in (self, *others) for model in translator._models]
        return together

    @classmethod
    def load(cls, path: str | Path, *, device: str = "cpu") -> "Translator":
        """Open a run folder, a checkpoint file, or a Marian model's folder (marian.py).

        Of a run folder the averaged checkpoint is taken if there is one, else the best, else the newest. The
        tokenizer of a checkpoint file is looked for in its folder and in the folder above. Raises InputError, or
        bpe.TokenizerError, that names the file and the remedy.
        """
        path = Path(path)
        if not path.exists():
            raise InputError(f"{path}: no such run folder or checkpoint: check the name, or train a model first")
        if is_marian_folder(path):
            return cls(*load_marian(path, device=device))
        checkpoint = RunFiles(path).checkpoint_to_translate_with() if path.is_dir() else path
        model = Transformer.load(checkpoint, device=device)
        checkpoint = checkpoint.absolute()
        for folder in (checkpoint.parent, checkpoint.parent.parent):
            file = folder / "tokenizer.json"
            if file.is_file():
                tokenizer = Tokenizer.load(file)
                try:
                    return cls(model, tokenizer)
                except InputError as error:
                    raise InputError(f"{file}: {error}") from None
        raise InputError(f"{checkpoint}: no tokenizer.json in its folder or the one above: copy it from the run")

    def translate(
        self,
        texts: Iterable[str],
        *,
        beam: int = 4,
        alpha: float = 0.6,
        batch_tokens: int = BATCH_TOKENS,
    ) -> list[str]:
        """The best translation of each text; a blank text gives a blank one. Options as in `hypotheses`."""
        found = self.hypotheses(texts, beam=beam, alpha=alpha, batch_tokens=batch_tokens)
        return [best.text for best, *_ in found]

    def hypotheses(
        self,
        texts: Iterable[str],
        *,
        beam: int = 4,
        alpha: float = 0.6,
        n_best: int = 1,
        sampling: Sampling | None = None,
        batch_tokens: int = BATCH_TOKENS,
        coverage: float = 0.0,
        constraints: Constraints | None = None,
        recorder: BeamRecorder | None = None,
    ) -> list[list[Hypothesis]]:
        """The n best translations of each text, best first.

        beam: hypotheses kept per sentence; 1 is greedy search. At least n_best.
        alpha: exponent of the length penalty ((5 + length) / 6)^alpha, at least 0; larger favours longer ones.
        sampling: draw n_best translations at random instead of searching.
        batch_tokens: source tokens that are decoded at once, padding included; a matter of memory and speed only.
        coverage: weight of the coverage penalty of beam search (Wu et al. 2016), at least 0; 0.2 is usual.
        constraints: what the translations must hold or not hold; beam search only.
        recorder: told of every step of beam search, for a single text.

        A blank text has one hypothesis, the empty one. A text has fewer than n_best where the search found fewer.
        Raises InputError for impossible options, OverlongError for a text of more than 1,000 tokens, ForbiddenError
        for one of which the search found nothing that fulfils the constraints.
        """
        check_options(
            beam=beam,
            alpha=alpha,
            n_best=n_best,
            batch_tokens=batch_tokens,
            sampling=sampling,
            coverage=coverage,
            constraints=constraints,
            shortlist=self._shortlist is not None,
        )
        sources = self._encode(texts)
        if recorder is not None and len(sources) != 1:
            raise InputError("the search of one text is recorded at a time: give a list of one")
        results = [[Hypothesis("", [], 0.0, 0.0)] for _ in sources]
        lengths = [len(ids) for ids in sources]
        plain_greedy = beam == 1 and not coverage and constraints is None and recorder is None and not self._shortlist
        if sampling is not None or plain_greedy:
            for indices in _batches(lengths, batch_tokens):
                source, limits = self._padded([sources[i] for i in indices])
                if sampling is not None:
                    found = sample(self._packed, source, sampling, limits=limits, alpha=alpha, samples=n_best)
                else:
                    found = greedy_search(self._packed, source, limits=limits, alpha=alpha)
                for index, decoded in zip(indices, found, strict=True):
                    results[index] = [self._hypothesis(one) for one in decoded]
            return results

        rules, required, least_limit = (constraints or Constraints()).compile(
            self.target_tokenizer, eos_id=self.model.config.eos_id, pad_id=self.model.config.pad_id
        )
        for indices in _similar(lengths):
            source, limits = self._padded([sources[i] for i in indices])
            if constraints is not None and constraints.maximum_length is not None:
                limits[:] = constraints.maximum_length
            found = beam_search(
                self._packed,
                source,
                limits=np.maximum(limits, least_limit),
                beam=beam,
                alpha=alpha,
                n_best=n_best,
                coverage=coverage,
                rules=rules,
                required=required,
                rows=max(1, batch_tokens // source.shape[1]),
                shortlist=self._shortlist,
                recorder=recorder,
            )
            for index, decoded in zip(indices, found, strict=True):
                if not decoded:
                    raise ForbiddenError(index + 1)
                results[index] = [self._hypothesis(one) for one in decoded]
        return results

    def score(self, pairs: Iterable[tuple[str, str]]) -> list[float]:
        """The log-probability (natural logarithm) of each pair's second text as a translation of the first.

        Raises InputError for a blank source, and OverlongError for a text of more than 1,000 tokens.
        """
        pairs = list(pairs)
        sources = self._encode([source for source, _ in pairs])
        targets = self._encode([target for _, target in pairs], self.target_tokenizer)
        for number, source in enumerate(sources, 1):
            if not source:
                raise TextError(number, "has a blank source: there is nothing that its translation could be scored by")
        order = sorted(range(len(pairs)), key=lambda i: (len(sources[i]), len(targets[i])))
        scores = np.zeros(len(pairs))
        scores[order] = forced_log_probabilities(self._models, [(sources[i], targets[i][:-1]) for i in order])
        return scores.tolist()

    def align(self, texts: Iterable[str], translations: Sequence[Sequence[int]]) -> list[Alignment]:
        """Which word of each text each word of its translation comes from (decoding/alignment.py).

        The translations are ids, such as Hypothesis.ids. Words are what `str.split` finds; a blank text or translation
        has no links. Raises OverlongError for a text of more than 1,000 tokens, InputError for ids that there are not
        and for another number of translations than of texts.
        """
        config, vocabulary = self.model.config, self.tokenizer.vocabulary
        sources, targets = self._encode(texts), [self._with_eos(ids) for ids in translations]
        if len(sources) != len(targets):
            raise InputError(f"there are {len(sources)} texts and {len(targets)} translations: give one for each")
        found: list[Alignment] = [()] * len(sources)
        lengths = [
            max(len(source), len(target)) * bool(source) for source, target in zip(sources, targets, strict=True)
        ]
        for indices in _batches(lengths, BATCH_TOKENS):
            source, target = (padded([ids[i] for i in indices], config.pad_id) for ids in (sources, targets))
            for index, weights in zip(indices, attended(self._models, source, target), strict=True):
                pieces = [[vocabulary[i] for i in ids[index][:-1]] for ids in (sources, targets)]
                found[index] = align_words(weights[: len(pieces[1]), : len(pieces[0])], *pieces)
        return found

    def load_shortlist(self, path: str | Path) -> None:
        """From now on, search among likely tokens only (decoding/shortlist.py): faster, at times another translation.

        `path` is a run folder, or a checkpoint file in one. Raises InputError if it has no shortlist for this
        tokenizer, or this is an ensemble.
        """
        if len(self._models) > 1 or not isinstance(self.tokenizer, Tokenizer):
            raise InputError("a shortlist is for a single model that was trained here, not for this one")
        run = RunFiles(path if Path(path).is_dir() else Path(path).absolute().parent.parent)
        self._shortlist = Shortlist.load(run.shortlist_file, tokenizer=self.tokenizer.digest)

    def pack(self) -> None:
        """Pack the weights now: processes that fork afterwards, and threads, then share the copy."""
        _ = self._packed

    @cached_property
    def _packed(self) -> list[PackedModel]:
        return [PackedModel(model) for model in self._models]

    def _padded(self, sources: Sequence[list[int]]) -> tuple[np.ndarray, np.ndarray]:
        """Ids (B, S) with padding behind, and how long the translations may be (B,)."""
        lengths = np.array([len(ids) for ids in sources])
        return padded(sources, self.model.config.pad_id), lengths - 1 + EXTRA_LENGTH

    def attention(self, text: str, ids: Sequence[int]) -> AttentionMaps:
        """Where each layer and head looks, for a text and the ids of a translation of it, such as Hypothesis.ids.

        Raises InputError for a blank text and for ids that there are not.
        """
        [source] = self._encode([text])
        if not source:
            raise InputError("a blank text has no attention: give a sentence")
        target = self._with_eos(ids)
        return AttentionMaps(
            source=[self.tokenizer.vocabulary[i] for i in source],
            target=[self.tokenizer.vocabulary[i] for i in target],
            weights=attention_weights(self.model, source, target),
        )

    def _with_eos(self, ids: Sequence[int]) -> list[int]:
        unknown = [i for i in ids if i not in self.tokenizer.vocabulary]
        if unknown:
            raise InputError(f"there is no token {unknown[0]}; the vocabulary has {len(self.tokenizer)}")
        return [*ids, self.model.config.eos_id]

    def _encode(self, texts: Iterable[str], tokenizer: Tokenizer | MarianTokenizer | None = None) -> list[list[int]]:
        """Each text's ids with eos behind them, as in training; a blank text has none."""
        tokenizer = self.tokenizer if tokenizer is None else tokenizer
        if isinstance(texts, str):
            raise InputError("translate a list of texts, not a single str: translate([text])")
        texts = list(texts)
        for number, text in enumerate(texts, 1):
            if not isinstance(text, str):
                raise TextError(number, f"is a {type(text).__name__}, not a str")
        eos = self.model.config.eos_id
        blank = [not text.strip() for text in texts]
        sources = [
            [] if is_blank else [*ids, eos] for ids, is_blank in zip(tokenizer.encode_batch(texts), blank, strict=True)
        ]
        for number, ids in enumerate(sources, 1):
            if len(ids) - 1 > LONGEST_SOURCE:
                raise OverlongError(number, len(ids) - 1)
        return sources

    def _hypothesis(self, decoded: Decoded) -> Hypothesis:
        text = written_text(self.tokenizer, decoded.ids)
        return Hypothesis(text, decoded.ids, decoded.log_probability, decoded.score)


def written_text(tokenizer: Tokenizer | MarianTokenizer, ids: Sequence[int]) -> str:
    """The text of some ids, for a person to read.

    A byte-level model may write any bytes, half a surrogate pair among them, which no file or terminal takes.
    """
    return tokenizer.decode(ids).encode("utf-8", "replace").decode("utf-8")


def _batches(lengths: Sequence[int], batch_tokens: int) -> Iterator[list[int]]:
    """Indices of texts of similar length, longest first, such that count * longest <= batch_tokens; no blank ones."""
    order = sorted((i for i, length in enumerate(lengths) if length), key=lambda i: (-lengths[i], i))
    start = 0
    while start < len(order):
        count = max(1, batch_tokens // lengths[order[start]])
        yield order[start : start + count]
        start += count


def _similar(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Indices of texts, longest first, in groups whose longest has at most twice the tokens of the shortest."""
    order = sorted((i for i, length in enumerate(lengths) if length), key=lambda i: (-lengths[i], i))
    start = 0
    while start < len(order):
        end = start
        while end < len(order) and 2 * lengths[order[end]] >= lengths[order[start]]:
            end += 1
        yield order[start:end]
        start = end


def _same_tokenizer(one: Tokenizer | MarianTokenizer, other: Tokenizer | MarianTokenizer) -> bool:
    if isinstance(one, Tokenizer) and isinstance(other, Tokenizer):
        return one.digest == other.digest
    return type(one) is type(other) and one.vocabulary == other.vocabulary


def check_options(
    *,
    beam: int,
    alpha: float,
    n_best: int,
    batch_tokens: int,
    sampling: Sampling | None,
    coverage: float = 0.0,
    constraints: Constraints | None = None,
    shortlist: bool = False,
) -> None:
    """Raises InputError for options of `Translator.hypotheses` that cannot be."""
    for name, count in (("beam", beam), ("n-best", n_best), ("batch-tokens", batch_tokens)):
        if not isinstance(count, int | np.integer) or count < 1:
            raise InputError(f"{name} is {count}; it must be a whole number of at least 1")
    if not 0 <= alpha < math.inf:
        raise InputError(f"alpha is {alpha}; it must be at least 0")
    if sampling is None and n_best > beam:
        raise InputError(f"n-best is {n_best}; it must be at most the beam ({beam})")
    if not 0 <= coverage < math.inf:
        raise InputError(f"coverage is {coverage}; it must be at least 0")
    if sampling is not None and (coverage or constraints is not None):
        raise InputError("coverage and constraints steer the search: they have no meaning for sampling")
    if shortlist and (sampling is not None or constraints is not None):
        raise InputError("a shortlist is for beam search without constraints: the others need the whole vocabulary")
