// Dropout of a large tensor by Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"), which
// computes the number of every entry from its index and a seed: the gradient draws the mask again.

#include <cstdint>

namespace {

constexpr long LANES = 16, ENTRIES = 4 * LANES;  // counters at once; entries that they decide on

// The four numbers of the counters first, first + 1, ...: entry n of `out` is number n / LANES of counter n % LANES.
inline void philox(uint64_t first, uint64_t seed, uint32_t* __restrict out) {
    uint32_t *__restrict a = out, *__restrict b = a + LANES, *__restrict c = b + LANES, *__restrict d = c + LANES;
    for (long n = 0; n < LANES; n++) {
        a[n] = (uint32_t)(first + n), b[n] = (uint32_t)((first + n) >> 32);
        c[n] = d[n] = 0;
    }
    uint32_t low = (uint32_t)seed, high = (uint32_t)(seed >> 32);
    for (int round = 0; round < 10; round++, low += 0x9E3779B9u, high += 0xBB67AE85u)
        for (long n = 0; n < LANES; n++) {
            const uint64_t left = (uint64_t)0xD2511F53u * a[n], right = (uint64_t)0xCD9E8D57u * c[n];
            a[n] = (uint32_t)(right >> 32) ^ b[n] ^ low, b[n] = (uint32_t)right;
            c[n] = (uint32_t)(left >> 32) ^ d[n] ^ high, d[n] = (uint32_t)left;
        }
}

}  // namespace

// Numbers below `threshold`, of 2^32, keep their entry, which is multiplied by `scale`; the others become 0.
extern "C" void dropout_float32(long threads, long count, const float* from, long seed, long threshold, double scale,
                                float* to) {
    const float factor = (float)scale;
#pragma omp parallel for num_threads(threads) schedule(static)
    for (long block = 0; block < (count + ENTRIES - 1) / ENTRIES; block++) {
        uint32_t numbers[ENTRIES];
        philox(block * LANES, seed, numbers);
        const long start = block * ENTRIES, here = count - start < ENTRIES ? count - start : ENTRIES;
        for (long n = 0; n < here; n++) to[start + n] = (long)numbers[n] < threshold ? from[start + n] * factor : 0.0f;
    }
}
