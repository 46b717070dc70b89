"""The whole model and the optimizer against PyTorch's, in float64: an implementation written by others must agree.

PyTorch's `nn.Transformer` has only the encoder and decoder stacks; this file adds embedding, positions, output
projection and loss around it. Skipped if PyTorch is not installed.
"""

import math
from collections.abc import Iterator, Mapping

import numpy as np
import pytest

from numpy_transformer import Transformer, TransformerConfig
from numpy_transformer.data.batching import padded
from numpy_transformer.training.optimizer import Adam

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

TOLERANCE = 1e-10  # of the largest entry


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """The matrices are small: PyTorch's threads would spend their time waiting for each other on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class TorchTransformer(torch.nn.Module):
    """The model of `config` without dropout, made of PyTorch's parts."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        layer_options = {
            "d_model": config.d_model,
            "nhead": config.heads,
            "dim_feedforward": config.d_ff,
            "dropout": 0.0,
            "activation": "relu",
            "layer_norm_eps": 1e-5,
            "batch_first": True,
            "norm_first": config.norm == "pre",
        }

        def last_norm() -> torch.nn.Module | None:
            # nn.Transformer would put one behind post-norm stacks as well, which the paper does not.
            return torch.nn.LayerNorm(config.d_model, eps=1e-5) if config.norm == "pre" else None

        self.stacks = torch.nn.Transformer(
            d_model=config.d_model,
            nhead=config.heads,
            batch_first=True,
            custom_encoder=torch.nn.TransformerEncoder(
                torch.nn.TransformerEncoderLayer(**layer_options),
                config.encoder_layers,
                last_norm(),
                enable_nested_tensor=False,
            ),
            custom_decoder=torch.nn.TransformerDecoder(
                torch.nn.TransformerDecoderLayer(**layer_options), config.decoder_layers, last_norm()
            ),
        )
        self.embedding = torch.nn.Embedding(config.vocabulary_size, config.d_model)

    def embed(self, ids: torch.Tensor) -> torch.Tensor:
        """ids (B, T) -> (B, T, D)."""
        D = self.config.d_model
        frequencies = torch.exp(torch.arange(0, D, 2, dtype=torch.float64) * (-math.log(10000) / D))
        angles = torch.arange(ids.shape[1])[:, None] * frequencies
        positions = torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)  # sine and cosine take turns
        return self.embedding(ids) * math.sqrt(D) + positions

    def forward(self, source: torch.Tensor, target_input: torch.Tensor) -> torch.Tensor:
        """source (B, S), target_input (B, T) -> logits (B, T, V)."""
        source_padding, T = source == self.config.pad_id, target_input.shape[1]
        y = self.stacks(
            self.embed(source),
            self.embed(target_input),
            tgt_mask=torch.ones(T, T, dtype=torch.bool).triu(1),  # True where a query must not look
            src_key_padding_mask=source_padding,
            tgt_key_padding_mask=target_input == self.config.pad_id,
            memory_key_padding_mask=source_padding,
        )
        return y @ self.embedding.weight.T

    def loss(self, source: torch.Tensor, target: torch.Tensor, label_smoothing: float) -> torch.Tensor:
        logits = self(source, target[:, :-1])
        return torch.nn.functional.cross_entropy(
            logits.flatten(0, 1),
            target[:, 1:].flatten(),
            ignore_index=self.config.pad_id,
            label_smoothing=label_smoothing,
        )


# Our name of a sub-layer's module, and PyTorch's, in the two kinds of layer.
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
        "cross_attention.query": "multihead_attn.in_proj",  # the first third of its rows
        "cross_attention.key_value": "multihead_attn.in_proj",  # the others
        "cross_attention.output": "multihead_attn.out_proj",
        "cross_attention_norm": "norm2",
        "feed_forward.hidden": "linear1",
        "feed_forward.output": "linear2",
        "feed_forward_norm": "norm3",
    },
}


def view_of_torch(name: str, tensors: Mapping[str, torch.Tensor]) -> np.ndarray:
    """Our parameter `name` in `tensors`, PyTorch's parameters or their gradients by name: a view in our shape.
    PyTorch keeps linear weights as (out, in), ours are (in, out)."""
    if name == "embedding.weight":
        return tensors[name].detach().numpy()
    module, leaf = name.rsplit(".", 1)
    kind = {"gain": "weight"}.get(leaf, leaf)
    if module in ("encoder_norm", "decoder_norm"):
        return tensors[f"stacks.{module.replace('_', '.')}.{kind}"].detach().numpy()
    stack, number, module = module.split(".", 2)
    theirs = MODULES[stack][module]
    separator = "_" if theirs.endswith("in_proj") else "."
    values = tensors[f"stacks.{stack}.layers.{number}.{theirs}{separator}{kind}"].detach().numpy()
    third = len(values) // 3
    if module == "cross_attention.query":
        values = values[:third]
    elif module == "cross_attention.key_value":
        values = values[third:]
    return values.T


