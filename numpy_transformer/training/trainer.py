"""Training: batches in, updates of the parameters out, with everything needed to watch, stop and resume it."""

import math
import os
import textwrap
import time
from collections.abc import Iterator
from dataclasses import dataclass

import bpe
from numpy_transformer.backend.arrays import Array
from numpy_transformer.backend.blas import blas_advice, blas_description, blas_pools, processor_features
from numpy_transformer.backend.memory import available_memory
from numpy_transformer.data.batching import Batch, epoch_batches, training_batches
from numpy_transformer.data.corpora import Corpus
from numpy_transformer.data.encoding import PreparedText, prepare_text
from numpy_transformer.data.files import ParallelText
from numpy_transformer.errors import InputError
from numpy_transformer.models.config import TransformerConfig
from numpy_transformer.models.transformer import Transformer
from numpy_transformer.terminal.display import Display
from numpy_transformer.training.curves import draw_curves
from numpy_transformer.training.diagnostics import (
    batch_notes,
    memory_note,
    nonfinite_report,
    too_few_steps_note,
    too_little_time_note,
)
from numpy_transformer.training.evaluation import sample_lines, translate_text, validation_loss
from numpy_transformer.training.gpu_step import GpuStep
from numpy_transformer.training.interrupt import StopRequest
from numpy_transformer.training.metrics import perplexity
from numpy_transformer.training.optimizer import Adam
from numpy_transformer.training.options import TrainingOptions
from numpy_transformer.training.parallel import StepResult, Steps, Workers, default_workers
from numpy_transformer.training.run_folder import RunFolder, RunProgress
from numpy_transformer.training.schedule import learning_rate
from numpy_transformer.translation.translator import Translator

STEPS_PER_RECORD = 10
VALIDATION_SENTENCES = 200  # at most, decoded at each evaluation; the validation loss uses all
SAMPLE_WIDTH = 200  # characters shown of a translation; a model that has not learned much repeats itself endlessly
SKIPS_BEFORE_STOP = 5
TEST_BEAM = 4
KEPT = (
    "the state of the last evaluation, if there was one, is kept: begin again with a lower --rate-scale, "
    "a longer --warmup or --clip 1"
)


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

    started: float
    loss: float = 0.0
    tokens: int = 0
    gradient_norm: float = 0.0  # of the last step


