// Runs CUDA kernels on the CPU, slowly and exactly: a thread for each thread of a block, one block after the other.
// tests/emulated_cuda.py puts this in front of the very source that goes to the card.
#include <barrier>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <thread>
#include <vector>

#define __global__
#define __device__
#define __shared__ static  // blocks run one by one, so one copy is enough

using std::exp;
using std::isfinite;
using std::log;
using std::pow;
using std::sqrt;

struct alignas(16) float4 { float x, y, z, w; };
struct alignas(16) double2 { double x, y; };
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline double2 make_double2(double x, double y) { return {x, y}; }
template <typename T> void __stwb(T *to, T value) { *to = value; }

struct Index { unsigned x, y, z; };
static thread_local Index threadIdx, blockIdx;
static Index blockDim, gridDim;

// -fsanitize=alignment checks every load and store and calls this where a card would stop with an error.
extern "C" [[noreturn]] void __ubsan_handle_type_mismatch_v1_abort(void *, void *address) {
    std::fprintf(stderr, "a kernel reads or writes at %p, which is not aligned for what it reads\n", address);
    std::abort();
}

static std::unique_ptr<std::barrier<>> block_barrier;
static std::vector<std::unique_ptr<std::barrier<>>> warp_barriers;
static std::vector<double> exchanged;  // what each thread of the block shows to its warp

inline void __syncthreads() { block_barrier->arrive_and_wait(); }

template <typename T> T __shfl_xor_sync(unsigned, T value, int lane_mask) {
    auto &warp = *warp_barriers[threadIdx.x / 32];
    exchanged[threadIdx.x] = value;
    warp.arrive_and_wait();
    const T received = (T)exchanged[threadIdx.x ^ lane_mask];
    warp.arrive_and_wait();
    return received;
}

template <typename Kernel> void run(unsigned grid_x, unsigned grid_y, unsigned threads, Kernel kernel) {
    gridDim = {grid_x, grid_y, 1};
    blockDim = {threads, 1, 1};
    exchanged.assign(threads, 0);
    block_barrier = std::make_unique<std::barrier<>>(threads);
    warp_barriers.clear();
    for (unsigned warp = 0; warp < threads / 32; ++warp) warp_barriers.push_back(std::make_unique<std::barrier<>>(32));
    std::vector<std::thread> running;
    for (unsigned t = 0; t < threads; ++t) {
        running.emplace_back([=] {
            threadIdx = {t, 0, 0};
            for (unsigned y = 0; y < grid_y; ++y) {
                for (unsigned x = 0; x < grid_x; ++x) {
                    blockIdx = {x, y, 0};
                    kernel();
                    block_barrier->arrive_and_wait();  // nobody begins the next block early
                }
            }
        });
    }
    for (auto &thread : running) thread.join();
}
