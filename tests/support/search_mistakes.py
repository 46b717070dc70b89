"""Deliberate mistakes in what a search does on a GPU, each with the check that should notice it (gpu_mistakes.py)."""

from gpu_mistakes import BEAM, KERNELS, Check, Mistake

OWN_PAST = Check(
    "test_decoding_kernels", "test_a_step_of_self_attention", ("more columns than words have bits", "float32"), True
)
SOURCE_SEEN = Check("test_decoding_kernels", "test_a_step_of_cross_attention", ("a head in one load", "float32"), True)
BEST = Check("test_decoding_kernels", "test_best_tokens", (4, 130, 192, 5, False, "float32"), emulated=True)
BEST_TIES = BEST._replace(parameters=(4, 130, 192, 5, True, "float32"))
BEST_LONG = BEST._replace(parameters=(2, 9001, 9024, 3, False, "float32"))
VERY_LONG = Check("test_decoding_kernels", "test_the_best_tokens_of_a_very_long_row", emulated=True)
BARRED = Check("test_decoding_kernels", "test_barred_tokens_count_and_are_not_found", (True, "float32"), emulated=True)
SOURCE_LONG = SOURCE_SEEN._replace(parameters=("eight lanes a key", "float32"))
NAN_LOGITS = Check("test_decoding_kernels", "test_nan_is_in_the_normalizer_and_no_token_is_out_of_range", emulated=True)
PLACED = Check("test_decoding_kernels", "test_tokens_at_positions_of_their_own", (8, "float32"), emulated=True)
BITS = Check("test_decoding_kernels", "test_bits_are_columns")
FEW_LAUNCHES = Check("test_decoding_kernels", "test_docs_say_how_many_launches_a_step_of_a_search_is")
DEMANDS = Check("test_gpu_path", "test_demands_and_coverage_find_the_same_on_the_card")

SEARCH_MISTAKES = {
    # (a) kernels: what g++ executes
    "a column that is not seen": Mistake(
        "decoder_attention.cu", "n != own && (path[n / 64] >> (n % 64) & 1)", "n != own", OWN_PAST
    ),
    "its own column, read back": Mistake("decoder_attention.cu", "n != own && (path", "(path", OWN_PAST),
    "a bit of another word": Mistake("decoder_attention.cu", "path[n / 64]", "path[n / 32]", OWN_PAST),
    "its own key counted by every group": Mistake(
        "decoder_attention.cu", "if (q.group == 0) itself", "if (true) itself", OWN_PAST
    ),
    "the key of another hypothesis' column": Mistake(
        "decoder_attention.cu", "own = (int)columns[q.row]", "own = (int)columns[0]", OWN_PAST
    ),
    "padding that is seen": Mistake("decoder_attention.cu", "return n < length;", "return n <= length;", SOURCE_SEEN),
    "a key bias for the query": Mistake(
        "decoder_attention.cu",
        "plus(q.load(new_token), q.load(bias))",
        "plus(q.load(new_token), q.load(bias + D))",
        OWN_PAST,
    ),
    "groups that are not joined": Mistake(
        "decoder_attention.cu", "distance < 32; distance *= 2", "distance < 16; distance *= 2", SOURCE_LONG
    ),
    "a sum in old units": Mistake("decoder_attention.cu", "a.sum * of_a + b.sum", "a.sum + b.sum", SOURCE_SEEN),
    "weights that do not sum to 1": Mistake(
        "decoder_attention.cu", "exp(row[n] - seen.highest) / seen.sum", "exp(row[n] - seen.highest)", SOURCE_SEEN
    ),
    "the memory of another sentence": Mistake(
        "decoder_attention.cu",
        "(long long)sentence * room * 2 * D",
        "(long long)sentence * columns * 2 * D",
        SOURCE_SEEN,
    ),
    "the same token twice": Mistake("best_tokens.cu", "better(best, other) && better", "better", BEST),
    "the last of equal tokens": Mistake("best_tokens.cu", "a.token < b.token", "a.token > b.token", BEST_TIES),
    "the share of another thread": Mistake(
        "best_tokens.cu", "(owner + lane * (int)blockDim.x)", "(owner + 1 + lane * (int)blockDim.x)", BEST
    ),
    "only the first loads of a share": Mistake("best_tokens.cu", "v += 32 * step", "v += 1 << 30", VERY_LONG),
    "a barrier between rounds": Mistake(
        "best_tokens.cu", "        __syncthreads();  // of_warp may be written again\n", "", BEST_LONG
    ),
    "a sum before its maximum grew": Mistake(
        "best_tokens.cu", "        sum.exponentials *= exp(sum.highest - top);\n", "", BEST_LONG
    ),
    "a padded number of a row": Mistake("best_tokens.cu", "return v < V; }", "return v <= V; }", BEST),
    "a token of its rule": Mistake("best_tokens.cu", " || (forbidden && forbidden[v])", "", BARRED),
    "a limit that is passed": Mistake("best_tokens.cu", " || (only >= 0 && v != only)", "", BARRED),
    "a barred token left out of the sum": Mistake(
        "best_tokens.cu",
        "sum.exponentials += exp(z.at[i] - top);",
        "if (!row.barred(v + i)) sum.exponentials += exp(z.at[i] - top);",
        BARRED,
    ),
    "a token that does not exist": Mistake(
        "best_tokens.cu", "is_token ? (real)best.token : (real)0", "(real)best.token", NAN_LOGITS
    ),
    "positions in their order": Mistake("embedding.cu", "positions[blockIdx.x] * D", "blockIdx.x * D", PLACED),
    # (b) the stand-in
    "bits from the other end": Mistake(
        KERNELS + "decoder_attention.py", 'padded, axis=-1, bitorder="little"', "padded, axis=-1", BITS
    ),
    "a position too far": Mistake(
        "decoding/on_card.py", "np.repeat(positions, W), columns", "np.repeat(positions + 1, W), columns", BEAM
    ),
    "the columns that others saw": Mistake(
        "decoding/incremental.py", "self._seen[:, :, :N], self._lengths", "self._seen[:, ::-1, :N], self._lengths", BEAM
    ),
    "another token at the limit": Mistake(
        "decoding/next_tokens.py", "eos=barred.eos, at_limit", "eos=barred.pad, at_limit", BEAM
    ),
    "rules that the card does not hear of": Mistake(
        "decoding/next_tokens.py", "forbidden=flags[1]", "forbidden=None", DEMANDS
    ),
    "a second upload in a search": Mistake(
        "decoding/on_card.py",
        "    return Placed(*ids_to_device(array_module(like), *parts))",
        "    return Placed(*(array_module(like).asarray(part.astype(np.int64)) for part in parts))",
        FEW_LAUNCHES,
    ),
    "a bias of its own launch": Mistake(
        "decoding/on_card.py",
        "add_bias(hidden, parameters.hidden.bias, relu=relu)",
        "hidden += parameters.hidden.bias\n    hidden = array_module(x).maximum(hidden, 0)",
        FEW_LAUNCHES,
    ),
}
