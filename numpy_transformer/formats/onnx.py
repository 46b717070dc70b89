"""A model as two ONNX graphs: encoder.onnx and decoder.onnx (https://onnx.ai/).

    encoder    source (B, S)                                             -> memory (B, S, D)
    decoder    target_input (B, T), memory (B, S, D), source (B, S)      -> logits (B, T, V)

Ids are int64, padded at the end with pad_id. The graphs follow the layers node by node; writing them needs only the
onnx package. The decoder takes the whole prefix of a translation and keeps no cache.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper

from numpy_transformer.backend.arrays import Array, to_host
from numpy_transformer.layers.feed_forward import FeedForwardParameters
from numpy_transformer.layers.layer_norm import LayerNormParameters
from numpy_transformer.layers.linear import LinearParameters
from numpy_transformer.layers.position_table import sinusoids
from numpy_transformer.layers.softmax import MASKED_SCORE
from numpy_transformer.models.transformer import Transformer
from numpy_transformer.storage.atomic import atomic_write

OPSET = 17  # the first with LayerNormalization; ONNX Runtime 1.12 and later
LONGEST = 2048  # tokens: positions are a table here


class Graph:
    """A graph under construction: nodes and constants, for one model."""

    def __init__(self, model: Transformer) -> None:
        self.config = model.config
        self.dtype = np.dtype(model.parameters.flat.dtype)
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._shared: dict[tuple[int, Any], str] = {}  # constants, by array and dtype
        self._arrays: list[Array] = []  # keeps those arrays, and so their identities, alive

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add a node with one output; return the output's name."""
        name = f"{operator.lower()}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, inputs, [name], name=name, **attributes))
        return name

    def constant(self, values: Any, dtype: Any = None) -> str:
        """Add a constant: a parameter, a number, or a shape (dtype int64)."""
        key = id(values), dtype
        if key not in self._shared:
            name = f"constant_{len(self._constants)}"
            host = np.ascontiguousarray(to_host(np.asarray(values)), dtype=self.dtype if dtype is None else dtype)
            host = host.reshape(np.shape(values))  # a number stays one
            self._constants.append(numpy_helper.from_array(host, name))
            self._shared[key] = name
            self._arrays.append(values)
        return self._shared[key]

    def indices(self, *values: int) -> str:
        """Add a constant vector of int64."""
        return self.constant(list(values), np.int64)

    def model(self, inputs: dict[str, list[Any]], output: str, name: str, shape: list[Any]) -> Any:
        """The finished ONNX model; values with three axes are numbers, those with two are ids."""
        number = helper.np_dtype_to_tensor_dtype(self.dtype)
        self._nodes.append(helper.make_node("Identity", [output], [name]))
        graph = helper.make_graph(
            self._nodes,
            "numpy_transformer",
            [
                helper.make_tensor_value_info(key, number if len(axes) == 3 else TensorProto.INT64, axes)
                for key, axes in inputs.items()
            ],
            [helper.make_tensor_value_info(name, number, shape)],
            self._constants,
        )
        made = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="numpy_transformer"
        )
        made.ir_version = 8  # that of this opset's time
        checker.check_model(made, full_check=True)
        return made


def write_onnx(model: Transformer, folder: Path) -> None:
    """Write encoder.onnx, decoder.onnx and config.json into the folder."""
    model = model.quantised()
    for name, graph in (("encoder", encoder_graph(model)), ("decoder", decoder_graph(model))):
        with atomic_write(folder / f"{name}.onnx") as file:
            file.write(graph.SerializeToString())
    with atomic_write(folder / "config.json") as file:
        file.write(model.config.to_json().encode())


def encoder_graph(model: Transformer) -> Any:
    """source -> memory."""
    graph, tree = Graph(model), model.parameters.tree
    x, hidden = _embed(graph, "source", tree.embedding.weight), _hidden_source(graph)
    for p in tree.encoder:
        x = _self_attention_sublayer(graph, x, p, hidden)
        x = _feed_forward_sublayer(graph, x, p)
    x = _last_norm(graph, x, tree.encoder_norm)
    return graph.model({"source": ["B", "S"]}, x, "memory", ["B", "S", model.config.d_model])


def decoder_graph(model: Transformer) -> Any:
    """target_input, memory, source -> logits."""
    graph, config, tree = Graph(model), model.config, model.parameters.tree
    x, hidden_source = _embed(graph, "target_input", tree.embedding.weight), _hidden_source(graph)
    positions = _positions(graph, "target_input")  # (T,)
    asking = graph.add("Unsqueeze", positions, graph.indices(1))  # (T, 1)
    future = graph.add("Greater", graph.add("Unsqueeze", positions, graph.indices(0)), asking)  # (T, T)
    for p in tree.decoder:
        x = _self_attention_sublayer(graph, x, p, future)
        inner = _before(graph, x, p.cross_attention_norm)
        query = _linear(graph, inner, p.cross_attention.query)
        key, value = _split(graph, _linear(graph, "memory", p.cross_attention.key_value), 2)
        update = _linear(graph, _attention(graph, query, key, value, hidden_source), p.cross_attention.output)
        x = _after(graph, x, update, p.cross_attention_norm)
        x = _feed_forward_sublayer(graph, x, p)
    x = _last_norm(graph, x, tree.decoder_norm)
    logits = graph.add("MatMul", x, graph.add("Transpose", graph.constant(tree.embedding.weight), perm=[1, 0]))
    if tree.output_bias is not None:
        logits = graph.add("Add", logits, graph.constant(tree.output_bias))
    inputs: dict[str, list[Any]] = {
        "target_input": ["B", "T"],
        "memory": ["B", "S", config.d_model],
        "source": ["B", "S"],
    }
    return graph.model(inputs, logits, "logits", ["B", "T", config.vocabulary_size])


