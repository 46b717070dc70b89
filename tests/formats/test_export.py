"""Exported models compute what ours do, in CTranslate2, PyTorch and ONNX Runtime; each is skipped if not installed."""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest

import bpe
import numpy_transformer as nt
from numpy_transformer.commands.export_model import export, main
from numpy_transformer.data.batching import padded
from numpy_transformer.errors import InputError
from numpy_transformer.program import run_program
from numpy_transformer.training.optimizer import Adam
from numpy_transformer.translation.translator import Translator

LINES = ["the dog runs home", "a cat sees the dog", "we see a house", "the house sees us", "dogs run"] * 4
TOLERANCE = 1e-5  # of float32 logits

VARIANTS = {
    "post-norm": {},
    "pre-norm": {"norm": "pre"},
    "swish and output bias": {"activation": "swish", "output_bias": True, "encoder_layers": 1},
}


def make_translator(**changes: object) -> Translator:
    """A model that has begun to learn to repeat its source: it ends its sentences, and is certain of nothing."""
    tokenizer = bpe.train(LINES, vocabulary_size=275)
    config = nt.TransformerConfig(
        vocabulary_size=len(tokenizer), encoder_layers=2, decoder_layers=2, d_model=16, d_ff=24, heads=2
    ).replace(**changes)
    model = nt.Transformer(config, seed=3)
    model.parameters.flat[...] += np.random.default_rng(3).normal(size=model.parameters.flat.shape) * 0.1
    translator = Translator(model, tokenizer)
    source, _ = batch(translator)
    target = np.insert(source, 0, config.bos_id, axis=1)
    adam = Adam.for_parameters(model.parameters.flat)
    for _ in range(60):
        _, gradients = model.loss_and_gradients(source, target)
        adam.update(model.parameters.flat, gradients.flat, rate=0.01)
    return translator


@pytest.fixture(params=VARIANTS)
def translator(request: pytest.FixtureRequest) -> Translator:
    return make_translator(**VARIANTS[request.param])


def batch(translator: Translator) -> tuple[np.ndarray, np.ndarray]:
    """Sources (B, S) and target inputs (B, T) of different lengths, padded."""
    config = translator.model.config
    source = [[*translator.tokenizer.encode(line), config.eos_id] for line in LINES[:5]]
    target = [[config.bos_id, *ids[:-1]] for ids in reversed(source)]
    return tuple(padded([np.array(ids) for ids in part], config.pad_id) for part in (source, target))


def test_ctranslate2_finds_the_same_translations_and_scores(translator, tmp_path):
    ctranslate2 = pytest.importorskip("ctranslate2", reason="CTranslate2 is not installed")
    from numpy_transformer.formats.ctranslate2 import token_strings

    export(translator, "ctranslate2", tmp_path / "out")
    names = token_strings(translator.tokenizer)
    ids = {name: i for i, name in enumerate(names)}
    theirs = ctranslate2.Translator(str(tmp_path / "out"), compute_type="float32", intra_threads=1)
    sources = [[names[i] for i in translator.tokenizer.encode(line)] for line in LINES[:5]]
    for beam in (1, 4):
        found = theirs.translate_batch(
            sources, beam_size=beam, length_penalty=0, min_decoding_length=0, return_scores=True
        )
        for one, [ours, *_] in zip(found, translator.hypotheses(LINES[:5], beam=beam, alpha=0), strict=True):
            assert [ids[name] for name in one.hypotheses[0]] == ours.ids
            assert one.scores[0] == pytest.approx(ours.log_probability, rel=1e-4)


def test_pytorch_computes_the_same_logits_and_greedy_translations(translator, tmp_path):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    export(translator, "pytorch", tmp_path / "out")
    spec = importlib.util.spec_from_file_location("exported_model", tmp_path / "out" / "model.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    theirs = module.load(tmp_path / "out")
    source, target_input = batch(translator)
    logits = theirs(torch.from_numpy(source), torch.from_numpy(target_input)).detach().numpy()
    np.testing.assert_allclose(logits, translator.model.logits(source, target_input), rtol=TOLERANCE, atol=TOLERANCE)

    for line in LINES[:5]:
        ids = torch.tensor([[*translator.tokenizer.encode(line), translator.model.config.eos_id]])
        [[ours]] = translator.hypotheses([line], beam=1)
        assert theirs.greedy(ids, extra_length=49) == [ours.ids]


def test_onnx_runtime_computes_the_same_logits(translator, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
    pytest.importorskip("onnx", reason="onnx is not installed")
    export(translator, "onnx", tmp_path / "out")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    encoder, decoder = (
        onnxruntime.InferenceSession(tmp_path / "out" / f"{name}.onnx", options, ["CPUExecutionProvider"])
        for name in ("encoder", "decoder")
    )
    source, target_input = batch(translator)
    [memory] = encoder.run(None, {"source": source})
    [logits] = decoder.run(None, {"target_input": target_input, "memory": memory, "source": source})
    np.testing.assert_allclose(logits, translator.model.logits(source, target_input), rtol=TOLERANCE, atol=TOLERANCE)


def test_the_tokenizer_travels_as_hugging_face_reads_it(tmp_path):
    tokenizers = pytest.importorskip("tokenizers", reason="tokenizers is not installed")
    translator = make_translator()
    export(translator, "pytorch", tmp_path / "new" / "out")
    theirs = tokenizers.Tokenizer.from_file(str(tmp_path / "new" / "out" / "tokenizer.json"))
    assert [theirs.encode(line).ids for line in LINES] == translator.tokenizer.encode_batch(LINES)
    config = json.loads((tmp_path / "new" / "out" / "config.json").read_text())
    assert config["d_model"] == 16


def test_a_missing_package_is_one_line_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.delitem(sys.modules, "numpy_transformer.formats.ctranslate2", raising=False)
    monkeypatch.delitem(sys.modules, "ctranslate2.specs", raising=False)
    monkeypatch.setitem(sys.modules, "ctranslate2", None)
    with pytest.raises(InputError, match=r"--to ctranslate2 needs the package ctranslate2"):
        export(make_translator(), "ctranslate2", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on the size of files")
def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path):
    import resource
    import signal

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(InputError, match=r"model\.safetensors: cannot be written \(File too large\)"):
            export(make_translator(), "pytorch", tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_and_a_missing_run_are_refused(tmp_path, monkeypatch, capsys):
    with pytest.raises(InputError, match="exists already: name a new folder"):
        export(make_translator(), "pytorch", tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        export(make_translator(), "pytorch", tmp_path / "file" / "out")
    monkeypatch.setattr(sys, "argv", ["export", "--to", "onnx", "nowhere", str(tmp_path / "out")])
    assert run_program(main) == 2
    assert "nowhere: no such run folder" in capsys.readouterr().err


def test_the_command_writes_a_run(tmp_path: Path, monkeypatch):
    translator = make_translator()
    translator.model.save(tmp_path / "run" / "model.safetensors")
    translator.tokenizer.save(tmp_path / "run" / "tokenizer.json")
    checkpoint, out = tmp_path / "run" / "model.safetensors", tmp_path / "out"
    monkeypatch.setattr(sys, "argv", ["export", "--to", "pytorch", str(checkpoint), str(out)])
    assert run_program(main) == 0
    assert {path.name for path in out.iterdir()} == {"model.py", "model.safetensors", "config.json", "tokenizer.json"}
