"""Pretrained Marian models (OPUS-MT) in plain NumPy, from a folder in the format of Hugging Face's transformers.

    config.json  model.safetensors or pytorch_model.bin  vocab.json  source.spm  target.spm

Such a model is the paper's, post-norm, with these differences:

- The feed-forward layers use swish, or whichever activation config.json names: the option `activation`.
- The logits have a bias: the option `output_bias`.
- A translation begins with pad instead of a token of its own: bos_id = pad_id. transformers does not learn the vector
  of pad (the padding_idx of PyTorch's embedding): the option `constant_start`.
- Query, key and value are three matrices there, and one or two here: we put them side by side.
- The sinusoids are [sines, cosines] there; here sine and cosine alternate. That needs no option: the order of the D
  features of the residual stream has no meaning, as long as everything that reads or writes it agrees. So when we read
  the model, we put the features of every matrix, bias and gain on that stream in our order, and the network computes
  the same function.

A pytorch_model.bin is a pickle, a program that runs when it is opened; torch_weights.py reads it without running it.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from numpy_transformer.backend.arrays import Array
from numpy_transformer.errors import InputError
from numpy_transformer.formats.marian_tokenizer import MarianTokenizer
from numpy_transformer.formats.torch_weights import load_torch_weights
from numpy_transformer.models.config import TransformerConfig
from numpy_transformer.models.transformer import Transformer
from numpy_transformer.storage.text_files import read_json

ACTIVATIONS = {"swish": "swish", "silu": "swish", "relu": "relu"}  # their name, ours


def is_marian_folder(path: Path) -> bool:
    """Whether the folder's config.json says that it holds a Marian model."""
    try:
        return read_json(path / "config.json").get("model_type") == "marian"
    except InputError:
        return False


def load_marian(path: Path, *, device: str = "cpu") -> "tuple[Transformer, MarianTokenizer]":
    """The model and its tokenizer. Raises InputError naming the file and the remedy."""
    config = _config(read_json(path / "config.json"), path)
    model = Transformer(config, device=device, initialise=False)
    weights = path / "model.safetensors"
    if not weights.is_file() and (path / "pytorch_model.bin").is_file():
        weights = path / "pytorch_model.bin"
    theirs = load_torch_weights(weights) if weights.suffix == ".bin" else _read_weights(weights)
    model.assign(_our_tensors(theirs, config, weights), weights)
    return model, MarianTokenizer.load(path, config)


# --- Configuration ---


def _config(theirs: dict[str, Any], path: Path) -> TransformerConfig:
    """Our configuration for theirs. Raises InputError for features that this program does not support."""
    needed = {"scale_embedding": True, "share_encoder_decoder_embeddings": True, "tie_word_embeddings": True}
    for name, value in needed.items():
        if theirs.get(name, name != "scale_embedding") != value:
            raise InputError(f"{path / 'config.json'}: {name} is not {str(value).lower()}: such a model cannot be read")
    for name in ("normalize_before", "normalize_embedding", "add_final_layer_norm"):
        if theirs.get(name):
            raise InputError(f"{path / 'config.json'}: {name} is set: such a model cannot be read")
    activation = theirs.get("activation_function")
    if activation not in ACTIVATIONS:
        raise InputError(
            f"{path / 'config.json'}: unknown activation_function {activation!r}; give one of {', '.join(ACTIVATIONS)}"
        )
    try:
        if (theirs["encoder_ffn_dim"], theirs["encoder_attention_heads"]) != (
            theirs["decoder_ffn_dim"],
            theirs["decoder_attention_heads"],
        ):
            raise InputError(f"{path / 'config.json'}: encoder and decoder differ in size: such a model cannot be read")
        return TransformerConfig(
            vocabulary_size=theirs["vocab_size"],
            encoder_layers=theirs["encoder_layers"],
            decoder_layers=theirs["decoder_layers"],
            d_model=theirs["d_model"],
            d_ff=theirs["encoder_ffn_dim"],
            heads=theirs["encoder_attention_heads"],
            dropout=theirs.get("dropout", 0.1),
            activation=ACTIVATIONS[activation],
            output_bias=True,
            constant_start=True,
            pad_id=theirs["pad_token_id"],
            bos_id=theirs["decoder_start_token_id"],
            eos_id=theirs["eos_token_id"],
        )
    except KeyError as error:
        raise InputError(f"{path / 'config.json'}: has no {error.args[0]}: it is not from a Marian model") from None


# --- Weights ---


