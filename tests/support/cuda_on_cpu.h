// Runs CUDA kernels on the CPU, slowly and exactly: one block after the other; of a block each warp runs as far as it
// gets, its threads in turns, before the next one does. tests/support/emulated_cuda.py puts this in front of the very source that
// goes to the card.
//
// Turns go from the first warp and thread to the last, or the other way round. What one thread writes and another reads
// without a barrier between has been written in one of the two orders, and not in the other: results that differ show
// that a barrier is missing.
#include <ucontext.h>
#include <xmmintrin.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
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

constexpr unsigned FLUSHES_TO_ZERO = 0x8000, DENORMALS_ARE_ZERO = 0x0040;  // of the MXCSR register

struct Index { unsigned x, y, z; };
static Index threadIdx, blockIdx, blockDim, gridDim;

// -fsanitize=alignment checks every load and store and calls this where a card would stop with an error.
extern "C" [[noreturn]] void __ubsan_handle_type_mismatch_v1_abort(void *, void *address) {
    std::fprintf(stderr, "a kernel reads or writes at %p, which is not aligned for what it reads\n", address);
    std::abort();
}

// A thread of a block: a stack of its own, and what it waits for.
struct Fiber {
    ucontext_t context;
    const int *waits_for = nullptr;  // the count of a barrier that must move on from `passed`
    int passed = 0;
    bool done = false;
};

constexpr size_t STACK = 64 * 1024;
static std::vector<Fiber> fibers;
static ucontext_t scheduler;
static std::function<void()> body;  // the kernel with its arguments

// Threads that meet: the last one to arrive lets all go on.
struct Barrier {
    unsigned threads, arrived = 0;
    int count = 0;

    void wait() {
        if (++arrived == threads) {
            arrived = 0;
            ++count;
            return;
        }
        Fiber &self = fibers[threadIdx.x];
        self.waits_for = &count;
        self.passed = count;
        swapcontext(&self.context, &scheduler);
    }
};

static Barrier block_barrier;
static std::vector<Barrier> warp_barriers;
static std::vector<double> exchanged;  // what each thread of the block shows to its warp

inline void __syncthreads() { block_barrier.wait(); }
inline void __syncwarp() { warp_barriers[threadIdx.x / 32].wait(); }

// A barrier behind which all know whether one of them had something.
inline int __syncthreads_or(int something) {
    static int any = 0;
    static unsigned heard = 0;
    any |= something != 0;
    block_barrier.wait();
    const int result = any;
    if (++heard == block_barrier.threads) any = heard = 0;  // the last one to hear makes it ready for the next time
    block_barrier.wait();
    return result;
}

template <typename T> T __shfl_xor_sync(unsigned, T value, int lane_mask) {
    Barrier &warp = warp_barriers[threadIdx.x / 32];
    exchanged[threadIdx.x] = value;
    warp.wait();
    const T received = (T)exchanged[threadIdx.x ^ lane_mask];
    warp.wait();
    return received;
}

static void run_fiber() {
    body();
    fibers[threadIdx.x].done = true;  // the scheduler follows, by uc_link
}

// Lets the threads of a warp run until each is done or waits for another warp; how many are done that were not.
static unsigned run_warp(unsigned warp, bool backwards) {
    const unsigned first = 32 * warp, size = std::min<size_t>(32, fibers.size() - first);
    unsigned done = 0;
    for (bool any = true; any;) {
        any = false;
        for (unsigned turn = 0; turn < size; ++turn) {
            const unsigned t = first + (backwards ? size - 1 - turn : turn);
            Fiber &fiber = fibers[t];
            if (fiber.done || (fiber.waits_for && *fiber.waits_for == fiber.passed)) continue;
            any = true;
            fiber.waits_for = nullptr;
            threadIdx = {t, 0, 0};
            swapcontext(&scheduler, &fiber.context);
            done += fiber.done;
        }
    }
    return done;
}

// The memory that a launch brings for each block, with a guard behind it; full of NaN when a block begins.
static char *dynamic_shared;
constexpr size_t SHARED_GUARD = 4096;

static void run_block(unsigned threads, unsigned shared, bool backwards, char *stacks) {
    std::memset(dynamic_shared, 0xff, shared + SHARED_GUARD);
    block_barrier = {threads};
    warp_barriers.assign((threads + 31) / 32, {32});
    fibers.assign(threads, Fiber());
    for (unsigned t = 0; t < threads; ++t) {
        ucontext_t &context = fibers[t].context;
        getcontext(&context);
        context.uc_stack.ss_sp = stacks + t * STACK;
        context.uc_stack.ss_size = STACK;
        context.uc_link = &scheduler;
        makecontext(&context, run_fiber, 0);
    }
    const unsigned warps = warp_barriers.size();
    for (unsigned left = threads; left > 0;) {
        const unsigned before = left, passed = block_barrier.count;
        for (unsigned turn = 0; turn < warps; ++turn) left -= run_warp(backwards ? warps - 1 - turn : turn, backwards);
        if (left == before && passed == block_barrier.count) {
            std::fprintf(stderr, "a barrier that only some threads of a block or warp come to\n");
            std::abort();
        }
    }
    for (size_t i = shared; i < shared + SHARED_GUARD; ++i) {
        if (dynamic_shared[i] == (char)0xff) continue;
        std::fprintf(stderr, "a kernel writes behind its %u bytes of shared memory\n", shared);
        std::abort();
    }
}

template <typename Kernel>
void run(unsigned grid_x, unsigned grid_y, unsigned threads, unsigned shared, bool backwards, Kernel kernel) {
    gridDim = {grid_x, grid_y, 1};
    blockDim = {threads, 1, 1};
    exchanged.assign(threads, 0);
    body = kernel;
    const unsigned control = _mm_getcsr();
    // As CuPy compiles (-ftz=true): float32 results and operands below the smallest normal number are 0.
    if (sizeof(REAL) == sizeof(float)) _mm_setcsr(control | FLUSHES_TO_ZERO | DENORMALS_ARE_ZERO);
    const std::unique_ptr<char[]> stacks(new char[threads * STACK]);
    const std::unique_ptr<float4[]> memory(new float4[(shared + SHARED_GUARD) / sizeof(float4) + 1]);
    dynamic_shared = (char *)memory.get();
    for (unsigned y = 0; y < grid_y; ++y) {
        for (unsigned x = 0; x < grid_x; ++x) {
            blockIdx = {x, y, 0};
            run_block(threads, shared, backwards, stacks.get());
        }
    }
    _mm_setcsr(control);
}
