"""Training as train.py does it: the loop of plain_loop.py, made to last. It can be watched, stopped and resumed.

What a step computes stands in parallel.py (gpu_step.py on a GPU). What is said and written: reporting.py. How good the
model is: evaluation.py. What is kept: run_folder.py.
"""

import time
from collections.abc import Callable
from typing import Any, Self

from numpy_transformer.backend.arrays import array_module
from numpy_transformer.models.config import TransformerConfig
from numpy_transformer.models.model import Model
from numpy_transformer.terminal.display import Display
from numpy_transformer.terminal.wording import counted
from numpy_transformer.training.diagnostics import KEPT, DivergenceError
from numpy_transformer.training.distributed.leading import Leader
from numpy_transformer.training.duration import Duration
from numpy_transformer.training.freezing import frozen_names, frozen_slices
from numpy_transformer.training.gpu_step import GpuStep
from numpy_transformer.training.interrupt import StopRequest
from numpy_transformer.training.optimizer import Adam
from numpy_transformer.training.options import TrainingOptions
from numpy_transformer.training.parallel import StepResult, Steps, Workers, default_workers
from numpy_transformer.training.reporting import Report, StepSums
from numpy_transformer.training.run_folder import RunFolder, RunProgress
from numpy_transformer.training.schedule import learning_rate
from numpy_transformer.training.starting_point import (
    base_config,
    load_base,
    read_taken_over,
    save_tokenizer,
    starting_values,
)
from numpy_transformer.training.task_choice import make_task
from numpy_transformer.training.texts import AnyCorpus
from numpy_transformer.training.training_step import TrainingStep
from numpy_transformer.translation.token_ids import ModelTokenizer

STEPS_PER_RECORD = 10
SKIPS_BEFORE_STOP = 5


