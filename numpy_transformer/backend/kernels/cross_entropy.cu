// Label-smoothed cross-entropy and its gradient at once (layers/cross_entropy.py), for layers/output_loss.py. One block per
// row of V logits z, whose gradient takes their place; e is the label smoothing.
//
//   loss_n = log sum_u exp(z_u - max) - (1 - e) (z_gold - max) - e mean_v(z_v - max)
//   p_v = exp(z_v - max) / sum_u exp(z_u - max)            dz_v = scale (p_v - (1 - e) [v = gold] - e / V)
//
// Rows are `stride` apart, so that each can begin where 16 bytes move together. Max and normalizer come from one pass, the
// normalizer in units of the largest logit so far; a second pass writes dz. It finds z in shared memory if `keeps` (the
// launch then brings memory for a row), else in the card's second-level cache. Bytes moved per logit: z in, dz out.
struct Running {
    real gold, highest, normalizer, above;  // above: sum of z - gold
    template <int COUNT> __device__ void take(const real (&z)[COUNT]) {
        real top = highest;
        for (int i = 0; i < COUNT; ++i) top = larger(top, z[i]);
        normalizer *= exp(highest - top);
        for (int i = 0; i < COUNT; ++i) {
            normalizer += exp(z[i] - top);
            above += z[i] - gold;
        }
        highest = top;
    }
};

extern "C" __global__ void cross_entropy_in_place(real *logits, const long long *targets, real *losses, long long V,
                                                  long long stride, long long with_gradient, double scale,
                                                  double label_smoothing, long long keeps) {
    __shared__ real scratch[32];
    extern __shared__ Lanes row_of_block[];
    real *row = logits + blockIdx.x * stride, *kept = keeps ? (real *)row_of_block : row;
    const long long target = targets[blockIdx.x], step = blockDim.x * LANES;
    const long long rest = stride % LANES == 0 && aligned(logits) ? V / LANES * LANES : 0;
    Running running = {row[target], row[target], 0, 0};
    for (long long v = threadIdx.x * LANES; v < rest; v += step) {
        const Lanes z = load(row + v);
        running.take(z.at);
        if (keeps) row_of_block[v / LANES] = z;
    }
    for (long long v = rest + threadIdx.x; v < V; v += blockDim.x) {
        const real z[1] = {row[v]};
        running.take(z);
        if (keeps) kept[v] = z[0];
    }
    const real highest = block_max(running.highest, scratch);  // behind its barrier all have read the gold logit
    const real normalizer = block_sum(running.normalizer * exp(running.highest - highest), scratch);
    const real mean = block_sum(running.above, scratch) / V;
    if (threadIdx.x == 0) {
        losses[blockIdx.x] = log(normalizer) + (highest - running.gold) - (real)label_smoothing * mean;
    }
    if (!with_gradient) return;
    const real factor = (real)scale / normalizer, each = (real)(scale * label_smoothing / V);
    const real extra = (real)(scale * (1 - label_smoothing));
    for (long long v = threadIdx.x * LANES; v < rest; v += step) {
        Lanes z = load(kept + v);  // what this very thread has put there
        for (int lane = 0; lane < LANES; ++lane) {
            z.at[lane] = factor * exp(z.at[lane] - highest) - each - (v + lane == target ? extra : (real)0);
        }
        store(row + v, z.at);
    }
    for (long long v = rest + threadIdx.x; v < V; v += blockDim.x) {
        row[v] = factor * exp(kept[v] - highest) - each - (v == target ? extra : (real)0);
    }
}
