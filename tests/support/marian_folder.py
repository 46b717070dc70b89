"""A Marian model as transformers stores it and as a converted OPUS-MT model looks, with random weights."""

import io
import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
transformers = pytest.importorskip("transformers", reason="transformers is not installed")
sentencepiece = pytest.importorskip("sentencepiece", reason="sentencepiece is not installed")

ENGLISH = ["the dog runs home", "a cat sees the dog", "we see a house", "the house sees us", "dogs run"]
GERMAN = [
    "der Hund läuft heim",
    "eine Katze sieht den Hund",
    "wir sehen ein Haus",
    "das Haus sieht uns",
    "Hunde laufen",
]


def make_marian_folder(folder: Path, **changes: object) -> Path:
    """A folder as MarianMTModel.save_pretrained and a converted OPUS-MT model leave it."""
    folder.mkdir()
    pieces: dict[str, None] = dict.fromkeys(["</s>", "<unk>"])
    for name, lines in (("source", ENGLISH), ("target", GERMAN)):
        model = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(lines * 20),
            model_writer=model,
            vocab_size=60,
            hard_vocab_limit=False,
            bos_id=-1,
            eos_id=-1,
            minloglevel=2,
        )
        (folder / f"{name}.spm").write_bytes(model.getvalue())
        processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
        pieces |= dict.fromkeys(processor.id_to_piece(list(range(processor.get_piece_size()))))
    pieces |= dict.fromkeys([">>de<<", "<pad>"])
    ids = {piece: i for i, piece in enumerate(pieces)}
    (folder / "vocab.json").write_text(json.dumps(ids), encoding="utf-8")
    sizes = {
        "vocab_size": len(ids),
        "d_model": 16,
        "encoder_layers": 2,
        "decoder_layers": 2,
        "encoder_ffn_dim": 24,
        "decoder_ffn_dim": 24,
        "encoder_attention_heads": 2,
        "decoder_attention_heads": 2,
        "activation_function": "swish",
        "scale_embedding": True,
        "pad_token_id": ids["<pad>"],
        "decoder_start_token_id": ids["<pad>"],
        "eos_token_id": 0,
        "forced_eos_token_id": None,
        "init_std": 0.3,
    }
    torch.manual_seed(5)
    model = transformers.MarianMTModel(transformers.MarianConfig(**(sizes | changes)))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "embed_positions" not in name:
                parameter += 0.2 * torch.randn_like(parameter)
        model.final_logits_bias.normal_()
    model.save_pretrained(folder)
    return folder
