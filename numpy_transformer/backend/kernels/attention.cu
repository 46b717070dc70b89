// Scaled dot-product attention (layers/attention.py), forward and backward, without an array of T x S numbers.
//
//   scores_ts = query_t . key_s / sqrt(K), hidden keys far below        logsum_t = log sum_s exp(scores_ts)
//   weights_ts = exp(scores_ts - logsum_t)                              context_t = sum_s dropout(weights_ts) value_s
//
//   dweights_ts = dropout(dcontext_t . value_s)      inner_t = dcontext_t . context_t = sum_s dweights_ts weights_ts
//   dscores_ts = weights_ts (dweights_ts - inner_t)
//   dquery_t = sum_s dscores_ts key_s / sqrt(K)      dkey_s = sum_t dscores_ts query_t / sqrt(K)
//                                                    dvalue_s = sum_t dropout(weights_ts) dcontext_t
//
// The forward takes the sums over keys tile by tile, in units of the largest score so far, and keeps logsum; the backward
// computes weights again from it (layers/blocked_attention.py derives both). A sum over keys belongs to a block with a tile
// of queries, a sum over queries to one with a tile of keys: so the backward is two kernels, and needs no atomics. Tiles
// that are hidden as a whole (the future, padding) are skipped.
//
// Bytes moved per number of the projections: forward reads query, key, value once for each tile of the other side, and
// writes context; with one tile a sentence that is 4 numbers, and the backward's 5 + 6. Arithmetic is plain FMA.
//
// Projections come without their bias, which is added as they are read. They and their gradients are views into wider
// arrays: Rows says how far apart sentences, heads and positions are; the K numbers of a vector are neighbours.
#include "rows.cuh"
#include "philox.cuh"

constexpr int TILE = 32, GROUPS = TILE / 8, THREADS = TILE * GROUPS;  // a thread has eight keys of one query
constexpr int WIDEST = 128, MOST = WIDEST / LANES / GROUPS;           // K; and loads of a vector for one of its threads
constexpr real MASKED_SCORE = (real)-1e30, LOWEST = MASKED_SCORE / 2;  // below every real score, above hidden ones

struct Rows { long long sentence, head, position; };
struct Shape {
    int H, T, S, K;
    real scale;  // 1 / sqrt(K)
    Rows query, key, value, context, dcontext, dquery, dkey, dvalue;
};
struct Mask { long long sentence, head, query, key; };  // 0 where all are the same

// What a block works on: a tile of one head of one sentence.
struct Work {
    int sentence, head, first;
    __device__ Work(const Shape &shape, int length) {
        const int tiles = (length + TILE - 1) / TILE, pair = (int)blockIdx.x / tiles;
        first = (int)blockIdx.x % tiles * TILE, sentence = pair / shape.H, head = pair % shape.H;
    }
    __device__ long long start(const Rows &rows) const { return sentence * rows.sentence + head * rows.head; }
    __device__ long long row(const Shape &shape, int t) const {  // of the scores (B H T, S)
        return ((long long)sentence * shape.H + head) * shape.T + t;
    }
};

// A tile of vectors in shared memory. Keys stand in another order, that of the slots: threads side by side, which read
// keys eight apart, then find them side by side, in different banks.
struct Tile {
    real *at;
    int pitch;  // a load more than a vector needs, again for the banks
    __device__ real *row(int number) const { return at + number * pitch; }
};
__device__ inline int loads_of(int K) { return (K + LANES - 1) / LANES; }
__device__ inline int slot_of(int key) { return key % 8 * GROUPS + key / 8; }
__device__ inline int key_of(int slot) { return slot % GROUPS * 8 + slot / GROUPS; }

// Tiles of vectors, then tiles of TILE x TILE scores.
struct Shared {
    real *memory;
    int K;
    __device__ Tile vectors(int number) const {
        const int pitch = (loads_of(K) + 1) * LANES;
        return {memory + number * TILE * pitch, pitch};
    }
    __device__ Tile scores(int vectors_before, int number) const {
        return {vectors(vectors_before).at + number * TILE * (TILE + 1), TILE + 1};
    }
};

