""" "Attention Is All You Need" (Vaswani et al. 2017), section by section: what it says, and that the code does it.

This file writes each formula out again, as plainly as NumPy allows and in the paper's own letters, and compares the
layers with it. If the paper leaves a choice, the test says which one we made.
"""

import dataclasses
import inspect
import math

import numpy as np
import pytest

from numpy_transformer import Transformer, TransformerConfig
from numpy_transformer.backend.dropout_masks import NO_DROPOUT, DropoutMasks, Dropouts
from numpy_transformer.decoding import EXTRA_LENGTH, beam_search, length_penalty
from numpy_transformer.layers.attention import causal_mask
from numpy_transformer.layers.cross_entropy import cross_entropy_forward
from numpy_transformer.layers.embedding import positional_encoding_forward
from numpy_transformer.layers.parameters import map_tree
from numpy_transformer.layers.position_table import sinusoids
from numpy_transformer.models.blocks import decoder_layer_forward, encoder_layer_forward
from numpy_transformer.models.encoder_decoder import embed_forward, transformer_forward, transformer_spec
from numpy_transformer.training.optimizer import Adam
from numpy_transformer.training.options import TrainingOptions
from numpy_transformer.training.schedule import learning_rate
from numpy_transformer.translation.translator import Translator

# --- The paper's formulas, written out ---


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def layer_norm(x, p):
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5) * p.gain + p.bias


def attention(Q, K, V, mask):
    """softmax(Q K^T / sqrt(d_k)) V for one sentence; illegal connections are set to -infinity (section 3.2.3)."""
    scores = np.where(mask, Q @ K.T / math.sqrt(Q.shape[-1]), -np.inf)
    return softmax(scores) @ V


def multi_head(query, key, value, W_Q, W_K, W_V, W_O, h, mask):
    """Concat(head_1, ..., head_h) W^O with head_i = Attention(Q W_i^Q, K W_i^K, V W_i^V); here with biases."""
    Q, K, V = query @ W_Q[0] + W_Q[1], key @ W_K[0] + W_K[1], value @ W_V[0] + W_V[1]
    d_k = Q.shape[-1] // h
    heads = [attention(*(M[:, i * d_k : (i + 1) * d_k] for M in (Q, K, V)), mask) for i in range(h)]
    return np.concatenate(heads, axis=-1) @ W_O.weight + W_O.bias


def self_attention(x, p, h, mask):
    W, b, D = p.query_key_value.weight, p.query_key_value.bias, x.shape[-1]
    Q, K, V = ((W[:, i * D : (i + 1) * D], b[i * D : (i + 1) * D]) for i in range(3))
    return multi_head(x, x, x, Q, K, V, p.output, h, mask)


def cross_attention(x, memory, p, h, mask):
    W, b, D = p.key_value.weight, p.key_value.bias, x.shape[-1]
    return multi_head(x, memory, memory, p.query, (W[:, :D], b[:D]), (W[:, D:], b[D:]), p.output, h, mask)


def feed_forward(x, p):
    return np.maximum(0, x @ p.hidden.weight + p.hidden.bias) @ p.output.weight + p.output.bias


def encoder_layer(x, p, h, mask):
    x = layer_norm(x + self_attention(x, p.self_attention, h, mask), p.self_attention_norm)
    return layer_norm(x + feed_forward(x, p.feed_forward), p.feed_forward_norm)


def decoder_layer(x, memory, p, h, self_mask, memory_mask):
    x = layer_norm(x + self_attention(x, p.self_attention, h, self_mask), p.self_attention_norm)
    x = layer_norm(x + cross_attention(x, memory, p.cross_attention, h, memory_mask), p.cross_attention_norm)
    return layer_norm(x + feed_forward(x, p.feed_forward), p.feed_forward_norm)


def small(**changes):
    sizes = {"vocabulary_size": 13, "encoder_layers": 2, "decoder_layers": 2, "d_model": 8, "d_ff": 12, "heads": 2}
    return TransformerConfig(**(sizes | changes))


@pytest.fixture(scope="module")
def model():
    """Post-norm, with random gains and biases, so that a forgotten one shows."""
    model = Transformer(small(), seed=0, dtype="float64")
    model.parameters.flat[:] = np.random.default_rng(0).normal(0, 0.5, model.parameters.flat.shape)
    return model


# --- 3.1 Encoder and decoder stacks ---


