"""Training: batches in, updates of the parameters out, with everything needed to watch, stop and resume it."""

import math
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

import bpe
from numpy_transformer.config import TransformerConfig
from numpy_transformer.curves import draw_curves
from numpy_transformer.data.batching import Batch, EncodedText, epoch_batches, training_batches
from numpy_transformer.data.corpora import Corpus
from numpy_transformer.data.files import ParallelText
from numpy_transformer.diagnostics import blas_description, nonfinite_report
from numpy_transformer.display import Display
from numpy_transformer.errors import InputError
from numpy_transformer.evaluation import Translations, sample_lines, translate_text, validation_loss
from numpy_transformer.metrics import perplexity
from numpy_transformer.model import Transformer
from numpy_transformer.optimizer import Adam
from numpy_transformer.options import TrainingOptions
from numpy_transformer.parallel import StepResult, Workers, physical_cores
from numpy_transformer.run_folder import Progress, RunFolder
from numpy_transformer.schedule import learning_rate
from numpy_transformer.translator import Translator

STEPS_PER_RECORD = 10
VALIDATION_SENTENCES = 200  # decoded at each evaluation; the validation loss uses all
SKIPS_BEFORE_STOP = 5
TEST_BEAM = 4


KEPT = "the state of the last evaluation is kept: begin again with a lower --rate-scale, a longer --warmup or --clip 1"


class DivergenceError(InputError):
    """The numbers are no longer finite, so that going on would teach nothing."""


def make_config(options: TrainingOptions, tokenizer: bpe.Tokenizer) -> TransformerConfig:
    """The model that the options ask for, over the tokenizer's vocabulary."""
    return TransformerConfig.preset(options.preset, vocabulary_size=len(tokenizer)).replace(
        dropout=options.dropout, attention_dropout=options.attention_dropout, norm=options.norm
    )


@dataclass
class _Recent:
    """Sums since the last record of the log."""

    loss: float = 0.0
    tokens: int = 0
    started: float = 0.0


