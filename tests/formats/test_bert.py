"""BERT's folders: as transformers writes them (skipped where it is absent), and our own, written and read again."""

import json

import numpy as np
import pytest

import numpy_transformer as nt
from numpy_transformer.formats.bert import load_bert, write_bert
from numpy_transformer.formats.wordpiece import SPECIAL, WordPieceTokenizer
from numpy_transformer.tasks.reading import Reader

PIECES = [
    *SPECIAL,
    "the",
    "dog",
    "cat",
    "run",
    "##s",
    "##ning",
    "un",
    "##aff",
    "##able",
    "!",
    ",",
    "house",
    "caf",
    "##e",
]
OPTIONS = {"norm": "post", "positions": "learned", "activation": "gelu", "pooling": "first", "token_types": 2}


def our_config(**changes):
    sizes = {"vocabulary_size": len(PIECES), "encoder_layers": 2, "d_model": 16, "d_ff": 32, "heads": 2, "context": 12}
    ids = {"pad_id": 0, "bos_id": 2, "eos_id": 3}
    return nt.TransformerConfig(**{**sizes, **ids, **OPTIONS, "norm_epsilon": 1e-12, **changes})


@pytest.fixture
def folder(tmp_path):
    """Our own model in BERT's format."""
    write_bert(nt.Encoder(our_config(labels=("good", "bad")), seed=3), tmp_path)
    (tmp_path / "vocab.txt").write_text("\n".join(PIECES) + "\n", encoding="utf-8")
    return tmp_path


def test_what_was_written_is_read_again(folder):
    model, tokenizer = load_bert(folder)
    assert model.config == our_config(labels=("good", "bad"), dropout=0.1)
    expected = nt.Encoder(our_config(labels=("good", "bad")), seed=3)
    np.testing.assert_array_equal(model.parameters.flat, expected.parameters.flat)
    reader = Reader(model, tokenizer)
    [guesses] = reader.fill("The dog [mask]!")
    assert len(guesses) == 5
    assert not {guess.text for guess in guesses} & set(SPECIAL)
    [classes] = reader.classify(["the cat runs"])
    assert {guess.text for guess in classes} == {"good", "bad"}


def test_words_become_pieces():
    tokenizer = WordPieceTokenizer(PIECES, lowercase=True)
    assert tokenizer.decode(tokenizer.encode("The unaffable DOG, running!")) == "the unaffable dog , running !"
    assert tokenizer.encode("Café zebra") == [PIECES.index("caf"), PIECES.index("##e"), PIECES.index("[UNK]")]
    assert tokenizer.encode("the" * 60) == [PIECES.index("[UNK]")]
    assert WordPieceTokenizer(PIECES, lowercase=False).encode("The") == [PIECES.index("[UNK]")]


def test_a_folder_of_another_architecture_or_a_damaged_one_is_named(folder):
    config = json.loads((folder / "config.json").read_text())
    for changes, message in (
        ({"model_type": "gpt2"}, "does not say model_type bert"),
        ({"num_hidden_layers": 3}, "have no encoder.layer.2"),
        ({"hidden_act": "mish"}, "unknown hidden_act 'mish'"),
        ({"position_embedding_type": "relative_key"}, "positions are relative"),
        ({"max_position_embeddings": 99}, "should be"),
    ):
        (folder / "config.json").write_text(json.dumps(config | changes))
        with pytest.raises(nt.InputError, match=message):
            load_bert(folder)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "vocab.txt").write_text("the\n")
    with pytest.raises(nt.InputError, match=r"lacks \[PAD\]"):
        load_bert(folder)


def test_a_text_longer_than_the_context_is_refused(folder):
    with pytest.raises(nt.InputError, match="the model's context is 12"):
        Reader(*load_bert(folder)).classify(["the dog runs " * 10])


# --- Beside transformers ---


@pytest.mark.parametrize("kind", ["BertModel", "BertForMaskedLM", "BertForSequenceClassification"])
def test_hidden_states_and_heads_are_those_of_transformers(kind, tmp_path):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(PIECES),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=16,
        num_labels=3,
    )
    model = getattr(transformers, kind)(config).eval()
    for values in model.parameters():
        values.data += 0.1 * torch.randn_like(values)
    model.save_pretrained(tmp_path)
    (tmp_path / "vocab.txt").write_text("\n".join(PIECES) + "\n", encoding="utf-8")
    ours, _ = load_bert(tmp_path)
    rng = np.random.default_rng(0)
    ids = rng.integers(5, len(PIECES), (2, 10))
    ids[1, 7:] = 0
    types = rng.integers(0, 2, ids.shape)
    inputs = {"input_ids": torch.tensor(ids), "attention_mask": torch.tensor((ids != 0).astype(int))}
    with torch.no_grad():
        stack = model if kind == "BertModel" else model.bert
        states = stack(**inputs, token_type_ids=torch.tensor(types)).last_hidden_state.numpy()
        logits = None if kind == "BertModel" else model(**inputs).logits.numpy()
    real = ids != 0
    np.testing.assert_allclose(ours.hidden(ids, types=types)[real], states[real], atol=1e-4)
    if kind == "BertForMaskedLM":
        np.testing.assert_allclose(ours.word_logits(ids)[real], logits[real], atol=1e-4)
    if kind == "BertForSequenceClassification":
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        np.testing.assert_allclose(ours.class_probabilities(ids), shares / shares.sum(axis=1, keepdims=True), atol=1e-4)
        again = tmp_path / "again"
        again.mkdir()
        write_bert(ours, again)
        model = transformers.BertForSequenceClassification.from_pretrained(again).eval()
        with torch.no_grad():
            np.testing.assert_allclose(model(**inputs).logits.numpy(), logits, atol=1e-4)
