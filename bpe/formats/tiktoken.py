"""tiktoken's rank files: one token per line, its bytes in base64 and its id.

The file holds neither the split pattern nor special tokens; tiktoken keeps them in its program. So pass them to the
reader here, and to `tiktoken.Encoding` when it uses one of our files.
"""

import base64
import binascii
from collections.abc import Mapping
from os import PathLike

from ..errors import TokenizerError
from ..pretokenizer import GPT2_PATTERN
from ..storage import read_text, write_text
from ..tokenizer import Tokenizer
from .ranks import recover_merges


def read_tiktoken(
    path: str | PathLike[str],
    *,
    pattern: str = GPT2_PATTERN,
    special_tokens: Mapping[str, int] | None = None,
) -> Tokenizer:
    """Read a rank file; the ids of the tokenizer are its ranks.

    Raises TokenizerError, naming the line, for a file that is not a rank file, lacks one of the 256 bytes, or
    holds a token that BPE cannot have learned.
    """
    ranks: dict[bytes, int] = {}
    for number, line in enumerate(read_text(path).split("\n"), 1):
        if not line.strip():
            continue
        try:
            encoded, rank = line.split()
            token = base64.b64decode(encoded, validate=True)
            ranks_before = len(ranks)
            ranks[token] = int(rank)
        except (ValueError, binascii.Error):
            raise TokenizerError(f"{path}, line {number}: not a token in base64 and its rank") from None
        if not token or len(ranks) == ranks_before:
            raise TokenizerError(f"{path}, line {number}: token {token!r} is empty or given twice")
    singles = [bytes([byte]) for byte in range(256)]
    if missing := [token for token in singles if token not in ranks]:
        raise TokenizerError(f"{path} lacks {len(missing)} of the 256 single bytes, {missing[0]!r} for one")
    learned = sorted((token for token in ranks if len(token) > 1), key=ranks.__getitem__)
    try:
        return Tokenizer(
            recover_merges(learned),
            pattern=pattern,
            special_tokens=special_tokens or {},
            token_ids=[ranks[token] for token in singles + learned],
        )
    except TokenizerError as error:
        raise TokenizerError(f"{path}: {error}") from None


def write_tiktoken(tokenizer: Tokenizer, path: str | PathLike[str]) -> None:
    """Write the tokens and ids of `tokenizer` as ranks, without special tokens and protected terms.

    Use it as `tiktoken.Encoding(name, pat_str=tokenizer.pattern, mergeable_ranks=load_tiktoken_bpe(path),
    special_tokens=tokenizer.special_tokens)`. Raises TokenizerError if tiktoken would split text differently,
    because ids do not follow the order of the merges, the merges were not learned by BPE, or text is composed first.
    """
    if tokenizer.normalization:
        raise TokenizerError(f"tiktoken cannot normalize text first ({tokenizer.normalization})")
    text_ids = {token: token_id for token_id, token in tokenizer.text_vocabulary.items()}
    made = [left + right for left, right in tokenizer.merges]
    ids = [text_ids[token] for token in made]
    if ids != sorted(ids):
        raise TokenizerError("tiktoken merges in the order of the ids, and this tokenizer's ids are in another")
    if recover_merges(made) != tokenizer.merges:
        raise TokenizerError("tiktoken would merge differently: these merges were not learned by BPE")
    lines = [
        f"{base64.b64encode(token).decode('ascii')} {token_id}\n"
        for token, token_id in sorted(text_ids.items(), key=lambda item: item[1])
    ]
    write_text("".join(lines), path)
