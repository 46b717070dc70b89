// What surrounds the matrix products of layers/linear.py and layers/feed_forward.py: bias, ReLU and column sums.
//
//   y_ni <- y_ni + b_i              y_ni <- max(0, y_ni + b_i)
//   dx_ni = dy_ni where y_ni > 0, else 0             sums_i = sum_n dx_ni
//
// Bytes moved per element: adding a bias reads and writes y (2 numbers); the way back through ReLU reads dy and y and
// writes dx (3), its sums included; column sums alone read x (1).
//
// Arrays are (N, D). A block works on `rows` rows of 32 LANES columns: warp w on the rows w, w + WARPS, ... of them, and
// each of its threads on LANES columns, neighbours if they can be moved together.

constexpr int WARPS = 8, COLUMNS = 32 * LANES;

template <bool TOGETHER> struct Columns {
    long long D, first;
    __device__ explicit Columns(long long D)
        : D(D), first((long long)blockIdx.x * COLUMNS + threadIdx.x % 32 * (TOGETHER ? LANES : 1)) {}
    __device__ bool any() const { return first < D; }  // if not, the thread has nothing to load or store
    __device__ long long column(int lane) const { return first + lane * (TOGETHER ? 1 : 32); }
    __device__ Lanes of(const real *row) const {
        Lanes x = {};
        if (TOGETHER) {
            x = load(row + first);
        } else {
            for (int lane = 0; lane < LANES; ++lane) {
                if (column(lane) < D) x.at[lane] = row[column(lane)];
            }
        }
        return x;
    }
    __device__ void put(real *row, const Lanes &x) const {
        if (TOGETHER) {
            store(row + first, x.at);
        } else {
            for (int lane = 0; lane < LANES; ++lane) {
                if (column(lane) < D) row[column(lane)] = x.at[lane];
            }
        }
    }
};

__device__ inline long long first_row(long long rows) { return blockIdx.y * rows + threadIdx.x / 32; }
__device__ inline long long end_row(long long rows, long long N) {
    const long long end = (blockIdx.y + 1) * rows;
    return end < N ? end : N;
}

template <bool RELU, bool TOGETHER>
__device__ inline void add_bias_to_tile(real *y, const real *bias, long long N, long long D, long long rows) {
    const Columns<TOGETHER> columns(D);
    if (!columns.any()) return;
    Lanes b;
    for (int lane = 0; lane < LANES; ++lane) b.at[lane] = columns.column(lane) < D ? bias[columns.column(lane)] : 0;
    for (long long n = first_row(rows); n < end_row(rows, N); n += WARPS) {
        Lanes x = columns.of(y + n * D);
        for (int lane = 0; lane < LANES; ++lane) {
            x.at[lane] += b.at[lane];
            if (RELU) x.at[lane] = larger(x.at[lane], 0);
        }
        columns.put(y + n * D, x);
    }
}

template <bool RELU>
__device__ inline void add_bias_to(real *y, const real *bias, long long N, long long D, long long rows) {
    if (D % LANES == 0 && aligned(y)) {
        add_bias_to_tile<RELU, true>(y, bias, N, D, rows);
    } else {
        add_bias_to_tile<RELU, false>(y, bias, N, D, rows);
    }
}

extern "C" __global__ void add_bias(real *y, const real *bias, long long N, long long D, long long rows) {
    add_bias_to<false>(y, bias, N, D, rows);
}

extern "C" __global__ void add_bias_relu(real *y, const real *bias, long long N, long long D, long long rows) {
    add_bias_to<true>(y, bias, N, D, rows);
}

// sums (gridDim.y, D): those of each block's rows, the warps' added in order. No atomics: the order is fixed.
// With RELU the numbers are dy where y > 0, and they are kept in dx, which may be dy.
template <bool RELU, bool TOGETHER>
__device__ inline void sum_tile(const real *dy, const real *y, real *dx, real *sums, long long N, long long D,
                                long long rows) {
    __shared__ real scratch[WARPS][COLUMNS];
    const Columns<TOGETHER> columns(D);
    const long long left = (long long)blockIdx.x * COLUMNS;
    const long long end = columns.any() ? end_row(rows, N) : 0;
    Lanes sum = {};
    for (long long n = first_row(rows); n < end; n += WARPS) {
        Lanes x = columns.of(dy + n * D);
        if (RELU) {
            const Lanes activated = columns.of(y + n * D);
            for (int lane = 0; lane < LANES; ++lane) x.at[lane] *= activated.at[lane] > 0 ? 1 : 0;
            columns.put(dx + n * D, x);
        }
        for (int lane = 0; lane < LANES; ++lane) sum.at[lane] += x.at[lane];
    }
    for (int lane = 0; lane < LANES; ++lane) scratch[threadIdx.x / 32][columns.column(lane) - left] = sum.at[lane];
    __syncthreads();
    const long long column = left + threadIdx.x;
    if (threadIdx.x >= COLUMNS || column >= D) return;
    real total = 0;
    for (int warp = 0; warp < WARPS; ++warp) total += scratch[warp][threadIdx.x];
    sums[blockIdx.y * D + column] = total;
}

extern "C" __global__ void column_sums(const real *x, real *sums, long long N, long long D, long long rows) {
    if (D % LANES == 0 && aligned(x)) {
        sum_tile<false, true>(x, nullptr, nullptr, sums, N, D, rows);
    } else {
        sum_tile<false, false>(x, nullptr, nullptr, sums, N, D, rows);
    }
}

extern "C" __global__ void relu_backward(const real *dy, const real *y, real *dx, real *sums, long long N, long long D,
                                         long long rows) {
    if (D % LANES == 0 && aligned(dy) && aligned(y) && aligned(dx)) {
        sum_tile<true, true>(dy, y, dx, sums, N, D, rows);
    } else {
        sum_tile<true, false>(dy, y, dx, sums, N, D, rows);
    }
}
