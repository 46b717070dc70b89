"""Every kernel fits the card with the blocks it is launched with: a multiprocessor has 65,536 registers.

The program that NVRTC makes for a card contains the number of registers per thread; the wrappers choose the number of
threads in a block from the width of a row. If a kernel asks for too much of both, the card refuses it at the first
batch that is wide enough.
"""

import struct
from collections.abc import Iterator
from unittest.mock import patch

import numpy as np
import pytest
import strict_gpu
from emulated_cuda import signatures
from test_decoding_kernels import use_search_kernels
from test_kernels import ARCHITECTURES, FILES, compiled, layer_norm_pair, numbers
from test_residual_kernels import draw, there_and_back
from test_training_kernels import Updates, embedding_pair, loss_and_gradients

from numpy_transformer.backend.dropout_masks import DropoutMasks
from numpy_transformer.backend.kernels import launcher
from numpy_transformer.backend.kernels.bias import add_bias, column_sums, relu_backward
from numpy_transformer.layers.attention import (
    scaled_dot_product_attention_backward,
    scaled_dot_product_attention_forward,
)
from numpy_transformer.layers.dropout import dropout_forward
from numpy_transformer.layers.softmax import softmax_backward, softmax_forward

REGISTERS = 65_536  # of a multiprocessor, on each card since 2014
AT_ONCE = 256  # they are handed to a warp in multiples of this
MOST_THREADS = 1024
WIDTHS = [1, 100, 1000, 2048, 2100, 4096, 8192, 8200, 40_000]


# --- The blocks that the wrappers ask for ---


def use_kernels(D: int, dtype: str) -> None:
    """Launch every kernel, on rows of D numbers."""
    for norm in ("post", "pre"):
        for p in (0.0, 0.3):
            arrays = map(strict_gpu.asarray, draw((2, D), dtype))
            there_and_back(strict_gpu, arrays, norm=norm, p=p)
    x, y, row = (strict_gpu.asarray(numbers(shape, dtype, 0)) for shape in ((2, D), (2, D), (D,)))
    layer_norm_pair(*(numbers(shape, dtype, 0) for shape in ((2, D), (2, D), (D,), (D,))), strict_gpu)
    softmax_backward(x, softmax_forward(y)[1])
    dropout_forward(x, DropoutMasks(0.3, 1, strict_gpu))
    for relu in (False, True):
        add_bias(y, row, relu=relu)
    relu_backward(x, y, dbias=row)
    column_sums(x, out=row)
    weight, bias, two = (numbers(shape, dtype, 0) for shape in ((D, 4), (D,), (2, 4)))
    loss_and_gradients(two, weight, bias, np.zeros(2, dtype="int64"), 0.1, strict_gpu)
    ids, table, dy = np.zeros((1, 40), dtype="int64"), numbers((2, D), dtype, 0), numbers((1, 40, D), dtype, 0)
    for positions in (False, True):
        embedding_pair(ids, table, dy, table, strict_gpu, positions=positions)
    Updates(D, dtype, 0).update(numbers(D, dtype, 0), 1.0)
    query, key = (strict_gpu.asarray(numbers(shape, dtype, 0)) for shape in ((1, 1, 1, 2), (1, 1, D, 2)))
    masks = DropoutMasks(0.3, 1, strict_gpu)
    context, cache = scaled_dot_product_attention_forward(query=query, key=key, value=key, dropout=masks)
    gradients = {f"d{name}": strict_gpu.empty_like(x) for name, x in (("query", query), ("key", key), ("value", key))}
    scaled_dot_product_attention_backward(context, cache, **gradients)
    use_search_kernels(D, dtype)


@pytest.fixture(scope="module", params=launcher.C_NAMES)
def launched(request) -> tuple[str, dict[tuple[str, str], int]]:
    """(dtype, (file, kernel) -> the largest block that it is launched with)."""
    original, largest = launcher.Kernel.launch, {}

    def launch(kernel, like, grid, block, *arguments, shared=0):
        if like.dtype.char == request.param:
            name = kernel.file, kernel.name
            largest[name] = max(block, largest.get(name, 0))
        original(kernel, like, grid, block, *arguments, shared=shared)

    with patch.object(launcher.Kernel, "launch", launch):
        for D in WIDTHS:
            use_kernels(D, np.dtype(request.param).name)
    return request.param, largest


def test_every_kernel_is_launched(launched):
    _, blocks = launched
    assert blocks.keys() == {(file, name) for file in FILES for name, _ in signatures(file)}
    assert all(block % 32 == 0 and block <= MOST_THREADS for block in blocks.values())


# --- The registers that a thread needs ---


REGISTER_COUNT, FRAME_SIZE = 0x2F, 0x11


def told_of(program: bytes, what: int) -> dict[str, int]:
    """Kernel or function -> its registers, or the bytes of stack that it needs, from a cubin, which is an ELF file.

    Its section .nv.info is a list of (format, attribute, size or value). Both attributes, of format 4, give the number
    of a symbol and the count.
    """
    sections = dict(_sections(program))
    symbols, names, info = (sections[name] for name in (".symtab", ".strtab", ".nv.info"))
    found, at = {}, 0
    while at < len(info):
        form, attribute, size = struct.unpack_from("<BBH", info, at)
        if (form, attribute) == (4, what):
            symbol, count = struct.unpack_from("<II", info, at + 4)
            [name] = struct.unpack_from("<I", symbols, 24 * symbol)
            found[names[name : names.index(b"\0", name)].decode()] = count
        at += 4 + (size if form == 4 else 0)
    return found


def _sections(program: bytes) -> Iterator[tuple[str, bytes]]:
    [table] = struct.unpack_from("<Q", program, 0x28)
    entry, count, of_names = struct.unpack_from("<HHH", program, 0x3A)
    headers = [struct.unpack_from("<IIQQQQ", program, table + entry * number) for number in range(count)]
    start = headers[of_names][4]
    for name, kind, _, _, offset, size in headers:
        if kind != 8:  # 8 is memory that the file does not hold
            end = program.index(b"\0", start + name)
            yield program[start + name : end].decode(), program[offset : offset + size]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("file", FILES)
def test_a_multiprocessor_has_registers_for_a_block(file, architecture, launched):
    dtype, blocks = launched
    log, program = compiled(architecture, launcher.source(file), launcher.options(dtype), "CUBIN")
    assert log == ""
    needed, stack = told_of(program, REGISTER_COUNT), told_of(program, FRAME_SIZE)
    assert stack
    assert not any(stack.values()), f"registers are spilled: {stack}"
    assert needed.keys() >= {name for name, _ in signatures(file)}
    for name, _ in signatures(file):
        of_a_warp = -(-32 * needed[name] // AT_ONCE) * AT_ONCE
        warps = -(-blocks[file, name] // 128) * 4  # handed out to four schedulers
        assert warps * of_a_warp <= REGISTERS, (name, needed[name], blocks[file, name])
