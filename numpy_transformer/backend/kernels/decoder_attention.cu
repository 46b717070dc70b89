// Attention of one decoding step (layers/attention.py, decoding/on_card.py): a query for each hypothesis and head, over
// keys and values that earlier steps left in a cache. No score is ever stored.
//
//   score_n = scale (query + bias) . key_n        context = sum_n exp(score_n) value_n / sum_n exp(score_n)
//
// over the columns n that the hypothesis sees. A warp has one hypothesis and one head. `lanes` of its threads share a
// key, eight numbers each, so it reads 32 / lanes keys at a time. Each such group goes through its columns with a sum in
// units of the largest exponential so far (online softmax; Milakov and Gimelshein 2018); at the end the groups are joined.
//
// Bytes moved: each key and value that a hypothesis sees, once; those of one sentence find them in the card's caches.
//
// A cache is (sentences, room, 2 D): in each column the key, then the value, heads side by side. Rows of hypotheses are
// (sentence, hypothesis), `width` hypotheses to a sentence.
#include "rows.cuh"

constexpr real LOWEST = (real)-3.4e38;  // below any score

// What a group of threads has seen so far.
struct Attended {
    real highest, sum;  // sum of exp(score - highest)
    Eight context;      // the same sum of the values
};

__device__ inline Attended nothing() { return {LOWEST, 0, {}}; }

__device__ inline Attended joined(const Attended &a, const Attended &b) {
    const real highest = larger(a.highest, b.highest), of_a = exp(a.highest - highest), of_b = exp(b.highest - highest);
    Attended both = {highest, a.sum * of_a + b.sum * of_b, {}};
    for (int i = 0; i < 8; ++i) both.context.value[i] = a.context.value[i] * of_a + b.context.value[i] * of_b;
    return both;
}

__device__ inline Attended of_another_group(const Attended &a, int distance) {
    Attended other = {__shfl_xor_sync(0xffffffffu, a.highest, distance),
                      __shfl_xor_sync(0xffffffffu, a.sum, distance), {}};
    for (int i = 0; i < 8; ++i) other.context.value[i] = __shfl_xor_sync(0xffffffffu, a.context.value[i], distance);
    return other;
}

__device__ inline Eight plus(Eight a, const Eight &b) {
    for (int i = 0; i < 8; ++i) a.value[i] += b.value[i];
    return a;
}

// A warp's hypothesis and head, and its thread's eight of the head's K numbers.
struct Query {
    int row, sentence, head, K, lanes, group, groups, first, count;
    bool any;  // if not, the whole warp has nothing to do

    __device__ Query(long long rows, long long width, long long heads, long long head_size, long long lanes_of_key)
        : K((int)head_size), lanes((int)lanes_of_key), groups(32 / lanes) {
        const unsigned lane = threadIdx.x % 32, warp = blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32;
        row = (int)(warp / (unsigned)heads);
        head = (int)(warp % (unsigned)heads);
        sentence = row / (int)width;
        group = (int)lane / lanes;
        first = (int)lane % lanes * 8;
        count = K - first;
        any = row < rows;
    }

    __device__ Eight load(const real *heads) const { return load_eight(heads + head * K + first, count); }

    __device__ real score(const Eight &query, const Eight &key, real scale) const {
        real sum = 0;
        for (int i = 0; i < 8; ++i) sum += query.value[i] * key.value[i];
        return scale * row_sum(sum, lanes, nullptr);
    }