// tile <- factor (vectors + bias), from position `first` on; what stands behind the end, in either direction, is 0.
template <bool KEYS>
__device__ inline void load_tile(const Tile &tile, const Work &work, const real *vectors, const Rows &rows,
                                 const real *bias, int first, int length, int K, real factor) {
    const int loads = loads_of(K);
    vectors += work.start(rows);
    if (bias) bias += work.head * K;
    for (int i = threadIdx.x; i < TILE * loads; i += THREADS) {
        const int number = i / loads, column = i % loads * LANES;
        const real *from = vectors + (first + number) * rows.position + column;
        Lanes x = {};
        if (first + number < length) {
            if (column + LANES <= K && aligned(from)) {
                x = load(from);
            } else {
                for (int lane = 0; lane < LANES; ++lane) x.at[lane] = column + lane < K ? from[lane] : (real)0;
            }
            for (int lane = 0; lane < LANES; ++lane) {
                const real b = bias && column + lane < K ? bias[column + lane] : (real)0;
                x.at[lane] = factor * (x.at[lane] + b);
            }
        }
        *(Lanes *)(tile.row(KEYS ? slot_of(number) : number) + column) = x;
    }
}

// Bit i: query t may see key s + i.
__device__ inline unsigned visible(const bool *mask, const Mask &step, const Work &work, const Shape &shape, int t,
                                   int s) {
    unsigned bits = 0;
    if (t < shape.T) {
        if (mask) mask += work.sentence * step.sentence + work.head * step.head + t * step.query;
        for (int i = 0; i < 8; ++i) bits |= (unsigned)(s + i < shape.S && (!mask || mask[(s + i) * step.key])) << i;
    }
    return bits;
}

// The products of one vector with eight keys.
__device__ inline Eight products(const real *vector, const Tile &keys, int group, int K) {
    Eight x = {};
#pragma unroll 1  // more at once take more registers than there are
    for (int column = 0; column < K; column += LANES) {
        const Lanes a = load(vector + column);
        for (int i = 0; i < 8; ++i) {
            const Lanes b = load(keys.row(i * GROUPS + group) + column);
            for (int lane = 0; lane < LANES; ++lane) x.value[i] += a.at[lane] * b.at[lane];
        }
    }
    return x;
}

// exp(scores - logsum) where visible, else 0.
__device__ inline Eight weights_of(Eight scores, real logsum, unsigned bits) {
    for (int i = 0; i < 8; ++i) scores.value[i] = bits >> i & 1 ? exp(scores.value[i] - logsum) : (real)0;
    return scores;
}

__device__ inline void put(const Tile &tile, int query, int group, const Eight &x) {
    for (int i = 0; i < 8; ++i) tile.row(query)[i * GROUPS + group] = x.value[i];
}

// A vector that is summed up by the GROUPS threads of its row: the loads group, group + GROUPS, ... of it.
struct Sum {
    Lanes part[MOST];
    __device__ void scale_by(real factor) {
        for (int n = 0; n < MOST; ++n) {
            for (int lane = 0; lane < LANES; ++lane) part[n].at[lane] *= factor;
        }
    }
    __device__ void add(real factor, const real *vector, int group, int K) {
#pragma unroll
        for (int n = 0; n < MOST; ++n) {
            const int column = (n * GROUPS + group) * LANES;
            if (column >= K) break;
            const Lanes x = load(vector + column);
            for (int lane = 0; lane < LANES; ++lane) part[n].at[lane] += factor * x.at[lane];
        }
    }
    __device__ void write(real factor, real *vector, int group, int K) const {
#pragma unroll
        for (int n = 0; n < MOST; ++n) {
            const int column = (n * GROUPS + group) * LANES;
            if (column >= K) break;
            real x[LANES];
            for (int lane = 0; lane < LANES; ++lane) x[lane] = factor * part[n].at[lane];
            if (column + LANES <= K && aligned(vector + column)) {
                store(vector + column, x);
            } else {
                for (int lane = 0; lane < LANES; ++lane) {
                    if (column + lane < K) vector[column + lane] = x[lane];
                }
            }
        }
    }
};

