// The half of a residual connection behind its sub-layer (layers/residual.py), with the sub-layer's last bias. Without an
// update it is layer norm (layers/layer_norm.py).
//
//   s = x + dropout(update + bias)                                                pre-norm: y = s
//   normalized = (s - mean) r    y = gain normalized + norm_bias                  post-norm; r is inverse_deviation
//
//   ds = r (dnormalized - mean(dnormalized) - normalized mean(dnormalized normalized)),  dnormalized = dy gain
//   dx = ds    dupdate = dropout(ds)    dbias = sum_n dupdate    dgain = sum_n dy normalized    dnorm_bias = sum_n dy
//
// Bytes moved per element: forward reads x and update, writes normalized and y (4 numbers; 3 in pre-norm); backward reads
// dy and normalized, writes dx and dupdate (4; 2 in pre-norm), and its sums cost no further pass.
//
// A thread keeps its eight columns of a row in registers, so a row has at most 8 * 256 numbers.
#include "rows.cuh"
#include "philox.cuh"

// update may be null, and then bias is.
__device__ inline Eight residual_sum(const real *x, const real *update, const real *bias, const Place &at, long long D,
                                     const Dropout &dropout) {
    const long long column = at.lane * 8, count = D - column;
    const Eight residual = load_eight(x + at.row * D + column, count);
    if (!update) return residual;
    Eight s = load_eight(update + at.row * D + column, count);
    const Eight b = load_eight(bias + column, count);
    for (int i = 0; i < 8; ++i) s.value[i] += b.value[i];
    s = drop(s, dropout, at.row, at.lane);
    for (int i = 0; i < 8; ++i) s.value[i] = residual.value[i] + s.value[i];
    return s;
}

extern "C" __global__ void residual_forward(const real *x, const real *update, const real *bias, real *y, long long N,
                                            long long D, long long lanes, Dropout dropout) {
    const Place at = place(lanes);
    const long long column = at.lane * 8;
    if (at.row >= N || column >= D) return;
    store_eight(y + at.row * D + column, D - column, residual_sum(x, update, bias, at, D, dropout));
}

extern "C" __global__ void residual_norm_forward(const real *x, const real *update, const real *bias, const real *gain,
                                                 const real *norm_bias, real *normalized, real *inverse_deviation,
                                                 real *y, long long N, long long D, long long lanes, double epsilon,
                                                 Dropout dropout) {
    __shared__ real scratch[32];
    const Place at = place(lanes);
    const long long column = at.lane * 8, count = at.row < N ? D - column : 0;  // 0: nothing to load or store
    const long long start = at.row * D + column;
    Eight s = {};
    if (count > 0) s = residual_sum(x, update, bias, at, D, dropout);
    real sum = 0;
    for (int i = 0; i < 8; ++i) sum += s.value[i];
    const real mean = row_sum(sum, lanes, scratch) / D;
    real squares = 0;
    for (int i = 0; i < 8; ++i) {
        s.value[i] = i < count ? s.value[i] - mean : (real)0;
        squares += s.value[i] * s.value[i];
    }
    const real variance = row_sum(squares, lanes, scratch) / D;
    const real r = 1 / sqrt(variance + (real)epsilon);
    if (count <= 0) return;
    for (int i = 0; i < 8; ++i) s.value[i] *= r;
    store_eight(normalized + start, count, s);
    const Eight g = load_eight(gain + column, count), b = load_eight(norm_bias + column, count);
    for (int i = 0; i < 8; ++i) s.value[i] = g.value[i] * s.value[i] + b.value[i];
    store_eight(y + start, count, s);
    if (at.lane == 0) inverse_deviation[at.row] = r;
}

// --- Backward. Block b works on rows [b rows, (b + 1) rows) and leaves its column sums in row b of `partial`. ---

constexpr int SUMMED = 256;  // threads of a block that has several rows at a time

