"""All exercises, in the order of the road."""

from collections.abc import Callable
from typing import Any

from numpy_transformer.exercises import calls, misconceptions, references
from numpy_transformer.exercises.exercise import Exercise, Function
from numpy_transformer.layers import (
    activation,
    attention,
    cross_entropy,
    dropout,
    embedding,
    feed_forward,
    layer_norm,
    linear,
    multi_head_attention,
    position_table,
    softmax,
)


def _exercise(
    name: str,
    chapter: str,
    minutes: int,
    results: str,
    *,
    reference: Function | None = None,
    tried: Callable[..., Any] | None = None,
    sources: tuple[Function, ...] = (),
    wrong: tuple[Function, ...] = (),
) -> Exercise:
    """Ten minutes are a point. Reference and calls have the exercise's name unless they are given."""
    return Exercise(
        name=name,
        chapter=chapter,
        minutes=minutes,
        points=max(1, round(minutes / 10)),
        reference=reference or getattr(references, name),
        calls=tried or getattr(calls, name),
        results=tuple(results.split()),
        sources=sources,
        misconceptions={function.__name__: function for function in wrong},
    )


m = misconceptions
EXERCISES = {
    exercise.name: exercise
    for exercise in (
        _exercise("embedding_forward", "words", 5, "y", wrong=(m.unscaled_lookup,)),
        _exercise(
            "embedding_backward",
            "words",
            15,
            "",
            sources=(embedding.embedding_backward, embedding.add_rows),
            wrong=(m.table_overwritten, m.table_assigned),
        ),
        _exercise(
            "sinusoids",
            "words",
            15,
            "encoding",
            reference=position_table.sinusoids,
            wrong=(m.halves_instead_of_pairs, m.positions_from_one, m.feature_index_as_i),
        ),
        _exercise("linear_forward", "maps", 5, "y", reference=linear.linear_forward),
        _exercise(
            "linear_backward",
            "maps",
            20,
            "dx",
            reference=linear.linear_backward,
            wrong=(
                m.averaged_linear,
                m.averaged_bias,
            ),
        ),
        _exercise(
            "softmax_forward",
            "attention",
            15,
            "y",
            sources=(softmax.softmax_forward, softmax.minus_maximum),
            wrong=(
                m.softmax_over_queries,
                m.softmax_without_shift,
                m.mask_after_softmax,
                m.equal_weights_where_all_is_hidden,
            ),
        ),
        _exercise(
            "softmax_backward",
            "attention",
            25,
            "dx",
            sources=(softmax.softmax_backward,),
            wrong=(m.elementwise_softmax_backward,),
        ),
        _exercise(
            "causal_mask",
            "attention",
            5,
            "mask",
            sources=(attention.causal_mask,),
            wrong=(m.strictly_causal, m.causal_upside_down),
        ),
        _exercise("padding_mask", "attention", 5, "mask", wrong=(m.padding_is_true, m.padding_of_queries)),
        _exercise(
            "attention_forward",
            "attention",
            15,
            "context weights",
            sources=(attention.scaled_dot_product_attention_forward,),
            wrong=(m.unscaled_attention, m.attention_scaled_by_width),
        ),
        _exercise(
            "masked_attention_forward",
            "attention",
            15,
            "context weights",
            reference=references.attention_forward,
            sources=(attention.scaled_dot_product_attention_forward,),
            wrong=(
                m.attention_masked_late,
                m.attention_masked_with_zero,
                m.attention_inverted,
                m.attention_over_queries,
                m.attention_sees_where_all_is_hidden,
            ),
        ),
        _exercise(
            "attention_backward",
            "attention",
            40,
            "dquery dkey dvalue",
            sources=(attention.scaled_dot_product_attention_backward, softmax.softmax_backward),
        ),
        _exercise("split_heads", "heads", 10, "by_head", wrong=(m.heads_without_swap, m.heads_interleaved)),
        _exercise("join_heads", "heads", 10, "joined", wrong=(m.joined_without_swap,)),
        _exercise(
            "self_attention_forward",
            "heads",
            25,
            "y query key value weights context",
            sources=(multi_head_attention.self_attention_forward,),
        ),
        _exercise(
            "self_attention_backward",
            "heads",
            45,
            "dx",
            sources=(
                multi_head_attention.self_attention_backward,
                attention.scaled_dot_product_attention_backward,
                linear.linear_backward,
            ),
        ),
        _exercise("relu_forward", "layers", 3, "y", sources=(activation.relu_forward,)),
        _exercise(
            "relu_backward",
            "layers",
            5,
            "dx",
            sources=(activation.relu_backward,),
            wrong=(m.relu_of_gradient, m.relu_times_x),
        ),
        _exercise("feed_forward_forward", "layers", 10, "y activated", sources=(feed_forward.feed_forward_forward,)),
        _exercise(
            "feed_forward_backward",
            "layers",
            25,
            "dx",
            sources=(feed_forward.feed_forward_backward, linear.linear_backward),
        ),
        _exercise(
            "layer_norm_forward",
            "layers",
            15,
            "y normalized inverse_deviation",
            sources=(layer_norm.layer_norm_forward,),
            wrong=(m.norm_over_everything, m.norm_with_n_minus_one, m.norm_epsilon_outside),
        ),
        _exercise(
            "layer_norm_backward",
            "layers",
            45,
            "dx",
            sources=(layer_norm.layer_norm_backward,),
            wrong=(m.norm_statistics_constant, m.norm_without_gain),
        ),
        _exercise(
            "dropout_forward",
            "layers",
            5,
            "y",
            tried=calls.dropout("x"),
            wrong=(m.dropout_unscaled, m.dropout_scaled_by_p),
        ),
        _exercise(
            "dropout_backward",
            "layers",
            10,
            "dx",
            tried=calls.dropout("dy"),
            sources=(dropout.dropout_backward,),
            wrong=(m.gradient_undropped, m.gradient_unscaled),
        ),
        _exercise("residual_forward", "blocks", 10, "y", wrong=(m.residual_always_post,)),
        _exercise(
            "residual_backward",
            "blocks",
            20,
            "dx",
            wrong=(m.residual_path_forgotten, m.pre_in_forward_order, m.skip_around_the_norm),
        ),
        _exercise(
            "encoder_layer_forward", "blocks", 10, "y", wrong=(m.encoder_norm_inside, m.encoder_without_residuals)
        ),
        _exercise(
            "encoder_layer_backward", "blocks", 20, "dx", wrong=(m.encoder_in_forward_order, m.encoder_skips_forgotten)
        ),
        _exercise("decoder_layer_forward", "blocks", 10, "y", wrong=(m.decoder_asks_memory,)),
        _exercise("decoder_layer_backward", "blocks", 30, "dx", wrong=(m.memory_gradient_assigned,)),
        _exercise(
            "cross_entropy_forward",
            "loss",
            25,
            "loss probabilities",
            sources=(cross_entropy.cross_entropy_forward,),
            wrong=(m.loss_over_rows, m.smoothing_over_others),
        ),
        _exercise(
            "cross_entropy_backward",
            "loss",
            25,
            "dlogits",
            sources=(cross_entropy.cross_entropy_backward,),
            wrong=(m.smoothing_forgotten, m.gradient_not_divided),
        ),
        _exercise(
            "loss_over_real_tokens",
            "loss",
            10,
            "loss",
            wrong=(m.padding_counted, m.padding_in_the_count, m.mean_of_sentence_means),
        ),
        _exercise("tied_embedding_gradient", "loss", 20, "", wrong=(m.lookups_only,)),
        _exercise(
            "adam_update",
            "training",
            25,
            "",
            wrong=(m.adam_without_correction, m.adam_epsilon_inside, m.adam_counts_from_zero),
        ),
        _exercise(
            "learning_rate",
            "training",
            10,
            "rate",
            wrong=(m.schedule_from_zero, m.schedule_late, m.schedule_without_decay, m.schedule_of_the_larger),
        ),
        _exercise(
            "accumulate_gradients",
            "training",
            10,
            "gradient",
            wrong=(m.plain_mean_of_gradients, m.sum_of_gradients),
        ),
        _exercise("learn_merges", "tokens", 40, "merges", wrong=(m.merges_of_types, m.merges_to_the_end)),
        _exercise("apply_merges", "tokens", 25, "tokens", wrong=(m.merged_from_the_left,)),
        _exercise("greedy_search", "search", 15, "ids", wrong=(m.greedy_keeps_eos,)),
        _exercise(
            "beam_search",
            "search",
            45,
            "ids",
            wrong=(m.beam_is_greedy, m.beam_without_penalty, m.beam_takes_the_first, m.beam_stops_early),
        ),
        _exercise(
            "cached_attention_step",
            "search",
            20,
            "context keys values",
            wrong=(m.cache_forgets, m.cache_without_itself),
        ),
    )
}
