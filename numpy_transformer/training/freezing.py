"""Parts of the model that stay as they are while the rest learns: --freeze encoder,decoder.0.self_attention

A name is the path of a parameter, or the beginning of one up to a dot: "encoder" is every parameter of the encoder.
A star stands for anything: "decoder.*.cross_attention", "*.bias".

A frozen parameter's gradient is set to 0 after the backward. Adam's moments begin at 0 and stay there, so its update is
0, bit for bit. The gradients are computed all the same: freezing changes what is learned, not how long a step takes.
"""

import math
from collections.abc import Sequence
from fnmatch import fnmatchcase

from numpy_transformer.errors import InputError
from numpy_transformer.layers.parameters import Parameters
from numpy_transformer.models.config import TransformerConfig
from numpy_transformer.training.options import TrainingOptions


def frozen_names(options: TrainingOptions, config: TransformerConfig) -> list[str]:
    """What --freeze names; and an imported model's bias of the logits, which transformers does not learn either."""
    asked = [] if options.freeze is None else [name.strip() for name in options.freeze.split(",")]
    return [*asked, *(["output_bias"] if config.constant_start else [])]


def frozen_slices(parameters: Parameters, names: Sequence[str]) -> list[slice]:
    """Where the named parts are in the flat buffer; neighbours are one slice.

    Raises InputError for a name that no parameter has, or if nothing is left to learn.
    """
    unknown = set(names)
    slices: list[slice] = []
    start = 0
    for path, values in parameters.named():
        end = start + math.prod(values.shape)
        matching = {name for name in names if _is_part(path, name)}
        unknown -= matching
        if matching and slices and slices[-1].stop == start:
            slices[-1] = slice(slices[-1].start, end)
        elif matching:
            slices.append(slice(start, end))
        start = end
    if unknown:
        parts = dict.fromkeys(path.partition(".")[0] for path, _ in parameters.named())
        raise InputError(
            f"--freeze {min(unknown)}: the model has no such part; it has {', '.join(parts)}, and parts of these such "
            "as encoder.0.self_attention"
        )
    if slices == [slice(0, start)]:
        raise InputError("--freeze leaves nothing to learn: freeze fewer parts")
    return slices


def _is_part(path: str, name: str) -> bool:
    """Whether the parameter at `path` belongs to the part `name`.

    >>> _is_part("encoder.0.self_attention.output.bias", "encoder.*.self_attention")
    True
    >>> _is_part("encoder_norm.bias", "encoder")
    False
    """
    steps = path.split(".")
    return any(fnmatchcase(".".join(steps[:count]), name) for count in range(1, len(steps) + 1))
