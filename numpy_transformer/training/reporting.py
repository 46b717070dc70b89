"""What a run says and writes down: every line on the display, every record of the log, samples and curves."""

import math
import os
import textwrap
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from numpy_transformer.backend.arrays import Array
from numpy_transformer.backend.blas import blas_advice, blas_description, blas_pools, processor_features
from numpy_transformer.backend.memory import available_memory
from numpy_transformer.data.batching import EncodedText
from numpy_transformer.models.model import Model
from numpy_transformer.terminal.display import Display
from numpy_transformer.terminal.wording import clock, counted, figure
from numpy_transformer.training.curves import draw_curves
from numpy_transformer.training.diagnostics import (
    batch_notes,
    memory_note,
    nonfinite_report,
    too_few_steps_note,
    too_little_time_note,
)
from numpy_transformer.training.duration import Duration
from numpy_transformer.training.evaluation import Evaluation
from numpy_transformer.training.metrics import perplexity
from numpy_transformer.training.options import TrainingOptions
from numpy_transformer.training.parallel import StepResult
from numpy_transformer.training.run_folder import RecentSteps, RunFolder, RunProgress
from numpy_transformer.training.starting_point import size_of

COMPARED = {  # figures of a test, before and after fine-tuning: their names, and how they are written
    "bleu": ("BLEU", ".2f"),
    "chrf": ("chrF", ".2f"),
    "accuracy": ("accuracy", ".1%"),
    "loss": ("loss", ".3f"),
    "bits_per_byte": ("bits per byte", ".3f"),
}
SAMPLE_WIDTH = 200  # characters shown of a translation; a model that has not learned much repeats itself endlessly


@dataclass
class StepSums:
    """Adds the steps of this sitting to those since the last record of the log, and measures their speed."""

    recent: RecentSteps
    started: float = field(default_factory=time.monotonic)
    tokens: int = 0  # since `started`

    def add(self, result: StepResult) -> None:
        """One more step; a skipped one counts only as such."""
        recent = self.recent
        if not result.updated:
            recent.skipped += 1
            return
        recent.skipped = 0
        recent.loss += result.loss * result.token_count
        recent.tokens += result.token_count
        recent.gradient_norm = result.gradient_norm
        self.tokens += result.token_count

    def restart(self) -> None:
        """Begin the sums of the next record."""
        self.recent.restart()
        self.started, self.tokens = time.monotonic(), 0