def test_3_1_an_encoder_layer_is_two_post_norm_sublayers(model):
    x = np.random.default_rng(1).standard_normal((1, 5, 8))
    mask = np.arange(5) < 4
    layer = model.parameters.tree.encoder[0]
    y, _ = encoder_layer_forward(x, layer, model.config, mask=mask[None, None, None], dropouts=NO_DROPOUT)
    np.testing.assert_allclose(y[0], encoder_layer(x[0], layer, 2, mask), rtol=1e-11, atol=1e-12)


def test_3_1_a_decoder_layer_is_three_post_norm_sublayers(model):
    rng = np.random.default_rng(1)
    x, memory, memory_mask = rng.standard_normal((1, 3, 8)), rng.standard_normal((1, 5, 8)), np.arange(5) < 4
    layer = model.parameters.tree.decoder[0]
    y, _ = decoder_layer_forward(
        x,
        layer,
        model.config,
        memory=memory,
        self_mask=causal_mask(3, x),
        memory_mask=memory_mask[None, None, None],
        dropouts=NO_DROPOUT,
    )
    expected = decoder_layer(x[0], memory[0], layer, 2, np.tri(3, dtype=bool), memory_mask)
    np.testing.assert_allclose(y[0], expected, rtol=1e-11, atol=1e-12)


def test_3_1_post_norm_is_the_default_and_stacks_end_without_a_further_norm():
    assert TransformerConfig(vocabulary_size=100).norm == "post"
    spec = transformer_spec(small())
    assert spec.encoder_norm is None
    assert spec.decoder_norm is None


def test_3_1_the_base_model_has_six_layers_of_512():
    base = TransformerConfig.preset("base", vocabulary_size=37000)
    assert (base.encoder_layers, base.decoder_layers, base.d_model) == (6, 6, 512)


# --- The whole of figure 1 ---


def test_figure_1_the_whole_model(model):
    """Ids to logits: scaled shared embedding, positions, both stacks, output projection with the same table."""
    source, target_input = np.array([[5, 9, 4, 2, 0]]), np.array([[1, 7, 3]])
    tree, h = model.parameters.tree, model.config.heads
    E, D = tree.embedding.weight, model.config.d_model
    mask = source[0] != 0
    x = E[source[0]] * math.sqrt(D) + sinusoids(5, D)
    for layer in tree.encoder:
        x = encoder_layer(x, layer, h, mask)
    y = E[target_input[0]] * math.sqrt(D) + sinusoids(3, D)
    for layer in tree.decoder:
        y = decoder_layer(y, x, layer, h, np.tri(3, dtype=bool), mask)
    np.testing.assert_allclose(model.logits(source, target_input)[0], y @ E.T, rtol=1e-10, atol=1e-11)


# --- 3.2.2 Multi-head attention ---


def test_3_2_2_eight_heads_of_64():
    base = TransformerConfig.preset("base", vocabulary_size=37000)
    assert base.heads == 8
    assert base.d_model // base.heads == 64


def test_3_2_2_four_projections_of_d_model_by_d_model():
    layer = transformer_spec(TransformerConfig.preset("base", vocabulary_size=37000)).decoder[0]
    assert layer.self_attention.query_key_value.weight.shape == (512, 3 * 512)
    assert layer.self_attention.output.weight.shape == (512, 512)
    assert layer.cross_attention.query.weight.shape == (512, 512)
    assert layer.cross_attention.key_value.weight.shape == (512, 2 * 512)
    assert layer.cross_attention.output.weight.shape == (512, 512)


# --- 3.2.3 Applications of attention ---


def test_3_2_3_the_decoder_sees_no_later_position_and_every_source_position(model):
    source, target_input = np.array([[5, 9, 4, 2]]), np.array([[1, 7, 3, 8]])
    before = model.logits(source, target_input)
    for at in range(1, 4):
        changed = target_input.copy()
        changed[0, at] = 11
        after = model.logits(source, changed)
        np.testing.assert_array_equal(after[:, :at], before[:, :at])
        assert (after[:, at] != before[:, at]).all()
    for at in range(4):
        changed = source.copy()
        changed[0, at] = 11
        assert (model.logits(changed, target_input) != before).any(axis=-1).all()


# --- 3.3 Position-wise feed-forward networks ---


