"""A randomly initialised Marian model, stored by transformers, computes in NumPy what it computes there."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from marian_folder import ENGLISH, GERMAN, make_marian_folder, sentencepiece, torch, transformers

from numpy_transformer.commands import translate
from numpy_transformer.decoding.constraints import Constraints
from numpy_transformer.decoding.forced import forced_log_probabilities
from numpy_transformer.errors import InputError
from numpy_transformer.formats.marian import load_marian
from numpy_transformer.translation.translator import Translator


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_marian_folder(tmp_path_factory.mktemp("marian") / "opus-mt-en-de")


@pytest.fixture(params=["swish", "relu"])
def variant(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return make_marian_folder(tmp_path / "model", activation_function=request.param)


def test_logits_are_those_of_transformers(variant):
    theirs = transformers.MarianMTModel.from_pretrained(variant).eval()
    ours, _ = load_marian(variant)
    config, rng = ours.config, np.random.default_rng(0)
    source = rng.integers(2, config.vocabulary_size - 1, (3, 7))
    source[:, -1] = config.eos_id
    source[1, 4:], source[1, 3] = config.pad_id, config.eos_id
    target_input = rng.integers(2, config.vocabulary_size - 1, (3, 5))
    target_input[:, 0] = config.bos_id
    with torch.no_grad():
        expected = theirs(
            input_ids=torch.from_numpy(source),
            attention_mask=torch.from_numpy(source != config.pad_id),
            decoder_input_ids=torch.from_numpy(target_input),
        ).logits.numpy()
    np.testing.assert_allclose(ours.logits(source, target_input), expected, rtol=1e-5, atol=1e-5)


def test_a_model_stored_in_bfloat16_is_read(folder, tmp_path):
    model = transformers.MarianMTModel.from_pretrained(folder)
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    model.to(torch.bfloat16).save_pretrained(tmp_path)
    exact, rounded = load_marian(folder)[0].parameters.flat, load_marian(tmp_path)[0].parameters.flat
    assert not np.array_equal(exact, rounded)
    np.testing.assert_allclose(rounded, exact, rtol=2.0**-8)


def test_tokens_and_greedy_translations_are_those_of_transformers(folder):
    theirs = transformers.MarianMTModel.from_pretrained(folder).eval()
    files = {"source_spm": folder / "source.spm", "target_spm": folder / "target.spm", "vocab": folder / "vocab.json"}
    tokenizer = transformers.MarianTokenizer(**{name: str(path) for name, path in files.items()})
    tokenizer.punc_normalizer = str  # what the optional package sacremoses would do to a text is not done here
    translator = Translator.load(folder)
    for text in [*ENGLISH, ">>de<< we see a cat", "Schnee 雪, unknown"]:
        ids = tokenizer(text).input_ids
        assert [*translator.tokenizer.encode(text), 0] == ids
        with torch.no_grad():
            found = theirs.generate(
                torch.tensor([ids]),
                num_beams=1,
                do_sample=False,
                max_new_tokens=len(ids) + 50,
                bad_words_ids=[[translator.model.config.pad_id]],
            )[0].tolist()
        [[ours]] = translator.hypotheses([text], beam=1)
        assert ours.ids == [i for i in found[1:] if i != 0][: len(ids) - 1 + 50]
    for line in GERMAN:
        pieces = sentencepiece.SentencePieceProcessor(model_file=str(folder / "target.spm")).encode(line, out_type=str)
        vocabulary = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
        assert translator.tokenizer.decode([vocabulary[piece] for piece in pieces]) == line


def test_translations_are_encoded_as_the_target_language(folder):
    """Scores of given translations, prefixes and required terms: with the pieces of target.spm."""
    translator = Translator.load(folder)
    target = sentencepiece.SentencePieceProcessor(model_file=str(folder / "target.spm"))
    for line in GERMAN:
        ids = translator.target_tokenizer.encode(line)
        assert [translator.tokenizer.vocabulary[i].decode() for i in ids] == [
            piece.replace("\u2581", " ") for piece in target.encode(line, out_type=str)
        ]
        assert translator.score([("we see", line)])[0] == pytest.approx(
            forced_log_probabilities([translator.model], [([*translator.tokenizer.encode("we see"), 0], ids)])[0]
        )
        constraints = Constraints(prefix=line.split()[0], required=(line.split()[-1],), maximum_length=30)
        [[found]] = translator.hypotheses(["we see"], constraints=constraints)
        assert found.text.startswith(line.split()[0])
        assert line.split()[-1] in found.text


def run_translate(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture, *arguments: object
) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["translate.py", *map(str, arguments)])
    status = translate.main()
    out, err = capfd.readouterr()
    return status, out, err


def test_the_program_translates_with_such_a_folder(folder, monkeypatch, capfd):
    status, out, err = run_translate(monkeypatch, capfd, "--model", folder, "the dog runs home", "", "we see")
    expected = Translator.load(folder).translate(["the dog runs home", "", "we see"])
    assert (status, out, err) == (0, "".join(line + "\n" for line in expected), "")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"activation_function": "gelu"}, "unknown activation_function 'gelu'; give one of swish, silu, relu"),
        ({"scale_embedding": False}, "scale_embedding is not true"),
        ({"normalize_before": True}, "normalize_before is set"),
        ({"decoder_ffn_dim": 12}, "encoder and decoder differ in size"),
        ({"d_model": 8}, "the file is of another model"),
        ({"d_model": 32}, "do not have the sizes given in config.json"),
        ({"encoder_layers": 3}, "has no tensor model.encoder.layers.2"),
        ({"d_model": None}, "d_model is None"),
    ],
)
def test_models_that_cannot_be_read_are_refused(folder, tmp_path, changes, message):
    copy = copy_folder(folder, tmp_path)
    config = json.loads((copy / "config.json").read_text(encoding="utf-8"))
    (copy / "config.json").write_text(json.dumps(config | changes), encoding="utf-8")
    with pytest.raises(InputError, match=message):
        Translator.load(copy)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("model.safetensors", None, "model.safetensors: no such file, nor a pytorch_model.bin beside it"),
        ("model.safetensors", b"PK\x03\x04", "is damaged, or not a safetensors file"),
        ("source.spm", None, "source.spm: no such file"),
        ("target.spm", b"something else", "target.spm: is not a SentencePiece model"),
        ("vocab.json", b"{}", "vocab.json: is not a vocabulary of"),
        ("vocab.json", b'{"<unk>": "x"}', "vocab.json: is not a vocabulary of"),
        ("vocab.json", None, "vocab.json: No such file"),
    ],
)
def test_missing_and_damaged_files_are_one_line(folder, tmp_path, monkeypatch, capfd, name, content, message):
    copy = copy_folder(folder, tmp_path)
    (copy / name).unlink()
    if content is not None:
        (copy / name).write_bytes(content)
    status, out, err = run_translate(monkeypatch, capfd, "--model", copy, "x")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert message in err


def copy_folder(folder: Path, place: Path) -> Path:
    """The same files, to be damaged."""
    copy = place / "copy"
    copy.mkdir()
    for path in folder.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    return copy
