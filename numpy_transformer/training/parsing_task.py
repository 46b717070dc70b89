"""Parsing as the trainer sees it: sentences and their trees as pairs of sequences, brackets as the measure."""

import math
import shlex
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import bpe
from numpy_transformer.data.batching import LONGEST_SOURCE, Batch, EncodedText, epoch_batches, in_epochs
from numpy_transformer.data.exchange import Exchange
from numpy_transformer.data.tree_tokens import TreeTokens
from numpy_transformer.data.treebank import TreeCorpus
from numpy_transformer.data.trees import SyntaxTree
from numpy_transformer.errors import InputError
from numpy_transformer.models.model import Model
from numpy_transformer.models.transformer import Transformer
from numpy_transformer.tasks.bracket_scores import BracketScores, bracket_scores
from numpy_transformer.tasks.parsing import Parser
from numpy_transformer.terminal.wording import counted
from numpy_transformer.training.configuration import make_config
from numpy_transformer.training.evaluation import Evaluation
from numpy_transformer.training.largest_batch import largest_part
from numpy_transformer.training.options import TrainingOptions
from numpy_transformer.training.parallel import Steps
from numpy_transformer.training.reporting import Report
from numpy_transformer.training.task import Task

VALIDATION_SENTENCES = 200  # at most, parsed at each evaluation; the validation loss uses all
TEST_BEAM = 8
SAMPLES, TEST_SAMPLES = 5, 20


