"""class Translator: a model and its tokenizer, from text to text."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np

from numpy_transformer.data.clean_text import as_read, clean_text
from numpy_transformer.decoding.alignment import Alignment, align_words, attended
from numpy_transformer.decoding.attention_maps import AttentionMaps
from numpy_transformer.decoding.attention_weights import attention_weights
from numpy_transformer.decoding.constraints import NO_DEMANDS, Constraints
from numpy_transformer.decoding.demanding_search import demanding_search
from numpy_transformer.decoding.forced import forced_log_probabilities, padded
from numpy_transformer.decoding.lexical_shortlist import Shortlist
from numpy_transformer.decoding.packed import PackedModel
from numpy_transformer.decoding.recorder import BeamRecorder
from numpy_transformer.decoding.scoring import EXTRA_LENGTH, Decoded, Done, renumbered
from numpy_transformer.decoding.token_by_token import Sampling, greedy_search, sample
from numpy_transformer.errors import InputError
from numpy_transformer.models.transformer import Transformer
from numpy_transformer.seeing.explanation import Explanation
from numpy_transformer.seeing.story import tell
from numpy_transformer.translation.fitting import check_tokenizer, tokenizer_for_shortlist
from numpy_transformer.translation.hypothesis import Hypothesis
from numpy_transformer.translation.length_groups import batches, similar
from numpy_transformer.translation.loading import load_models, shortlist_of_run
from numpy_transformer.translation.search_options import BATCH_TOKENS, SearchOptions
from numpy_transformer.translation.sentences import split_sentences
from numpy_transformer.translation.text_errors import ForbiddenError, TextError
from numpy_transformer.translation.token_ids import (
    ModelTokenizer,
    check_texts,
    encode_texts,
    encode_translations,
    target_side,
    with_eos,
    written_text,
)

Found = dict[int, list[Hypothesis]]  # of each source that is not blank, by its index


class Translator:
    """Translates with a model and the tokenizer that it was trained with.

    A translation depends only on its sentence and the options, not on the other sentences, their order or the batch
    size.

    model: one model, or several: an ensemble, where the probability of a token is the mean of all the models'
        (decoding/ensemble.py).
    shortlist: search among its tokens only (decoding/lexical_shortlist.py): faster, but some translations differ. For
        a single model trained with this package.
    sentences: the model learned from single sentences, so `translate` splits each text into its sentences. The other
        methods take a text as it is.

    The first search packs the model's weights (decoding/packed.py). After changing the model's parameters, make a new
    Translator.

    Raises InputError if the tokenizer does not fit a model, or a shortlist is impossible.
    """

    def __init__(
        self,
        model: Transformer | Sequence[Transformer],
        tokenizer: ModelTokenizer,
        *,
        shortlist: Shortlist | None = None,
        sentences: bool = False,
    ) -> None:
        self._models = [one.quantised() for one in (model if isinstance(model, Sequence) else [model])]
        if not self._models:
            raise InputError("a translator needs at least one model")
        for one in self._models:
            check_tokenizer(one, tokenizer)
        if shortlist is not None:
            tokenizer_for_shortlist(tokenizer, models=len(self._models))
        self.model = self._models[0]
        self.tokenizer = tokenizer
        self.target_tokenizer = target_side(tokenizer)
        self.sentences = sentences
        self._shortlist = shortlist

    def __repr__(self) -> str:
        return f"<Translator with {', '.join(map(repr, self._models))}>"

    @classmethod
    def load(cls, path: str | Path, *, device: str = "cpu", shortlist: bool = False) -> "Translator":
        """Open a run folder, a checkpoint file, a Marian model's folder, or "tatoeba", which is shipped (loading.py).

        shortlist: use the shortlist of the run. Raises InputError, or bpe.TokenizerError, naming the file and the
        remedy.
        """
        return cls.load_ensemble([path], device=device, shortlist=shortlist)

    @classmethod
    def load_ensemble(
        cls, paths: Sequence[str | Path], *, device: str = "cpu", shortlist: bool = False
    ) -> "Translator":
        """Open one model, or several that translate together. They must share one tokenizer. Otherwise as `load`."""
        models, tokenizer, sentences = load_models(paths, device=device)
        listed = None
        if shortlist:
            listed = shortlist_of_run(paths[0], tokenizer_for_shortlist(tokenizer, models=len(models)))
        return cls(models, tokenizer, shortlist=listed, sentences=sentences)

    def translate(
        self,
        texts: Iterable[str],
        *,
        beam: int = 4,
        alpha: float = 0.6,
        batch_tokens: int = BATCH_TOKENS,
    ) -> list[str]:
        """The best translation of each text; a blank text gives a blank one. Options as in SearchOptions."""
        options = SearchOptions(beam=beam, alpha=alpha, batch_tokens=batch_tokens)
        if not self.sentences:
            return [best.text for best, *_ in self.search(texts, options)]
        parts = [split_sentences(text) for text in check_texts(texts)]
        found = iter(self.search([sentence for sentences in parts for sentence in sentences], options))
        return [" ".join(next(found)[0].text for _ in sentences) for sentences in parts]

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
        """The n best translations of each text, best first: `search` with the options written out."""
        options = SearchOptions(
            beam=beam,
            alpha=alpha,
            n_best=n_best,
            sampling=sampling,
            batch_tokens=batch_tokens,
            coverage=coverage,
            constraints=constraints,
        )
        return self.search(texts, options, recorder=recorder)

    def search(
        self,
        texts: Iterable[str],
        options: SearchOptions,
        *,
        recorder: BeamRecorder | None = None,
        done: Done | None = None,
    ) -> list[list[Hypothesis]]:
        """The n best translations of each text, best first.

        A blank text has one hypothesis, the empty one. A text has fewer than n_best where the search found fewer.
        `recorder` receives every step of beam search, for a single text. `done` is called with the indices of texts as
        soon as they are translated, in any order, and how many others are under way; blank ones are never among them.

        Raises InputError for options that the translator's shortlist does not allow, OverlongError for a text of more
        than 1,000 tokens, ForbiddenError if the search found nothing that satisfies the constraints.
        """
        if self._shortlist is not None:
            options = replace(options, shortlist=True)
        elif options.shortlist:
            raise InputError("this translator has no shortlist: load it with shortlist=True")
        sources = self._encode(texts)
        if recorder is not None and len(sources) != 1:
            raise InputError("the search of one text is recorded at a time: give a list of one")
        if options.sampling is not None or (options.is_plain_greedy and recorder is None):
            found = self._token_by_token(sources, options, done)
        else:
            found = self._beam(sources, options, recorder, done)
        return [found[index] if ids else [Hypothesis("", [], 0.0, 0.0)] for index, ids in enumerate(sources)]

    def _token_by_token(self, sources: list[list[int]], options: SearchOptions, done: Done | None) -> Found:
        """Greedy search or sampling."""
        results: Found = {}
        for indices in batches([len(ids) for ids in sources], options.batch_tokens):
            source, limits = self._padded([sources[i] for i in indices])
            if options.sampling is None:
                found = greedy_search(self._packed, source, limits=limits, alpha=options.alpha)
            else:
                found = sample(
                    self._packed, source, options.sampling, limits=limits, alpha=options.alpha, samples=options.n_best
                )
            for index, decoded in zip(indices, found, strict=True):
                results[index] = [self._hypothesis(one) for one in decoded]
            if done is not None:
                done(indices, 0)
        return results

    def _beam(
        self, sources: list[list[int]], options: SearchOptions, recorder: BeamRecorder | None, done: Done | None
    ) -> Found:
        """Beam search: the hypotheses of each source that is not blank, by its index."""
        demands = NO_DEMANDS
        if options.constraints is not None:
            demands = options.constraints.compile(self.target_tokenizer, eos_id=self.model.config.eos_id)
        results: Found = {}
        for indices in similar([len(ids) for ids in sources]):
            source, limits = self._padded([sources[i] for i in indices])
            found = demanding_search(
                self._packed,
                source,
                demands,
                limits=limits,
                beam=options.beam,
                alpha=options.alpha,
                n_best=options.n_best,
                coverage=options.coverage,
                rows=max(1, options.batch_tokens // source.shape[1]),
                shortlist=self._shortlist,
                recorder=recorder,
                done=renumbered(done, indices),
                identity=tuple if options.n_best == 1 else self._as_read,
            )
            for index, decoded in zip(indices, found, strict=True):
                if not decoded:
                    raise ForbiddenError(index + 1)
                results[index] = [self._hypothesis(one) for one in decoded]
        return results

    def score(self, pairs: Iterable[tuple[str, str | Sequence[int]]], *, done: Done | None = None) -> list[float]:
        """The log-probability (natural logarithm) of each pair's translation, given its source.

        A translation may be a text or ids. The ids of a Hypothesis give its log_probability, up to rounding. A text is
        cut into tokens as in training; in rare cases the search wrote it with others, and then the number is another.
        `done` is called as in `search`.

        Raises TextError for a blank source and for what is no pair, OverlongError for a text of more than 1,000 tokens.
        """
        pairs = list(pairs)
        for number, pair in enumerate(pairs, 1):
            if isinstance(pair, str) or not isinstance(pair, Sequence) or len(pair) != 2:
                raise TextError(number, "is no pair: give (source, translation)")
        sources = self._encode([source for source, _ in pairs])
        targets = self._encode_translations([target for _, target in pairs])
        for number, source in enumerate(sources, 1):
            if not source:
                raise TextError(number, "has a blank source: there is nothing that its translation could be scored by")
        order = sorted(range(len(pairs)), key=lambda i: (len(sources[i]), len(targets[i])))
        scores = np.zeros(len(pairs))
        ordered = [(sources[i], targets[i][:-1]) for i in order]
        scores[order] = forced_log_probabilities(self._models, ordered, done=renumbered(done, order))
        return scores.tolist()

    def align(self, texts: Iterable[str], translations: Iterable[str | Sequence[int]]) -> list[Alignment]:
        """For each word of a translation, the source word it comes from (decoding/alignment.py).

        The translations are ids, such as Hypothesis.ids, or texts, as in `score`. Words are what `str.split` finds; a
        blank text or translation has no links. Raises OverlongError for a text of more than 1,000 tokens, InputError
        for unknown ids or if texts and translations differ in number.
        """
        vocabulary = self.tokenizer.vocabulary
        sources, targets = self._encode(texts), self._encode_translations(translations)
        if len(sources) != len(targets):
            raise InputError(f"there are {len(sources)} texts and {len(targets)} translations: give one for each")
        found: list[Alignment] = [()] * len(sources)
        lengths = [
            max(len(source), len(target)) * bool(source) for source, target in zip(sources, targets, strict=True)
        ]
        for indices in batches(lengths, BATCH_TOKENS):
            source, target = (padded([ids[i] for i in indices], self.model.config.pad_id) for ids in (sources, targets))
            for index, weights in zip(indices, attended(self._models, source, target), strict=True):
                pieces = [[vocabulary[i] for i in ids[index][:-1]] for ids in (sources, targets)]
                found[index] = align_words(weights[: len(pieces[1]), : len(pieces[0])], *pieces)
        return found

    def attention(self, text: str, ids: Sequence[int]) -> AttentionMaps:
        """The attention of every layer and head for a text and its translation's ids, such as Hypothesis.ids.

        For an ensemble, the first model's attention. Raises InputError for a blank text and for unknown ids.
        """
        [source] = self._encode([text])
        if not source:
            raise InputError("a blank text has no attention: give a sentence")
        target = with_eos(ids, self.tokenizer, eos_id=self.model.config.eos_id)
        return AttentionMaps(
            source=[self.tokenizer.vocabulary[i] for i in source],
            target=[self.tokenizer.vocabulary[i] for i in target],
            weights=attention_weights(self.model, source, target),
        )

    def explain(self, text: str, options: SearchOptions | None = None) -> Explanation:
        """The best translation, the search that found it and its attention: print it, or `save` it as a page.

        Raises InputError for a blank text and for sampling, which does not search; otherwise as `search`.
        """
        options = SearchOptions() if options is None else options
        if options.sampling is not None:
            raise InputError("sampling does not search: there is nothing to explain")
        if not self._encode([text])[0]:
            raise InputError("a blank text has no search: give a sentence")
        recorder = BeamRecorder()
        [[best, *_]] = self.search([text], options, recorder=recorder)
        story = tell(recorder, self.tokenizer, alpha=options.alpha, n_best=options.n_best)
        return Explanation(clean_text(text), best.text, story, lambda: self.attention(text, best.ids))

    def pack(self) -> None:
        """Pack the weights now: processes that fork afterwards, and threads, then share the copy."""
        _ = self._packed

    @cached_property
    def _packed(self) -> list[PackedModel]:
        return [PackedModel(model) for model in self._models]

    def _padded(self, sources: Sequence[list[int]]) -> tuple[np.ndarray, np.ndarray]:
        """Right-padded ids (B, S), and the length limits of the translations (B,)."""
        lengths = np.array([len(ids) for ids in sources])
        return padded(sources, self.model.config.pad_id), lengths - 1 + EXTRA_LENGTH

    def _encode(self, texts: Iterable[str]) -> list[list[int]]:
        return encode_texts(texts, self.tokenizer, eos_id=self.model.config.eos_id)

    def _encode_translations(self, translations: Iterable[str | Sequence[int]]) -> list[list[int]]:
        return encode_translations(translations, self.target_tokenizer, eos_id=self.model.config.eos_id)

    def _as_read(self, ids: list[int]) -> str:
        return as_read(written_text(self.tokenizer, ids))

    def _hypothesis(self, decoded: Decoded) -> Hypothesis:
        text = written_text(self.tokenizer, decoded.ids)
        return Hypothesis(text, decoded.ids, decoded.log_probability, decoded.score)
