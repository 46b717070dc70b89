// Softmax over rows of n numbers (layers/softmax.py), with a mask or without.
//
//   y_i = exp(x_i - max) / sum_j exp(x_j - max), 0 where masked           dx_i = y_i (dy_i - sum_j dy_j y_j)
//
// Bytes moved per element: forward reads x, writes y (2 numbers); backward reads dy and y, writes dx (3). y may be x.
//
// A thread holds its first eight numbers of a row in registers; only in rows of more than 8 * 256 it has others, and loads
// those again in each pass.
#include "rows.cuh"

constexpr real MASKED_SCORE = (real)-1e30;  // layers/softmax.py says why
constexpr real LOWEST = (real)-3.4e38;      // behind the end of a row

// mask_*: how far apart in the mask neighbours stand along each axis of x, 0 where all are the same.
extern "C" __global__ void softmax_forward(const real *x, real *y, long long rows, long long n, long long lanes,
                                           const bool *mask, long long heads, long long queries,
                                           long long mask_sentence, long long mask_head, long long mask_query,
                                           long long mask_key) {
    __shared__ real scratch[32];
    const Place at = place(lanes);
    const long long groups = at.row < rows ? (n + 7) / 8 : 0;  // 0: this thread only takes part in the sums
    const long long start = at.row * n;
    if (mask) {
        const unsigned row = (unsigned)at.row, T = (unsigned)queries, H = (unsigned)heads;  // a card holds no more rows
        mask += row / T / H * mask_sentence + row / T % H * mask_head + row % T * mask_query;
    }
    auto load_x = [&](long long group) {
        const long long first = group * 8, count = n - first;
        Eight e = load_eight(x + start + first, count);
        for (int i = 0; i < 8; ++i) {
            const bool masked = mask && i < count && !mask[(first + i) * mask_key];
            e.value[i] = i >= count ? LOWEST : masked ? MASKED_SCORE : e.value[i];
        }
        return e;
    };
    Eight held = {};
    if (at.lane < groups) held = load_x(at.lane);

    real highest = LOWEST;
    for (long long group = at.lane; group < groups; group += lanes) {
        const Eight e = group == at.lane ? held : load_x(group);
        for (int i = 0; i < 8; ++i) highest = larger(highest, e.value[i]);
    }
    highest = row_max(highest, lanes, scratch);

    real sum = 0;
    for (long long group = at.lane; group < groups; group += lanes) {
        const Eight e = group == at.lane ? held : load_x(group);
        for (int i = 0; i < 8; ++i) sum += group * 8 + i < n ? exp(e.value[i] - highest) : (real)0;
    }
    const real inverse_total = 1 / row_sum(sum, lanes, scratch);

    for (long long group = at.lane; group < groups; group += lanes) {
        Eight e = group == at.lane ? held : load_x(group);
        for (int i = 0; i < 8; ++i) {
            const bool masked = mask && e.value[i] == MASKED_SCORE;  // 0 also where all of a row are masked
            e.value[i] = masked ? (real)0 : exp(e.value[i] - highest) * inverse_total;
        }
        store_eight(y + start + group * 8, n - group * 8, e);
    }
}

extern "C" __global__ void softmax_backward(const real *dy, const real *y, real *dx, long long rows, long long n,
                                            long long lanes) {
    __shared__ real scratch[32];
    const Place at = place(lanes);
    const long long groups = at.row < rows ? (n + 7) / 8 : 0, start = at.row * n;
    auto load_group = [&](const real *from, long long group) {
        return load_eight(from + start + group * 8, n - group * 8);
    };
    Eight held_y = {}, held_dy = {};
    if (at.lane < groups) held_y = load_group(y, at.lane), held_dy = load_group(dy, at.lane);

    real sum = 0;
    for (long long group = at.lane; group < groups; group += lanes) {
        const Eight w = group == at.lane ? held_y : load_group(y, group);
        const Eight dw = group == at.lane ? held_dy : load_group(dy, group);
        for (int i = 0; i < 8; ++i) sum += dw.value[i] * w.value[i];
    }
    const real inner = row_sum(sum, lanes, scratch);

    for (long long group = at.lane; group < groups; group += lanes) {
        const Eight w = group == at.lane ? held_y : load_group(y, group);
        Eight dw = group == at.lane ? held_dy : load_group(dy, group);
        for (int i = 0; i < 8; ++i) dw.value[i] = w.value[i] * (dw.value[i] - inner);
        store_eight(dx + start + group * 8, n - group * 8, dw);
    }
}
