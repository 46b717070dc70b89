"""A Marian model for transformers, from one that was read with marian.py and, say, fine-tuned: the way back.

Every step of marian.py is undone: matrices are transposed, query, key and value part again, and the features of the
residual stream return to their order, sines first.
"""

import json
from pathlib import Path

import numpy as np

from numpy_transformer.backend.arrays import Array
from numpy_transformer.formats.marian import correspondence
from numpy_transformer.formats.marian_tokenizer import MarianTokenizer
from numpy_transformer.models.config import TransformerConfig
from numpy_transformer.models.transformer import Transformer
from numpy_transformer.storage.atomic import atomic_write
from numpy_transformer.storage.text_files import write_text

POSITIONS = 512  # tokens: transformers keeps sinusoids as a table


def write_marian(model: Transformer, tokenizer: MarianTokenizer, folder: Path) -> None:
    """Write config.json, model.safetensors, vocab.json, source.spm and target.spm into the folder."""
    from safetensors.numpy import save

    tensors = {name: np.ascontiguousarray(values) for name, values in their_tensors(model).items()}
    with atomic_write(folder / "model.safetensors") as file:
        file.write(save(tensors, {"format": "pt"}))
    write_text(folder / "config.json", json.dumps(their_config(model.config), indent=2) + "\n")
    tokenizer.save(folder)


def their_config(config: TransformerConfig) -> dict[str, object]:
    """config.json for ours."""
    return {
        "model_type": "marian",
        "architectures": ["MarianMTModel"],
        "vocab_size": config.vocabulary_size,
        "decoder_vocab_size": config.vocabulary_size,
        "d_model": config.d_model,
        "encoder_layers": config.encoder_layers,
        "decoder_layers": config.decoder_layers,
        "encoder_ffn_dim": config.d_ff,
        "decoder_ffn_dim": config.d_ff,
        "encoder_attention_heads": config.heads,
        "decoder_attention_heads": config.heads,
        "activation_function": config.activation,
        "dropout": config.dropout,
        "attention_dropout": config.attention_dropout,
        "max_position_embeddings": POSITIONS,
        "scale_embedding": True,
        "static_position_embeddings": True,
        "share_encoder_decoder_embeddings": True,
        "tie_word_embeddings": True,
        "pad_token_id": config.pad_id,
        "decoder_start_token_id": config.bos_id,
        "eos_token_id": config.eos_id,
        "forced_eos_token_id": config.eos_id,
        "bad_words_ids": [[config.pad_id]],
        "is_encoder_decoder": True,
    }


def their_tensors(model: Transformer) -> dict[str, Array]:
    """Our parameters with their names, shapes and order of features."""
    config, ours = model.config, model.quantised().host_tensors()
    theirs: dict[str, Array] = {}
    # Their i, a sine, is our 2i; their D/2 + i, its cosine, our 2i + 1.
    order = np.arange(config.d_model).reshape(-1, 2).T.reshape(-1)

    def reading(name: str, *targets: str) -> None:
        """Maps from the residual stream that stand side by side."""
        weights = np.split(ours[f"{name}.weight"][order], len(targets), axis=1)
        biases = np.split(ours[f"{name}.bias"], len(targets))
        for target, weight, bias in zip(targets, weights, biases, strict=True):
            theirs[f"{target}.weight"], theirs[f"{target}.bias"] = weight.T, bias

    def writing(name: str, target: str) -> None:
        """A map onto the residual stream."""
        theirs[f"{target}.weight"] = ours[f"{name}.weight"][:, order].T
        theirs[f"{target}.bias"] = ours[f"{name}.bias"][order]

    def norm(name: str, target: str) -> None:
        theirs[f"{target}.weight"], theirs[f"{target}.bias"] = ours[f"{name}.gain"][order], ours[f"{name}.bias"][order]

    theirs["model.shared.weight"] = ours["embedding.weight"][:, order]
    theirs["final_logits_bias"] = ours["output_bias"][None]
    for kind, name, targets in correspondence(config):
        if kind == "reading":
            reading(name, *targets)
        else:
            (writing if kind == "writing" else norm)(name, targets[0])
    return theirs
