"""Fine-tuning a Marian model: the losses of its steps are those of transformers and PyTorch."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from marian_folder import ENGLISH, GERMAN, make_marian_folder, torch, transformers

from numpy_transformer.commands import train
from numpy_transformer.data.encoding import prepare_text
from numpy_transformer.data.files import ParallelText
from numpy_transformer.formats.marian import load_marian
from numpy_transformer.training.freezing import frozen_names, frozen_slices
from numpy_transformer.training.optimizer import Adam
from numpy_transformer.training.options import TrainingOptions
from numpy_transformer.training.parallel import Workers
from numpy_transformer.translation.translator import Translator

STEPS = 10
RATE = 0.003


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Without dropout, whose random numbers differ."""
    return make_marian_folder(tmp_path_factory.mktemp("marian") / "opus", dropout=0.0)


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
@pytest.mark.parametrize("workers", [1, 2])
def test_the_losses_of_10_steps_are_those_of_transformers(folder, label_smoothing, workers):
    ours, tokenizer = load_marian(folder)
    config = ours.config
    text = prepare_text(ParallelText(ENGLISH, GERMAN), tokenizer, tokenizer.of_target, config, 50).ids
    batch = text.batch(np.arange(len(ENGLISH)), config.pad_id)

    theirs = transformers.MarianMTModel.from_pretrained(folder).train()
    for stack in (theirs.model.encoder, theirs.model.decoder):
        # Sinusoids, created as constants (_freeze=True); but from_pretrained of transformers 5 forgets that.
        stack.embed_positions.weight.requires_grad_(False)
    optimizer = torch.optim.Adam(theirs.parameters(), lr=RATE, betas=(0.9, 0.98), eps=1e-9)
    criterion = torch.nn.CrossEntropyLoss(ignore_index=config.pad_id, label_smoothing=label_smoothing)
    source, target = torch.from_numpy(batch.source), torch.from_numpy(batch.target)
    expected, norms = [], []
    for _ in range(STEPS):
        logits = theirs(
            input_ids=source, attention_mask=source != config.pad_id, decoder_input_ids=target[:, :-1]
        ).logits
        loss = criterion(logits.flatten(0, 1), target[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        expected.append(loss.item())
        norms.append(torch.nn.utils.get_total_norm([p.grad for p in theirs.parameters() if p.grad is not None]).item())
        optimizer.step()

    adam = Adam.for_parameters(ours.parameters.flat)
    frozen = frozen_slices(ours.parameters, frozen_names(TrainingOptions(), config))
    with Workers(ours, workers, frozen=frozen) as steps:
        found = [
            steps.step(adam, [batch], rate=RATE, seed=None, label_smoothing=label_smoothing)[0] for _ in range(STEPS)
        ]
    np.testing.assert_allclose([step.loss for step in found], expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose([step.gradient_norm for step in found], norms, rtol=1e-3)
    assert expected[-1] < expected[0] - 0.5  # they learn, so equality says something


def test_train_py_goes_on_from_it(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    pairs = [f"{a}\t{b}\n" for a, b in zip(ENGLISH, GERMAN, strict=True)]
    Path("pairs.tsv").write_text("".join(pairs), encoding="utf-8")
    options = ["--from", folder, "--data", "pairs.tsv", "--validation", "pairs.tsv", "--run", "mine", "--workers", 1]
    monkeypatch.setattr(sys, "argv", ["train.py", *map(str, options), "--steps", "40", "--rate-scale", "0.5"])
    assert train.main() == 0
    assert "fine-tuning: validation BLEU" in capsys.readouterr().out
    losses = [json.loads(line) for line in Path("mine/log.jsonl").read_text().splitlines()]
    losses = [record["loss"] for record in losses if record["kind"] == "step"]
    assert losses[-1] < losses[0]
    mine, base = Translator.load("mine"), Translator.load(folder)
    assert mine.tokenizer.digest == base.tokenizer.digest
    np.testing.assert_array_equal(mine.model.parameters.tree.output_bias, base.model.parameters.tree.output_bias)
    monkeypatch.setattr(sys, "argv", ["train.py", "--resume", "--run", "mine", "--steps", "42"])
    assert train.main() == 0