// Over the GROUPS threads of a row, which are neighbours.
template <typename Join> __device__ inline real over_groups(real value, Join join) {
    for (int distance = GROUPS / 2; distance > 0; distance /= 2) {
        value = join(value, __shfl_xor_sync(0xffffffffu, value, distance));
    }
    return value;
}

// logsum (B, H, T), 0 for a query that may see no key: its context is 0.
extern "C" __global__ void attention_forward(const real *query, const real *key, const real *value,
                                             const real *query_bias, const real *key_bias, const real *value_bias,
                                             const bool *mask, real *context, real *logsum, Shape shape, Mask step,
                                             Dropout dropout) {
    extern __shared__ Lanes memory[];
    const Shared shared = {(real *)memory, shape.K};
    const Tile queries = shared.vectors(0), keys = shared.vectors(1), values = shared.vectors(2);
    const Tile weights = shared.scores(3, 0);
    const Work work(shape, shape.T);
    const int q = threadIdx.x / GROUPS, group = threadIdx.x % GROUPS, t = work.first + q, K = shape.K;
    load_tile<false>(queries, work, query, shape.query, query_bias, work.first, shape.T, K, shape.scale);
    real highest = LOWEST, total = 0;  // total: this thread's part
    Sum sum = {};
    for (int first = 0; first < shape.S; first += TILE) {
        const int s = first + group * 8;
        const unsigned bits = visible(mask, step, work, shape, t, s);
        if (!__syncthreads_or(bits != 0)) continue;  // behind it nobody reads the last tiles any more
        load_tile<true>(keys, work, key, shape.key, key_bias, first, shape.S, K, 1);
        load_tile<true>(values, work, value, shape.value, value_bias, first, shape.S, K, 1);
        __syncthreads();
        Eight x = products(queries.row(q), keys, group, K);
        real top = highest;
        for (int i = 0; i < 8; ++i) {
            if (!(bits >> i & 1)) x.value[i] = MASKED_SCORE;
            top = larger(top, x.value[i]);
        }
        top = over_groups(top, Larger());
        const real rescale = exp(highest - top);
        highest = top, total *= rescale;
        sum.scale_by(rescale);
        for (int i = 0; i < 8; ++i) {
            x.value[i] = exp(x.value[i] - top);
            total += x.value[i];
        }
        put(weights, q, group, drop(x, dropout, work.row(shape, t), s / 8));
        __syncwarp();  // the threads of a query are in one warp
        for (int slot = 0; slot < TILE; ++slot) sum.add(weights.row(q)[slot], values.row(slot), group, K);
    }
    total = over_groups(total, Add());
    if (t >= shape.T) return;
    sum.write(total == 0 ? 0 : 1 / total, context + work.start(shape.context) + t * shape.context.position, group, K);
    if (group == 0) logsum[work.row(shape, t)] = total == 0 ? 0 : highest + log(total);
}

// Also inner (B, H, T), for the kernel below.
extern "C" __global__ void attention_backward_query(const real *query, const real *key, const real *value,
                                                    const real *query_bias, const real *key_bias,
                                                    const real *value_bias, const bool *mask, const real *context,
                                                    const real *logsum, const real *dcontext, real *dquery, real *inner,
                                                    Shape shape, Mask step, Dropout dropout) {
    extern __shared__ Lanes memory[];
    const Shared shared = {(real *)memory, shape.K};
    const Tile queries = shared.vectors(0), dcontexts = shared.vectors(1), keys = shared.vectors(2);
    const Tile values = shared.vectors(3), dscores = shared.scores(4, 0);
    const Work work(shape, shape.T);
    const int q = threadIdx.x / GROUPS, group = threadIdx.x % GROUPS, t = work.first + q, K = shape.K;
    load_tile<false>(queries, work, query, shape.query, query_bias, work.first, shape.T, K, shape.scale);
    load_tile<false>(dcontexts, work, dcontext, shape.dcontext, nullptr, work.first, shape.T, K, 1);
    __syncthreads();
    const long long row = work.row(shape, t);
    real dot = 0, normalizer = 0;
    if (t < shape.T) {
        const real *of_query = context + work.start(shape.context) + t * shape.context.position;
        for (int column = group; column < K; column += GROUPS) dot += dcontexts.row(q)[column] * of_query[column];
        normalizer = logsum[row];
    }
    dot = over_groups(dot, Add());
    Sum sum = {};
    for (int first = 0; first < shape.S; first += TILE) {
        const int s = first + group * 8;
        const unsigned bits = visible(mask, step, work, shape, t, s);
        if (!__syncthreads_or(bits != 0)) continue;
        load_tile<true>(keys, work, key, shape.key, key_bias, first, shape.S, K, 1);
        load_tile<true>(values, work, value, shape.value, value_bias, first, shape.S, K, 1);
        __syncthreads();
        const Eight w = weights_of(products(queries.row(q), keys, group, K), normalizer, bits);
        Eight ds = drop(products(dcontexts.row(q), values, group, K), dropout, row, s / 8);  // dweights
        for (int i = 0; i < 8; ++i) ds.value[i] = w.value[i] * (ds.value[i] - dot);
        put(dscores, q, group, ds);
        __syncwarp();
        for (int slot = 0; slot < TILE; ++slot) sum.add(dscores.row(q)[slot], keys.row(slot), group, K);
    }
    if (t >= shape.T) return;
    sum.write(shape.scale, dquery + work.start(shape.dquery) + t * shape.dquery.position, group, K);
    if (group == 0) inner[row] = dot;
}

