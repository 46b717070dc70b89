// Embedding, alone or with the positions added (layers/embedding.py). N tokens, rows of D.
//
//   y_n = scale weight[id_n]  (+ encoding[n mod T])            dweight_v += scale sum over {n: id_n = v} of dy_n
//
// Bytes moved per element: forward reads weight, writes y (2 numbers; the encodings of a sentence come from the cache);
// backward reads dy (1) and, once per distinct id, reads and writes dweight.
//
// Sizes and counts fit into 32 bits, which a card divides fast; only offsets into the arrays do not.

// y = scale row (+ position), a row of D numbers by the whole block.
template <bool POSITIONS>
__device__ inline void scaled_row(const real *row, const real *position, real *y, int D, real scale) {
    const bool together = D % LANES == 0 && aligned(row) && aligned(y) && (!POSITIONS || aligned(position));
    const int rest = together ? D : 0, step = (int)blockDim.x;
    for (int i = (int)threadIdx.x * LANES; i < rest; i += step * LANES) {
        Lanes x = load(row + i);
        const Lanes added = POSITIONS ? load(position + i) : Lanes();
        for (int lane = 0; lane < LANES; ++lane) x.at[lane] = scale * x.at[lane] + added.at[lane];
        store(y + i, x.at);
    }
    for (int i = rest + (int)threadIdx.x; i < D; i += step) {
        y[i] = scale * row[i] + (POSITIONS ? position[i] : (real)0);
    }
}

// One block per token.
extern "C" __global__ void embedding_forward(const real *weight, const long long *ids, real *y, long long D,
                                             double scale) {
    scaled_row<false>(weight + ids[blockIdx.x] * D, nullptr, y + blockIdx.x * D, (int)D, (real)scale);
}

// The same plus encoding (T, D), for sentences of T tokens.
extern "C" __global__ void input_embedding_forward(const real *weight, const long long *ids, const real *encoding,
                                                   real *y, long long T, long long D, double scale) {
    const real *position = encoding + blockIdx.x % (unsigned)T * D;
    scaled_row<true>(weight + ids[blockIdx.x] * D, position, y + blockIdx.x * D, (int)D, (real)scale);
}

// The same for tokens that stand at `positions`, rows of encoding: a step of a search (decoding/on_card.py).
extern "C" __global__ void placed_embedding_forward(const real *weight, const long long *ids, const real *encoding,
                                                    const long long *positions, real *y, long long D, double scale) {
    const real *position = encoding + positions[blockIdx.x] * D;
    scaled_row<true>(weight + ids[blockIdx.x] * D, position, y + blockIdx.x * D, (int)D, (real)scale);
}

// The backward wants each id's positions together: `ids` are sorted here, and order[n] is where ids[n] stood. A run of
// equal ids may be long (punctuation), so it is cut where n is a multiple of `window`, and each piece is summed by a
// block of its own. A run of a single piece is added to dweight at once; of a longer one the pieces wait in `partial`,
// two rows a window: first the piece that continues a run from the window before, then the one that goes on behind.
// No atomics: the order of every sum is fixed.
extern "C" __global__ void embedding_pieces(const real *dy, const long long *ids, const long long *order,
                                            real *dweight, real *partial, long long tokens, long long width,
                                            long long pieces, double scale) {
    const int N = (int)tokens, D = (int)width, window = (int)pieces, first = (int)blockIdx.x, step = (int)blockDim.x;
    const long long id = ids[first];
    const bool continues = first > 0 && ids[first - 1] == id;
    if (continues && first % window != 0) return;  // in the middle of a piece
    int end = first + 1;
    while (end < N && end % window != 0 && ids[end] == id) ++end;
    const bool whole = !continues && (end == N || ids[end] != id);
    real *out = whole ? dweight + id * D : partial + (first / window * 2 + (continues ? 0 : 1)) * width;
    const int rest = D % LANES == 0 && aligned(dy) && aligned(out) ? D : 0;
    for (int i = (int)threadIdx.x * LANES; i < rest; i += step * LANES) {
        Lanes sum = {};
        for (int n = first; n < end; ++n) {
            const Lanes x = load(dy + order[n] * D + i);
            for (int lane = 0; lane < LANES; ++lane) sum.at[lane] += x.at[lane];
        }
        const Lanes before = whole ? load(out + i) : Lanes();
        for (int lane = 0; lane < LANES; ++lane) sum.at[lane] = before.at[lane] + (real)scale * sum.at[lane];
        store(out + i, sum.at);
    }
    for (int i = rest + (int)threadIdx.x; i < D; i += step) {
        real sum = 0;
        for (int n = first; n < end; ++n) sum += dy[order[n] * D + i];
        out[i] = (whole ? out[i] : (real)0) + (real)scale * sum;
    }
}

// One block per window: if a run begins in it and goes on behind it, the sum of the run's pieces.
extern "C" __global__ void embedding_runs(const long long *ids, const real *partial, real *dweight, long long tokens,
                                          long long width, long long pieces) {
    const int N = (int)tokens, D = (int)width, window = (int)pieces, start = (int)blockIdx.x * window;
    const int end = start + window;
    if (end >= N || ids[end - 1] != ids[end]) return;  // nothing goes on
    const long long id = ids[end];
    if (start > 0 && ids[start - 1] == id) return;  // it began earlier
    for (int i = (int)threadIdx.x; i < D; i += (int)blockDim.x) {
        real sum = partial[(blockIdx.x * 2 + 1) * width + i];
        for (int piece = end; piece < N && ids[piece] == id; piece += window) {
            sum += partial[piece / window * 2 * width + i];
        }
        dweight[id * D + i] += sum;
    }
}
