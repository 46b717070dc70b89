// Layer normalization (layers/layer_norm.py). One block per row of D numbers.
//
//   normalized_i = (x_i - mean) r            y_i = gain_i normalized_i + bias_i
//   dx_k = r (dnormalized_k - mean_i(dnormalized_i) - normalized_k mean_i(dnormalized_i normalized_i))
//
// Bytes moved per element: forward reads x, writes normalized and y (3 numbers); dx reads dy and normalized, writes dx
// (3); the sums for gain and bias read dy and normalized (2). The passes over a row after the first come from the cache.

extern "C" __global__ void layer_norm_forward(const real *x, const real *gain, const real *bias, real *normalized,
                                              real *inverse_deviation, real *y, long long D, double epsilon) {
    __shared__ real scratch[32];
    const long long row = blockIdx.x, start = row * D;
    real sum = 0;
    for (long long i = threadIdx.x; i < D; i += blockDim.x) sum += x[start + i];
    const real mean = block_sum(sum, scratch) / D;
    real squares = 0;
    for (long long i = threadIdx.x; i < D; i += blockDim.x) {
        const real centered = x[start + i] - mean;
        squares += centered * centered;
    }
    const real variance = block_sum(squares, scratch) / D;
    const real r = 1 / sqrt(variance + (real)epsilon);
    for (long long i = threadIdx.x; i < D; i += blockDim.x) {
        const real n = (x[start + i] - mean) * r;
        normalized[start + i] = n;
        y[start + i] = gain[i] * n + bias[i];
    }
    if (threadIdx.x == 0) inverse_deviation[row] = r;
}

extern "C" __global__ void layer_norm_dx(const real *dy, const real *normalized, const real *inverse_deviation,
                                         const real *gain, real *dx, long long D) {
    __shared__ real scratch[32];
    const long long row = blockIdx.x, start = row * D;
    real sum = 0, inner = 0;
    for (long long i = threadIdx.x; i < D; i += blockDim.x) {
        const real dnormalized = dy[start + i] * gain[i];
        sum += dnormalized;
        inner += dnormalized * normalized[start + i];
    }
    const real shift = block_sum(sum, scratch) / D;
    const real stretch = block_sum(inner, scratch) / D;
    const real r = inverse_deviation[row];
    for (long long i = threadIdx.x; i < D; i += blockDim.x) {
        dx[start + i] = r * (dy[start + i] * gain[i] - shift - normalized[start + i] * stretch);
    }
}

// First of two stages: block (i, j) sums rows [j rows, (j + 1) rows) of its columns, a thread a column.
// No atomics: the order of every sum is fixed. partial_gain and partial_bias are (gridDim.y, D).
extern "C" __global__ void layer_norm_partial_sums(const real *dy, const real *normalized, real *partial_gain,
                                                   real *partial_bias, long long N, long long D, long long rows) {
    const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= D) return;
    const long long first = blockIdx.y * rows, end = first + rows < N ? first + rows : N;
    real dgain = 0, dbias = 0;
    for (long long n = first; n < end; ++n) {
        dgain += dy[n * D + i] * normalized[n * D + i];
        dbias += dy[n * D + i];
    }
    partial_gain[blockIdx.y * D + i] = dgain;
    partial_bias[blockIdx.y * D + i] = dbias;
}

// Second stage: the sums of the partial sums, a thread a column.
extern "C" __global__ void layer_norm_total_sums(const real *partial_gain, const real *partial_bias, real *dgain,
                                                 real *dbias, long long parts, long long D) {
    const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= D) return;
    real gain_sum = 0, bias_sum = 0;
    for (long long part = 0; part < parts; ++part) {
        gain_sum += partial_gain[part * D + i];
        bias_sum += partial_bias[part * D + i];
    }
    dgain[i] = gain_sum;
    dbias[i] = bias_sum;
}
