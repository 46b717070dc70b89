// Dropout (layers/dropout.py), forward and backward: y = x kept / (1 - p). The mask is drawn here and never stored.
//
// Bytes moved per element: reads x, writes y (2 numbers). y may be x.
#include "rows.cuh"
#include "philox.cuh"

extern "C" __global__ void dropout(const real *x, real *y, long long rows, long long n, long long lanes,
                                   Dropout mask) {
    const Place at = place(lanes);
    if (at.row >= rows) return;
    for (long long group = at.lane; group * 8 < n; group += lanes) {
        const long long first = at.row * n + group * 8, count = n - group * 8;
        store_eight(y + first, count, drop(load_eight(x + first, count), mask, at.row, group));
    }
}
