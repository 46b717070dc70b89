"""The exported model, made of PyTorch's own parts. This file is self-contained: it needs only torch and safetensors.

    from model import load
    model = load("FOLDER")
    logits = model(source, target_input)     # integer tensors (B, S) and (B, T) -> (B, T, V)
    ids = model.greedy(source)               # a list of ids per sentence

Texts become ids with tokenizer.json, by Hugging Face's `tokenizers`; a source ends with eos, a target begins with bos:

    ids = tokenizers.Tokenizer.from_file("tokenizer.json").encode("A dog runs.").ids + [model.config["eos_id"]]
"""

import json
import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn


class TranslationModel(nn.Module):
    """nn.Transformer with the paper's embedding, positions and output projection around it."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        self.config = config
        D, pre_norm = config["d_model"], config["norm"] == "pre"
        layer: dict[str, Any] = {
            "d_model": D,
            "nhead": config["heads"],
            "dim_feedforward": config["d_ff"],
            "dropout": config["dropout"],
            "activation": nn.functional.silu if config["activation"] == "swish" else nn.functional.relu,
            "batch_first": True,
            "norm_first": pre_norm,
        }
        # By default nn.Transformer puts a final norm after post-norm stacks too; the paper does not.
        encoder = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(**layer),
            config["encoder_layers"],
            nn.LayerNorm(D) if pre_norm else None,
            enable_nested_tensor=False,
        )
        decoder = nn.TransformerDecoder(
            nn.TransformerDecoderLayer(**layer), config["decoder_layers"], nn.LayerNorm(D) if pre_norm else None
        )
        self.stacks = nn.Transformer(
            D, config["heads"], custom_encoder=encoder, custom_decoder=decoder, batch_first=True
        )
        self.embedding = nn.Embedding(config["vocabulary_size"], D)
        self.output_bias = nn.Parameter(torch.zeros(config["vocabulary_size"])) if config["output_bias"] else None

    def forward(self, source: Tensor, target_input: Tensor) -> Tensor:
        """source (B, S) ending with eos, target_input (B, T) starting with bos, end-padded -> logits (B, T, V)."""
        return self.decode(target_input, self.encode(source), source)

    def encode(self, source: Tensor) -> Tensor:
        """(B, S) -> memory (B, S, D)."""
        return self.stacks.encoder(self.embed(source), src_key_padding_mask=source == self.config["pad_id"])

    def decode(self, target_input: Tensor, memory: Tensor, source: Tensor) -> Tensor:
        """(B, T), (B, S, D), (B, S) -> logits (B, T, V)."""
        T = target_input.shape[1]
        future = torch.ones(T, T, dtype=torch.bool, device=memory.device).triu(1)  # True where a query must not look
        padding = source == self.config["pad_id"]
        y = self.stacks.decoder(self.embed(target_input), memory, tgt_mask=future, memory_key_padding_mask=padding)
        return nn.functional.linear(y, self.embedding.weight, self.output_bias)

    def embed(self, ids: Tensor) -> Tensor:
        """(B, T) -> scaled embeddings plus sinusoids, (B, T, D)."""
        x = self.embedding(ids) * math.sqrt(self.config["d_model"])
        positions = torch.arange(ids.shape[1], device=ids.device, dtype=torch.float64)
        pairs = torch.arange(0, self.config["d_model"], 2, device=ids.device, dtype=torch.float64)
        angles = positions[:, None] / 10000 ** (pairs / self.config["d_model"])
        encodings = torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)  # sine and cosine take turns
        return x + encodings.to(x.dtype)

    @torch.no_grad()
    def greedy(self, source: Tensor, extra_length: int = 50) -> list[list[int]]:
        """Append the most probable next token, up to source + extra_length tokens: (B, S) -> B lists."""
        pad, bos, eos = (self.config[name] for name in ("pad_id", "bos_id", "eos_id"))
        memory = self.encode(source)
        target = torch.full((len(source), 1), bos, device=source.device)
        ended = torch.zeros(len(source), dtype=torch.bool, device=source.device)
        for _ in range(source.shape[1] + extra_length):
            logits = self.decode(target, memory, source)[:, -1]
            logits[:, [pad, bos]] = -math.inf  # translations do not contain them
            chosen = logits.argmax(1).masked_fill(ended, eos)
            target = torch.cat([target, chosen[:, None]], dim=1)
            ended |= chosen == eos
            if ended.all():
                break
        return [[token for token in row if token != eos] for row in target[:, 1:].tolist()]


def load(folder: str | Path) -> TranslationModel:
    """The model of this folder, ready to translate (`.train()` for training: dropout as the configuration says)."""
    from safetensors.torch import load_file

    config = json.loads((Path(folder) / "config.json").read_text(encoding="utf-8"))
    model = TranslationModel(config)
    weights = load_file(Path(folder) / "model.safetensors")
    model.to(weights["embedding.weight"].dtype).load_state_dict(weights)
    return model.eval()
