// Rows of numbers, eight neighbours to a thread. `lanes` threads side by side share a row: a power of two up to 32, with
// several rows in a block, or else all threads of the block, whole warps (launcher.py, rows_of_eight).
struct alignas(16) Four { real value[4]; };
struct Eight { real value[8]; };

struct Place { long long row; unsigned lane; };

__device__ inline Place place(long long lanes_of_row) {
    const unsigned lanes = (unsigned)lanes_of_row, rows = blockDim.x / lanes;
    return {(long long)blockIdx.x * rows + threadIdx.x / lanes, threadIdx.x % lanes};
}

// The sum of `value` over the threads of a row, known to each of them, in a fixed order.
__device__ inline real row_sum(real value, long long lanes, real *scratch) {
    if (lanes > 32) return block_sum(value, scratch);
    for (int distance = (int)lanes / 2; distance > 0; distance /= 2) {
        value += __shfl_xor_sync(0xffffffffu, value, distance);
    }
    return value;
}

__device__ inline real row_max(real value, long long lanes, real *scratch) {
    if (lanes > 32) return block_max(value, scratch);
    for (int distance = (int)lanes / 2; distance > 0; distance /= 2) {
        value = larger(value, __shfl_xor_sync(0xffffffffu, value, distance));
    }
    return value;
}

// Two loads of 16 bytes in float32 where memory lies on 16 bytes, else number by number. `count` numbers are left in
// the row from `group` on; none or less is allowed. What stands behind the end reads as 0 and is not written.
__device__ inline bool whole(const real *group, long long count) { return count >= 8 && (size_t)group % 16 == 0; }

__device__ inline Eight load_eight(const real *group, long long count) {
    Eight x;
    if (whole(group, count)) {
        const Four low = *(const Four *)group, high = *(const Four *)(group + 4);
        for (int i = 0; i < 4; ++i) x.value[i] = low.value[i], x.value[i + 4] = high.value[i];
    } else {
        for (int i = 0; i < 8; ++i) x.value[i] = i < count ? group[i] : (real)0;
    }
    return x;
}

__device__ inline void store_eight(real *group, long long count, const Eight &x) {
    if (whole(group, count)) {
        Four low, high;
        for (int i = 0; i < 4; ++i) low.value[i] = x.value[i], high.value[i] = x.value[i + 4];
        *(Four *)group = low;
        *(Four *)(group + 4) = high;
    } else {
        for (int i = 0; i < 8; ++i) {
            if (i < count) group[i] = x.value[i];
        }
    }
}
