"""The paper's recipe for its own corpus (sections 5.1 to 5.4 and 6.1), for --data wmt14."""

from typing import Any

# 25,000 target tokens a step, in batches that fit a computer; 37,000 tokens for both languages; 100,000 steps (base).
WMT14: dict[str, Any] = {
    "preset": "base",
    "vocabulary": 37_000,
    "batch_tokens": 5000,
    "accumulate": 5,
    "steps": 100_000,
    "warmup": 4000,
    "rate_scale": 1.0,
    "dropout": 0.1,
    "label_smoothing": 0.1,
    "evaluate_every": 1000,
    "average": 5,
}
