// Softmax over rows of n numbers (layers/softmax.py: x is scores, y is weights), with all that attention puts around it
// (layers/attention.py): scale, mask and dropout.
//
//   x = scale scores, masked keys far below        weights_i = exp(x_i - max) / sum_j exp(x_j - max), 0 at masked keys
//   dropped = dropout(weights)
//
//   dweights = dropout(ddropped)       dscores_i = scale weights_i (dweights_i - sum_j dweights_j weights_j)
//
// Bytes moved per element: forward reads scores, writes weights (2 numbers) and with dropout dropped (3); backward reads
// ddropped and weights, writes dscores (3) and with dropout dropped again, which was not kept (4).
//
// Rows are `stride` apart, so that each can begin where 16 bytes move at once. A thread holds its first eight numbers of
// a row in registers; only in rows of more than 8 * 256 it has others, and loads those again in each pass.
// weights may be scores, dscores may be ddropped. mask and dropped may be null.
#include "rows.cuh"
#include "philox.cuh"

constexpr real MASKED_SCORE = (real)-1e30;  // softmax.py says why
constexpr real LOWEST = (real)-3.4e38;      // behind the end of a row

extern "C" __global__ void softmax_forward(const real *scores, real *weights, real *dropped, long long rows, long long n,
                                           long long stride, long long lanes, double scale, const bool *mask,
                                           long long heads, long long queries, long long mask_sentence,
                                           long long mask_head, long long mask_query, long long mask_key,
                                           Dropout dropout) {
    __shared__ real scratch[32];
    const Place at = place(lanes);
    const long long groups = at.row < rows ? (n + 7) / 8 : 0;  // 0: this thread only takes part in the sums
    const long long start = at.row * stride;
    if (mask) {  // mask_*: how far apart neighbours stand along each axis, 0 where all are the same
        const unsigned row = (unsigned)at.row, T = (unsigned)queries, H = (unsigned)heads;  // a card holds no more rows
        mask += row / T / H * mask_sentence + row / T % H * mask_head + row % T * mask_query;
    }
    auto load_x = [&](long long group) {
        const long long first = group * 8, count = n - first;
        Eight x = load_eight(scores + start + first, count);
        for (int i = 0; i < 8; ++i) {
            const bool masked = mask && i < count && !mask[(first + i) * mask_key];
            x.value[i] = i >= count ? LOWEST : masked ? MASKED_SCORE : (real)scale * x.value[i];
        }
        return x;
    };
    Eight held = {};
    if (at.lane < groups) held = load_x(at.lane);

    real highest = LOWEST;
    for (long long group = at.lane; group < groups; group += lanes) {
        const Eight x = group == at.lane ? held : load_x(group);
        for (int i = 0; i < 8; ++i) highest = larger(highest, x.value[i]);
    }
    highest = row_max(highest, lanes, scratch);

    real sum = 0;
    for (long long group = at.lane; group < groups; group += lanes) {
        const Eight x = group == at.lane ? held : load_x(group);
        for (int i = 0; i < 8; ++i) sum += group * 8 + i < n ? exp(x.value[i] - highest) : (real)0;
    }
    const real inverse_total = 1 / row_sum(sum, lanes, scratch);

    for (long long group = at.lane; group < groups; group += lanes) {
        const Eight x = group == at.lane ? held : load_x(group);
        Eight w;
        for (int i = 0; i < 8; ++i) {
            const bool masked = mask && x.value[i] == MASKED_SCORE;  // 0 also where all of a row are masked
            w.value[i] = masked ? (real)0 : exp(x.value[i] - highest) * inverse_total;
        }
        store_eight(weights + start + group * 8, n - group * 8, w);
        if (dropped) store_eight(dropped + start + group * 8, n - group * 8, drop(w, dropout, at.row, group));
    }
}

extern "C" __global__ void softmax_backward(const real *ddropped, const real *weights, real *dscores, real *dropped,
                                            long long rows, long long n, long long stride, long long lanes,
                                            double scale, Dropout dropout) {
    __shared__ real scratch[32];
    const Place at = place(lanes);
    const long long groups = at.row < rows ? (n + 7) / 8 : 0, start = at.row * stride;
    auto load_weights = [&](long long group) { return load_eight(weights + start + group * 8, n - group * 8); };
    auto load_dweights = [&](long long group) {
        return drop(load_eight(ddropped + start + group * 8, n - group * 8), dropout, at.row, group);
    };
    Eight held_weights = {}, held_dweights = {};
    if (at.lane < groups) held_weights = load_weights(at.lane), held_dweights = load_dweights(at.lane);

    real sum = 0;
    for (long long group = at.lane; group < groups; group += lanes) {
        const Eight w = group == at.lane ? held_weights : load_weights(group);
        const Eight dw = group == at.lane ? held_dweights : load_dweights(group);
        for (int i = 0; i < 8; ++i) sum += dw.value[i] * w.value[i];
    }
    const real inner = row_sum(sum, lanes, scratch);

    for (long long group = at.lane; group < groups; group += lanes) {
        const Eight w = group == at.lane ? held_weights : load_weights(group);
        const Eight dw = group == at.lane ? held_dweights : load_dweights(group);
        Eight ds;
        for (int i = 0; i < 8; ++i) ds.value[i] = (real)scale * w.value[i] * (dw.value[i] - inner);
        store_eight(dscores + start + group * 8, n - group * 8, ds);
        if (dropped) store_eight(dropped + start + group * 8, n - group * 8, drop(w, dropout, at.row, group));
    }
}
