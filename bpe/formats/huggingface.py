"""Hugging Face tokenizer.json, for byte-level BPE: GPT-2, RoBERTa, Llama 3, Qwen 2 and their like.

It differs from ours in two conventions. It finds a special token in any text that spells one (unless
`encode_special_tokens` is set); here the caller must allow it. And its post-processor adds tokens at the ends of a
text, which is left to the caller here.

What such files have beyond merges:

- RoBERTa's vocabulary holds tokens that no merge makes (<|endoftext|>, madeupword0000). They become special tokens,
  since a special token is never found in a text unless the caller allows it.
- RoBERTa's <mask> takes the space before it along (lstrip): `term_options`.
- Qwen 2 composes letters and accents first (the normalizer NFC): `normalization`.
"""

import json
from os import PathLike
from pathlib import Path
from typing import Any

from ..checks import checked_merges
from ..errors import TokenizerError
from ..merging import merge
from ..pretokenizer import GPT2_PATTERN, byte_alphabet, spell, unspell
from ..storage import parse_merges, read_json, write_text
from ..terms import TERM_OPTIONS
from ..tokenizer import Tokenizer
from .ranks import recover_merges


def read_huggingface(path: str | PathLike[str]) -> Tokenizer:
    """Read a tokenizer.json with the ids it has there.

    Its special tokens become ours; other added tokens become protected terms. Raises TokenizerError for another
    kind of tokenizer, or one that changes text in another way than NFC does (another normalizer, a prefix space);
    the message says which.
    """
    document = read_json(path)
    try:
        return _read(document, path)
    except (KeyError, TypeError, AttributeError, IndexError):
        raise TokenizerError(f"{path} is not a tokenizer.json of Hugging Face tokenizers, or is damaged") from None


def read_gpt2(folder: str | PathLike[str]) -> Tokenizer:
    """Read GPT-2's own pair of files, vocab.json and merges.txt, with the ids they have there.

    Entries of the vocabulary that no merge makes, such as <|endoftext|>, become special tokens. Raises TokenizerError
    for files that are no such pair.
    """
    path = Path(folder) / "vocab.json"
    vocabulary = read_json(path)
    try:
        lines = (Path(folder) / "merges.txt").read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise TokenizerError(f"{Path(folder) / 'merges.txt'}: cannot be read ({error})") from None
    merges = [line for line in lines if line and not line.startswith("#version")]
    made = {*byte_alphabet(), *("".join(line.split(" ")) for line in merges)}
    others = sorted((token for token in vocabulary if token not in made), key=lambda token: int(vocabulary[token]))
    added = [{"content": token, "id": vocabulary[token], "special": True} for token in others]
    document = {
        "model": {"type": "BPE", "vocab": vocabulary, "merges": merges},
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False},
        "added_tokens": added,
    }
    try:
        return _read(document, path)
    except (KeyError, TypeError, AttributeError, IndexError, ValueError):
        raise TokenizerError(f"{path} is not GPT-2's vocabulary, or is damaged") from None


def _read(document: dict[str, Any], path: str | PathLike[str]) -> Tokenizer:
    model = document["model"]
    _require(model.get("type", "BPE") == "BPE", path, f"its model is {model.get('type')}, not BPE")
    for option in ("continuing_subword_prefix", "end_of_word_suffix", "dropout", "byte_fallback"):
        _require(not model.get(option), path, f"its model sets {option}")
    normalization = _normalization(document.get("normalizer"), path)
    pattern = _split_pattern(document.get("pre_tokenizer"), path)

    vocabulary: dict[str, int] = model["vocab"]
    if missing := [character for character in byte_alphabet() if character not in vocabulary]:
        raise TokenizerError(f"{path}: its vocabulary lacks {len(missing)} of the 256 bytes, {missing[0]!r} for one")
    lines = [line if isinstance(line, str) else " ".join(line) for line in model["merges"]]
    merges = parse_merges(lines, path)
    learned = list(dict.fromkeys(left + right for left, right in merges))
    if len(learned) < len(merges):
        # Files converted from tiktoken list every pair that makes a token, one of which is ever used.
        merges = [pair for pair in recover_merges(learned) if pair in set(merges)]
        _require(len(merges) == len(learned), path, "several of its merges make the same token")

    added = list(document.get("added_tokens") or [])
    _check_added(added, normalization, path)
    special_tokens: dict[str, int] = {token["content"]: token["id"] for token in added if token["special"]}
    terms: dict[str, int] = {token["content"]: token["id"] for token in added if not token["special"]}
    options = {token["content"]: [option for option in TERM_OPTIONS if token.get(option)] for token in added}

    spelled = [*byte_alphabet(), *map(spell, learned)]
    _require(all(token in vocabulary for token in spelled), path, "a merge makes a token without an id")
    unmade = vocabulary.keys() - set(spelled) - special_tokens.keys() - terms.keys()
    if model.get("ignore_merges"):  # a token that is a whole pre-token is taken at once, whatever the merges make of it
        _, table, parts = checked_merges(merges)
        unmade |= {spell(token) for token in learned if len(merge(token, table, parts)) > 1}
        _require(not unmade, path, f"it sets ignore_merges, and no merge makes {min(unmade, default='')!r}")
    for token in sorted(unmade):
        special_tokens[_text_of(token, path)] = vocabulary[token]
    ids = [vocabulary[token] for token in spelled]
    natural = list(range(len(special_tokens), len(special_tokens) + len(ids) + len(terms)))
    ids += terms.values()
    try:
        return Tokenizer(
            merges,
            pattern=pattern,
            special_tokens=special_tokens,
            protected_terms=terms,
            token_ids=None if ids == natural else ids,
            term_options=options,
            normalization=normalization,
        )
    except TokenizerError as error:
        raise TokenizerError(f"{path}: {error}") from None