class Trainer:
    """One run, from its first step or from where it stopped.

    Everything random is a function of (seed, step), so stopping and resuming changes no bit of the result (for the
    same number of workers and the same BLAS).
    """

    def __init__(
        self,
        options: TrainingOptions,
        corpus: Corpus,
        tokenizer: bpe.Tokenizer,
        folder: RunFolder,
        display: Display,
        *,
        resume: bool = False,
        started: float | None = None,
    ) -> None:
        """`started` is when the program began by time.monotonic(), so that --minutes counts preparation too."""
        self.options, self.corpus, self.tokenizer, self.folder, self.display = (
            options,
            corpus,
            tokenizer,
            folder,
            display,
        )
        self.config = make_config(options, tokenizer)
        self.model = Transformer(self.config, seed=options.seed, device=options.device)
        self.adam = Adam.for_parameters(self.model.parameters.flat)
        self.progress = Progress()
        self.train_text = self._encode(corpus.train, "training")
        self.valid_text = self._encode(corpus.valid, "validation")
        if resume and folder.training.exists():
            self.progress = folder.load_training(self.model, self.adam, tokenizer.digest)
            folder.rewind_log(self.progress.step)
        self._sitting_began = time.monotonic() if started is None else started
        self._seconds_before = self.progress.seconds
        self._stop_requested = False
        self._evaluated_step = -1
        self.steps_per_epoch = max(
            1, len(epoch_batches(self.train_text, options.batch_tokens, seed=None)) // options.accumulate
        )

    def run(self) -> bool:
        """Train to the end that the options set. True if it was reached, False if the user stopped the run before."""
        workers = 1 if self.options.device == "gpu" else self.options.workers or physical_cores()
        with Workers(self.model, workers) as self.workers, self._graceful_interrupt():
            self._announce()
            if not self._train():
                # No evaluation here: the checkpoint it writes would enter the average, which an uninterrupted run,
                # evaluating elsewhere, would not have.
                self.folder.save_training(self.model, self.adam, self.progress, self.tokenizer.digest)
                return False
            if self._evaluated_step != self.progress.step:
                self._evaluate()
            self._finish()
        return True

    # --- The loop ---

    def _train(self) -> bool:
        """False if the user stopped the run before its end."""
        options, progress = self.options, self.progress
        recent = _Recent(started=time.monotonic())
        skipped = 0
        for epoch, batches in self._updates():
            if self._is_over(epoch):
                break
            if self._stop_requested:
                return False
            progress.step += 1
            rate = learning_rate(
                progress.step, d_model=self.config.d_model, warmup=options.warmup, scale=options.rate_scale
            )
            result = self.workers.step(
                self.adam,
                batches,
                rate=rate,
                seed=(options.seed, progress.step),
                label_smoothing=options.label_smoothing,
                clip=options.clip,
            )
            skipped = 0 if result.updated else skipped + 1
            if skipped:
                self._report_skip(result, skipped)
            token_count = sum(batch.token_count for batch in batches)
            progress.tokens += token_count
            progress.seconds = self._seconds()
            recent.loss += result.loss * token_count
            recent.tokens += token_count
            if progress.step % STEPS_PER_RECORD == 0:
                self._record(recent, epoch, rate, result)
                recent = _Recent(started=time.monotonic())
            if progress.step % options.evaluate_every == 0:
                self._evaluate()
                recent.started = time.monotonic()
                if options.patience is not None and progress.evaluations_since_best >= options.patience:
                    self.display.message(
                        f"early stop: {progress.evaluations_since_best} evaluations without a lower validation loss"
                    )
                    break
        return True

    def _updates(self) -> Iterator[tuple[int, list[Batch]]]:
        """(epoch, the batches of one update), from where the run stands."""
        options, count = self.options, self.options.accumulate
        stream = training_batches(
            self.train_text,
            options.batch_tokens,
            pad_id=self.config.pad_id,
            seed=options.seed,
            start=self.progress.step * count,
        )
        for epoch, batch in stream:
            yield epoch, [batch, *(next(stream)[1] for _ in range(count - 1))]

    def _is_over(self, epoch: int) -> bool:
        options = self.options
        return (
            (options.steps is not None and self.progress.step >= options.steps)
            or (options.epochs is not None and epoch >= options.epochs)
            or (options.minutes is not None and self._seconds() >= 60 * options.minutes)
        )

    def _seconds(self) -> float:
        return self._seconds_before + time.monotonic() - self._sitting_began

    def _fraction_done(self) -> float:
        options, step = self.options, self.progress.step
        return max(
            0 if options.steps is None else step / options.steps,
            0 if options.epochs is None else step / (options.epochs * self.steps_per_epoch),
            0 if options.minutes is None else self._seconds() / (60 * options.minutes),
        )

    # --- What is said and kept ---

    def _announce(self) -> None:
        count = self.model.parameters.flat.size
        self.display.message(
            f"model: {self.options.preset}, {count / 1e6:.2f}M parameters, vocabulary {len(self.tokenizer)}; "
            f"{len(self.train_text):,} training pairs, about {self.steps_per_epoch} steps an epoch; "
            f"{self.workers.workers} worker(s); {blas_description()}"
        )
        if self.progress.step:
            self.display.message(f"resumed at step {self.progress.step}")

    def _record(self, recent: _Recent, epoch: int, rate: float, result: StepResult) -> None:
        progress = self.progress
        loss = recent.loss / recent.tokens
        speed = recent.tokens / (time.monotonic() - recent.started)
        self.folder.append_log(
            {
                "kind": "step",
                "step": progress.step,
                "epoch": epoch,
                "loss": loss,
                "rate": rate,
                "gradient_norm": result.gradient_norm,
                "tokens_per_second": round(speed),
                "seconds": round(progress.seconds, 1),
            }
        )
        done = min(1.0, self._fraction_done())
        remaining = self._seconds() * (1 - done) / done if done > 0.001 else math.nan
        self.display.progress(
            done,
            f"step {progress.step}  epoch {epoch + 1}  loss {loss:.3f}  rate {rate:.2e}  {speed:,.0f} tokens/s"
            + (f"  {_minutes(remaining)} left" if math.isfinite(remaining) else ""),
        )

    def _report_skip(self, result: StepResult, skipped: int) -> None:
        self.display.message(
            f"step {self.progress.step} skipped: loss {result.loss}, gradient norm {result.gradient_norm}"
        )
        if skipped >= SKIPS_BEFORE_STOP:
            for line in nonfinite_report(self.model, self.workers.gradients):
                self.display.message(line)
            raise DivergenceError(
                f"{skipped} updates in a row had gradients that are not finite (listed above); {KEPT}"
            )

    def _evaluate(self) -> None:
        """Validation loss and BLEU; then everything is saved, so that nothing since the last evaluation is lost."""
        progress, folder = self.progress, self.folder
        loss = validation_loss(self.model, self.valid_text, self.options.batch_tokens, self.workers)
        if not math.isfinite(loss):
            raise DivergenceError(f"the validation loss at step {progress.step} is {loss}; {KEPT}")
        text = ParallelText(
            self.corpus.valid.sources[:VALIDATION_SENTENCES], self.corpus.valid.targets[:VALIDATION_SENTENCES]
        )
        translations = self._translate(self.model, text, beam=1)
        if progress.best_loss is None or loss < progress.best_loss:
            progress.best_loss, progress.best_step, progress.evaluations_since_best = loss, progress.step, 0
            self.model.save(folder.best)
        else:
            progress.evaluations_since_best += 1
        progress.seconds = self._seconds()
        folder.save_step(self.model, progress.step, keep=self.options.average)
        folder.save_training(self.model, self.adam, progress, self.tokenizer.digest)
        record = {
            "kind": "evaluation",
            "step": progress.step,
            "loss": loss,
            "perplexity": perplexity(loss),
            "bleu": translations.bleu.score,
            "exact": translations.exact,
            "signature": translations.bleu.signature,
            "seconds": round(progress.seconds, 1),
        }
        folder.append_log(record)
        folder.append_samples(f"step {progress.step}", sample_lines(text, translations.hypotheses))
        draw_curves(folder.read_log(), folder.curves)
        self._evaluated_step = progress.step
        self.display.message(
            f"step {progress.step}: validation loss {loss:.3f}, perplexity {perplexity(loss):.2f}, "
            f"BLEU {translations.bleu.score:.1f}, exact {translations.exact:.0%}  ({_minutes(progress.seconds)})"
        )
        self.display.message(f"    {text.sources[0]} -> {translations.hypotheses[0]}")

    def _finish(self) -> None:
        """Average the last checkpoints, unless the best one is better, and translate the test set with the result."""
        folder = self.folder
        count = folder.save_average(self.options.average)
        final = Transformer.load(folder.averaged, device=self.options.device)
        loss = validation_loss(final, self.valid_text, self.options.batch_tokens, self.workers)
        verdict = f"averaged the last {count} checkpoints: validation loss {loss:.3f}"
        best = self.progress.best_loss
        if best is not None and best < loss:  # a run that was still learning fast: its old checkpoints hold it back
            folder.averaged.unlink()
            final = Transformer.load(folder.best, device=self.options.device)
            verdict += f"; the best checkpoint, step {self.progress.best_step}, has {best:.3f} and is kept instead"
            count = 1
        text, name = (self.corpus.test, "test") if len(self.corpus.test) else (self.corpus.valid, "validation")
        self.display.message(f"{verdict}; translating {len(text):,} {name} sentences")
        result = self._translate(final, text, beam=TEST_BEAM)
        folder.append_log(
            {
                "kind": "test",
                "step": self.progress.step,
                "set": name,
                "bleu": result.bleu.score,
                "exact": result.exact,
                "brevity_penalty": result.bleu.brevity_penalty,
                "signature": result.bleu.signature,
                "beam": TEST_BEAM,
                "averaged": count,
                "seconds": round(self._seconds(), 1),
            }
        )
        folder.append_samples(
            f"{name}, mean of {count} checkpoint(s), beam {TEST_BEAM}", sample_lines(text, result.hypotheses, count=20)
        )
        draw_curves(folder.read_log(), folder.curves)
        self.display.message(f"{name}: {result.bleu}, exact sentences {result.exact:.1%}")

    def _translate(self, model: Transformer, text: ParallelText, *, beam: int) -> Translations:
        return translate_text(self.workers, Translator(model, self.tokenizer), text, beam=beam)

    # --- Preparation ---

    def _encode(self, text: ParallelText, name: str) -> EncodedText:
        encoded = EncodedText.from_ids(
            self.tokenizer.encode_batch(text.sources), self.tokenizer.encode_batch(text.targets), self.config
        )
        kept = encoded.shorter_than(self.options.max_length)
        if len(kept) < len(encoded):
            self.display.message(
                f"{len(encoded) - len(kept):,} of {len(encoded):,} {name} pairs left out: longer than "
                f"{self.options.max_length} tokens (--max-length)"
            )
        if not len(kept):
            raise InputError(f"no {name} pair has at most {self.options.max_length} tokens; raise --max-length")
        return kept

    @contextmanager
    def _graceful_interrupt(self) -> Iterator[None]:
        """Ctrl-C finishes the step, saves and ends; a second one ends at once (the last evaluation is on disk)."""

        def request(number: int, frame: FrameType | None) -> None:
            if self._stop_requested:
                raise KeyboardInterrupt
            self._stop_requested = True
            self.display.message("stopping after this step and saving (once more to end at once)")

        try:
            previous = {number: signal.signal(number, request) for number in (signal.SIGINT, signal.SIGTERM)}
        except ValueError:  # not the main thread: signals are somebody else's
            yield
            return
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