def _read_weights(path: Path) -> dict[str, Array]:
    """Every tensor of real numbers as an array; bfloat16 becomes float32."""
    from safetensors import SafetensorError, deserialize

    if not path.is_file():
        raise InputError(f"{path}: no such file, nor a pytorch_model.bin beside it: download one of them")
    try:
        stored = deserialize(path.read_bytes())
    except (SafetensorError, OSError, ValueError) as error:
        raise InputError(f"{path}: is damaged, or not a safetensors file ({error}): download it again") from None
    arrays = {}
    for name, tensor in stored:
        dtype = tensor["dtype"]
        if dtype in ("F16", "BF16", "F32", "F64"):
            arrays[name] = _array(tensor)
        elif dtype.startswith("F"):
            raise InputError(
                f"{path}: {name} is of type {dtype}; float16, bfloat16, float32 and float64 can be read: convert the "
                "model with transformers' save_pretrained"
            )
    return arrays


def _array(tensor: dict[str, Any]) -> Array:
    """A tensor of the file as an array. NumPy has no bfloat16, which is the upper half of a float32."""
    if tensor["dtype"] == "BF16":
        halves = np.frombuffer(tensor["data"], "<u2").astype("<u4")
        return (halves << 16).view("<f4").reshape(tensor["shape"])
    width = int(tensor["dtype"][1:]) // 8
    return np.frombuffer(tensor["data"], f"<f{width}").reshape(tensor["shape"])


def correspondence(config: TransformerConfig) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """(kind, our name, their names) of every part of the layers.

    "reading": linear maps from the residual stream, theirs side by side; "writing": a linear map onto it; "norm".
    """
    for stack, layers in (("encoder", config.encoder_layers), ("decoder", config.decoder_layers)):
        for number in range(layers):
            a, b = f"{stack}.{number}", f"model.{stack}.layers.{number}"
            parts = tuple(f"{b}.self_attn.{part}_proj" for part in "qkv")
            yield "reading", f"{a}.self_attention.query_key_value", parts
            yield "writing", f"{a}.self_attention.output", (f"{b}.self_attn.out_proj",)
            yield "norm", f"{a}.self_attention_norm", (f"{b}.self_attn_layer_norm",)
            if stack == "decoder":
                key_value = (f"{b}.encoder_attn.k_proj", f"{b}.encoder_attn.v_proj")
                yield "reading", f"{a}.cross_attention.query", (f"{b}.encoder_attn.q_proj",)
                yield "reading", f"{a}.cross_attention.key_value", key_value
                yield "writing", f"{a}.cross_attention.output", (f"{b}.encoder_attn.out_proj",)
                yield "norm", f"{a}.cross_attention_norm", (f"{b}.encoder_attn_layer_norm",)
            yield "reading", f"{a}.feed_forward.hidden", (f"{b}.fc1",)
            yield "writing", f"{a}.feed_forward.output", (f"{b}.fc2",)
            yield "norm", f"{a}.feed_forward_norm", (f"{b}.final_layer_norm",)


def _our_tensors(theirs: dict[str, Array], config: TransformerConfig, path: Path) -> dict[str, Array]:
    """Their tensors with our names, shapes and order of features."""
    D = config.d_model
    ours: dict[str, Array] = {}
    # Ours 2i is their i, a sine; ours 2i + 1 is their D/2 + i, its cosine.
    order = np.arange(D).reshape(2, D // 2).T.reshape(-1)

    def take(name: str) -> Array:
        if name not in theirs:
            raise InputError(f"{path}: has no tensor {name}: it is not a Marian model, or is of another version")
        return theirs[name]

    def reading(name: str, *sources: str) -> None:
        """Linear maps from the residual stream, side by side."""
        ours[f"{name}.weight"] = np.concatenate([take(f"{source}.weight").T[order] for source in sources], axis=1)
        ours[f"{name}.bias"] = np.concatenate([take(f"{source}.bias") for source in sources])

    def writing(name: str, source: str) -> None:
        """A linear map onto the residual stream."""
        ours[f"{name}.weight"], ours[f"{name}.bias"] = (
            take(f"{source}.weight").T[:, order],
            take(f"{source}.bias")[order],
        )

    def norm(name: str, source: str) -> None:
        ours[f"{name}.gain"], ours[f"{name}.bias"] = take(f"{source}.weight")[order], take(f"{source}.bias")[order]

    try:
        ours["embedding.weight"] = take("model.shared.weight")[:, order]
        ours["output_bias"] = take("final_logits_bias").reshape(-1)
        for kind, name, sources in correspondence(config):
            if kind == "reading":
                reading(name, *sources)
            else:
                (writing if kind == "writing" else norm)(name, sources[0])
    except (IndexError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: its tensors do not have the sizes given in config.json ({error})") from None
    return ours