class Trainer:
    """One run: `begin` makes a new one, `resume` goes on with one that was stopped; then `run` trains it.

    Everything random is a function of (seed, step), so stopping and resuming changes no bit of the result (for the
    same number of workers and the same BLAS).
    """

    def __init__(
        self,
        options: TrainingOptions,
        corpus: AnyCorpus,
        tokenizer: ModelTokenizer,
        folder: RunFolder,
        display: Display,
        started: float | None,
        config: TransformerConfig | None = None,
        leader: Leader | None = None,
    ) -> None:
        """Everything at step 0, as a new run and a resumed one have it in common. Nothing is written yet."""
        self.leader = leader
        if leader is not None:
            leader.announce(options, tokenizer, config)
        self.options, self.tokenizer, self.folder = options, tokenizer, folder
        self.report = Report(options, folder, display)
        self.task = make_task(options, corpus, tokenizer, self.report, config)
        if leader is not None:
            leader.check(self.task)
        self.config = self.task.config
        self.model = self.task.make_model()
        self.frozen = frozen_slices(self.model.parameters, frozen_names(options, self.config))
        self.adam = Adam.for_parameters(self.model.parameters.flat)
        self.workers = 1 if options.device == "gpu" else options.workers or default_workers(options.batch_tokens)
        self.steps_per_epoch = max(1, self.task.batches_per_epoch // options.accumulate)
        self.task.notes(self.report, self.model, workers=self.workers, steps_per_epoch=self.steps_per_epoch)
        self.progress = RunProgress()
        self.duration = Duration(options, steps_per_epoch=self.steps_per_epoch, started=started)
        self.stopped_by: int | None = None  # the signal by which the user ended `run`
        self.on_step: Callable[[TrainingStep], bool | None] | None = None  # called after each; False ends the run
        self._end_is_wanted = False
        self._digests = {"tokenizer": tokenizer.digest, **self.task.digests}

    @classmethod
    def begin(
        cls,
        options: TrainingOptions,
        corpus: AnyCorpus,
        tokenizer: ModelTokenizer,
        folder: RunFolder,
        display: Display,
        *,
        base: Model[Any] | None = None,
        started: float | None = None,
        leader: Leader | None = None,
    ) -> Self:
        """A new run: tokenizer, configuration and known words are written into its folder.

        It goes on from `base`, whose tokenizer this is, if there is one (starting_point.py). `started` is when the
        program began, by time.monotonic(), so that --minutes counts preparation too. A `leader` shares the work with
        other ranks (distributed/).
        """
        config = None if base is None else base_config(options, base)
        trainer = cls(options, corpus, tokenizer, folder, display, started, config, leader)
        if base is not None:
            trainer.model.assign(starting_values(base, trainer.model), str(options.from_model))
        save_tokenizer(tokenizer, folder)
        trainer.task.write_files(folder)
        folder.write_config(options, trainer.config)
        return trainer

    @classmethod
    def resume(
        cls,
        options: TrainingOptions,
        corpus: AnyCorpus,
        folder: RunFolder,
        display: Display,
        *,
        started: float | None = None,
        leader: Leader | None = None,
    ) -> Self:
        """The run in `folder`, from where its state was saved; `options` may change how long and where it runs.

        Raises InputError if it cannot be resumed with this text.
        """
        tokenizer: ModelTokenizer = folder.read_tokenizer() if options.from_model is None else read_taken_over(folder)
        config = None if options.from_model is None else folder.read_model_config()
        trainer = cls(options, corpus, tokenizer, folder, display, started, config, leader)
        if options.from_model is not None and not folder.training_file.exists():  # stopped before it began
            begins_with = load_base(options, {}).model
            trainer.model.assign(starting_values(begins_with, trainer.model), options.from_model)
        trainer.progress = folder.load_training(trainer.model, trainer.adam, trainer._digests)
        trainer.duration.earlier_seconds = trainer.progress.seconds
        folder.rewind(trainer.progress.step)
        trainer.report.resumed(trainer.progress.step)
        folder.write_config(options, trainer.config)
        return trainer

    def run(self) -> bool:
        """Train to the end that the options set. True if it was reached, False if the user stopped the run before."""
        model, frozen = self.model, self.frozen
        steps: Steps
        if self.leader is not None:
            steps = self.leader.steps(self.task, model, self.adam, self.progress.step, frozen)
        elif self.options.device == "gpu":
            steps = GpuStep(model, frozen=frozen, largest=self.task.largest_update())
        else:
            steps = Workers(model, self.workers, frozen=frozen)
        with steps as workers, StopRequest(self.report.say) as stop:
            if self.leader is not None:
                self.leader.ranks.watch.on_stop = stop.ask
            self.report.begins(
                model,
                examples=counted(self.task.train_size, self.task.example),
                steps_per_epoch=self.steps_per_epoch,
                workers=self.workers,
                layout=workers.layout,
            )
            self.report.divided(self.progress.layout, workers.layout)
            self.progress.layout = workers.layout
            if self.progress.step == 0:
                # A disk that is full is noticed before the work, and no checkpoint ever stands without a state.
                self._save_state()
                self._measure_base(workers)
            if not self._train(workers, stop):
                self.stopped_by = stop.number
                # No evaluation here: the checkpoint it writes would enter the average, which an uninterrupted run,
                # evaluating elsewhere, would not have.
                self._save_state()
                return False
            self.report.time_was_up(self.progress.step, self.duration.seconds())
            if self.progress.evaluated_step != self.progress.step or not self.folder.step_files():
                self._evaluate(workers)
            stop.at_once = True  # everything is saved
            self._finish(workers)
        return True

    # --- The loop ---

    def _train(self, workers: Steps, stop: StopRequest) -> bool:
        """False if the user stopped the run before its end."""
        options, progress = self.options, self.progress
        self.duration.steps_begin(progress.step)
        sums = StepSums(progress.recent)
        for epoch, batches in self.task.updates(progress.step):
            if self._is_over(epoch):
                break
            if stop.requested or self._end_is_wanted:
                self._account(workers.collect(), sums, workers)
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
            progress.seconds = self.duration.seconds()
            self._account(results, sums, workers)
            if records and progress.recent.tokens:
                self.report.steps(sums, progress, self.duration, epoch=epoch, rate=rate)
                sums.restart()
            if evaluates:
                before = time.monotonic()
                self._evaluate(workers)
                sums.started += time.monotonic() - before
        self._account(workers.collect(), sums, workers)
        return True

    def _is_over(self, epoch: int) -> bool:
        patience = self.options.patience
        return self.duration.is_over(self.progress.step, epoch) or (
            patience is not None and self.progress.evaluations_since_best >= patience
        )

    def _account(self, results: list[StepResult], sums: StepSums, workers: Steps) -> None:
        """Add the results of the latest steps to `sums`. Raises DivergenceError if too many in a row were skipped."""
        for step, result in enumerate(results, self.progress.step + 1 - len(results)):
            sums.add(result)
            if self.on_step is not None:
                answer = self.on_step(self._told(step, result))
                self._end_is_wanted |= answer is not None and not answer
            if result.updated:
                continue
            self.report.skipped(step, result)
            if self.progress.recent.skipped >= SKIPS_BEFORE_STOP:
                what = self.report.broken_steps(self.model, workers.gradients, result)
                raise DivergenceError(f"{self.progress.recent.skipped} updates in a row had {what}; {KEPT}")

    def _told(self, step: int, result: StepResult) -> TrainingStep:
        """What a callback learns of a step."""
        options = self.options
        rate = learning_rate(step, d_model=self.config.d_model, warmup=options.warmup, scale=options.rate_scale)
        return TrainingStep(step, *result, rate, self.duration.seconds(), self.progress.best_loss)

    # --- What is kept ---

    def _evaluate(self, workers: Steps) -> None:
        """Validation loss and more; then everything is saved, so that nothing since the last evaluation is lost."""
        options, progress, folder = self.options, self.progress, self.folder
        loss = self.task.finite_validation_loss(self.model, workers, progress.step)
        evaluation = self.task.evaluate(self.model, loss, workers)
        self._check_weights()
        is_best = progress.evaluated(loss, self.duration.seconds())
        # The state comes last: what stands in the log beyond it is dropped and written again by --resume.
        self.report.write_evaluation(loss, evaluation, progress)
        folder.save_step(self.model, progress.step, keep=options.average)
        if is_best:
            self.model.save(folder.best_file)
        self._save_state()
        self.report.say_evaluation(loss, evaluation, progress)

    def _save_state(self) -> None:
        self._check_weights()
        self.folder.save_training(self.model, self.adam, self.progress, self._digests)

    def _check_weights(self) -> None:
        """Raises DivergenceError for weights that are not finite: they must not replace good ones."""
        buffers = (self.model.parameters.flat, self.adam.first_moment, self.adam.second_moment)
        if not all(bool(array_module(buffer).isfinite(buffer).all()) for buffer in buffers):
            raise DivergenceError(f"the weights at step {self.progress.step} are not finite: not saved; {KEPT}")

    def _measure_base(self, workers: Steps) -> None:
        """How good the model is that the run goes on from, once: the fine-tuned one is compared with it."""
        if self.options.from_model is not None and self.report.base_scores() is None:
            before = self.task.before(self.model, workers)
            if before is not None:
                self.report.base(before)

    def _finish(self, workers: Steps) -> None:
        """Average the last checkpoints, unless the best one is better, and test the result."""
        options, progress, folder, task = self.options, self.progress, self.folder, self.task
        final, count = folder.average(task.kind, options.average, device=options.device)
        loss = task.validation_loss(final, workers)
        # A run that was still learning fast: its older checkpoints hold the average back.
        best_is_better = progress.best_loss is not None and progress.best_loss < loss
        if best_is_better:
            final = task.kind.load(folder.best_file, device=options.device)
        else:
            final.save(folder.averaged_file)
        self.report.final_model(count, loss, progress if best_is_better else None, next_words=task.final_words())
        self.report.test(
            task.test(final, workers),
            step=progress.step,
            averaged=1 if best_is_better else count,
            seconds=self.duration.seconds(),
        )
