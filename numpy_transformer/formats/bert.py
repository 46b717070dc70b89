"""BERT (Devlin et al. 2019) in plain NumPy, from a folder in the format of Hugging Face's transformers, and back.

    config.json   model.safetensors, or several with an index   vocab.txt or tokenizer.json

It is an Encoder with post-norm, learned positions, token types and the exact GELU. Its matrices are (out, in), and
query, key and value are three; ours are (in, out), and one. A folder may lack heads: a BertModel has none for words.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bpe import DEFAULT_SPECIAL_TOKENS, Tokenizer
from bpe.formats import read_huggingface
from numpy_transformer.backend.arrays import Array, to_host
from numpy_transformer.errors import InputError
from numpy_transformer.formats.hugging_face import TensorNames, model_type, read_weights, require, write_folder
from numpy_transformer.formats.wordpiece import WordPieceTokenizer
from numpy_transformer.models.config import TransformerConfig
from numpy_transformer.models.encoder_only import Encoder
from numpy_transformer.storage.text_files import read_json

ACTIVATIONS = {"gelu": "gelu", "gelu_new": "gelu_tanh", "relu": "relu"}
QUERY_KEY_VALUE = ("query", "key", "value")
# Ours and theirs, each a weight (transposed) and a bias, or a gain and a bias; {} is the number of the layer.
LINEAR = {
    "stack.layers.{}.self_attention.output": "encoder.layer.{}.attention.output.dense",
    "stack.layers.{}.feed_forward.hidden": "encoder.layer.{}.intermediate.dense",
    "stack.layers.{}.feed_forward.output": "encoder.layer.{}.output.dense",
}
NORMS = {
    "stack.layers.{}.self_attention_norm": "encoder.layer.{}.attention.output.LayerNorm",
    "stack.layers.{}.feed_forward_norm": "encoder.layer.{}.output.LayerNorm",
}
TABLES = {
    "stack.embedding.weight": "embeddings.word_embeddings.weight",
    "stack.input.positions.weight": "embeddings.position_embeddings.weight",
    "stack.input.token_types.weight": "embeddings.token_type_embeddings.weight",
}
INPUT_NORM = {"stack.input.norm": "embeddings.LayerNorm"}
POOLER = {"classifier.pooler": "pooler.dense"}
HEAD_LINEAR = {"masked_words.hidden": "cls.predictions.transform.dense"}
HEAD_NORM = {"masked_words.norm": "cls.predictions.transform.LayerNorm"}


def is_bert_folder(folder: Path) -> bool:
    """Whether the folder's config.json says that it holds a BERT."""
    return model_type(folder) == "bert"


def load_bert(
    path: str | Path, *, labels: Sequence[str] = (), device: str = "cpu"
) -> tuple[Encoder, WordPieceTokenizer | Tokenizer]:
    """The model and its tokenizer. `labels` add a classifier to a model that has none: its projection is fresh.

    Raises InputError naming the file and the remedy.
    """
    folder = Path(path)
    if model_type(folder) != "bert":
        raise InputError(f"{folder}: its config.json does not say model_type bert: name a folder of BERT")
    theirs = read_json(folder / "config.json")
    tensors = TensorNames(read_weights(folder, prefix="bert."), folder, "BERT")
    tokenizer = load_tokenizer(folder)
    if "classifier.weight" in tensors and not labels:
        names = theirs.get("id2label") or {}
        labels = [str(names.get(str(i), f"LABEL_{i}")) for i in range(len(tensors.take("classifier.weight")))]
    config = _config(theirs, tokenizer, tuple(labels), folder)
    if len(tokenizer) > config.vocabulary_size:
        raise InputError(f"{folder}: its vocabulary has {len(tokenizer)} pieces, its model {config.vocabulary_size}")
    model = Encoder(config, device=device)
    fresh = {name: to_host(values) for name, values in model.parameters.named()}
    model.assign(fresh | _our_tensors(tensors, config), folder)
    return model, tokenizer


def load_tokenizer(folder: Path) -> WordPieceTokenizer | Tokenizer:
    """BERT's word pieces, or the BPE of an encoder that was trained here and exported."""
    file = folder / "tokenizer.json"
    if not (folder / "vocab.txt").is_file() and file.is_file():
        model = read_json(file).get("model")
        if isinstance(model, dict) and model.get("type") == "BPE":
            return read_huggingface(file)
    return WordPieceTokenizer.load(folder)


def write_bert(model: Encoder, folder: Path) -> None:
    """The weights and config.json as transformers reads them. Raises InputError for a model that BERT's format cannot
    express."""
    config = model.config
    needed = {"norm": "post", "positions": "learned", "activation": "gelu", "pooling": "first"}
    for field, value in needed.items():
        if getattr(config, field) != value:
            raise InputError(
                f"BERT's format needs {field} {value}; this model has {getattr(config, field)}: train with --norm post "
                "--positions learned --activation gelu --pooling first"
            )
    ours = model.quantised().host_tensors()
    ours.setdefault("stack.input.token_types.weight", np.zeros((2, config.d_model), np.float32))
    theirs: dict[str, Array] = {}
    for name, target in _linear(config).items():
        theirs[f"{target}.weight"], theirs[f"{target}.bias"] = ours[f"{name}.weight"].T, ours[f"{name}.bias"]
    for name, target in _norms(config).items():
        theirs[f"{target}.weight"], theirs[f"{target}.bias"] = ours[f"{name}.gain"], ours[f"{name}.bias"]
    for name, target in TABLES.items():
        theirs[target] = ours[name]
    for number in range(config.encoder_layers):
        fused = f"stack.layers.{number}.self_attention.query_key_value"
        weights, biases = (np.split(ours[f"{fused}.{part}"], 3, axis=-1) for part in ("weight", "bias"))
        for part, weight, bias in zip(QUERY_KEY_VALUE, weights, biases, strict=True):
            target = f"encoder.layer.{number}.attention.self.{part}"
            theirs[f"{target}.weight"], theirs[f"{target}.bias"] = weight.T, bias
    theirs = {name if name.startswith("cls.") else f"bert.{name}": values for name, values in theirs.items()}
    theirs["cls.predictions.bias"] = ours["masked_words.bias"]
    if config.labels:
        theirs["classifier.weight"] = ours["classifier.output.weight"]
        theirs["classifier.bias"] = ours["classifier.output.bias"]
    write_folder(folder, _their_config(config), theirs)