// The sum of each column over the block's rows at a time, in a fixed order, written by the threads of the first.
__device__ inline void store_column_sums(const Eight &sum, long long lanes, long long D, real *partial) {
    __shared__ Eight of_thread[SUMMED];
    const unsigned lane = threadIdx.x % (unsigned)lanes;
    Eight total = sum;
    if (blockDim.x > lanes) {
        of_thread[threadIdx.x] = sum;
        __syncthreads();
        if (threadIdx.x < lanes) {
            for (unsigned other = threadIdx.x + (unsigned)lanes; other < blockDim.x; other += (unsigned)lanes) {
                for (int i = 0; i < 8; ++i) total.value[i] += of_thread[other].value[i];
            }
        }
        __syncthreads();  // `of_thread` may now be used again
    }
    if (threadIdx.x < lanes) store_eight(partial + blockIdx.x * D + lane * 8, D - lane * 8, total);
}

// partial (1, gridDim.x, D): of dbias. dupdate may be dy: without dropout nothing is written then.
extern "C" __global__ void residual_backward(const real *dy, real *dupdate, real *partial, long long N, long long D,
                                             long long lanes, long long rows, Dropout dropout) {
    const unsigned lane = threadIdx.x % (unsigned)lanes, step = blockDim.x / (unsigned)lanes;
    const long long first = blockIdx.x * rows, end = first + rows < N ? first + rows : N;
    const long long column = lane * 8, count = D - column;
    Eight dbias = {};
    for (long long row = first + threadIdx.x / (unsigned)lanes; row < end; row += step) {
        const Eight d = drop(load_eight(dy + row * D + column, count), dropout, row, lane);
        for (int i = 0; i < 8; ++i) dbias.value[i] += d.value[i];
        if (dupdate != dy) store_eight(dupdate + row * D + column, count, d);
    }
    store_column_sums(dbias, lanes, D, partial);
}

// partial (2 or 3, gridDim.x, D): of dgain, dnorm_bias and, where with_bias, dbias. dupdate may be dx.
extern "C" __global__ void residual_norm_backward(const real *dy, const real *normalized, const real *inverse_deviation,
                                                  const real *gain, real *dx, real *dupdate, real *partial, long long N,
                                                  long long D, long long lanes, long long rows, long long with_bias,
                                                  Dropout dropout) {
    __shared__ real scratch[32];
    const unsigned lane = threadIdx.x % (unsigned)lanes, step = blockDim.x / (unsigned)lanes;
    const long long first = blockIdx.x * rows, end = first + rows < N ? first + rows : N;
    const long long column = lane * 8;
    const Eight g = load_eight(gain + column, D - column);
    Eight dgain = {}, dnorm_bias = {}, dbias = {};
    for (long long next = first; next < end; next += step) {  // as often in every thread, for the sums over a row
        const long long row = next + threadIdx.x / (unsigned)lanes, start = row * D + column;
        const long long count = row < end ? D - column : 0;
        const Eight d = load_eight(dy + start, count), n = load_eight(normalized + start, count);
        real sum = 0, inner = 0;
        for (int i = 0; i < 8; ++i) {
            dgain.value[i] += d.value[i] * n.value[i];
            dnorm_bias.value[i] += d.value[i];
            sum += d.value[i] * g.value[i];
            inner += d.value[i] * g.value[i] * n.value[i];
        }
        const real shift = row_sum(sum, lanes, scratch) / D, stretch = row_sum(inner, lanes, scratch) / D;
        if (count <= 0) continue;
        const real r = inverse_deviation[row];
        Eight ds;
        for (int i = 0; i < 8; ++i) ds.value[i] = r * (d.value[i] * g.value[i] - shift - n.value[i] * stretch);
        store_eight(dx + start, count, ds);
        ds = drop(ds, dropout, row, lane);
        if (dupdate != dx) store_eight(dupdate + start, count, ds);
        for (int i = 0; i < 8; ++i) dbias.value[i] += ds.value[i];
    }
    const long long size = gridDim.x * D;
    store_column_sums(dgain, lanes, D, partial);
    store_column_sums(dnorm_bias, lanes, D, partial + size);
    if (with_bias) store_column_sums(dbias, lanes, D, partial + 2 * size);
}
