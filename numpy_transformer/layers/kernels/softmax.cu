// Softmax over rows of n numbers (layers/softmax.py). One block per row.
//
//   y_i = exp(x_i - max) / sum_j exp(x_j - max)            dx_k = y_k (dy_k - sum_i dy_i y_i)
//
// Bytes moved per element: forward reads x, writes y (2 numbers); backward reads dy and y, writes dx (3).
// y may be x: a thread touches the same elements in every pass.

extern "C" __global__ void softmax_forward(const real *x, real *y, long long n) {
    __shared__ real scratch[32];
    const long long start = (long long)blockIdx.x * n;
    real highest = x[start];
    for (long long i = threadIdx.x; i < n; i += blockDim.x) highest = larger(highest, x[start + i]);
    highest = block_max(highest, scratch);
    real sum = 0;
    for (long long i = threadIdx.x; i < n; i += blockDim.x) {
        const real e = exp(x[start + i] - highest);
        y[start + i] = e;
        sum += e;
    }
    const real total = block_sum(sum, scratch);
    for (long long i = threadIdx.x; i < n; i += blockDim.x) y[start + i] /= total;
}

extern "C" __global__ void softmax_backward(const real *dy, const real *y, real *dx, long long n) {
    __shared__ real scratch[32];
    const long long start = (long long)blockIdx.x * n;
    real sum = 0;
    for (long long i = threadIdx.x; i < n; i += blockDim.x) sum += dy[start + i] * y[start + i];
    const real inner = block_sum(sum, scratch);
    for (long long i = threadIdx.x; i < n; i += blockDim.x) dx[start + i] = y[start + i] * (dy[start + i] - inner);
}