class Trainer:
    """One run, from its first step or from where it stopped.

    Everything random is a function of (seed, step), so stopping and resuming changes no bit of the result (for the
    same number of workers and the same BLAS).

    `started` is when the program began by time.monotonic(), so that --minutes counts preparation too. Raises
    InputError if a run cannot be resumed with what is given.
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
        self.options, self.tokenizer, self.folder, self.display = options, tokenizer, folder, display
        self.config = make_config(options, tokenizer)
        self.model = Transformer(
            self.config,
            seed=options.seed,
            device=options.device,
            precision=options.precision,
            recompute=options.recompute,
            philox=options.philox,
        )
        self.model.tokenizer_digest = tokenizer.digest
        self.adam = Adam.for_parameters(self.model.parameters.flat)
        self.train_text = self._prepare(corpus.train, "training")
        self.valid_text = self._prepare(corpus.valid, "validation")
        self.test_text = self._prepare(corpus.test, "test") if len(corpus.test) else self.valid_text
        self.test_name = "test" if len(corpus.test) else "validation"
        self.workers = 1 if options.device == "gpu" else options.workers or default_workers(options.batch_tokens)
        batches = epoch_batches(self.train_text.ids, options.batch_tokens, seed=None)
        self.steps_per_epoch = max(1, len(batches) // options.accumulate)
        for note in self._notes(batches):
            display.message(note)
        self.progress = RunProgress()
        self._digests = {"tokenizer": tokenizer.digest, "training text": self.train_text.ids.digest()}
        if resume:
            self.progress = folder.load_training(self.model, self.adam, self._digests)
            folder.rewind(self.progress.step)
            step = self.progress.step
            display.message(f"resumed at step {step}" if step else "nothing was saved yet: the run begins anew")
        self._began = (time.monotonic() if started is None else started) - self.progress.seconds

    def run(self) -> bool:
        """Train to the end that the options set. True if it was reached, False if the user stopped the run before."""
        on_gpu = self.options.device == "gpu"
        steps = GpuStep(self.model) if on_gpu else Workers(self.model, self.workers)
        with steps as workers, StopRequest(self.display.message) as stop:
            self._announce()
            if self.progress.step == 0:
                # A disk that is full is noticed before the work, and no checkpoint ever stands without a state.
                self._save_state()
            if not self._train(workers, stop):
                # No evaluation here: the checkpoint it writes would enter the average, which an uninterrupted run,
                # evaluating elsewhere, would not have.
                self._save_state()
                return False
            note = too_little_time_note(self.options, self.progress.step, self._seconds())
            if note:
                self.display.message(note)
            if self.progress.evaluated_step != self.progress.step or not self.folder.step_files():
                self._evaluate(workers)
            stop.at_once = True  # everything is saved
            self._finish(workers)
        return True

    # --- The loop ---

    def _train(self, workers: Steps, stop: StopRequest) -> bool:
        """False if the user stopped the run before its end."""
        options, progress = self.options, self.progress
        self._loop_began = time.monotonic(), self._fraction_done()  # what came before says nothing of the time left
        recent = _Recent(time.monotonic())
        skipped = 0
        for epoch, batches in self._updates():
            if self._is_over(epoch):
                break
            if stop.requested:
                self._account(workers.collect(), recent, skipped, workers)
                return False
            self.folder.averaged_file.unlink(missing_ok=True)  # of an earlier end of this run: the model moves on
            progress.step += 1
            rate = learning_rate(
                progress.step, d_model=self.config.d_model, warmup=options.warmup, scale=options.rate_scale
            )
            results = workers.step(
                self.adam,
                batches,
                rate=rate,
                seed=(options.seed, progress.step),
                label_smoothing=options.label_smoothing,
                clip=options.clip,
            )
            records = progress.step % STEPS_PER_RECORD == 0
            evaluates = progress.step % options.evaluate_every == 0
            if records or evaluates:
                results += workers.collect()
            progress.seconds = self._seconds()
            skipped = self._account(results, recent, skipped, workers)
            if records and recent.tokens:
                self._record(recent, epoch, rate)
                recent = _Recent(time.monotonic())
            if evaluates:
                before = time.monotonic()
                self._evaluate(workers)
                recent.started += time.monotonic() - before
        self._account(workers.collect(), recent, skipped, workers)
        return True

    def _account(self, results: list[StepResult], recent: _Recent, skipped: int, workers: Steps) -> int:
        """Add the results of the latest steps to `recent`; returns how many in a row were skipped up to now."""
        for step, result in enumerate(results, self.progress.step + 1 - len(results)):
            if result.updated:
                skipped = 0
                recent.loss += result.loss * result.token_count
                recent.tokens += result.token_count
                recent.gradient_norm = result.gradient_norm
            else:
                skipped += 1
                self._report_skip(step, result, skipped, workers)
        return skipped

    def _updates(self) -> Iterator[tuple[int, list[Batch]]]:
        """(epoch, the batches of one update), from where the run stands."""
        options, count = self.options, self.options.accumulate
        stream = training_batches(
            self.train_text.ids,
            options.batch_tokens,
            pad_id=self.config.pad_id,
            seed=options.seed,
            start=self.progress.step * count,
        )
        for epoch, batch in stream:
            yield epoch, [batch, *(next(stream)[1] for _ in range(count - 1))]

    def _is_over(self, epoch: int) -> bool:
        options, progress = self.options, self.progress
        return (
            (options.steps is not None and progress.step >= options.steps)
            or (options.epochs is not None and epoch >= options.epochs)
            or (options.minutes is not None and self._seconds() >= 60 * options.minutes)
            or (options.patience is not None and progress.evaluations_since_best >= options.patience)
        )

    def _seconds(self) -> float:
        """Of work on this run, over all its sittings."""
        return time.monotonic() - self._began

    def _fraction_done(self) -> float:
        options, step = self.options, self.progress.step
        fraction = max(
            0 if options.steps is None else step / options.steps,
            0 if options.epochs is None else step / (options.epochs * self.steps_per_epoch),
            0 if options.minutes is None else self._seconds() / (60 * options.minutes),
        )
        return min(1.0, fraction)

    # --- What is kept ---

    def _evaluate(self, workers: Steps) -> None:
        """Validation loss and BLEU; then everything is saved, so that nothing since the last evaluation is lost."""
        progress, folder = self.progress, self.folder
        loss = validation_loss(self.model, self.valid_text.ids, self.options.batch_tokens, workers)
        if not math.isfinite(loss):
            raise DivergenceError(f"the validation loss at step {progress.step} is {loss}; {KEPT}")
        valid = self.valid_text.text
        every = math.ceil(len(valid) / VALIDATION_SENTENCES)  # files may be sorted: a part from one place would mislead
        text = ParallelText(valid.sources[::every], valid.targets[::every])
        translations = translate_text(workers, Translator(self.model, self.tokenizer), text, beam=1)
        is_best = progress.best_loss is None or loss < progress.best_loss
        if is_best:
            progress.best_loss, progress.best_step, progress.evaluations_since_best = loss, progress.step, 0
        else:
            progress.evaluations_since_best += 1
        progress.seconds, progress.evaluated_step = self._seconds(), progress.step

        # The state comes last: what stands in the log beyond it is dropped and written again by --resume.
        folder.append_log(
            {
                "kind": "evaluation",
                "step": progress.step,
                "loss": loss,
                "perplexity": perplexity(loss),
                "bleu": translations.bleu.score,
                "exact": translations.exact,
                "signature": translations.bleu.signature,
                "seconds": round(progress.seconds, 1),
            }
        )
        folder.append_samples(f"step {progress.step}", sample_lines(text, translations.hypotheses))
        draw_curves(folder.read_log(), folder.curves_file)
        folder.save_step(self.model, progress.step, keep=self.options.average)
        if is_best:
            self.model.save(folder.best_file)
        self._save_state()
        self.display.message(
            f"step {progress.step}: validation loss {loss:.3f}, perplexity {perplexity(loss):.2f}, "
            f"BLEU {translations.bleu.score:.1f}, exact {translations.exact:.0%}  ({_minutes(progress.seconds)})"
        )
        sample = f"{text.sources[0]} -> {translations.hypotheses[0]}"
        self.display.message("    " + textwrap.shorten(sample, SAMPLE_WIDTH, placeholder=" ..."))
        if self.options.patience is not None and progress.evaluations_since_best >= self.options.patience:
            self.display.message(
                f"early stop: {progress.evaluations_since_best} evaluations without a lower validation loss"
            )

    def _save_state(self) -> None:
        self.folder.save_training(self.model, self.adam, self.progress, self._digests)

    def _finish(self, workers: Steps) -> None:
        """Average the last checkpoints, unless the best one is better, and translate the test set with the result."""
        folder, progress = self.folder, self.progress
        final, count = folder.average(self.options.average, device=self.options.device)
        loss = validation_loss(final, self.valid_text.ids, self.options.batch_tokens, workers)
        verdict = f"averaged the last {count} checkpoints: validation loss {loss:.3f}"
        if progress.best_loss is not None and progress.best_loss < loss:
            # A run that was still learning fast: its older checkpoints hold the average back.
            final, count = Transformer.load(folder.best_file, device=self.options.device), 1
            verdict += f"; the best one, of step {progress.best_step}, has {progress.best_loss:.3f} and is kept instead"
        else:
            final.save(folder.averaged_file)
        self.display.message(f"{verdict}; translating {len(self.test_text):,} {self.test_name} sentences")
        text = self.test_text.text
        result = translate_text(workers, Translator(final, self.tokenizer), text, beam=TEST_BEAM)
        folder.append_log(
            {
                "kind": "test",
                "step": progress.step,
                "set": self.test_name,
                "bleu": result.bleu.score,
                "exact": result.exact,
                "brevity_penalty": result.bleu.brevity_penalty,
                "signature": result.bleu.signature,
                "beam": TEST_BEAM,
                "averaged": count,
                "seconds": round(self._seconds(), 1),
            }
        )
        title = f"{self.test_name}, mean of {count} checkpoint(s), beam {TEST_BEAM}"
        folder.append_samples(title, sample_lines(text, result.hypotheses, count=20))
        draw_curves(folder.read_log(), folder.curves_file)
        self.display.message(f"{self.test_name}: {result.bleu}, exact sentences {result.exact:.1%}")

    # --- What is said ---

    def _announce(self) -> None:
        count = self.model.parameters.flat.size
        on_gpu, pools = self.options.device == "gpu", blas_pools()
        self.display.message(
            f"model: {self.options.preset}, {count / 1e6:.2f}M parameters, vocabulary {len(self.tokenizer)}; "
            f"{len(self.train_text):,} training pairs, about {self.steps_per_epoch} steps an epoch; "
            + ("one GPU" if on_gpu else f"{self.workers} worker(s), each on {blas_description(pools)}")
        )
        advice = None if on_gpu else blas_advice(pools, processor_features(), os.environ)
        if advice:
            self.display.message(advice)

    def _notes(self, batches: list[Array]) -> list[str]:
        """What the user should know before the run begins, which makes an epoch of these batches."""
        options, text = self.options, self.train_text.ids
        notes: list[str | None] = [*batch_notes(text, batches, batch_tokens=options.batch_tokens, workers=self.workers)]
        notes += [too_few_steps_note(options, self.steps_per_epoch)]
        if options.device == "cpu":
            notes += [
                memory_note(
                    self.config,
                    self.model.parameters.flat.size,
                    text,
                    batches,
                    workers=self.workers,
                    recompute=options.recompute,
                    available=available_memory(),
                )
            ]
        return [note for note in notes if note is not None]

    def _record(self, recent: _Recent, epoch: int, rate: float) -> None:
        step, loss = self.progress.step, recent.loss / recent.tokens
        speed = recent.tokens / (time.monotonic() - recent.started)
        self.folder.append_log(
            {
                "kind": "step",
                "step": step,
                "epoch": epoch + 1,
                "loss": loss,
                "rate": rate,
                "gradient_norm": recent.gradient_norm,
                "tokens_per_second": round(speed),
                "seconds": round(self.progress.seconds, 1),
            }
        )
        (began, done_before), done = self._loop_began, self._fraction_done()
        gained = done - done_before
        left = f"  {_minutes((time.monotonic() - began) * (1 - done) / gained)} left" if gained > 0.001 else ""
        self.display.progress(
            done, f"step {step}  epoch {epoch + 1}  loss {loss:.3f}  rate {rate:.2e}  {speed:,.0f} tokens/s{left}"
        )

    def _report_skip(self, step: int, result: StepResult, skipped: int, workers: Steps) -> None:
        """A step whose numbers were not finite changed nothing; several in a row end the run."""
        self.folder.append_log(
            {"kind": "skip", "step": step, "loss": result.loss, "gradient_norm": result.gradient_norm}
        )
        self.display.message(f"step {step} skipped: loss {result.loss}, gradient norm {result.gradient_norm}")
        if skipped >= SKIPS_BEFORE_STOP:
            for line in nonfinite_report(self.model, workers.gradients):
                self.display.message(line)
            raise DivergenceError(
                f"{skipped} updates in a row had gradients that are not finite (listed above); {KEPT}"
            )

    def _prepare(self, text: ParallelText, name: str) -> PreparedText:
        prepared = prepare_text(text, self.tokenizer, self.config, self.options.max_length)
        if prepared.dropped:
            self.display.message(
                f"{prepared.dropped:,} of {len(text):,} {name} pairs left out: longer than "
                f"{self.options.max_length} tokens (--max-length)"
            )
        if not len(prepared):
            raise InputError(f"no {name} pair has at most {self.options.max_length} tokens; raise --max-length")
        return prepared


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
