"""A model as a state dict for torch.nn.Transformer, with the module that loads it. Writing it does not need PyTorch."""

from pathlib import Path

import numpy as np
from safetensors.numpy import save

from numpy_transformer.backend.arrays import Array, to_host
from numpy_transformer.models.transformer import Transformer
from numpy_transformer.storage.atomic import atomic_write

# Our name and PyTorch's for each sub-layer, in the two kinds of layer. There, attention's projections are one matrix,
# whose parts are called in_proj_weight and in_proj_bias.
MODULES = {
    "encoder": {
        "self_attention.query_key_value": "self_attn.in_proj",
        "self_attention.output": "self_attn.out_proj",
        "self_attention_norm": "norm1",
        "feed_forward.hidden": "linear1",
        "feed_forward.output": "linear2",
        "feed_forward_norm": "norm2",
    },
    "decoder": {
        "self_attention.query_key_value": "self_attn.in_proj",
        "self_attention.output": "self_attn.out_proj",
        "self_attention_norm": "norm1",
        "cross_attention.query": "multihead_attn.in_proj",
        "cross_attention.key_value": "multihead_attn.in_proj",
        "cross_attention.output": "multihead_attn.out_proj",
        "cross_attention_norm": "norm2",
        "feed_forward.hidden": "linear1",
        "feed_forward.output": "linear2",
        "feed_forward_norm": "norm3",
    },
}


def write_pytorch(model: Transformer, folder: Path) -> None:
    """Write model.safetensors, config.json and model.py into the folder."""
    model = model.quantised()
    contents = {
        "model.safetensors": save(state_dict(model)),
        "config.json": model.config.to_json().encode(),
        "model.py": Path(__file__).with_name("pytorch_model.py").read_bytes(),
    }
    for name, content in contents.items():
        with atomic_write(folder / name) as file:
            file.write(content)


def state_dict(model: Transformer) -> dict[str, Array]:
    """The parameters by the names, and in the shapes, of pytorch_model.TranslationModel."""
    parts: dict[str, list[Array]] = {}
    for name, values in model.parameters.named():
        parts.setdefault(_torch_name(name), []).append(to_host(values))
    # A linear layer's weights are (out, in) there, (in, out) here; the embedding is the same in both.
    return {
        name: np.ascontiguousarray(
            values[0] if name == "embedding.weight" else np.concatenate([x.T for x in values], axis=0)
        )
        for name, values in parts.items()
    }


def _torch_name(name: str) -> str:
    if name in ("embedding.weight", "output_bias"):
        return name
    module, leaf = name.rsplit(".", 1)
    kind = "weight" if leaf == "gain" else leaf
    if module in ("encoder_norm", "decoder_norm"):
        return f"stacks.{module.replace('_', '.')}.{kind}"
    stack, number, module = module.split(".", 2)
    theirs = MODULES[stack][module]
    separator = "_" if theirs.endswith("in_proj") else "."
    return f"stacks.{stack}.layers.{number}.{theirs}{separator}{kind}"
