"""Which texts are decoded together: those of similar length, so that little of a batch is padding."""

from collections.abc import Iterator, Sequence


def batches(lengths: Sequence[int], batch_tokens: int) -> Iterator[list[int]]:
    """Indices of texts of similar length, longest first, such that count * longest <= batch_tokens; no blank ones."""
    order = _longest_first(lengths)
    start = 0
    while start < len(order):
        count = max(1, batch_tokens // lengths[order[start]])
        yield order[start : start + count]
        start += count


def similar(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Indices of texts, longest first, in groups whose longest has at most twice the tokens of the shortest."""
    order = _longest_first(lengths)
    start = 0
    while start < len(order):
        end = start
        while end < len(order) and 2 * lengths[order[end]] >= lengths[order[start]]:
            end += 1
        yield order[start:end]
        start = end


def _longest_first(lengths: Sequence[int]) -> list[int]:
    """The indices of all texts that are not blank."""
    return sorted((i for i, length in enumerate(lengths) if length), key=lambda i: (-lengths[i], i))