    // All columns of the cache that `sees` allows; `found` is what the first group has seen elsewhere. Written by the
    // first group. scores, unless null, keeps the score of each column that is seen.
    template <typename Sees>
    __device__ Attended attend(const Eight &query, const real *cache, int columns, int room, int D, real scale,
                               Attended seen, real *scores, Sees sees) const {
        cache += (long long)sentence * room * 2 * D;
        for (int start = 0; start < columns; start += groups) {  // as often in every thread, for the sums over a key
            const int n = start + group;
            const bool visible = n < columns && sees(n);
            const real *column = cache + (long long)n * 2 * D;
            const Eight key = visible ? load(column) : Eight(), value = visible ? load(column + D) : Eight();
            const real s = score(query, key, scale);
            if (!visible) continue;
            seen = joined(seen, {s, 1, value});
            if (scores && first == 0) scores[n] = s;
        }
        for (int distance = lanes; distance < 32; distance *= 2) seen = joined(seen, of_another_group(seen, distance));
        return seen;
    }

    // Written by the first group; 0 where nothing was seen.
    __device__ void store(const Attended &seen, real *context, int D) const {
        if (group > 0) return;
        const real inverse = seen.sum > 0 ? 1 / seen.sum : (real)0;
        Eight c = seen.context;
        for (int i = 0; i < 8; ++i) c.value[i] *= inverse;
        store_eight(context + (long long)row * D + head * K + first, count, c);
    }
};

// projected (rows, 3 D): query, key and value of the new tokens, without the bias (3 D,). Key and value are put into
// column columns[row] of the cache. Bit n % 64 of seen[row][n / 64] says whether the hypothesis sees column n.
extern "C" __global__ void decoder_self_attention(const real *projected, const real *bias, real *cache,
                                                  const long long *columns, const long long *seen, real *context,
                                                  long long rows, long long width, long long heads, long long head_size,
                                                  long long lanes, long long used, long long room, double scale) {
    const Query q(rows, width, heads, head_size, lanes);
    if (!q.any) return;
    const int D = q.K * (int)heads, own = (int)columns[q.row], words = ((int)used + 63) / 64;
    const real *const new_token = projected + (long long)q.row * 3 * D;
    const Eight query = plus(q.load(new_token), q.load(bias));
    const Eight key = plus(q.load(new_token + D), q.load(bias + D));
    const Eight value = plus(q.load(new_token + 2 * D), q.load(bias + 2 * D));
    if (q.group == 0) {
        real *const column = cache + ((long long)q.sentence * room + own) * 2 * D + q.head * q.K + q.first;
        store_eight(column, q.count, key);
        store_eight(column + D, q.count, value);
    }
    // Its own column is not read: it may not be written yet.
    const long long *const path = seen + (long long)q.row * words;
    const auto sees = [&](int n) { return n != own && (path[n / 64] >> (n % 64) & 1); };
    const real s = q.score(query, key, (real)scale);
    Attended itself = nothing();
    if (q.group == 0) itself = {s, 1, value};
    q.store(q.attend(query, cache, (int)used, (int)room, D, (real)scale, itself, nullptr, sees), context, D);
}

// projected (rows, D): the queries, without the bias (D,). The first lengths[sentence] columns of the cache hold tokens, the others
// padding. weights (rows, heads, longest), unless null, receives the attention weights.
extern "C" __global__ void decoder_cross_attention(const real *projected, const real *bias, const real *cache,
                                                   const long long *lengths, real *context, real *weights,
                                                   long long rows, long long width, long long heads,
                                                   long long head_size, long long lanes, long long longest,
                                                   long long room, double scale) {
    const Query q(rows, width, heads, head_size, lanes);
    if (!q.any) return;
    const int D = q.K * (int)heads, length = (int)lengths[q.sentence];
    const Eight query = plus(q.load(projected + (long long)q.row * D), q.load(bias));
    real *const row = weights ? weights + ((long long)q.row * heads + q.head) * longest : nullptr;
    const auto sees = [&](int n) { return n < length; };
    const Attended seen = q.attend(query, cache, (int)longest, (int)room, D, (real)scale, nothing(), row, sees);
    q.store(seen, context, D);
    if (!row) return;
    for (int n = q.group; n < longest; n += q.groups) {  // each score was written by the thread that reads it
        if (q.first == 0) row[n] = n < length ? exp(row[n] - seen.highest) / seen.sum : (real)0;
    }
}
