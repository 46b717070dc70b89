"""GPT-2 and BERT beside Hugging Face's transformers, with random weights of transformers' own.

    python -m benchmarks.known_models

For each: the largest difference of logits or hidden states. For GPT-2, at its true size and at a small one (4 layers,
width 128), also the tokens per second of a greedy completion with the cache on both sides, alternating; the median of
the repeats counts. Needs torch and transformers.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import libraries, machine
from numpy_transformer.decoding.continuation import complete
from numpy_transformer.formats.bert import load_bert
from numpy_transformer.formats.gpt2 import load_gpt2
from numpy_transformer.formats.wordpiece import SPECIAL

PROMPT = 8
REPEATS = 5
SIZES: dict[str, tuple[int, dict[str, Any]]] = {  # tokens of the completion, what differs from GPT-2
    "GPT-2": (20, {}),
    "small": (200, {"n_layer": 4, "n_head": 4, "n_embd": 128, "n_positions": 256, "vocab_size": 2000}),
}


def gpt2(folder: Path, name: str) -> None:
    """GPT-2 has 124 million parameters: 12 layers, width 768, vocabulary 50,257."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    from bpe import Tokenizer
    from bpe.formats import write_huggingface

    count, changes = SIZES[name]
    torch.manual_seed(0)
    config = GPT2Config(**changes)
    end = config.vocab_size - 1
    config.bos_token_id = config.eos_token_id = end
    theirs = GPT2LMHeadModel(config).eval()
    theirs.save_pretrained(folder)
    write_huggingface(Tokenizer([], special_tokens={"<|endoftext|>": end}), folder / "tokenizer.json")
    ours, _ = load_gpt2(folder)
    ids = np.random.default_rng(0).integers(0, end, (1, 32))
    with torch.no_grad():
        difference = np.abs(ours.logits(ids) - theirs(torch.tensor(ids)).logits.numpy()).max()
    prompt = ids[0, :PROMPT].tolist()

    def our_tokens() -> list[int]:
        return [int(step[0]) for step in complete(ours, prompt, count)]

    def their_tokens() -> list[int]:
        fixed = {"max_new_tokens": count, "min_new_tokens": count, "do_sample": False, "pad_token_id": end}
        with torch.no_grad():
            return theirs.generate(torch.tensor([prompt]), **fixed)[0, PROMPT:].tolist()

    same = our_tokens() == their_tokens()
    our_seconds, their_seconds = medians(our_tokens, their_tokens)
    print(f"{name}: logits differ by at most {difference:.1e}; the same {count} greedy tokens: {same}")
    ratio = their_seconds / our_seconds
    print(f"  ours {count / our_seconds:.1f} tokens/s, transformers {count / their_seconds:.1f}: {ratio:.2f} times")


def medians(*sides: Callable[[], object]) -> list[float]:
    """Seconds of each side, which take turns."""
    seconds: list[list[float]] = [[] for _ in sides]
    for _ in range(REPEATS):
        for side, found in zip(sides, seconds, strict=True):
            started = time.perf_counter()
            side()
            found.append(time.perf_counter() - started)
    return [statistics.median(found) for found in seconds]


def bert(folder: Path) -> None:
    """110 million parameters: 12 layers, width 768, vocabulary 30,522."""
    import torch
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    theirs = BertModel(BertConfig()).eval()
    theirs.save_pretrained(folder)
    pieces = [*SPECIAL, *(f"word{number}" for number in range(30_522 - len(SPECIAL)))]
    (folder / "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")
    ours, _ = load_bert(folder)
    rng = np.random.default_rng(0)
    ids, types = rng.integers(5, 30_522, (2, 24)), rng.integers(0, 2, (2, 24))
    with torch.no_grad():
        states = theirs(torch.tensor(ids), token_type_ids=torch.tensor(types)).last_hidden_state.numpy()
    print(f"BERT:  hidden states differ by at most {np.abs(ours.hidden(ids, types=types) - states).max():.1e}")


def main() -> None:
    """Each model in a folder that is removed again."""
    print(machine())
    print(libraries())
    for name in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            gpt2(Path(folder), name)
    with tempfile.TemporaryDirectory() as folder:
        bert(Path(folder))


if __name__ == "__main__":
    main()