extern "C" __global__ void attention_backward_key_value(const real *query, const real *key, const real *value,
                                                        const real *query_bias, const real *key_bias,
                                                        const real *value_bias, const bool *mask, const real *logsum,
                                                        const real *dcontext, const real *inner, real *dkey,
                                                        real *dvalue, Shape shape, Mask step, Dropout dropout) {
    extern __shared__ Lanes memory[];
    const Shared shared = {(real *)memory, shape.K};
    const Tile queries = shared.vectors(0), dcontexts = shared.vectors(1), keys = shared.vectors(2);
    const Tile values = shared.vectors(3), weights = shared.scores(4, 0), dscores = shared.scores(4, 1);
    const Work work(shape, shape.S);
    const int q = threadIdx.x / GROUPS, group = threadIdx.x % GROUPS, s = work.first + group * 8, K = shape.K;
    const int slot = q;  // scores of query q, and then sums for the key in this slot
    load_tile<true>(keys, work, key, shape.key, key_bias, work.first, shape.S, K, 1);
    load_tile<true>(values, work, value, shape.value, value_bias, work.first, shape.S, K, 1);
    Sum dkey_sum = {}, dvalue_sum = {};
    for (int first = 0; first < shape.T; first += TILE) {
        const int t = first + q;
        const unsigned bits = visible(mask, step, work, shape, t, s);
        if (!__syncthreads_or(bits != 0)) continue;
        load_tile<false>(queries, work, query, shape.query, query_bias, first, shape.T, K, shape.scale);
        load_tile<false>(dcontexts, work, dcontext, shape.dcontext, nullptr, first, shape.T, K, 1);
        __syncthreads();
        const long long row = work.row(shape, t);
        const real normalizer = t < shape.T ? logsum[row] : 0, dot = t < shape.T ? inner[row] : 0;
        const Eight w = weights_of(products(queries.row(q), keys, group, K), normalizer, bits);
        put(weights, q, group, drop(w, dropout, row, s / 8));
        Eight ds = drop(products(dcontexts.row(q), values, group, K), dropout, row, s / 8);  // dweights
        for (int i = 0; i < 8; ++i) ds.value[i] = w.value[i] * (ds.value[i] - dot);
        put(dscores, q, group, ds);
        __syncthreads();
        for (int other = 0; other < TILE; ++other) {
            dvalue_sum.add(weights.row(other)[slot], dcontexts.row(other), group, K);
            dkey_sum.add(dscores.row(other)[slot], queries.row(other), group, K);
        }
    }
    const int position = work.first + key_of(slot);
    if (position >= shape.S) return;
    dkey_sum.write(1, dkey + work.start(shape.dkey) + position * shape.dkey.position, group, K);
    dvalue_sum.write(1, dvalue + work.start(shape.dvalue) + position * shape.dvalue.position, group, K);
}
