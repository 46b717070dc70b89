// Put in front of every kernel file. REAL is float or double: a compile option, so each dtype is a module of its own.
typedef REAL real;

// The sum of `value` over the block, known to every thread. The order is fixed, so two runs give the same bits.
// blockDim.x is a multiple of 32, up to 1024; `scratch` is shared memory of 32 numbers.
__device__ inline real block_sum(real value, real *scratch) {
    for (int distance = 16; distance > 0; distance /= 2) value += __shfl_xor_sync(0xffffffffu, value, distance);
    if (threadIdx.x % 32 == 0) scratch[threadIdx.x / 32] = value;
    __syncthreads();
    real total = 0;
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
