"""GPT-2 and BERT at their true sizes beside Hugging Face's transformers, with random weights of transformers' own.

    python -m benchmarks.known_models

For each: the largest difference of logits or hidden states, and for GPT-2 the tokens per second of a greedy completion
with the cache on both sides. Needs torch and transformers.
"""

import tempfile
import time
from pathlib import Path

import numpy as np

from numpy_transformer.decoding.continuation import complete
from numpy_transformer.formats.bert import load_bert
from numpy_transformer.formats.gpt2 import load_gpt2
from numpy_transformer.formats.wordpiece import SPECIAL

TOKENS = 20  # of the completion
PROMPT = 8


def gpt2(folder: Path) -> None:
    """124 million parameters: 12 layers, width 768, vocabulary 50,257."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    from bpe import Tokenizer
    from bpe.formats import write_huggingface

    torch.manual_seed(0)
    theirs = GPT2LMHeadModel(GPT2Config()).eval()
    theirs.save_pretrained(folder)
    write_huggingface(Tokenizer([], special_tokens={"<|endoftext|>": 50256}), folder / "tokenizer.json")
    ours, _ = load_gpt2(folder)
    ids = np.random.default_rng(0).integers(0, 50256, (1, 32))
    with torch.no_grad():
        difference = np.abs(ours.logits(ids) - theirs(torch.tensor(ids)).logits.numpy()).max()
    prompt = ids[0, :PROMPT].tolist()
    started = time.perf_counter()
    found = [int(step[0]) for step in complete(ours, prompt, TOKENS)]
    our_seconds = time.perf_counter() - started
    started = time.perf_counter()
    with torch.no_grad():
        expected = theirs.generate(
            torch.tensor([prompt]), max_new_tokens=TOKENS, min_new_tokens=TOKENS, do_sample=False, pad_token_id=50256
        )
    their_seconds = time.perf_counter() - started
    same = found == expected[0, PROMPT:].tolist()
    print(f"GPT-2: logits differ by at most {difference:.1e}; the same {TOKENS} greedy tokens: {same}")
    print(f"       ours {TOKENS / our_seconds:.1f} tokens/s, transformers {TOKENS / their_seconds:.1f}")


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
    """Both models, each in a folder that is removed again."""
    for check in (gpt2, bert):
        with tempfile.TemporaryDirectory() as folder:
            check(Path(folder))


if __name__ == "__main__":
    main()