def test_3_3_inner_size_2048_and_relu(model):
    base = TransformerConfig.preset("base", vocabulary_size=37000)
    assert base.d_ff == 2048
    hidden = transformer_spec(base).encoder[0].feed_forward.hidden.weight
    assert hidden.shape == (512, 2048)


# --- 3.4 Embeddings and softmax ---


def test_3_4_one_table_for_both_embeddings_and_the_projection():
    names = dict(Transformer(small(), dtype="float64").parameters.named())
    assert [name for name, view in names.items() if 13 in view.shape] == ["embedding.weight"]


def test_3_4_embeddings_are_multiplied_by_the_root_of_d_model(model):
    ids = np.array([[4, 4, 7]])
    x, _ = embed_forward(ids, model.parameters.tree.embedding, dropouts=NO_DROPOUT)
    E = model.parameters.tree.embedding.weight
    np.testing.assert_allclose(x - sinusoids(3, 8), math.sqrt(8) * E[ids], rtol=1e-12, atol=1e-13)


# --- 3.5 Positional encoding ---


@pytest.mark.parametrize("d_model", [2, 8, 512])
def test_3_5_sinusoids(d_model):
    """PE(pos, 2i) = sin(pos / 10000^(2i / d_model)), PE(pos, 2i + 1) = cos(the same)."""
    table = sinusoids(50, d_model)
    for pos in (0, 1, 7, 49):
        for i in range(d_model // 2):
            angle = pos / 10000 ** (2 * i / d_model)
            assert math.isclose(table[pos, 2 * i], math.sin(angle), abs_tol=1e-13)
            assert math.isclose(table[pos, 2 * i + 1], math.cos(angle), abs_tol=1e-13)


def test_3_5_positions_are_added_and_the_first_one_is_0():
    x = np.zeros((1, 3, 4))
    y = positional_encoding_forward(x)
    np.testing.assert_allclose(y[0, 0], [0, 1, 0, 1])
    np.testing.assert_allclose(y[0, 1], [math.sin(1), math.cos(1), math.sin(0.01), math.cos(0.01)], rtol=1e-14)


# --- 5.3 Optimizer ---


def test_5_3_adam_with_the_papers_constants():
    defaults = {field.name: field.default for field in dataclasses.fields(Adam)}
    assert (defaults["beta1"], defaults["beta2"], defaults["epsilon"]) == (0.9, 0.98, 1e-9)


def test_5_3_schedule():
    """d_model^-0.5 min(step^-0.5, step warmup^-1.5) with warmup 4000: base peaks at 7.0e-4, and halves at 16,000."""
    assert TrainingOptions().warmup == 4000

    def base(step):
        return learning_rate(step, d_model=512, warmup=4000)

    assert math.isclose(base(1), 512**-0.5 * 4000**-1.5, rel_tol=1e-14)
    assert math.isclose(base(2000), base(4000) / 2, rel_tol=1e-14)
    assert math.isclose(base(4000), (512 * 4000) ** -0.5, rel_tol=1e-14)
    assert f"{base(4000):.1e}" == "7.0e-04"
    assert math.isclose(base(16000), base(4000) / 2, rel_tol=1e-14)
    assert math.isclose(base(100_000), (512 * 100_000) ** -0.5, rel_tol=1e-14)
    assert math.isclose(learning_rate(4000, d_model=1024, warmup=4000), base(4000) / math.sqrt(2), rel_tol=1e-14)


# --- 5.4 Regularization ---


def test_5_4_dropout_of_a_tenth_on_sublayer_outputs_and_embeddings():
    """Rate 0.1, before a sub-layer's output is added and normalized, and on the sums of embeddings and positions.

    The encoder has 1 + 2 N such places, the decoder 1 + 3 N. The weights of attention are not among them.
    """
    config = TransformerConfig(vocabulary_size=100)
    assert config.dropout == 0.1
    assert config.attention_dropout == 0.0

    shapes = []

    class Recording(DropoutMasks):
        def next_mask(self, shape):
            shapes.append(shape)
            return super().next_mask(shape)

    model = Transformer(small(), dtype="float64")
    source, target = np.array([[5, 4, 2]]), np.array([[1, 7, 3, 8, 2]])
    masks = Recording(0.1, seed=0)
    dropouts = Dropouts(residual=masks)
    transformer_forward(source, target[:, :-1], np.arange(4), model.parameters.tree, model.config, dropouts=dropouts)
    assert shapes == [(1, 3, 8)] * (1 + 2 * 2) + [(1, 4, 8)] * (1 + 3 * 2)


def test_5_4_dropout_is_inside_the_residual_connection(model):
    """LayerNorm(x + Dropout(Sublayer(x))): with everything dropped (p close to 1), a layer is two norms of x."""
    rng = np.random.default_rng(0)
    x, layer = rng.standard_normal((1, 4, 8)), model.parameters.tree.encoder[0]
    mask = np.ones((1, 1, 1, 4), dtype=bool)
    all_dropped = Dropouts(residual=DropoutMasks(1 - 1 / 65536, seed=0))
    y, _ = encoder_layer_forward(x, layer, model.config, mask=mask, dropouts=all_dropped)
    expected = layer_norm(layer_norm(x, layer.self_attention_norm), layer.feed_forward_norm)
    np.testing.assert_allclose(y, expected, rtol=1e-11, atol=1e-12)


def test_5_4_label_smoothing_of_a_tenth():
    """The target gives 0.9 to the gold token and spreads 0.1 over the whole vocabulary, the gold token included."""
    assert inspect.signature(Transformer.loss_and_gradients).parameters["label_smoothing"].default == 0.1
    assert TrainingOptions().label_smoothing == 0.1
    logits, V = np.random.default_rng(0).standard_normal((1, 5)), 5
    loss, _ = cross_entropy_forward(logits, np.array([2]), label_smoothing=0.1, token_count=1)
    target = np.full(V, 0.1 / V)
    target[2] += 0.9
    assert math.isclose(loss, -(target * np.log(softmax(logits[0]))).sum(), rel_tol=1e-13)


# --- 6.1 Machine translation ---


@pytest.mark.parametrize(("length", "penalty"), [(1, 1.0), (7, 2**0.6), (13, 3**0.6), (25, 5**0.6)])
def test_6_1_length_penalty(length, penalty):
    """((5 + length) / 6)^0.6 (Wu et al. 2016)."""
    assert math.isclose(length_penalty(length, 0.6), penalty, rel_tol=1e-14)


def test_6_1_beam_of_4_alpha_of_0_6_and_source_plus_50():
    defaults = inspect.signature(Translator.translate).parameters
    assert (defaults["beam"].default, defaults["alpha"].default, EXTRA_LENGTH) == (4, 0.6, 50)


def test_6_1_a_score_is_the_log_probability_over_the_penalty(model):
    """The score of the beam's result, and its log-probability according to the model."""
    source = np.array([[5, 9, 4, 2]])
    [[best]] = beam_search(model, source, limits=np.array([6]), beam=4, alpha=0.6)
    target = np.array([[1, *best.ids, 2]])
    log_probabilities = np.log(softmax(model.logits(source, target[:, :-1])[0]))
    total = log_probabilities[np.arange(target.shape[1] - 1), target[0, 1:]].sum()
    assert len(best.ids) <= 6
    assert math.isclose(best.log_probability, total, rel_tol=1e-9)
    assert math.isclose(best.score, total / length_penalty(len(best.ids) + 1, 0.6), rel_tol=1e-9)


def test_6_1_the_last_checkpoints_are_averaged():
    assert TrainingOptions().average == 5


# --- Table 3 ---


@pytest.mark.parametrize(
    ("preset", "layers", "d_model", "d_ff", "heads", "millions"),
    [("base", 6, 512, 2048, 8, 63), ("big", 6, 1024, 4096, 16, 214)],
)
def test_table_3_sizes_and_parameter_counts(preset, layers, d_model, d_ff, heads, millions):
    """With a shared vocabulary of 37,000. The paper rounds to 65 and 213 million; it does not say how it counts."""
    config = TransformerConfig.preset(preset, vocabulary_size=37000)
    assert (config.encoder_layers, config.d_model, config.d_ff, config.heads) == (layers, d_model, d_ff, heads)
    count = 0

    def add(_, leaf):
        nonlocal count
        count += math.prod(leaf.shape)

    map_tree(add, transformer_spec(config))
    attention_block, norm = 4 * (d_model**2 + d_model), 2 * d_model
    network = 2 * d_model * d_ff + d_ff + d_model
    encoder, decoder = attention_block + network + 2 * norm, 2 * attention_block + network + 3 * norm
    assert count == 37000 * d_model + layers * (encoder + decoder)
    assert round(count / 1e6) == millions
