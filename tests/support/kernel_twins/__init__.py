"""The kernels' NumPy twins: functions with a kernel's name and arguments that write where the kernel would.

The stand-in for CuPy runs them (strict_raw.py), for arrays of any shape that their layer passes. Structs come as arrays
of one element, and a null pointer as None.
"""

from kernel_twins import (
    adam,
    attention,
    best_tokens,
    bias,
    cross_entropy,
    decoder_attention,
    dropout,
    embedding,
    output_loss,
    residual,
    softmax,
    sums,
)

_FILES = (
    *(adam, attention, best_tokens, bias, cross_entropy, decoder_attention, dropout, embedding, output_loss),
    *(residual, softmax, sums),
)
TWINS = {
    name: function
    for file in _FILES
    for name, function in vars(file).items()
    if callable(function) and getattr(function, "__module__", "") == file.__name__ and not name.startswith("_")
}
