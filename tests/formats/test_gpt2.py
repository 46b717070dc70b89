"""GPT-2's folders: as transformers writes them (skipped where it is absent), and our own, written and read again."""

import json

import numpy as np
import pytest

import bpe
import numpy_transformer as nt
from bpe.formats import write_huggingface
from numpy_transformer.formats.gpt2 import load_gpt2, write_gpt2
from numpy_transformer.tasks.completion import Completer
from numpy_transformer.training.optimizer import Adam

TEXT = ["the dog runs to the house and the cat sleeps in the house"] * 3
SMALL = {"norm": "pre", "positions": "learned", "activation": "gelu_tanh", "context": 16}


@pytest.fixture(scope="module")
def tokenizer():
    return bpe.train(TEXT, vocabulary_size=270, special_tokens=("<|endoftext|>",))


@pytest.fixture
def folder(tokenizer, tmp_path):
    """Our own model in GPT-2's format."""
    config = nt.TransformerConfig(
        vocabulary_size=len(tokenizer), decoder_layers=2, d_model=16, d_ff=32, heads=2, **SMALL
    )
    config = config.replace(pad_id=-1, bos_id=0, eos_id=0)
    write_gpt2(nt.LanguageModel(config, seed=3), tokenizer, tmp_path)
    return tmp_path


def test_what_was_written_is_read_again(folder, tokenizer):
    model, again = load_gpt2(folder)
    ids = np.array([tokenizer.encode("the dog sleeps")])
    config = model.config
    assert (config.context, config.d_ff, config.pad_id, config.eos_id) == (16, 32, -1, 0)
    expected = nt.LanguageModel(config, seed=3).logits(ids)
    np.testing.assert_array_equal(model.logits(ids), expected)
    assert again.encode("the cat") == tokenizer.encode("the cat")
    assert len(Completer(model, again).complete("the", length=30, texts=1)) == 1


def test_several_files_and_the_older_pair_of_tokenizer_files(folder, tokenizer):
    """An index names the files; vocab.json and merges.txt hold the same as tokenizer.json."""
    from safetensors.numpy import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    names = sorted(tensors)
    (folder / "model.safetensors").unlink()
    files = {"a.safetensors": names[::2], "b.safetensors": names[1::2]}
    for file, some in files.items():
        save_file({name.removeprefix("transformer."): tensors[name] for name in some}, folder / file)
    weight_map = {name: file for file, some in files.items() for name in some}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    document = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.json").write_text(json.dumps(document["model"]["vocab"]), encoding="utf-8")
    merges = ["#version: 0.2", *(" ".join(pair) for pair in document["model"]["merges"]), ""]
    (folder / "merges.txt").write_text("\n".join(merges), encoding="utf-8")
    model, again = load_gpt2(folder)
    ids = np.array([tokenizer.encode("the dog")])
    np.testing.assert_array_equal(model.logits(ids), nt.LanguageModel(model.config, seed=3).logits(ids))
    assert again.encode("the dog sleeps") == tokenizer.encode("the dog sleeps")
    assert again.special_tokens == {"<|endoftext|>": 0}


def test_a_folder_of_another_architecture_or_a_damaged_one_is_named(folder):
    config = json.loads((folder / "config.json").read_text())

    def with_config(**changes):
        (folder / "config.json").write_text(json.dumps(config | changes))
        return pytest.raises(nt.InputError)

    for changes, message in (
        ({"model_type": "llama"}, "does not say model_type gpt2"),
        ({"n_layer": 3}, "have no h.2.attn.c_attn.weight"),
        ({"n_embd": 32}, "should be"),
        ({"activation_function": "mish"}, "unknown activation_function 'mish'"),
        ({"tie_word_embeddings": False}, "tie_word_embeddings is false"),
    ):
        with with_config(**changes) as caught:
            load_gpt2(folder)
        assert message in str(caught.value)
        assert str(folder) in str(caught.value)
    with_config()
    (folder / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(nt.InputError, match="is damaged"):
        load_gpt2(folder)


def test_a_model_that_the_format_cannot_express_is_refused(tokenizer, tmp_path):
    model = nt.LanguageModel(nt.TransformerConfig.preset("tiny", vocabulary_size=len(tokenizer)))
    with pytest.raises(nt.InputError, match="GPT-2's format needs norm pre"):
        write_gpt2(model, tokenizer, tmp_path)


# --- Beside transformers ---


@pytest.fixture
def theirs(tokenizer, tmp_path):
    """A random GPT-2 of transformers, without dropout, and its folder."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=len(tokenizer),
        n_positions=24,
        n_embd=32,
        n_layer=2,
        n_head=4,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=0,
        eos_token_id=0,
    )
    model = transformers.GPT2LMHeadModel(config)
    for values in model.parameters():  # larger than GPT-2's own first ones, whose logits are all nearly 0
        values.data += 0.1 * torch.randn_like(values)
    model.save_pretrained(tmp_path)
    write_huggingface(tokenizer, tmp_path / "tokenizer.json")
    return model, tmp_path


def test_logits_and_greedy_continuation_are_those_of_transformers(theirs):
    torch = pytest.importorskip("torch")
    model, folder = theirs
    ours, tokenizer = load_gpt2(folder)
    ids = np.random.default_rng(0).integers(0, len(tokenizer), (2, 20))
    with torch.no_grad():
        expected = model(torch.tensor(ids)).logits.numpy()
    np.testing.assert_allclose(ours.logits(ids), expected, atol=1e-4)
    prompt = tokenizer.encode("the dog")
    with torch.no_grad():
        found = model.generate(torch.tensor([prompt]), max_new_tokens=12, do_sample=False, pad_token_id=0)[0].tolist()
    from numpy_transformer.decoding.continuation import complete

    tokens = [int(step[0]) for step in complete(ours, prompt, len(found) - len(prompt))]
    assert [*prompt, *tokens] == found


def test_the_losses_of_five_steps_of_fine_tuning_are_those_of_transformers(theirs):
    torch = pytest.importorskip("torch")
    model, folder = theirs
    ours, tokenizer = load_gpt2(folder)
    adam = Adam.for_parameters(ours.parameters.flat)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, betas=(adam.beta1, adam.beta2), eps=adam.epsilon)
    ids = np.random.default_rng(1).integers(0, len(tokenizer), (3, 20))
    model.train()
    for _ in range(5):
        loss = model(torch.tensor(ids), labels=torch.tensor(ids)).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        our_loss, gradients = ours.loss_and_gradients(ids)
        adam.update(ours.parameters.flat, gradients.flat, rate=1e-3)
        assert abs(float(our_loss) - float(loss)) <= 1e-4


def test_transformers_reads_what_is_exported(folder, tokenizer):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    ours, _ = load_gpt2(folder)
    model = transformers.GPT2LMHeadModel.from_pretrained(folder).eval()
    ids = np.array([tokenizer.encode("the dog sleeps in the house")])
    with torch.no_grad():
        np.testing.assert_allclose(ours.logits(ids), model(torch.tensor(ids)).logits.numpy(), atol=1e-4)
