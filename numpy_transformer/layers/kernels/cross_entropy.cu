// Label-smoothed cross-entropy (layers/cross_entropy.py). One block per row of V logits; e is the label smoothing.
//
//   loss_n = log sum_u exp(z_u - max) - (1 - e) (z_gold - max) - e mean_v(z_v - max)
//   p_v = exp(z_v - max) / sum_u exp(z_u - max)            dz_v = scale (p_v - (1 - e) [v = gold] - e / V)
//
// Bytes moved per logit: forward reads z, writes p; backward reads p, writes dz (2 numbers each). p may be z, dz may be
// p: a thread touches the same elements in every pass, and the gold logit is read before any is overwritten.

extern "C" __global__ void cross_entropy_forward(const real *logits, const long long *targets, real *probabilities,
                                                 real *losses, long long V, double label_smoothing) {
    __shared__ real scratch[32];
    const long long row = blockIdx.x, start = row * V;
    real highest = logits[start];
    const real gold = logits[start + targets[row]];
    for (long long v = threadIdx.x; v < V; v += blockDim.x) highest = larger(highest, logits[start + v]);
    highest = block_max(highest, scratch);  // behind its barrier every thread has read what it needs of the others
    real exponentials = 0, shifted_sum = 0;
    for (long long v = threadIdx.x; v < V; v += blockDim.x) {
        const real shifted = logits[start + v] - highest, e = exp(shifted);
        probabilities[start + v] = e;
        exponentials += e;
        shifted_sum += shifted;
    }
    const real normalizer = block_sum(exponentials, scratch);
    const real mean = block_sum(shifted_sum, scratch) / V;
    for (long long v = threadIdx.x; v < V; v += blockDim.x) probabilities[start + v] /= normalizer;
    if (threadIdx.x == 0) {
        const real smoothing = (real)label_smoothing;
        losses[row] = log(normalizer) - (1 - smoothing) * (gold - highest) - smoothing * mean;
    }
}

extern "C" __global__ void cross_entropy_backward(const real *probabilities, const long long *targets, real *dlogits,
                                                  long long V, double scale, double label_smoothing) {
    const long long start = blockIdx.x * V, gold = targets[blockIdx.x];
    const real each = (real)(label_smoothing / V), extra = (real)(1 - label_smoothing), factor = (real)scale;
    for (long long v = threadIdx.x; v < V; v += blockDim.x) {
        dlogits[start + v] = factor * (probabilities[start + v] - each - (v == gold ? extra : (real)0));
    }
}
