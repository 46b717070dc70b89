// Put in front of every kernel file. REAL is float or double: a compile option, so each dtype is a module of its own.
typedef REAL real;

struct Add {
    template <typename Number> __device__ Number operator()(Number a, Number b) const { return a + b; }
};
// A NaN counts as largest, as it does in NumPy.
__device__ inline real larger(real a, real b) { return a > b || a != a ? a : b; }
struct Larger {
    __device__ real operator()(real a, real b) const { return larger(a, b); }
};

// What `join` makes of the values of the `lanes` threads side by side that share a row, known to each of them, in a fixed
// order, so that two runs give the same bits. `lanes` is 1, 2, 4 ... 32, or a multiple of 32; every thread of the block
// takes part. `scratch` is shared memory of 32 numbers, free for use again afterwards.
template <typename Number, typename Join>
__device__ inline Number over_row(Number value, long long lanes, Number *scratch, Join join) {
    for (int distance = lanes < 32 ? (int)lanes / 2 : 16; distance > 0; distance /= 2) {
        value = join(value, __shfl_xor_sync(0xffffffffu, value, distance));
    }
    if (lanes <= 32) return value;
    if (threadIdx.x % 32 == 0) scratch[threadIdx.x / 32] = value;
    __syncthreads();
    const unsigned warps = (unsigned)lanes / 32, first = threadIdx.x / (unsigned)lanes * warps;
    Number joined = scratch[first];
    for (unsigned warp = first + 1; warp < first + warps; ++warp) joined = join(joined, scratch[warp]);
    __syncthreads();
    return joined;
}

template <typename Number> __device__ inline Number block_sum(Number value, Number *scratch) {
    return over_row(value, blockDim.x, scratch, Add());
}
__device__ inline real block_max(real value, real *scratch) { return over_row(value, blockDim.x, scratch, Larger()); }

// As many numbers as one load instruction moves: 16 bytes, four floats or two doubles.
constexpr int LANES = 16 / sizeof(real);
struct alignas(16) Lanes { real at[LANES]; };

// Whether Lanes may be read or written here: a view into a flat buffer can begin anywhere.
__device__ inline bool aligned(const void *pointer) { return (size_t)pointer % 16 == 0; }

__device__ inline Lanes load(const real *from) { return *(const Lanes *)from; }

// By an intrinsic, as the compiler takes a plain store of a struct apart and moves its numbers one by one.
__device__ inline void store(float *to, const float (&x)[4]) {
    __stwb((float4 *)to, make_float4(x[0], x[1], x[2], x[3]));
}
__device__ inline void store(double *to, const double (&x)[2]) { __stwb((double2 *)to, make_double2(x[0], x[1])); }
