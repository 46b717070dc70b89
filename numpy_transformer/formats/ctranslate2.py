"""A model in CTranslate2's format (https://opennmt.net/CTranslate2/).

Its weights are (out, in), ours (in, out); the rest corresponds one to one. It works with tokens as strings: a text
becomes the names that `token_strings` gives its ids, followed by <eos>.
"""

from pathlib import Path
from typing import Any

from ctranslate2.specs import TransformerSpec
from ctranslate2.specs.common_spec import Activation

from bpe import Tokenizer
from bpe.pretokenizer import spell
from numpy_transformer.errors import InputError
from numpy_transformer.layers.feed_forward import FeedForwardParameters
from numpy_transformer.layers.layer_norm import LayerNormParameters
from numpy_transformer.layers.linear import LinearParameters
from numpy_transformer.layers.position_table import sinusoids
from numpy_transformer.models.blocks import DecoderLayerParameters, EncoderLayerParameters
from numpy_transformer.models.transformer import Transformer

LONGEST = 2048  # tokens: CTranslate2 keeps positions as a table


def token_strings(tokenizer: Tokenizer) -> list[str]:
    """The name of each id: special tokens as they are, others in GPT-2's spelling of bytes. Raises InputError if two
    ids have the same name."""
    special = {token_id: name for name, token_id in tokenizer.special_tokens.items()}
    names = [special.get(i) or spell(tokenizer.vocabulary[i]) for i in range(len(tokenizer))]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"the vocabulary holds {twice!r} both as a special and as an ordinary token")
    return names


def write_ctranslate2(model: Transformer, tokenizer: Tokenizer, folder: Path) -> None:
    """Write model.bin, config.json and shared_vocabulary.json into the folder."""
    config, tree = model.config, model.quantised().parameters.tree
    spec = TransformerSpec.from_config(
        (config.encoder_layers, config.decoder_layers),
        config.heads,
        pre_norm=config.norm == "pre",
        activation=Activation.SWISH if config.activation == "swish" else Activation.RELU,
    )
    positions = sinusoids(LONGEST, config.d_model).astype(tree.embedding.weight.dtype)
    spec.encoder.embeddings[0].weight = spec.decoder.embeddings.weight = tree.embedding.weight
    spec.decoder.projection.weight = tree.embedding.weight
    if tree.output_bias is not None:
        spec.decoder.projection.bias = tree.output_bias
    for stack, last_norm in ((spec.encoder, tree.encoder_norm), (spec.decoder, tree.decoder_norm)):
        stack.scale_embeddings = True
        stack.position_encodings.encodings = positions
        if last_norm is not None:
            _norm(stack.layer_norm, last_norm)
    for layer, ours in zip(spec.encoder.layer, tree.encoder, strict=True):
        _encoder_layer(layer, ours)
    for layer, own in zip(spec.decoder.layer, tree.decoder, strict=True):
        _decoder_layer(layer, own)

    names = token_strings(tokenizer)
    spec.register_source_vocabulary(names)
    spec.register_target_vocabulary(names)
    spec.config.bos_token, spec.config.eos_token = names[config.bos_id], names[config.eos_id]
    spec.config.decoder_start_token = names[config.bos_id]
    spec.config.unk_token = names[config.pad_id]  # never needed: no text has an unknown token
    spec.config.add_source_eos = True
    spec.config.layer_norm_epsilon = 1e-5
    spec.validate()
    spec.save(str(folder))


def _encoder_layer(spec: Any, parameters: EncoderLayerParameters) -> None:
    p = parameters
    _attention(spec.self_attention, p.self_attention_norm, p.self_attention.query_key_value, p.self_attention.output)
    _feed_forward(spec.ffn, p.feed_forward_norm, p.feed_forward)


def _decoder_layer(spec: Any, parameters: DecoderLayerParameters) -> None:
    p = parameters
    cross = p.cross_attention
    _attention(spec.self_attention, p.self_attention_norm, p.self_attention.query_key_value, p.self_attention.output)
    _attention(spec.attention, p.cross_attention_norm, cross.query, cross.key_value, cross.output)
    _feed_forward(spec.ffn, p.feed_forward_norm, p.feed_forward)


def _attention(spec: Any, norm: LayerNormParameters, *projections: LinearParameters) -> None:
    _norm(spec.layer_norm, norm)
    for theirs, ours in zip(spec.linear, projections, strict=True):
        _linear(theirs, ours)


def _feed_forward(spec: Any, norm: LayerNormParameters, parameters: FeedForwardParameters) -> None:
    _norm(spec.layer_norm, norm)
    _linear(spec.linear_0, parameters.hidden)
    _linear(spec.linear_1, parameters.output)


def _linear(spec: Any, parameters: LinearParameters) -> None:
    spec.weight, spec.bias = parameters.weight.T, parameters.bias


def _norm(spec: Any, parameters: LayerNormParameters) -> None:
    spec.gamma, spec.beta = parameters.gain, parameters.bias
