// Rows of numbers, eight neighbours to a thread. `lanes` threads side by side share a row: 1, 2, 4 ... 32, or whole
// warps; a block has one or more rows (launcher.py, rows_of_eight).
struct Eight { real value[8]; };

struct Place {
    long long row;
    unsigned lane;
};

__device__ inline Place place(long long lanes_of_row) {
    const unsigned lanes = (unsigned)lanes_of_row;
    return {(long long)blockIdx.x * (blockDim.x / lanes) + threadIdx.x / lanes, threadIdx.x % lanes};
}

__device__ inline real row_sum(real value, long long lanes, real *scratch) {
    return over_row(value, lanes, scratch, Add());
}
__device__ inline real row_max(real value, long long lanes, real *scratch) {
    return over_row(value, lanes, scratch, Larger());
}

// In loads and stores of 16 bytes where memory lies on 16 bytes, else number by number. `count` numbers are left in the
// row from `group` on; none or less is allowed. What stands behind the end reads as 0 and is not written.
__device__ inline Eight load_eight(const real *group, long long count) {
    Eight x;
    if (count >= 8 && aligned(group)) {
        for (int part = 0; part < 8; part += LANES) {
            const Lanes some = load(group + part);
            for (int i = 0; i < LANES; ++i) x.value[part + i] = some.at[i];
        }
    } else {
        for (int i = 0; i < 8; ++i) x.value[i] = i < count ? group[i] : (real)0;
    }
    return x;
}

__device__ inline void store_eight(real *group, long long count, const Eight &x) {
    if (count >= 8 && aligned(group)) {
        for (int part = 0; part < 8; part += LANES) {
            real some[LANES];
            for (int i = 0; i < LANES; ++i) some[i] = x.value[part + i];
            store(group + part, some);
        }
    } else {
        for (int i = 0; i < 8; ++i) {
            if (i < count) group[i] = x.value[i];
        }
    }
}
