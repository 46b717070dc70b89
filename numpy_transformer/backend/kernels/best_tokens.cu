// What a search needs of a row of logits (decoding/scoring.py): its normalizer and the best tokens that may come next.
//
//   normalizer = log sum_v exp(z_v)      best = the `count` largest z_v of tokens that are not barred
//
// Largest first; of equal ones the one with the smaller number. A barred token counts in the normalizer; as a best one
// it is -inf. A block reads one row, once: a thread takes every blockDim-th load of 16 bytes and remembers its best
// token. Then, `count` times, the block agrees on the best of its threads' tokens, and one warp goes through the share of
// the thread that had it, a few loads for each of its own threads, for the next best.
//
// Bytes moved per logit: reads z (1 number).

constexpr int NO_TOKEN = 0x7fffffff;

struct Candidate { real value; int token; };

__device__ inline bool better(const Candidate &a, const Candidate &b) {
    return a.value > b.value || (a.value == b.value && a.token < b.token);
}

// The best of the warp's candidates, known to all of its threads.
__device__ inline Candidate best_of_warp(Candidate best) {
    for (int distance = 16; distance > 0; distance /= 2) {
        const Candidate other = {__shfl_xor_sync(0xffffffffu, best.value, distance),
                                 __shfl_xor_sync(0xffffffffu, best.token, distance)};
        if (better(other, best)) best = other;
    }
    return best;
}

// A row of V logits, as loads of LANES, and which tokens are barred in it.
struct Row {
    const real *logits;
    const bool *forbidden;  // one for each token, or null
    int V, first_never, second_never, only;  // `only`: the one token that may come next, or -1
    bool together;
    real impossible;  // -inf

    __device__ Lanes load_at(int v) const {  // behind the end it is not a number of the row: see `holds`
        if (together && v + LANES <= V) return load(logits + v);
        Lanes z = {};
        for (int lane = 0; lane < LANES; ++lane) {
            if (v + lane < V) z.at[lane] = logits[v + lane];
        }
        return z;
    }
    __device__ bool holds(int v) const { return v < V; }
    __device__ bool barred(int v) const {
        return v == first_never || v == second_never || (only >= 0 && v != only) || (forbidden && forbidden[v]);
    }
    __device__ Candidate candidate(int v, real z) const { return {barred(v) ? impossible : z, v}; }
};

// The log-normalizer in units of the largest logit so far.
struct Sum { real highest, exponentials; };

// Each row is a block's. rows of logits are `stride` apart, those of `forbidden` V. Where at_limit, only eos may come
// next. found (rows, 1 + 2 count): normalizer, values, tokens.
extern "C" __global__ void best_tokens(const real *logits, const bool *forbidden, const bool *at_limit, real *found,
                                       long long V, long long stride, long long count, long long pad, long long bos,
                                       long long eos, double impossible) {
    __shared__ real scratch[32];
    __shared__ Candidate of_warp[32];
    const long long number = blockIdx.x;
    const bool ends = at_limit && at_limit[number];
    const Row row = {logits + number * stride, forbidden ? forbidden + number * V : nullptr, (int)V, (int)pad, (int)bos,
                     ends ? (int)eos : -1, stride % LANES == 0 && aligned(logits), (real)impossible};
    const int step = (int)blockDim.x * LANES, lane = (int)threadIdx.x % 32, warp = (int)threadIdx.x / 32;
    const int warps = (int)blockDim.x / 32;
    real *const out = found + number * (1 + 2 * count);

    Sum sum = {(real)-3.4e38, 0};
    Candidate mine = {row.impossible, NO_TOKEN};
    for (int v = (int)threadIdx.x * LANES; v < row.V; v += step) {
        const Lanes z = row.load_at(v);
        real top = sum.highest;
        for (int i = 0; i < LANES; ++i) top = row.holds(v + i) ? larger(top, z.at[i]) : top;
        sum.exponentials *= exp(sum.highest - top);
        sum.highest = top;
        for (int i = 0; i < LANES; ++i) {
            if (!row.holds(v + i)) continue;
            sum.exponentials += exp(z.at[i] - top);
            const Candidate next = row.candidate(v + i, z.at[i]);
            if (better(next, mine)) mine = next;
        }
    }
    const real highest = block_max(sum.highest, scratch);
    const real exponentials = block_sum(sum.exponentials * exp(sum.highest - highest), scratch);
    if (threadIdx.x == 0) out[0] = log(exponentials) + highest;

    for (int rank = 0; rank < count; ++rank) {
        const Candidate warps_best = best_of_warp(mine);
        if (lane == 0) of_warp[warp] = warps_best;
        __syncthreads();
        const Candidate none = {row.impossible, NO_TOKEN};
        const Candidate best = best_of_warp(lane < warps ? of_warp[lane] : none);
        __syncthreads();  // of_warp may be written again
        const bool is_token = best.token < row.V;  // not where all of the row is NaN
        if (threadIdx.x == 0) {
            out[1 + rank] = best.value;
            out[1 + count + rank] = is_token ? (real)best.token : (real)0;
        }
        const int owner = is_token ? best.token / LANES % (int)blockDim.x : 0;
        if (owner / 32 != warp) continue;
        Candidate next = none;
        for (int v = (owner + lane * (int)blockDim.x) * LANES; v < row.V; v += 32 * step) {
            const Lanes z = row.load_at(v);
            for (int i = 0; i < LANES; ++i) {
                const Candidate other = row.candidate(v + i, z.at[i]);
                if (row.holds(v + i) && better(best, other) && better(other, next)) next = other;
            }
        }
        next = best_of_warp(next);
        if (lane == owner % 32) mine = next;
    }
}
