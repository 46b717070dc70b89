"""Deliberate mistakes in the GPU code, each with the check that should notice it (test_gpu_mutations.py)."""

from typing import Any, NamedTuple

KERNELS = "backend/kernels/"
TWINS = "kernel_twins/"  # in tests/support


class Check(NamedTuple):
    """A test, with its parameters; `emulated` runs the CUDA source instead of the NumPy twins."""

    module: str
    test: str
    parameters: tuple[Any, ...] = ()
    emulated: bool = False
    needs: str = ""  # a fixture of pytest


class Mistake(NamedTuple):
    """`old`, which occurs once in a file of the package or of tests/support, becomes `new`."""

    file: str
    old: str
    new: str
    check: Check


NORM = Check("test_residual_kernels", "test_residual", ("several rows in a block", "float32", "post", 0.3), True)
NORM_BLOCKS = NORM._replace(parameters=("several rows in a warp, several partial sums", "float64", "post", 0.0))
ATTENTION = Check("test_attention_kernels", "test_attention", ("a part of a tile", "causal and padding", 0.3), True)
TILES = ATTENTION._replace(parameters=("several tiles, some hidden", "causal", 0.3))
ODD_VECTORS = ATTENTION._replace(parameters=("vectors that end in the middle of a load", "no mask", 0.0))
WIDE_VECTORS = ATTENTION._replace(parameters=("vectors of several loads for each thread", "no mask", 0.0))
UNSEEN = Check("test_attention_kernels", "test_nan_is_hidden_with_its_key_and_else_not", emulated=True)
LINE = Check("test_attention_kernels", "test_the_causal_mask_is_a_triangle_in_the_memory_of_a_line", (5,))
TOO_WIDE = Check("test_attention_kernels", "test_an_old_card_has_no_room_for_the_widest_heads", needs="monkeypatch")
SOFTMAX_MASKED = Check("test_kernels", "test_softmax", ((3, 7), True, "float32"), emulated=True)
SOFTMAX_LONG = Check("test_kernels", "test_softmax", ((1, 8200), False, "float32"), emulated=True)
SOFTMAX = Check("test_kernels", "test_softmax", ((2, 129), False, "float32"), emulated=True)
LOSS = Check("test_training_kernels", "test_output_loss", (130, 64, 64, 0.1, "float32"), True, needs="monkeypatch")
LOSS_ODD = Check("test_training_kernels", "test_output_loss", (5, 7, 2, 0.1, "float64"), True, needs="monkeypatch")
LOSS_LONG = LOSS._replace(parameters=(2, 9001, 2, 0.1, "float32"))
KEPT = Check(
    "test_training_kernels", "test_a_row_of_logits_is_the_same_kept_or_read_again", (64,), True, needs="monkeypatch"
)
DROPOUT = Check("test_dropout_kernels", "test_dropout", ((3, 16), "float32"), emulated=True)
BIAS = Check("test_training_kernels", "test_bias_and_relu", ((70, 132), 0, "float32"), emulated=True)
BIAS_ODD = Check("test_training_kernels", "test_bias_and_relu", ((65, 300), 2, "float32"), emulated=True)
SUMS = Check("test_sums_kernel", "test_sums_of_several_widths_in_one_launch", ("float32",), emulated=True)
ADAM = Check("test_training_kernels", "test_adam", (1003, 1, 1.0, "float32"), emulated=True)
NOT_FINITE = Check(
    "test_training_kernels", "test_adam_changes_nothing_where_a_number_is_not_finite", (5, float("inf")), True
)
LOSS_NOT_FINITE = NOT_FINITE._replace(parameters=("loss", float("nan")))
RUNS = Check("test_training_kernels", "test_embedding", ("a run over three windows", 8, 0, "float32"), emulated=True)
RUNS_ODD = RUNS._replace(parameters=("two runs meet where a window ends", 8, 1, "float64"))
COMPILED = Check("test_kernels", "test_every_kernel_compiles", ("bias", "sm_90", "f"))
NO_FLOAT64 = Check("test_kernels", "test_float_kernels_do_not_compute_in_float64", ("softmax",))
NO_LONG_DIVISION = Check("test_kernels", "test_kernels_do_not_divide_in_64_bits", ("embedding",))
TOGETHER = Check("test_training_kernels", "test_sixteen_bytes_move_at_once", ("f", ".v4.f32", "compute_90"))
STEP = Check("test_gpu_path", "test_a_step_neither_waits_nor_uploads_more_than_ids")
BAD_STEP = Check("test_gpu_path", "test_a_step_that_is_not_finite_changes_nothing_on_the_card")
STEPS = Check("test_gpu_path", "test_steps_on_the_card_are_those_of_the_cpu", (3, 0.5))
BEAM = Check("test_gpu_path", "test_a_translation_waits_at_most_once_a_step", ("beam",))
SINGLE = Check("test_gpu_path", "test_a_float32_translation_stays_float32_on_the_card")
LAYOUT = Check("test_gpu_matmul", "test_the_layouts_of_attention_cost_no_copy", needs="monkeypatch")
CUBLAS = Check("test_gpu_matmul", "test_cublas_is_given_its_arguments_in_order")
ADDED = Check("test_gpu_matmul", "test_a_product_is_added")
FRESH = Check("test_gpu_matmul", "test_a_product_into_memory_that_holds_nan_does_not_read_it")
ROUNDED = Check("test_gpu_matmul", "test_a_precision_that_cannot_be_is_refused")
PUBLISHED = Check("test_philox", "test_the_published_answers", None)
IDS = Check("test_gpu_messages", "test_ids_out_of_range_never_reach_the_card", (40,))
NEGATIVE_IDS = IDS._replace(parameters=(-1,))
SEARCH_IDS = IDS._replace(test="test_nor_does_a_search_take_them")
MISSING = Check("test_gpu_messages", "test_what_is_missing_is_said_on_one_line", None, needs="monkeypatch")
TOO_LARGE = Check("test_gpu_messages", "test_a_batch_that_does_not_fit_names_one_that_does", None, needs="monkeypatch")


