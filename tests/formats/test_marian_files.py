"""A Marian model's files, both ways: pytorch_model.bin is read without running it, a model returns as it came."""

import json
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from numpy_transformer.errors import InputError
from numpy_transformer.formats.torch_weights import _shaped, load_torch_weights


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="PyTorch is not installed")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "pytorch_model.bin"


def test_what_torch_saved_is_read(torch, file):
    whole = torch.randn(6, 4)
    tensors = {
        "plain": whole,
        "a view": whole[1:4, ::2],
        "transposed": whole.T,
        "double": whole.double(),
        "half": whole.half(),
        "bfloat16": whole.bfloat16(),
        "integers": torch.arange(5),
        "scalar": torch.tensor(3.0),
        "empty": torch.zeros(0, 3),
        "a parameter's data": torch.nn.Linear(2, 3).weight.data,
    }
    torch.save(tensors, file)
    found = load_torch_weights(file)
    assert found.keys() == tensors.keys()
    for name, tensor in tensors.items():
        expected = tensor.float() if name == "bfloat16" else tensor
        np.testing.assert_array_equal(found[name], expected.numpy(), err_msg=name)


def test_a_state_dict_is_read(torch, file):
    model = torch.nn.Linear(2, 3)
    torch.save(model.state_dict(), file)
    np.testing.assert_array_equal(load_torch_weights(file)["weight"], model.weight.detach().numpy())


class Danger:
    """Unpickled, it would write a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_a_program_is_refused_before_it_runs(file, tmp_path):
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("model/data.pkl", pickle.dumps({"weight": Danger(tmp_path / "harm")}))
    with pytest.raises(InputError, match=r"pytorch_model.bin: is not a file of PyTorch tensors alone .*open"):
        load_torch_weights(file)
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize(
    ("shape", "strides"),
    [((5,), (1,)), ((2, 3), (3, 1)), ((1000,), (0,)), ((2,), (-1,)), ((-1,), (1,)), ((2, 2), (1,))],
)
def test_tensors_beyond_their_storage_are_refused(shape, strides):
    with pytest.raises(ValueError, match=r"exceeds|zip"):
        _shaped(np.arange(4.0), 0, shape, strides)


def test_a_tensor_is_a_part_of_its_storage():
    np.testing.assert_array_equal(_shaped(np.arange(8.0), 1, (2, 3), (1, 2)), [[1, 3, 5], [2, 4, 6]])
    assert _shaped(np.arange(0.0), 0, (0, 3), (3, 1)).shape == (0, 3)


@pytest.mark.parametrize("pickled", [b"", b"nonsense", pickle.dumps([1, 2]), pickle.dumps({"a": 1}), None])
@pytest.mark.parametrize("cut", [False, True])
def test_damage_is_one_line(file, pickled, cut):
    if pickled is None:  # older than the zip archives
        file.write_bytes(pickle.dumps({}))
    else:
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("x/data.pkl", pickled)
    if cut:
        file.write_bytes(file.read_bytes()[:-10])
    with pytest.raises(InputError) as caught:
        load_torch_weights(file)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


# --- Whole models ---


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    marian_folder = pytest.importorskip("marian_folder")
    return marian_folder.make_marian_folder(tmp_path_factory.mktemp("marian") / "opus", max_position_embeddings=512)


def test_either_weight_file_gives_the_same_model(torch, folder, tmp_path):
    from safetensors.torch import load_file

    from numpy_transformer.formats.marian import load_marian

    for path in folder.iterdir():
        if path.name != "model.safetensors":
            (tmp_path / path.name).write_bytes(path.read_bytes())
    torch.save(load_file(folder / "model.safetensors"), tmp_path / "pytorch_model.bin")
    one, other = load_marian(folder)[0], load_marian(tmp_path)[0]
    np.testing.assert_array_equal(one.parameters.flat, other.parameters.flat)


def test_a_model_returns_to_transformers_as_it_came(torch, folder, tmp_path):
    import transformers
    from safetensors.torch import load_file

    import numpy_transformer as nt
    from numpy_transformer.commands.export_model import export

    translator = nt.Translator.load(folder)
    export(translator, "marian", tmp_path / "out")
    before, after = load_file(folder / "model.safetensors"), load_file(tmp_path / "out" / "model.safetensors")
    for name, tensor in after.items():
        assert torch.equal(tensor, before[name]), name
    assert after.keys() >= {name for name in before if "embed_positions" not in name and "embed_tokens" not in name} - {
        "lm_head.weight"
    }
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    original = json.loads((folder / "config.json").read_text())
    for name in config.keys() & original.keys() - {"architectures", "dtype", "bad_words_ids", "forced_eos_token_id"}:
        assert config[name] == original[name], name
    again = nt.Translator.load(tmp_path / "out")
    assert again.tokenizer.digest == translator.tokenizer.digest
    np.testing.assert_array_equal(again.model.parameters.flat, translator.model.parameters.flat)
    theirs = transformers.MarianMTModel.from_pretrained(tmp_path / "out").eval()
    ids = torch.tensor([[*translator.tokenizer.encode("we see a cat"), 0]])
    start = torch.tensor([[config["pad_token_id"], 5, 6]])
    with torch.no_grad():
        expected = theirs(input_ids=ids, decoder_input_ids=start).logits.numpy()
    np.testing.assert_allclose(again.model.logits(ids.numpy(), start.numpy()), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("beam", [1, 4])
def test_translations_are_those_of_transformers_token_for_token(torch, folder, beam):
    """With the same ranking: log-probability alone, and a search that ends only when nothing open can still win."""
    import transformers

    import numpy_transformer as nt

    theirs = transformers.MarianMTModel.from_pretrained(folder).eval()
    translator = nt.Translator.load(folder)
    pad = translator.model.config.pad_id
    for text in ["the dog runs home", "a cat", "we see a house", "dogs", "the house sees us and the cat"]:
        ids = translator.tokenizer.encode(text)
        with torch.no_grad():
            found = theirs.generate(
                torch.tensor([[*ids, 0]]),
                num_beams=beam,
                do_sample=False,
                length_penalty=0.0,
                early_stopping="never" if beam > 1 else False,
                max_new_tokens=len(ids) + 51,
                bad_words_ids=[[pad]],
            )[0].tolist()
        [[ours]] = translator.hypotheses([text], beam=beam, alpha=0.0)
        assert ours.ids == [token for token in found[1:] if token != 0][: len(ids) + 50]
