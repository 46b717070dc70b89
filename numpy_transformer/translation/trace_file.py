"""The trace page of a translator: a text and a target, and the file that shows every array between them."""

from pathlib import Path

from numpy_transformer.seeing.trace import check_trace_format, trace_page
from numpy_transformer.storage.atomic import atomic_write
from numpy_transformer.translation.token_ids import encode_texts
from numpy_transformer.translation.translator import Translator


def save_trace(path: str | Path, translator: Translator, text: str, target: str, *, oracle: bool = True) -> None:
    """Write the page (seeing/trace.py) for a sentence and the target that its loss compares it with.

    Of an ensemble, the first model is traced. The file appears complete or not at all. Raises InputError for an ending
    other than .html, for what `trace_page` cannot show, or if the file cannot be written.
    """
    check_trace_format(path)
    eos = translator.model.config.eos_id
    [source] = encode_texts([text], translator.tokenizer, eos_id=eos)
    [ids] = encode_texts([target], translator.target_tokenizer, eos_id=eos)
    page = trace_page(
        translator.model,
        source,
        ids,
        text=text,
        translation=target,
        source_tokens=[translator.tokenizer.vocabulary[token] for token in source],
        target_tokens=[translator.target_tokenizer.vocabulary[token] for token in ids],
        oracle=oracle,
    )
    with atomic_write(path) as file:
        file.write(page.encode("utf-8"))