def _linear(config: TransformerConfig) -> dict[str, str]:
    layers = _numbered(LINEAR, config)
    return layers | HEAD_LINEAR | (POOLER if config.labels else {})


def _norms(config: TransformerConfig) -> dict[str, str]:
    return _numbered(NORMS, config) | INPUT_NORM | HEAD_NORM


def _numbered(names: dict[str, str], config: TransformerConfig) -> dict[str, str]:
    numbers = range(config.encoder_layers)
    return {ours.format(i): theirs.format(i) for i in numbers for ours, theirs in names.items()}


def _our_tensors(theirs: TensorNames, config: TransformerConfig) -> dict[str, Array]:
    """What the folder has of our tensors; only the heads may be missing."""
    ours = {name: theirs.take(source) for name, source in TABLES.items()}
    head = "cls.predictions.bias" in theirs
    for name, source in _linear(config).items():
        if (name in POOLER and f"{source}.weight" not in theirs) or (name in HEAD_LINEAR and not head):
            continue
        ours[f"{name}.weight"], ours[f"{name}.bias"] = theirs.take(f"{source}.weight").T, theirs.take(f"{source}.bias")
    for name, source in _norms(config).items():
        if name in HEAD_NORM and not head:
            continue
        gain, bias = ("weight", "bias") if f"{source}.weight" in theirs else ("gamma", "beta")  # older files
        ours[f"{name}.gain"], ours[f"{name}.bias"] = theirs.take(f"{source}.{gain}"), theirs.take(f"{source}.{bias}")
    if head:
        ours["masked_words.bias"] = theirs.take("cls.predictions.bias")
    if config.labels and "classifier.weight" in theirs:
        ours["classifier.output.weight"] = theirs.take("classifier.weight")
        ours["classifier.output.bias"] = theirs.take("classifier.bias")
    for number in range(config.encoder_layers):
        sources = [f"encoder.layer.{number}.attention.self.{part}" for part in QUERY_KEY_VALUE]
        name = f"stack.layers.{number}.self_attention.query_key_value"
        ours[f"{name}.weight"] = np.concatenate([theirs.take(f"{source}.weight").T for source in sources], axis=1)
        ours[f"{name}.bias"] = np.concatenate([theirs.take(f"{source}.bias") for source in sources])
    return ours


def _config(
    theirs: dict[str, Any], tokenizer: WordPieceTokenizer | Tokenizer, labels: tuple[str, ...], folder: Path
) -> TransformerConfig:
    activation = theirs.get("hidden_act", "gelu")
    require(activation in ACTIVATIONS, folder, f"unknown hidden_act {activation!r}")
    require(theirs.get("position_embedding_type", "absolute") == "absolute", folder, "its positions are relative")
    require(not theirs.get("is_decoder"), folder, "is_decoder is set")
    names = ("[PAD]", "[CLS]", "[SEP]") if isinstance(tokenizer, WordPieceTokenizer) else DEFAULT_SPECIAL_TOKENS
    try:
        pad_id, bos_id, eos_id = (tokenizer.special_tokens[name] for name in names)
        return TransformerConfig(
            vocabulary_size=theirs["vocab_size"],
            encoder_layers=theirs["num_hidden_layers"],
            d_model=theirs["hidden_size"],
            d_ff=theirs["intermediate_size"],
            heads=theirs["num_attention_heads"],
            dropout=theirs.get("hidden_dropout_prob", 0.1),
            attention_dropout=theirs.get("attention_probs_dropout_prob", 0.1),
            norm="post",
            activation=ACTIVATIONS[activation],
            positions="learned",
            context=theirs["max_position_embeddings"],
            token_types=theirs["type_vocab_size"],
            norm_epsilon=float(theirs.get("layer_norm_eps", 1e-12)),
            labels=labels,
            pooling="first",
            pad_id=pad_id,
            bos_id=bos_id,
            eos_id=eos_id,
        )
    except KeyError as error:
        raise InputError(f"{folder / 'config.json'}: has no {error.args[0]}: it is not from a BERT model") from None


def _their_config(config: TransformerConfig) -> dict[str, Any]:
    return {
        "model_type": "bert",
        "architectures": ["BertForSequenceClassification" if config.labels else "BertForMaskedLM"],
        "vocab_size": config.vocabulary_size,
        "num_hidden_layers": config.encoder_layers,
        "hidden_size": config.d_model,
        "intermediate_size": config.d_ff,
        "num_attention_heads": config.heads,
        "hidden_act": "gelu",
        "hidden_dropout_prob": config.dropout,
        "attention_probs_dropout_prob": config.attention_dropout,
        "max_position_embeddings": config.context,
        "type_vocab_size": config.token_types or 2,
        "layer_norm_eps": config.norm_epsilon,
        "pad_token_id": config.pad_id,
        "id2label": {str(number): label for number, label in enumerate(config.labels)},
    }
