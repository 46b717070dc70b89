"""A text that a language model continues: its letters are cleaned like all others, its white space is a part of it."""

import bpe
import numpy_transformer as nt
from numpy_transformer.data.plain_text import load_stream
from numpy_transformer.tasks.completion import Completer


def test_a_prompt_means_the_same_composed_or_not():
    tokenizer = bpe.train(["die grünen Bäume der Stadt"] * 4, vocabulary_size=280)
    config = nt.TransformerConfig(
        vocabulary_size=len(tokenizer), encoder_layers=1, decoder_layers=1, d_model=16, d_ff=24, heads=2
    )
    completer = Completer(nt.LanguageModel(config, seed=0), tokenizer)
    composed, decomposed, marked, longer = (
        completer.complete(prompt, length=8) for prompt in ("grün", "gru\u0308n", "\ufeffgr\ufeffün", "grün ")
    )
    assert composed == decomposed == marked
    assert longer != composed


def test_a_text_to_learn_from_is_cleaned_alike(tmp_path):
    lines = ["\ufeffGru\u0308ne Bäume ", "\ufeff stehen\u2028hier", *(f"line {number}" for number in range(100))]
    (tmp_path / "text.txt").write_text("\n".join(lines), encoding="utf-8")
    corpus = load_stream(str(tmp_path / "text.txt"))
    [train] = corpus.train
    assert train.startswith("Grüne Bäume \n stehen\u2028hier\nline 0\n")