class ParsingTask(Task):
    """Trees, for a Transformer that writes them behind their sentences."""

    kind = Transformer
    example = "training tree"

    def __init__(self, options: TrainingOptions, corpus: TreeCorpus, tokenizer: bpe.Tokenizer, report: Report) -> None:
        """Raises InputError for a tokenizer without brackets, and if no training tree is short enough."""
        self.options, self.tokenizer, self.report = options, tokenizer, report
        self.config = make_config(options, tokenizer)
        self.tokens = TreeTokens(tokenizer)
        self.train_trees = self._fitting(corpus.train, "training", options.max_length)
        self.train = self._encoded(self.train_trees)
        self.train_size = len(self.train)
        known = [tree for tree in corpus.valid if self.tokens.knows(tree)]
        if len(known) < len(corpus.valid):
            report.say(f"{len(corpus.valid) - len(known):,} validation trees have labels that no training tree has")
        if not known:
            raise InputError(f"{corpus.name}: every validation tree has a label that no training tree has: give others")
        self.valid = self._encoded(self._fitting(known, "validation", LONGEST_SOURCE))
        self.valid_trees = self._short(corpus.valid, "validation")
        has_test = bool(corpus.test)
        self.test_name, self.test_trees = (
            ("test", self._short(corpus.test, "test")) if has_test else ("validation", self.valid_trees)
        )
        self.exchange = Exchange(self.train_trees, options.exchange)
        self.digests = {
            "training text": self.train.digest(),
            "validation text": self.valid.digest(),
            "test text": self._encoded([tree for tree in self.test_trees if self.tokens.knows(tree)]).digest(),
        }
        self._epoch = epoch_batches(self.train, options.batch_tokens, seed=None)

    @property
    def batches_per_epoch(self) -> int:
        """How many batches one pass over the trees has, about."""
        return len(self._epoch)

    def batches(self, start: int) -> Iterator[tuple[int, Batch]]:
        """(epoch, batch) without end, skipping the first `start`; with --exchange, other trees in each epoch."""
        options, pad_id = self.options, self.config.pad_id

        def of_epoch(epoch: int) -> list[Callable[[], Batch]]:
            text = self.train
            if options.exchange:
                text = self._encoded(self._drawn(epoch))
            parts = epoch_batches(text, options.batch_tokens, seed=options.seed, epoch=epoch)
            return [partial(text.batch, indices, pad_id) for indices in parts]

        return in_epochs(of_epoch, start)

    def largest_batch(self) -> Batch:
        """The one of the longest trees, usually."""
        part = self._epoch[largest_part(self._epoch, self.train.lengths, self.config)]
        return self.train.batch(part, self.config.pad_id)

    def validation_batches(self) -> list[Batch]:
        """The validation trees, sorted by length."""
        parts = epoch_batches(self.valid, self.options.batch_tokens, seed=None)
        return [self.valid.batch(indices, self.config.pad_id) for indices in parts]

    def evaluate(self, model: Model[Any], loss: float, workers: Steps) -> Evaluation:
        """Greedy trees of a part of the validation sentences."""
        gold = self.valid_trees[:: math.ceil(len(self.valid_trees) / VALIDATION_SENTENCES)]
        parsed, scores = self._scored(model, gold, workers, beam=1)
        said = f"F1 {scores.f1:.1%}, exact {scores.exact:.1%}, tags {scores.tagging:.1%} of {len(gold):,}"
        return Evaluation(scores._asdict(), said, _samples(gold, parsed, SAMPLES), example=str(parsed[0]))

    def test(self, model: Model[Any], workers: Steps) -> Evaluation:
        """Trees of all test sentences by beam search."""
        parsed, scores = self._scored(model, self.test_trees, workers, beam=TEST_BEAM)
        pairs = zip(self.test_trees, parsed, strict=True)
        wrong = [(reference, tree) for reference, tree in pairs if reference != tree]
        return Evaluation(
            {"set": self.test_name, "beam": TEST_BEAM, **scores._asdict()},
            f"{self.test_name}: {scores}",
            _samples([reference for reference, _ in wrong], [tree for _, tree in wrong], TEST_SAMPLES),
            title=f"{self.test_name}, wrong, {{}}, beam {TEST_BEAM}",
        )

    def final_words(self) -> str:
        """What `test` does."""
        return f"parsing {counted(len(self.test_trees), f'{self.test_name} sentence')}"

    def try_it(self, run: str) -> str:
        """A tree of the first test sentence."""
        return f"python -m numpy_transformer.parse --model {run} {shlex.quote(' '.join(self.test_trees[0].words))}"

    def _fitting(self, trees: Sequence[SyntaxTree], name: str, longest: int) -> list[SyntaxTree]:
        """The trees whose sequences have at most `longest` tokens."""
        return self._kept(trees, name, longest, lambda tree: len(self.tokens.sequence(tree)))

    def _kept(
        self, trees: Sequence[SyntaxTree], name: str, longest: int, length: Callable[[SyntaxTree], int]
    ) -> list[SyntaxTree]:
        kept = [tree for tree in trees if length(tree) <= longest]
        if len(kept) < len(trees):
            self.report.pairs_left_out(name, len(trees) - len(kept), len(trees), longest=longest)
        if not kept:
            raise InputError(f"no {name} tree has at most {longest:,} tokens; raise --max-length, or give shorter ones")
        return kept

    def _short(self, trees: Sequence[SyntaxTree], name: str) -> list[SyntaxTree]:
        """The trees whose sentences a parser takes."""
        return self._kept(trees, name, LONGEST_SOURCE, lambda tree: sum(map(len, self.tokens.pieces(tree.words))))

    def _drawn(self, epoch: int) -> list[SyntaxTree]:
        """The trees of an epoch: one that has become too long stays as it was."""
        longest = self.options.max_length
        drawn = self.exchange.drawn((self.options.seed, epoch))
        return [
            tree if len(self.tokens.sequence(tree)) <= longest else old
            for tree, old in zip(drawn, self.train_trees, strict=True)
        ]

    def _encoded(self, trees: Sequence[SyntaxTree]) -> EncodedText:
        sources = [[token for word in self.tokens.pieces(tree.words) for token in word] for tree in trees]
        return EncodedText.from_ids(sources, [self.tokens.sequence(tree) for tree in trees], self.config)

    def _scored(
        self, model: Model[Any], gold: Sequence[SyntaxTree], workers: Steps, *, beam: int
    ) -> tuple[list[SyntaxTree], BracketScores]:
        """Parse the sentences of the gold trees, each worker a part of them."""
        assert isinstance(model, Transformer)
        parser, count = Parser(model, self.tokenizer), workers.workers
        found = workers.map(
            lambda part: parser.parse([tree.words for tree in part], beam=beam),
            [gold[worker::count] for worker in range(count)],
        )
        parsed = list(gold)
        for worker, trees in enumerate(found):
            parsed[worker::count] = trees
        return parsed, bracket_scores(gold, parsed)


def _samples(gold: Sequence[SyntaxTree], parsed: Sequence[SyntaxTree], count: int) -> list[str]:
    lines: list[str] = []
    for reference, tree in list(zip(gold, parsed, strict=True))[:count]:
        lines += [f"source     {' '.join(reference.words)}", f"reference  {reference}", f"model      {tree}"]
    return lines
