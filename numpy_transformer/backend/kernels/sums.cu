// The second stage of all sums over columns (bias.cu and residual.cu have the first): out_i = sum_p partial_pi for each of
// up to MOST_SUMS sums in one launch. Block (x, y) has 32 columns of sum y; its warps' sums are added in order.
//
// Bytes moved: reads each partial sum once; there are about sqrt(N) of them for N rows.

struct Sum {
    const real *partial;  // (parts, columns)
    real *out;            // (columns)
    int parts, columns;
};

constexpr int MOST_SUMS = 160;  // a launch takes 4096 bytes of arguments
struct Sums { Sum of[MOST_SUMS]; };

extern "C" __global__ void total_sums(Sums sums) {
    __shared__ real of_warp[32][32];
    const Sum sum = sums.of[blockIdx.y];
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32;
    const int column = blockIdx.x * 32 + lane;
    real total = 0;
    if (column < sum.columns) {
        for (int part = warp; part < sum.parts; part += warps) {
            total += sum.partial[(long long)part * sum.columns + column];
        }
    }
    of_warp[warp][lane] = total;
    __syncthreads();
    if (warp > 0 || column >= sum.columns) return;
    for (int other = 1; other < warps; ++other) total += of_warp[other][lane];
    sum.out[column] = total;
}