def _require(condition: bool, path: str | PathLike[str], reason: str) -> None:
    if not condition:
        raise TokenizerError(f"{path} cannot be read as byte-level BPE: {reason}")


def _normalization(normalizer: dict[str, Any] | None, path: str | PathLike[str]) -> str | None:
    """Return "NFC", or None for a normalizer that does nothing."""
    if normalizer is None:
        return None
    steps = normalizer["normalizers"] if normalizer.get("type") == "Sequence" else [normalizer]
    kinds = [step["type"] for step in steps]
    others = [kind for kind in kinds if kind != "NFC"]
    _require(not others, path, f"its normalizer changes the text ({', '.join(others)})")
    return "NFC" if kinds else None


def _check_added(added: list[dict[str, Any]], normalization: str | None, path: str | PathLike[str]) -> None:
    """Refuse added tokens that are looked for in another order than ours: from left to right in the text as it is.

    Hugging Face first looks for those that are not `normalized`, then, in the normalized rest, for the others.
    """
    first = [token["content"] for token in added if not token.get("normalized")]
    later = [token["content"] for token in added if token.get("normalized")]
    if normalization and later:
        _require(False, path, f"its added token {later[0]!r} is looked for in the normalized text")
    for one in first:
        for other in later:
            _require(
                not _overlap(one, other), path, f"its added tokens {one!r} and {other!r} overlap, one is normalized"
            )


def _overlap(a: str, b: str) -> bool:
    """Whether an occurrence of `a` may share characters with one of `b`."""
    if a in b or b in a:
        return True
    shorter = min(len(a), len(b))
    return any(a.endswith(b[:n]) or b.endswith(a[:n]) for n in range(1, shorter))


def _text_of(token: str, path: str | PathLike[str]) -> str:
    """The text of a token that no merge makes."""
    try:
        return unspell(token).decode("utf-8")
    except (TokenizerError, UnicodeDecodeError):
        raise TokenizerError(
            f"{path} cannot be read as byte-level BPE: no merge makes its token {token!r}, which is no text either"
        ) from None


def _split_pattern(pre_tokenizer: dict[str, Any] | None, path: str | PathLike[str]) -> str:
    """Return the one pattern that a chain of pre-tokenizers amounts to."""
    chain = pre_tokenizer or {"type": "none"}
    steps = chain["pretokenizers"] if chain["type"] == "Sequence" else [chain]
    _require(steps[-1]["type"] == "ByteLevel", path, "its pre-tokenizer is not ByteLevel")
    _require(not steps[-1].get("add_prefix_space"), path, "its pre-tokenizer adds a space to the text")
    uses_gpt2 = steps[-1].get("use_regex", True)
    if len(steps) == 1 and uses_gpt2:
        return GPT2_PATTERN
    one_split = len(steps) == 2 and not uses_gpt2 and steps[0]["type"] == "Split"
    _require(one_split, path, "its pre-tokenizers are not one split by a regular expression")
    split = steps[0]
    _require("Regex" in split["pattern"], path, "it splits by a string, not a regular expression")
    # Text between the matches is kept, or dropped (for a pattern that matches everything there is none).
    how = split["behavior"], split["invert"]
    _require(how in (("Isolated", False), ("Removed", True)), path, f"its split is {how[0]}, invert {how[1]}")
    return str(split["pattern"]["Regex"])


def write_huggingface(tokenizer: Tokenizer, path: str | PathLike[str]) -> None:
    """Write a tokenizer.json that `tokenizers.Tokenizer.from_file` reads, with the same ids.

    Raises TokenizerError if a special token or term is spelled like another token, since Hugging Face gives one
    string only one id.
    """
    vocabulary = {spell(token): token_id for token_id, token in tokenizer.text_vocabulary.items()}
    added_tokens = []
    for name, token_id in tokenizer.added_ids.items():
        if name in vocabulary:
            raise TokenizerError(f"Hugging Face cannot tell {name!r} from the merged token of the same spelling")
        vocabulary[name] = token_id
        added_tokens.append(
            {
                "id": token_id,
                "content": name,
                **{option: option in tokenizer.term_options.get(name, ()) for option in TERM_OPTIONS},
                "normalized": False,
                "special": name in tokenizer.special_tokens,
            }
        )
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False}
    if tokenizer.pattern == GPT2_PATTERN:
        pre_tokenizer: dict[str, Any] = {**byte_level, "use_regex": True}
    else:
        split = {
            "type": "Split",
            "pattern": {"Regex": tokenizer.pattern},
            "behavior": "Isolated",
            "invert": False,
        }
        pre_tokenizer = {"type": "Sequence", "pretokenizers": [split, {**byte_level, "use_regex": False}]}
    document = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": sorted(added_tokens, key=lambda token: int(token["id"])),  # type: ignore[call-overload]
        "normalizer": {"type": tokenizer.normalization} if tokenizer.normalization else None,
        "pre_tokenizer": pre_tokenizer,
        "post_processor": None,
        "decoder": {**byte_level, "use_regex": True},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": dict(sorted(vocabulary.items(), key=lambda item: item[1])),
            "merges": [[spell(left), spell(right)] for left, right in tokenizer.merges],
        },
    }
    write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", path)