# --- Embedding and masks ---


def _positions(graph: Graph, ids: str) -> str:
    """0 .. T - 1 for ids (B, T)."""
    length = graph.add("Gather", graph.add("Shape", ids), graph.constant(1, np.int64))
    return graph.add("Range", graph.constant(0, np.int64), length, graph.constant(1, np.int64))


def _embed(graph: Graph, ids: str, weight: Array) -> str:
    D = graph.config.d_model
    x = graph.add("Mul", graph.add("Gather", graph.constant(weight), ids), graph.constant(math.sqrt(D)))
    table = graph.constant(sinusoids(LONGEST, D))
    return graph.add("Add", x, graph.add("Gather", table, _positions(graph, ids)))


def _hidden_source(graph: Graph) -> str:
    """(B, 1, 1, S), True at padding."""
    padding = graph.add("Equal", "source", graph.constant(graph.config.pad_id, np.int64))
    return graph.add("Unsqueeze", padding, graph.indices(1, 2))


# --- Sub-layers (models/blocks.py, layers/residual.py) ---


def _self_attention_sublayer(graph: Graph, x: str, p: Any, hidden: str) -> str:
    inner = _before(graph, x, p.self_attention_norm)
    query, key, value = _split(graph, _linear(graph, inner, p.self_attention.query_key_value), 3)
    update = _linear(graph, _attention(graph, query, key, value, hidden), p.self_attention.output)
    return _after(graph, x, update, p.self_attention_norm)


def _feed_forward_sublayer(graph: Graph, x: str, p: Any) -> str:
    update = _feed_forward(graph, _before(graph, x, p.feed_forward_norm), p.feed_forward)
    return _after(graph, x, update, p.feed_forward_norm)


def _before(graph: Graph, x: str, norm: LayerNormParameters) -> str:
    return _norm(graph, x, norm) if graph.config.norm == "pre" else x


def _after(graph: Graph, x: str, update: str, norm: LayerNormParameters) -> str:
    total = graph.add("Add", x, update)
    return _norm(graph, total, norm) if graph.config.norm == "post" else total


def _last_norm(graph: Graph, x: str, norm: LayerNormParameters | None) -> str:
    return x if norm is None else _norm(graph, x, norm)


# --- Layers ---


def _norm(graph: Graph, x: str, p: LayerNormParameters) -> str:
    gain, bias = graph.constant(p.gain), graph.constant(p.bias)
    return graph.add("LayerNormalization", x, gain, bias, axis=-1, epsilon=1e-5)


def _linear(graph: Graph, x: str, p: LinearParameters) -> str:
    return graph.add("Add", graph.add("MatMul", x, graph.constant(p.weight)), graph.constant(p.bias))


def _feed_forward(graph: Graph, x: str, p: FeedForwardParameters) -> str:
    hidden = _linear(graph, x, p.hidden)
    if graph.config.activation == "swish":
        activated = graph.add("Mul", hidden, graph.add("Sigmoid", hidden))
    else:
        activated = graph.add("Relu", hidden)
    return _linear(graph, activated, p.output)


def _split(graph: Graph, x: str, parts: int) -> list[str]:
    """(B, T, parts D) -> parts of (B, T, D)."""
    D = graph.config.d_model
    bounds = [(part * D, (part + 1) * D) for part in range(parts)]
    return [graph.add("Slice", x, graph.indices(start), graph.indices(end), graph.indices(2)) for start, end in bounds]


def _attention(graph: Graph, query: str, key: str, value: str, hidden: str) -> str:
    """(B, T, D), (B, S, D), (B, S, D) -> (B, T, D); `hidden` broadcasts to (B, H, T, S)."""
    H, D = graph.config.heads, graph.config.d_model
    by_head = graph.indices(0, 0, H, D // H)  # 0: as it was
    query, key, value = (graph.add("Reshape", x, by_head) for x in (query, key, value))
    query, value = (graph.add("Transpose", x, perm=[0, 2, 1, 3]) for x in (query, value))
    key = graph.add("Transpose", key, perm=[0, 2, 3, 1])  # (B, H, K, S)
    scores = graph.add("Mul", graph.add("MatMul", query, key), graph.constant(1 / math.sqrt(D // H)))
    scores = graph.add("Where", hidden, graph.constant(MASKED_SCORE), scores)
    context = graph.add("MatMul", graph.add("Softmax", scores, axis=-1), value)  # (B, H, T, K)
    joined = graph.add("Transpose", context, perm=[0, 2, 1, 3])
    return graph.add("Reshape", joined, graph.indices(0, 0, D))
