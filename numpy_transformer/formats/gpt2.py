"""GPT-2 (Radford et al. 2019) in plain NumPy, from a folder in the format of Hugging Face's transformers, and back.

    config.json   model.safetensors, or several with an index   tokenizer.json, or vocab.json and merges.txt

It is a LanguageModel with pre-norm, learned positions and GELU's tanh form. Its matrices are (in, out) as ours, and its
query, key and value one matrix as ours: only the names differ.
"""

from pathlib import Path
from typing import Any

from bpe import Tokenizer, TokenizerError
from bpe.formats import read_gpt2, read_huggingface, write_huggingface
from numpy_transformer.errors import InputError
from numpy_transformer.formats.hugging_face import TensorNames, model_type, read_weights, require, write_folder
from numpy_transformer.models.config import NO_PADDING, TransformerConfig
from numpy_transformer.models.decoder_only import LanguageModel
from numpy_transformer.storage.text_files import read_json

ACTIVATIONS = {"gelu_new": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh", "gelu": "gelu", "relu": "relu"}
# Ours and theirs, with the number of the layer; each is a weight and a bias, or a gain and a bias.
LINEAR = {
    "self_attention.query_key_value": "attn.c_attn",
    "self_attention.output": "attn.c_proj",
    "feed_forward.hidden": "mlp.c_fc",
    "feed_forward.output": "mlp.c_proj",
}
NORMS = {"self_attention_norm": "ln_1", "feed_forward_norm": "ln_2"}


def is_gpt2_folder(folder: Path) -> bool:
    """Whether the folder's config.json says that it holds a GPT-2."""
    return model_type(folder) == "gpt2"


def load_gpt2(path: str | Path, *, device: str = "cpu") -> tuple[LanguageModel, Tokenizer]:
    """The model and its tokenizer. Raises InputError or TokenizerError naming the file and the remedy."""
    folder = Path(path)
    if model_type(folder) != "gpt2":
        raise InputError(f"{folder}: its config.json does not say model_type gpt2: name a folder of GPT-2")
    config = _config(read_json(folder / "config.json"), folder)
    theirs = TensorNames(read_weights(folder, prefix="transformer."), folder, "GPT-2")
    model = LanguageModel(config, device=device, initialise=False)
    model.assign({ours: theirs.take(name) for ours, name in _names(config).items()}, folder)
    return model, load_tokenizer(folder, config)


def load_tokenizer(folder: Path, config: TransformerConfig) -> Tokenizer:
    """From tokenizer.json, or else vocab.json and merges.txt."""
    file = folder / "tokenizer.json"
    if not file.is_file() and not (folder / "vocab.json").is_file():
        raise InputError(f"{folder}: holds neither tokenizer.json nor vocab.json and merges.txt: copy them into it")
    tokenizer = read_huggingface(file) if file.is_file() else read_gpt2(folder)
    if len(tokenizer) > config.vocabulary_size:
        raise TokenizerError(
            f"{folder}: its tokenizer has {len(tokenizer)} tokens, its model {config.vocabulary_size}: they do not "
            "belong together"
        )
    return tokenizer


def write_gpt2(model: LanguageModel, tokenizer: Tokenizer, folder: Path) -> None:
    """A folder that transformers opens. Raises InputError for a model that GPT-2's format cannot express."""
    config = model.config
    needed = {"norm": "pre", "positions": "learned", "activation": "gelu_tanh"}
    for field, value in needed.items():
        if getattr(config, field) != value:
            raise InputError(
                f"GPT-2's format needs {field} {value}, this model has {getattr(config, field)}: train with --norm pre "
                "--positions learned --activation gelu_tanh"
            )
    ours = model.quantised().host_tensors()
    tensors = {f"transformer.{theirs}": ours[name] for name, theirs in _names(config).items()}
    write_folder(folder, _their_config(config), tensors)
    write_huggingface(tokenizer, folder / "tokenizer.json")


def _names(config: TransformerConfig) -> dict[str, str]:
    """From our names to theirs."""
    names = {"embedding.weight": "wte.weight", "input.positions.weight": "wpe.weight"}
    for number in range(config.decoder_layers):
        for ours, theirs in LINEAR.items():
            for part in ("weight", "bias"):
                names[f"layers.{number}.{ours}.{part}"] = f"h.{number}.{theirs}.{part}"
        for ours, theirs in NORMS.items():
            names |= _norm(f"layers.{number}.{ours}", f"h.{number}.{theirs}")
    return names | _norm("last_norm", "ln_f")


def _norm(ours: str, theirs: str) -> dict[str, str]:
    return {f"{ours}.gain": f"{theirs}.weight", f"{ours}.bias": f"{theirs}.bias"}


def _config(theirs: dict[str, Any], folder: Path) -> TransformerConfig:
    require(theirs.get("tie_word_embeddings", True), folder, "tie_word_embeddings is false")
    require(theirs.get("scale_attn_weights", True), folder, "scale_attn_weights is false")
    require(not theirs.get("scale_attn_by_inverse_layer_idx"), folder, "scale_attn_by_inverse_layer_idx is set")
    activation = theirs.get("activation_function", "gelu_new")
    require(activation in ACTIVATIONS, folder, f"unknown activation_function {activation!r}")
    try:
        return TransformerConfig(
            vocabulary_size=theirs["vocab_size"],
            decoder_layers=theirs["n_layer"],
            d_model=theirs["n_embd"],
            d_ff=theirs.get("n_inner") or 4 * theirs["n_embd"],
            heads=theirs["n_head"],
            dropout=theirs.get("resid_pdrop", 0.1),
            attention_dropout=theirs.get("attn_pdrop", 0.1),
            norm="pre",
            activation=ACTIVATIONS[activation],
            positions="learned",
            context=theirs["n_positions"],
            norm_epsilon=float(theirs.get("layer_norm_epsilon", 1e-5)),
            pad_id=NO_PADDING,
            bos_id=_end(theirs, "bos_token_id"),
            eos_id=_end(theirs, "eos_token_id"),
        )
    except KeyError as error:
        raise InputError(f"{folder / 'config.json'}: has no {error.args[0]}: it is not from a GPT-2 model") from None


def _end(theirs: dict[str, Any], name: str) -> int:
    """The id of <|endoftext|>, the last of the vocabulary where config.json does not say it."""
    found = theirs.get(name)
    return found if isinstance(found, int) else theirs["vocab_size"] - 1


def _their_config(config: TransformerConfig) -> dict[str, Any]:
    return {
        "model_type": "gpt2",
        "architectures": ["GPT2LMHeadModel"],
        "vocab_size": config.vocabulary_size,
        "n_layer": config.decoder_layers,
        "n_embd": config.d_model,
        "n_inner": config.d_ff,
        "n_head": config.heads,
        "n_positions": config.context,
        "activation_function": "gelu_new",
        "layer_norm_epsilon": config.norm_epsilon,
        "resid_pdrop": config.dropout,
        "embd_pdrop": config.dropout,
        "attn_pdrop": config.attention_dropout,
        "bos_token_id": config.bos_id,
        "eos_token_id": config.eos_id,
    }
