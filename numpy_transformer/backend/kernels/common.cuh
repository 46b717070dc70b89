// Put in front of every kernel file. REAL is float or double: a compile option, so each dtype is a module of its own.
typedef REAL real;

// The sum of `value` over the block, known to every thread. The order is fixed, so two runs give the same bits.
// blockDim.x is a multiple of 32, up to 1024; `scratch` is shared memory of 32 numbers.
template <typename Number> __device__ inline Number block_sum(Number value, Number *scratch) {
    for (int distance = 16; distance > 0; distance /= 2) value += __shfl_xor_sync(0xffffffffu, value, distance);
    if (threadIdx.x % 32 == 0) scratch[threadIdx.x / 32] = value;
    __syncthreads();
    Number total = 0;
    for (unsigned warp = 0; warp < blockDim.x / 32; ++warp) total += scratch[warp];
    __syncthreads();  // `scratch` may now be used again
    return total;
}

// The largest `value` in the block, known to every thread; a NaN counts as largest, as it does in NumPy.
__device__ inline real larger(real a, real b) { return a > b || a != a ? a : b; }

__device__ inline real block_max(real value, real *scratch) {
    for (int distance = 16; distance > 0; distance /= 2) {
        value = larger(value, __shfl_xor_sync(0xffffffffu, value, distance));
    }
    if (threadIdx.x % 32 == 0) scratch[threadIdx.x / 32] = value;
    __syncthreads();
    real largest = scratch[0];
    for (unsigned warp = 1; warp < blockDim.x / 32; ++warp) largest = larger(largest, scratch[warp]);
    __syncthreads();
    return largest;
}

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
