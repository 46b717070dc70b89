"""Hard word alignment: which source word each target word translates, read from the cross-attention.

    a_ts = mean of the weights of target token t on source token s, over all heads of the last two decoder layers
    m_ji = mean over the tokens t of target word j of the sum over the tokens s of source word i of a_ts
    j is linked to   argmax_i  m_ji / sum_j' m_j'i

The last layers are those that look at the word being written; earlier ones look more at its neighbourhood. A word is
linked not to the source word it looks at most, but to the one of whose attention it takes the largest share: heads with
nothing to do rest on a few words, such as the subject or the full stop, which would otherwise win too many links.

Every target word gets one link; several may share a source word. eos is on neither side.
"""

from collections.abc import Sequence

import numpy as np

from numpy_transformer.backend.arrays import Array, array_module, to_device, to_host
from numpy_transformer.backend.dropout_masks import NO_DROPOUT
from numpy_transformer.layers.blocked_attention import attention_weights as layer_weights
from numpy_transformer.models.encoder_decoder import decoder_forward, encoder_forward
from numpy_transformer.models.transformer import Transformer

LAST_LAYERS = 2

Alignment = tuple[tuple[int, int], ...]  # (source word, target word), each from 0, in the order of the target


def attended(models: Sequence[Transformer], source: Array, target: Array) -> Array:
    """a: how much each target token looks at each source token, when it is written.

    source (B, S) and target (B, T) are host arrays of ids, ending with eos and right-padded -> (B, T, S), on the host.
    The mean over all models.
    """
    found = []
    for model in models:
        xp, tree, config = array_module(model.parameters.flat), model.quantised().parameters.tree, model.config
        start = np.full((len(target), 1), config.bos_id)
        target_input = to_device(np.concatenate([start, target[:, :-1]], axis=1), xp)
        on_device = to_device(source, xp)
        memory, _ = encoder_forward(on_device, tree, config, dropouts=NO_DROPOUT)
        _, cache = decoder_forward(target_input, memory, on_device, tree, config, dropouts=NO_DROPOUT)
        found += [
            to_host(layer_weights(layer.cross_attention.sublayer.attention).mean(axis=1))
            for layer in cache.stack.layers[-LAST_LAYERS:]
        ]
    return np.mean(found, axis=0)


def words_of_tokens(tokens: Sequence[bytes]) -> Array:
    """(words, tokens), 1 where a token holds a part of a word and 0 elsewhere.

    Words are what `str.split` finds in the text that the tokens' bytes make.
    """
    text = b"".join(tokens).decode("utf-8", errors="surrogateescape")
    number, in_word = -1, False
    word_of_byte: list[int] = []
    for character in text:
        number += not character.isspace() and not in_word
        in_word = not character.isspace()
        size = len(character.encode("utf-8", errors="surrogateescape"))
        word_of_byte += [number if in_word else -1] * size
    members = np.zeros((number + 1, len(tokens)))
    start = 0
    for column, token in enumerate(tokens):
        words = {word for word in word_of_byte[start : start + len(token)] if word >= 0}
        members[list(words), column] = 1
        start += len(token)
    return members


def align_words(attended: Array, source: Sequence[bytes], target: Sequence[bytes]) -> Alignment:
    """The links of a sentence: attended (T, S) between its tokens, given as bytes, without eos."""
    source_words, target_words = words_of_tokens(source), words_of_tokens(target)
    if not len(source_words) or not len(target_words):
        return ()
    means = target_words / target_words.sum(axis=1, keepdims=True)
    between = means @ attended.astype(np.float64) @ source_words.T  # m
    share = between / np.maximum(between.sum(axis=0), np.finfo(np.float32).tiny)
    return tuple((int(i), j) for j, i in enumerate(share.argmax(axis=1)))


def pharaoh(alignment: Alignment) -> str:
    """0-0 1-2 ...: source word, hyphen, target word."""
    return " ".join(f"{i}-{j}" for i, j in alignment)
