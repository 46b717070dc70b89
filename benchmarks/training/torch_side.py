"""PyTorch's side of training_step.py: nn.Transformer doing the same work as our model.

The embedding is shared three ways. Dropout comes only after the sub-layers and the sums of embeddings and positions;
post-norm stacks have no further norm after them; padding and the future are masked.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import nn

from numpy_transformer.layers.position_table import sinusoids
from numpy_transformer.models.config import TransformerConfig


class Model(nn.Module):
    """From batches, with at most `longest` tokens on either side, to the label-smoothed loss."""

    def __init__(self, config: TransformerConfig, longest: int, label_smoothing: float) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocabulary_size, config.d_model)
        nn.init.normal_(self.embedding.weight, std=config.d_model**-0.5)
        self.dropout = nn.Dropout(config.dropout)
        self.stacks = nn.Transformer(
            config.d_model,
            config.heads,
            batch_first=True,
            custom_encoder=nn.TransformerEncoder(
                _layer(nn.TransformerEncoderLayer, config), config.encoder_layers, enable_nested_tensor=False
            ),
            custom_decoder=nn.TransformerDecoder(_layer(nn.TransformerDecoderLayer, config), config.decoder_layers),
        )
        self.loss = nn.CrossEntropyLoss(ignore_index=config.pad_id, label_smoothing=label_smoothing)
        self.register_buffer("positions", torch.from_numpy(sinusoids(longest, config.d_model)).float())
        self.register_buffer("future", torch.ones(longest, longest, dtype=torch.bool).triu(1))

    def embed(self, ids: torch.Tensor) -> torch.Tensor:
        x = self.embedding(ids) * math.sqrt(self.config.d_model)
        return self.dropout(x + self.positions[: ids.shape[1]])

    def forward(self, source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        padding = source == self.config.pad_id
        T = target.shape[1] - 1
        y = self.stacks(
            self.embed(source),
            self.embed(target[:, :-1]),
            tgt_mask=self.future[:T, :T],
            tgt_is_causal=True,
            src_key_padding_mask=padding,
            memory_key_padding_mask=padding,
        )
        logits = y.flatten(0, 1) @ self.embedding.weight.T
        return self.loss(logits, target[:, 1:].flatten())


def _layer(kind: type[nn.Module], config: TransformerConfig) -> nn.Module:
    layer = kind(config.d_model, config.heads, config.d_ff, config.dropout, batch_first=True)
    layer.dropout = nn.Identity()  # the one inside the feed-forward network, which ours does not have
    for attention in layer.children():
        if isinstance(attention, nn.MultiheadAttention):
            attention.dropout = config.attention_dropout
    return layer


def torch_step(
    side: str,
    config: TransformerConfig,
    batches: Sequence[tuple[np.ndarray, np.ndarray]],
    *,
    rate: float,
    label_smoothing: float,
) -> tuple[Callable[[int], float], int]:
    """A function that trains on batch number i and returns the loss, and the number of parameters.

    `side` is "torch", "torch-compile" or "torch-bf16".
    """
    torch.manual_seed(0)
    model = Model(config, max(max(source.shape[1], target.shape[1]) for source, target in batches), label_smoothing)
    adam = torch.optim.Adam(model.parameters(), lr=rate, betas=(0.9, 0.98), eps=1e-9, fused=True)
    loss_of = torch.compile(model) if side == "torch-compile" else model
    tensors = [(torch.from_numpy(source), torch.from_numpy(target)) for source, target in batches]

    def step(number: int) -> float:
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=side == "torch-bf16"):
            loss = loss_of(*tensors[number])
        loss.backward()
        adam.step()
        adam.zero_grad()
        return loss.item()

    return step, sum(parameter.numel() for parameter in model.parameters())


def torch_product(size: int) -> Callable[[], object]:
    """A float32 product of two square matrices."""
    a, b = torch.rand(2, size, size)
    return lambda: a @ b
