// Philox4x32-10 and the dropout masks that it draws: the numbers of philox.py and of DropoutSite.mask (dropout.py).
struct Words { unsigned word[4]; };

__device__ inline Words philox4x32(Words counter, unsigned key_low, unsigned key_high) {
#pragma unroll
    for (int round = 0; round < 10; ++round) {
        const unsigned long long first = 0xD2511F53ull * counter.word[0], second = 0xCD9E8D57ull * counter.word[2];
        counter = {(unsigned)(second >> 32) ^ counter.word[1] ^ key_low, (unsigned)second,
                   (unsigned)(first >> 32) ^ counter.word[3] ^ key_high, (unsigned)first};
        key_low += 0x9E3779B9u;
        key_high += 0xBB67AE85u;
    }
    return counter;
}

// One use of dropout (dropout.py). Threshold 0 stands for none at all; scale is 1 / (1 - p).
struct Dropout {
    unsigned key_low, key_high, site, threshold;
    real scale;
};

// x times 1 / (1 - p) where kept, times 0 where dropped: the eight columns of `group` in a row.
__device__ inline Eight drop(Eight x, const Dropout &dropout, long long row, long long group) {
    if (dropout.threshold == 0) return x;
    const Words random = philox4x32({(unsigned)group, (unsigned)row, dropout.site, (unsigned)(row >> 32)},
                                    dropout.key_low, dropout.key_high);
    for (int i = 0; i < 8; ++i) {
        const unsigned half = random.word[i / 2] >> (i % 2 * 16) & 0xffffu;
        x.value[i] *= half >= dropout.threshold ? dropout.scale : (real)0;
    }
    return x;
}