class Report:
    """Tells the user how a run goes, on the display and in the files of its folder."""

    def __init__(self, options: TrainingOptions, folder: RunFolder, display: Display) -> None:
        self.options, self.folder = options, folder
        self.say = display.message
        self._show_progress = display.progress

    # --- Before the first step ---

    def pairs_left_out(self, name: str, dropped: int, count: int, *, longest: int) -> None:
        """Some pairs of a text are too long."""
        option = " (--max-length)" if name == "training" else ""
        self.say(f"{dropped:,} of {count:,} {name} pairs left out: longer than {counted(longest, 'token')}{option}")

    def notes(
        self, model: Model[Any], text: EncodedText, batches: Sequence[Array], *, workers: int, steps_per_epoch: int
    ) -> None:
        """What the user should know before a run whose epochs are made of these batches of `text`."""
        options = self.options
        notes: list[str | None] = [*batch_notes(text, batches, batch_tokens=options.batch_tokens, workers=workers)]
        notes += [too_few_steps_note(options, steps_per_epoch)]
        if options.device == "cpu":
            note = memory_note(
                model.config,
                model.parameters.flat.size,
                text,
                batches,
                workers=workers,
                recompute=options.recompute,
                available=available_memory(),
            )
            notes += [note]
        for line in notes:
            if line is not None:
                self.say(line)

    def too_few_steps(self, steps_per_epoch: int) -> None:
        """A word of warning, if the run will end before its learning rate peaks."""
        note = too_few_steps_note(self.options, steps_per_epoch)
        if note:
            self.say(note)

    def resumed(self, step: int) -> None:
        """Where the run goes on."""
        self.say(f"resumed at step {step}" if step else "nothing was saved yet: the run begins anew")

    def divided(self, before: str, now: str) -> None:
        """How the work is divided, if the run began with another division."""
        if before not in ("", now):
            self.say(
                f"saved by {before}, goes on with {now}: the same batches in the same order, but last bits may differ"
            )

    def begins(self, model: Model[Any], *, examples: str, steps_per_epoch: int, workers: int, layout: str) -> None:
        """What will be trained, and on what."""
        on_gpu, pools = self.options.device == "gpu", blas_pools()
        self.say(
            f"model: {size_of(model.config, kind=model.kind)}, {model.parameters.flat.size / 1e6:.2f}M parameters, "
            f"{'ternary weights, ' if model.config.weights == 'ternary' else ''}"
            f"vocabulary {model.config.vocabulary_size:,}; "
            f"{examples}, about {counted(steps_per_epoch, 'step')} an epoch; "
            + (layout if on_gpu or "rank" in layout else f"{workers} worker(s)")
            + ("" if on_gpu else f", each on {blas_description(pools)}")
        )
        if self.options.from_model is not None:
            frozen = "" if self.options.freeze is None else f"; frozen: {self.options.freeze}"
            self.say(f"going on from {self.options.from_model}{frozen}")
        advice = None if on_gpu else blas_advice(pools, processor_features(), os.environ)
        if advice:
            self.say(advice)

    # --- While the model learns ---

    def steps(self, sums: StepSums, progress: RunProgress, duration: Duration, *, epoch: int, rate: float) -> None:
        """The record of the latest steps, and how far the run is."""
        step, loss = progress.step, sums.recent.loss / sums.recent.tokens
        speed = sums.tokens / (time.monotonic() - sums.started)
        self.folder.append_log(
            {
                "kind": "step",
                "step": step,
                "epoch": epoch + 1,
                "loss": loss,
                "rate": rate,
                "gradient_norm": sums.recent.gradient_norm,
                "tokens_per_second": round(speed),
                "seconds": round(progress.seconds, 1),
            }
        )
        left = duration.seconds_left(step)
        self._show_progress(
            duration.fraction_done(step),
            f"step {step}  epoch {epoch + 1}  loss {figure(loss, 3)}  rate {rate:.2e}  {speed:,.0f} tokens/s"
            + ("" if left is None else f"  {clock(left)} left"),
        )

    def skipped(self, step: int, result: StepResult) -> None:
        """A step whose numbers were not finite, so that it changed nothing."""
        self.folder.append_log(
            {"kind": "skip", "step": step, "loss": result.loss, "gradient_norm": result.gradient_norm}
        )
        self.say(f"step {step} skipped: loss {result.loss}, gradient norm {result.gradient_norm}")

    def broken_steps(self, model: Model[Any], gradients: Array, result: StepResult) -> str:
        """List the parameters whose gradients are not finite; returns what was wrong with the skipped steps."""
        lines = nonfinite_report(model, gradients)
        for line in lines:
            self.say(line)
        if lines:
            return "gradients that are not finite (listed above)"
        if not math.isfinite(result.loss):
            return "a loss that is not finite"
        return "finite gradients so large that float32 cannot hold their norm"

    def write_evaluation(self, loss: float, evaluation: Evaluation, progress: RunProgress) -> None:
        """An evaluation goes into the log, the samples and the curves."""
        self.folder.append_log(
            {
                "kind": "evaluation",
                "step": progress.step,
                "loss": loss,
                "perplexity": perplexity(loss),
                **evaluation.figures,
                "seconds": round(progress.seconds, 1),
            }
        )
        self._write_samples(f"step {progress.step}", evaluation.samples)

    def say_evaluation(self, loss: float, evaluation: Evaluation, progress: RunProgress) -> None:
        """An evaluation on the display: said when everything is saved."""
        said = f", {evaluation.said}" if evaluation.said else ""
        self.say(
            f"step {progress.step}: validation loss {figure(loss, 3)}, perplexity {figure(perplexity(loss), 2)}{said}  "
            f"({clock(progress.seconds)})"
        )
        if evaluation.example:
            self.say("    " + textwrap.shorten(evaluation.example, SAMPLE_WIDTH, placeholder=" ..."))
        if self.options.patience is not None and progress.evaluations_since_best >= self.options.patience:
            without = counted(progress.evaluations_since_best, "evaluation")
            self.say(f"early stop: {without} without a lower validation loss")

    # --- At the end ---

    def time_was_up(self, step: int, seconds: float) -> None:
        """A word of advice, if --minutes ended the run too early."""
        note = too_little_time_note(self.options, step, seconds)
        if note:
            self.say(note)

    def final_model(self, averaged: int, loss: float, better: RunProgress | None, *, next_words: str) -> None:
        """Which model is the run's result: the mean of `averaged` checkpoints, or the best one of `better`."""
        model = "the only checkpoint" if averaged == 1 else f"averaged the last {averaged:,} checkpoints"
        verdict = f"{model}: validation loss {figure(loss, 3)}"
        if better is not None and (best := better.best_loss) is not None:
            verdict += f"; the best one, of step {better.best_step}, has {figure(best, 3)} and is kept instead"
        self.say(f"{verdict}; {next_words}")

    def base(self, result: Evaluation) -> None:
        """How good the model is that the run goes on from."""
        self.folder.append_log({"kind": "base", "step": 0, **result.figures})
        for line in result.said.split("\n"):
            self.say(f"before: {line}")

    def base_scores(self) -> dict[str, Any] | None:
        """The record that `base` wrote; None if there is none."""
        return next((record for record in self.folder.read_log() if record.get("kind") == "base"), None)

    def test(self, result: Evaluation, *, step: int, averaged: int, seconds: float) -> None:
        """What the mean of `averaged` checkpoints can do with the test text, and with further ones."""
        self.folder.append_log(
            {"kind": "test", "step": step, **result.figures, "averaged": averaged, "seconds": round(seconds, 1)}
        )
        self._write_samples(result.title.format(f"mean of {averaged} checkpoint(s)"), result.samples)
        for line in result.said.split("\n"):
            self.say(line)
        before, after = self.base_scores(), result.figures
        if before is not None:
            gained = [
                f"{name} {before[key]:{form}} -> {after[key]:{form}}"
                for key, (name, form) in COMPARED.items()
                if key in before and key in after
            ]
            self.say(f"fine-tuning: {after['set']} {', '.join(gained)}")
        for title, line, samples in result.further:
            self._write_samples(title, samples)
            self.say(f"    {line}")

    def _write_samples(self, title: str, lines: Sequence[str]) -> None:
        self.folder.append_samples(title, lines)
        draw_curves(self.folder.read_log(), self.folder.curves_file)