LARGEST = Check(
    "test_largest_batch", "test_one_that_does_not_fit_is_refused_before_the_first_step", needs="monkeypatch"
)
UNCHANGED = Check("test_largest_batch", "test_it_changes_nothing", (1,))
PARTS = Check("test_largest_batch", "test_the_batch_with_most_positions_and_scores_is_the_largest")


def layer(name: str, dtype: str = "float32") -> Check:
    """A layer of the gradient check on the stand-in, compared with the CPU."""
    return Check("test_gpu_path", "test_every_layer_gives_what_the_cpu_gives", (name, dtype, 2e-5))


RESIDUAL = layer("encoder_layer")


MISTAKES = {
    # (a) kernels: what NVRTC is asked
    "a name that does not exist": Mistake(
        "bias.cu", "if (!columns.any()) return;", "if (!column.any()) return;", COMPILED
    ),
    "a variable that nobody uses": Mistake(
        "bias.cu", "const long long left =", "const int unused = 0; const long long left =", COMPILED
    ),
    "a factor in float64": Mistake("softmax.cu", "(dw.value[i] - inner)", "(dw.value[i] - inner) * 1.1", NO_FLOAT64),
    "a division in 64 bits": Mistake(
        "embedding.cu", "blockIdx.x % (unsigned)T * D", "blockIdx.x % T * D", NO_LONG_DIVISION
    ),
    "a load of a number at a time": Mistake(
        "adam.cu", "aligned(p) && aligned(g) && aligned(m) && aligned(v), n", "false, n", TOGETHER
    ),
    # (a) kernels: what g++ executes
    "a barrier taken away": Mistake("bias.cu", "    __syncthreads();\n", "", BIAS),
    "a barrier for some threads only": Mistake(
        "softmax.cu", "    const real inner =", "    if (threadIdx.x % 2) return;\n    const real inner =", SOFTMAX
    ),
    "a number before the beginning": Mistake("sums.cu", "[column] = total;", "[column - 1] = total;", SUMS),
    "a number behind the end": Mistake(
        "adam.cu", "i < share.rest; i += share.step) {", "i <= share.rest; i += share.step) {", ADAM
    ),
    "another row": Mistake(
        "residual.cu", "load_eight(dy + start, count), n", "load_eight(dy + column, count), n", NORM
    ),
    "a column short": Mistake("softmax.cu", "group * 8 + i < n ? exp", "group * 8 + i < n - 1 ? exp", SOFTMAX),
    "the last row": Mistake("residual.cu", "row < end ? D - column : 0", "row < end - 1 ? D - column : 0", NORM_BLOCKS),
    "a mean forgotten": Mistake(
        "residual.cu",
        "row_sum(sum, lanes, scratch) / D;\n    real squares",
        "row_sum(sum, lanes, scratch);\n    real squares",
        NORM,
    ),
    "the mask of another row": Mistake(
        "residual.cu", "drop(ds, dropout, row, lane)", "drop(ds, dropout, next, lane)", NORM
    ),
    "a whole number for a float": Mistake(KERNELS + "residual.py", "D, lanes, float(epsilon), ", "D, lanes, 1, ", NORM),
    "an argument less": Mistake(KERNELS + "bias.py", "partial, N, D, rows)", "partial, N, D)", BIAS),
    "the mask of another query": Mistake("attention.cu", "t * step.query", "(t + 1) % shape.T * step.query", ATTENTION),
    "a query that sees nothing and takes a mean": Mistake(
        "attention.cu",
        "bits >> i & 1 ? exp(scores.value[i] - logsum) : (real)0",
        "exp(scores.value[i] - logsum)",
        ATTENTION,
    ),
    "keys behind the end": Mistake("attention.cu", "s + i < shape.S && (", "(", ODD_VECTORS),
    "sums in the units of an earlier tile": Mistake("attention.cu", "        sum.scale_by(rescale);\n", "", TILES),
    "keys in their own order": Mistake("attention.cu", "KEYS ? slot_of(number) : number", "number", TILES),
    "a key's sums for its slot": Mistake("attention.cu", "work.first + key_of(slot)", "work.first + slot", TILES),
    "a score that another thread has not written": Mistake(
        "attention.cu", "        __syncwarp();  // the threads of a query are in one warp\n", "", ATTENTION
    ),
    "another dropout on the way back": Mistake(
        "attention.cu",
        "put(weights, q, group, drop(w, dropout, row, s / 8));",
        "put(weights, q, group, drop(w, dropout, row, 0));",
        TILES,
    ),
    "a scale forgotten on the way back": Mistake(
        "attention.cu", "sum.write(shape.scale, dquery", "sum.write(1, dquery", ATTENTION
    ),
    "a load behind the end of a vector": Mistake(
        "attention.cu", "column + LANES <= K && aligned(from)", "aligned(from)", ODD_VECTORS
    ),
    "half of a vector": Mistake("attention.cu", "MOST = WIDEST / LANES / GROUPS; ", "MOST = 2; ", WIDE_VECTORS),
    "a bias of other columns": Mistake("attention.cu", "? bias[column + lane]", "? bias[lane]", WIDE_VECTORS),
    "a hidden NaN": Mistake(
        "attention.cu",
        "if (!(bits >> i & 1)) x.value[i] = MASKED_SCORE;",
        "if (!(bits >> i & 1)) x.value[i] += MASKED_SCORE;",
        UNSEEN,
    ),
    "less shared memory than the tiles take": Mistake(
        KERNELS + "attention.py", "shared=_shared(query, K, 4, 2)", "shared=_shared(query, K, 4, 1)", ATTENTION
    ),
    "the mask of softmax's neighbour": Mistake(
        "softmax.cu", "row % T * mask_query", "row % H * mask_query", SOFTMAX_MASKED
    ),
    "a weight where nothing is seen": Mistake(
        "softmax.cu", "masked ? (real)0 : exp", "false ? (real)0 : exp", SOFTMAX_MASKED
    ),
    "a row's second half, forgotten": Mistake(
        "softmax.cu",
        "const Eight e = group == at.lane ? held : load_x(group);\n        for (int i = 0; i < 8; ++i) sum",
        "const Eight e = held;\n        for (int i = 0; i < 8; ++i) sum",
        SOFTMAX_LONG,
    ),
    "one partial sum for all": Mistake("residual.cu", "partial + 2 * size", "partial + size", NORM_BLOCKS),
    "a gradient where ReLU is 0": Mistake(
        "bias.cu", "activated.at[lane] > 0 ? 1 : 0", "activated.at[lane] >= 0 ? 1 : 0", BIAS
    ),
    "a column of the neighbour": Mistake("bias.cu", "lane * (TOGETHER ? 1 : 32)", "lane * 32", BIAS),
    "the tail left out": Mistake(
        "bias.cu",
        "if (column(lane) < D) row[column(lane)] = x.at[lane];",
        "if (column(lane) < D - 1) row[column(lane)] = x.at[lane];",
        BIAS_ODD,
    ),
    "an address that is not aligned": Mistake(
        "bias.cu", "if (D % LANES == 0 && aligned(y)) {", "if (true) {", BIAS_ODD
    ),
    "the moment's other factor": Mistake(
        "adam.cu", "m = s.beta1 * m + s.rest1 * g", "m = s.beta1 * m + s.rest2 * g", ADAM
    ),
    "clipping forgotten": Mistake("adam.cu", "const real g = gradient * s.shrink", "const real g = gradient", ADAM),
    "numbers between vectors and end": Mistake(
        "adam.cu",
        "i = share.first; i < share.rest; i += share.step) {",
        "i = share.first + 1; i < share.rest; i += share.step) {",
        ADAM,
    ),
    "a warp's sum left out": Mistake("sums.cu", "int other = 1;", "int other = 2;", SUMS),
    "sums of a neighbour": Mistake("sums.cu", "sums.of[blockIdx.y]", "sums.of[blockIdx.x]", SUMS),
    "a barrier missing in the second stage": Mistake("sums.cu", "    __syncthreads();\n", "", SUMS),
    "a struct with its fields exchanged": Mistake(
        KERNELS + "sums.py", "SUM(partial, out, *partial.shape)", "SUM(partial, out, *partial.shape[::-1])", SUMS
    ),
    "an update that is not finite": Mistake("adam.cu", "    if (scalars[0] == 0) return;\n", "", NOT_FINITE),
    "a loss that is not finite": Mistake("adam.cu", " && isfinite((double)loss[0])", "", LOSS_NOT_FINITE),
    "a count of attempts": Mistake("adam.cu", "updates[0] + (finite ? 1 : 0)", "updates[0] + 1", NOT_FINITE),
    "a run that does not end": Mistake("embedding.cu", "ids[end] == id) ++end;", "ids[end] >= id) ++end;", RUNS),
    "pieces counted twice": Mistake("embedding.cu", "piece += window) {", "piece += window / 2) {", RUNS),
    "a run's first piece lost": Mistake(
        "embedding.cu", "partial[(blockIdx.x * 2 + 1) * width + i]", "partial[blockIdx.x * 2 * width + i]", RUNS
    ),
    "a run that began earlier": Mistake(
        "embedding.cu",
        "if (start > 0 && ids[start - 1] == id) return;",
        "if (start > 0 && ids[start - 1] == id + 1) return;",
        RUNS,
    ),
    "the scale of the gradient": Mistake(
        "embedding.cu",
        "out[i] = (whole ? out[i] : (real)0) + (real)scale * sum;",
        "out[i] = (whole ? out[i] : (real)0) + sum;",
        RUNS_ODD,
    ),
    "positions of another sentence": Mistake(
        "embedding.cu",
        "blockIdx.x % (unsigned)T * D",
        "blockIdx.x * D",
        RUNS._replace(parameters=("two sentences", 8, 0, "float32")),
    ),
    "smoothing of the gold token": Mistake(
        "cross_entropy.cu", "(real)(scale * (1 - label_smoothing))", "(real)scale", LOSS
    ),
    "a maximum not carried over": Mistake(
        "cross_entropy.cu", "        normalizer *= exp(highest - top);\n", "", LOSS_LONG
    ),
    "rows without their padding": Mistake(
        "cross_entropy.cu", "logits + blockIdx.x * stride", "logits + blockIdx.x * V", LOSS_ODD
    ),
    "a row kept elsewhere": Mistake(
        "cross_entropy.cu", "row_of_block[v / LANES] = z;", "row_of_block[v / LANES + 1] = z;", KEPT
    ),
    "more shared memory than was brought": Mistake(
        KERNELS + "output_loss.py", "int(kept > 0), shared=kept", "int(kept > 0), shared=kept - 16", KEPT
    ),
    "a round of Philox": Mistake("philox.cuh", "round < 10", "round < 9", DROPOUT),
    "the half words exchanged": Mistake("philox.cuh", ">> (i % 2 * 16)", ">> ((i + 1) % 2 * 16)", DROPOUT),
    # (b) the stand-in
    "a twin of a kernel": Mistake(TWINS + "softmax.py", "dy - (dy *", "dy + (dy *", layer("softmax")),
    "a twin of attention": Mistake(
        TWINS + "attention.py", "weights * (dweights - inner", "weights * (dweights + inner", layer("attention")
    ),
    "a causal mask that hides the present": Mistake(
        KERNELS + "attention.py", "line[length - 1 :]", "line[length:]", LINE
    ),
    "heads that no card has room for": Mistake(
        KERNELS + "attention.py", "_shared(x, width, 4, 2) <=", "0 <=", TOO_WIDE
    ),
    "dmemory overwritten": Mistake(
        KERNELS + "multi_head_attention.py", "dx=dmemory)", "dx=1 * dmemory)", layer("cross_attention")
    ),
    "the bias of a key for its value": Mistake(
        KERNELS + "multi_head_attention.py",
        "*parameters.key_value.bias.reshape(2, -1))",
        "*parameters.key_value.bias.reshape(2, -1)[::-1])",
        layer("cross_attention"),
    ),
    "an array of the host": Mistake(
        KERNELS + "embedding.py",
        "encodings(0, T, y), y\n",
        'encodings(0, T, __import__("numpy").zeros(D)), y\n',
        layer("embedding"),
    ),
    "a function that CuPy lacks": Mistake(
        KERNELS + "softmax.py", "dx = xp.empty(dy.shape, dtype=dy.dtype)", "dx = xp.nan_to_num(dy)", layer("softmax")
    ),
    "float64 from float32": Mistake(
        KERNELS + "dropout.py", "    return dx\n", "    return dx / xp.arange(1, 2)\n", layer("dropout")
    ),
    "memory that nobody wrote": Mistake(
        KERNELS + "bias.py",
        "        out[...] = 0\n        return\n    rows =",
        "        return\n    rows =",
        BIAS._replace(parameters=((0, 4), 0, "float32"), emulated=False),
    ),
    "a wait in the step": Mistake(
        "training/gpu_step.py",
        "        self._token_counts.append(",
        "        float(loss)\n        self._token_counts.append(",
        STEP,
    ),
    "a second upload": Mistake(
        "training/gpu_step.py",
        "        self._token_counts.append(",
        "        array_module(self.gradients).asarray([rate])\n        self._token_counts.append(",
        STEP,
    ),
    "a bad step that counts": Mistake(TWINS + "adam.py", "    updates += finite\n", "    updates += 1\n", BAD_STEP),
    "a gradient not added up": Mistake("training/gpu_step.py", "self.gradients[...] += earlier", "earlier", STEPS),
    "a second wait in a search": Mistake(
        "decoding/next_tokens.py",
        "        values, columns = found[:, 1 :",
        "        on_host(rows)\n        values, columns = found[:, 1 :",
        BEAM,
    ),
    "float64 in a search": Mistake(
        "decoding/on_card.py",
        "return hidden if relu else",
        "return hidden * np.float64(1) if relu else",
        SINGLE,
    ),
    "a transpose forgotten": Mistake(KERNELS + "arithmetic.py", "return True, across", "return False, across", LAYOUT),
    "two sizes exchanged": Mistake(
        KERNELS + "arithmetic.py",
        "flag(of_b[0]), flag(of_a[0]), c_shape[-1], c_shape[-2]",
        "flag(of_b[0]), flag(of_a[0]), c_shape[-2], c_shape[-1]",
        CUBLAS,
    ),
    "another precision": Mistake(
        KERNELS + "arithmetic.py",
        '}["d" if kind == "d" else precision]',
        '}["d" if kind == "d" else "float32"]',
        CUBLAS,
    ),
    "what was there, forgotten": Mistake(
        KERNELS + "arithmetic.py", "_ADDRESSES[kind, keep]", "_ADDRESSES[kind, 0]", ADDED
    ),
    "what was there, kept": Mistake(KERNELS + "arithmetic.py", "_ADDRESSES[kind, keep]", "_ADDRESSES[kind, 1]", FRESH),
    "a plan for another place": Mistake(
        KERNELS + "arithmetic.py", "b.shape, b.strides, c.shape", "b.shape, a.strides, c.shape", CUBLAS
    ),
    "a gradient that is not added": Mistake(
        KERNELS + "linear.py", "        return gradients.dx\n", "        return 1 * gradients.dx\n", RESIDUAL
    ),
    "sums that nobody makes": Mistake(
        KERNELS + "sums.py", "        yield\n        _launch(waiting)", "        yield", STEPS
    ),
    # (c) Philox
    "a multiplier of Philox": Mistake(
        "backend/philox.py", "[0xD2511F53], [0xCD9E8D57]", "[0xCD9E8D57], [0xD2511F53]", PUBLISHED
    ),
    "a step of the key": Mistake(
        "backend/philox.py", "0x9E3779B9, 0xBB67AE85  #", "0x9E3779B9, 0xBB67AE84  #", PUBLISHED
    ),
    # (d) messages
    "a card that is too old": Mistake("backend/arrays.py", "OLDEST_CAPABILITY = 75", "OLDEST_CAPABILITY = 70", MISSING),
    "a driver's error": Mistake(
        "backend/arrays.py",
        "    except Exception as error:\n        reason = ",
        "    except ZeroDivisionError as error:\n        reason = ",
        MISSING,
    ),
    "no CuPy": Mistake(
        "backend/arrays.py",
        "    except Exception as error:  # libraries of another",
        "    except ZeroDivisionError as error:  # libraries of another",
        MISSING,
    ),
    "no headers": Mistake(
        "backend/arrays.py",
        "    except Exception as error:  # the loader",
        "    except ZeroDivisionError as error:  # the loader",
        MISSING,
    ),
    "bfloat16 on an old card": Mistake(
        "backend/precision.py", "TENSOR_CORES_FROM = 80", "TENSOR_CORES_FROM = 75", ROUNDED
    ),
    "a size that does not fit": Mistake(
        "training/gpu_step.py",
        "                return part.size\n",
        "                return batch.size\n",
        TOO_LARGE,
    ),
    "memory that is not enough": Mistake(
        "training/gpu_step.py",
        "isinstance(error, MemoryError) or ",
        "",
        TOO_LARGE,
    ),
    "no attempt of the largest batch": Mistake(
        "training/gpu_step.py", "        if self._largest:\n", "        if False:\n", LARGEST
    ),
    "an attempt that changes a weight": Mistake(
        "training/gpu_step.py",
        "        if self._largest:\n",
        "        if self._largest:\n            self.model.parameters.flat[:1] += 1\n",
        UNCHANGED,
    ),
    "the smallest batch": Mistake("training/largest_batch.py", "np.argmax", "np.argmin", PARTS),
    "ids that are too large": Mistake(
        "models/model.py", "ids.max() < config.vocabulary_size:", "ids.max() <= config.vocabulary_size:", IDS
    ),
    "ids that are negative": Mistake("models/model.py", "not 0 <= ids.min()", "not -1 <= ids.min()", NEGATIVE_IDS),
    "ids of a search": Mistake(
        "decoding/incremental.py", "        check_source(source, self._config)\n", "", SEARCH_IDS
    ),
}
