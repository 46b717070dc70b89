// One update of Adam over the flat buffers (optimizer.py), decided on the card: no number goes to the host in between.
//
//   norm = sqrt(sum_i g_i^2)        finite = norm and loss are finite        t <- t + 1 if finite
//   g <- g min(1, clip / norm)
//   m <- b1 m + (1 - b1) g          v <- b2 v + (1 - b2) g^2
//   p <- p - rate / (1 - b1^t) * m / (sqrt(v) / sqrt(1 - b2^t) + epsilon)            all three only if finite
//
// Bytes moved per parameter: the norm reads g (1 number); the update reads p, g, m, v and writes p, m, v (7).
//
// There are fewer than 2^32 parameters: loads and the numbers after them are counted in 32 bits.

// What a thread of the whole grid works on: every step-th load of LANES numbers from the first, then every step-th of
// the `rest` that no load takes: all, if the arrays are not aligned.
struct Share {
    unsigned first, step, loads, rest;
    __device__ Share(bool together, long long n)
        : first(blockIdx.x * blockDim.x + threadIdx.x), step(gridDim.x * blockDim.x),
          loads(together ? (unsigned)(n / LANES) : 0), rest((unsigned)(n - (long long)loads * LANES)) {}
    __device__ size_t load(unsigned i) const { return (size_t)i * LANES; }
    __device__ size_t number(unsigned i) const { return (size_t)loads * LANES + i; }
};

// First of two stages: each block sums the squares of its share. No atomics: the order of every sum is fixed.
extern "C" __global__ void squares(const real *g, double *partial, long long n) {
    __shared__ real scratch[32];
    const Share share(aligned(g), n);
    real sum = 0;
    for (unsigned i = share.first; i < share.loads; i += share.step) {
        const Lanes x = load(g + share.load(i));
        for (int lane = 0; lane < LANES; ++lane) sum += x.at[lane] * x.at[lane];
    }
    for (unsigned i = share.first; i < share.rest; i += share.step) sum += g[share.number(i)] * g[share.number(i)];
    const real total = block_sum(sum, scratch);
    if (threadIdx.x == 0) partial[blockIdx.x] = total;
}

// Second stage, one block: what the update needs besides the buffers, and the step's row of results.
// scalars: finite (1 or 0), shrink, step size, unbias. clip is infinite where nothing is clipped.
extern "C" __global__ void adam_scalars(const double *partial, const real *loss, long long *updates, double *results,
                                        real *scalars, long long parts, double rate, double clip, double beta1,
                                        double beta2) {
    __shared__ double scratch[32];
    double sum = 0;
    for (long long part = threadIdx.x; part < parts; part += blockDim.x) sum += partial[part];
    const double squared = block_sum(sum, scratch);
    if (threadIdx.x != 0) return;
    const double norm = sqrt(squared);
    const bool finite = isfinite(norm) && isfinite((double)loss[0]);
    const long long t = updates[0] + (finite ? 1 : 0);
    updates[0] = t;
    results[0] = loss[0];
    results[1] = norm;
    results[2] = finite ? 1 : 0;
    scalars[0] = finite ? 1 : 0;
    scalars[1] = norm > clip ? clip / norm : 1;
    scalars[2] = rate / (1 - pow(beta1, (double)t));  // t is 0, and this unused, while no step was finite
    scalars[3] = 1 / sqrt(1 - pow(beta2, (double)t));
}

struct Scalars { real shrink, step_size, unbias, epsilon, beta1, beta2, rest1, rest2; };  // rest = 1 - beta, rounded once

__device__ inline void update(real &p, real gradient, real &m, real &v, const Scalars &s) {
    const real g = gradient * s.shrink;
    m = s.beta1 * m + s.rest1 * g;
    v = s.beta2 * v + s.rest2 * (g * g);
    p -= s.step_size * (m / (s.unbias * sqrt(v) + s.epsilon));
}

extern "C" __global__ void adam_update(real *p, const real *g, real *m, real *v, const real *scalars, long long n,
                                       double beta1, double beta2, double epsilon) {
    if (scalars[0] == 0) return;
    const Scalars s = {scalars[1],  scalars[2],  scalars[3],        (real)epsilon,
                       (real)beta1, (real)beta2, (real)(1 - beta1), (real)(1 - beta2)};
    const Share share(aligned(p) && aligned(g) && aligned(m) && aligned(v), n);
    for (unsigned i = share.first; i < share.loads; i += share.step) {
        const size_t at = share.load(i);
        Lanes P = load(p + at), M = load(m + at), V = load(v + at);
        const Lanes G = load(g + at);
        for (int lane = 0; lane < LANES; ++lane) update(P.at[lane], G.at[lane], M.at[lane], V.at[lane], s);
        store(p + at, P.at), store(m + at, M.at), store(v + at, V.at);
    }
    for (unsigned i = share.first; i < share.rest; i += share.step) {
        const size_t at = share.number(i);
        update(p[at], g[at], m[at], v[at], s);
    }
}