def twins(config: TransformerConfig, seed: int) -> tuple[Transformer, TorchTransformer]:
    """Our model and PyTorch's with equal parameters; gains and biases are random, too."""
    ours = Transformer(config, seed=seed, dtype="float64")
    ours.parameters.flat[...] += 0.1 * np.random.default_rng(seed).normal(size=ours.parameters.flat.shape)
    theirs = TorchTransformer(config).double()
    parameters = dict(theirs.named_parameters())
    for parameter in parameters.values():
        torch.nn.init.constant_(parameter, torch.nan)
    for name, values in ours.parameters.named():
        view_of_torch(name, parameters)[...] = values
    assert not any(torch.isnan(parameter).any() for parameter in parameters.values())
    return ours, theirs


def random_batch(
    config: TransformerConfig, source_lengths: list[int], target_lengths: list[int], seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Sentences of these lengths, eos included: source (B, S), target (B, 1 + T), padded."""
    rng = np.random.default_rng(seed)

    def words(length: int) -> list[int]:
        return [*rng.integers(3, config.vocabulary_size, length - 1), config.eos_id]

    source = padded([np.array(words(length)) for length in source_lengths], config.pad_id)
    target = padded([np.array([config.bos_id, *words(length)]) for length in target_lengths], config.pad_id)
    return source, target


def assert_close(ours: np.ndarray, theirs: np.ndarray, what: str) -> None:
    assert ours.shape == theirs.shape, what
    difference, size = np.abs(ours - theirs).max(), np.abs(theirs).max()
    assert size > 0, f"{what}: nothing to compare"
    assert difference <= TOLERANCE * size, f"{what}: {difference:.1e} beside {size:.1e}"


CONFIG = TransformerConfig(
    vocabulary_size=37, encoder_layers=2, decoder_layers=2, d_model=12, d_ff=20, heads=3, dropout=0.0
)
CASES = {
    "unequal lengths": (CONFIG, [5, 2, 7, 1], [6, 3, 1, 4]),
    "more target than source": (CONFIG, [3, 2], [9, 4]),
    "no padding": (CONFIG, [4, 4, 4], [6, 6, 6]),
    "very short": (CONFIG, [1, 2], [2, 1]),
    "more encoder than decoder layers": (CONFIG.replace(encoder_layers=3, decoder_layers=1), [6, 3], [2, 5]),
    "one head, tiny vocabulary": (CONFIG.replace(heads=1, vocabulary_size=5), [2, 8], [3, 2]),
    "the tiny preset": (TransformerConfig.preset("tiny", vocabulary_size=300), [11, 4, 17], [13, 15, 2]),
}


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
@pytest.mark.parametrize("norm", ["post", "pre"])
@pytest.mark.parametrize("case", CASES)
def test_logits_loss_and_every_gradient(case: str, norm: str, label_smoothing: float) -> None:
    config, source_lengths, target_lengths = CASES[case]
    config = config.replace(norm=norm)
    ours, theirs = twins(config, seed=1)
    source, target = random_batch(config, source_lengths, target_lengths, seed=2)
    torch_source, torch_target = torch.from_numpy(source), torch.from_numpy(target)

    real = target[:, 1:] != config.pad_id
    logits = theirs(torch_source, torch_target[:, :-1]).detach().numpy()
    assert_close(ours.logits(source, target[:, :-1])[real], logits[real], "logits")

    loss, gradients = ours.loss_and_gradients(source, target, label_smoothing=label_smoothing)
    torch_loss = theirs.loss(torch_source, torch_target, label_smoothing)
    torch_loss.backward()
    assert_close(np.array(loss), torch_loss.detach().numpy(), "loss")

    torch_gradients = {name: parameter.grad for name, parameter in theirs.named_parameters()}
    for name, gradient in gradients.named():
        assert_close(gradient, view_of_torch(name, torch_gradients), name)


def test_adam() -> None:
    rng = np.random.default_rng(0)
    parameters = rng.normal(size=1000)
    torch_parameters = torch.nn.Parameter(torch.from_numpy(parameters.copy()))
    ours = Adam.for_parameters(parameters)
    theirs = torch.optim.Adam([torch_parameters], betas=(ours.beta1, ours.beta2), eps=ours.epsilon)
    magnitudes = 10.0 ** rng.uniform(-10, 2, size=1000)  # epsilon matters for the smallest
    for rate in np.geomspace(1e-3, 0.3, 10):
        gradients = magnitudes * rng.normal(size=1000)
        theirs.param_groups[0]["lr"] = rate
        torch_parameters.grad = torch.from_numpy(gradients)
        theirs.step()
        ours.update(parameters, gradients, rate=rate)
        np.testing.assert_allclose(parameters, torch_parameters.detach().numpy(), rtol=1e-12, atol=1e-12)
