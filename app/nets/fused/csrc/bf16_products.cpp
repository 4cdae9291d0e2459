// Products of bfloat16 for app/nets/fused/bf16.py, with a plain C interface. Arrays are row-major; see bf16.h for rows
// and panels.

#include "bf16.h"

#ifdef BF16
#ifdef __linux__
#include <sys/syscall.h>
#include <unistd.h>
#endif

using bf16::entry;

// 2 with AMX, which Linux grants to a process that asks for it; 1 with AVX512_BF16.
extern "C" int bf16_instructions() {
#if defined(__AMX_BF16__) && defined(__AMX_TILE__) && defined(__linux__)
    constexpr long REQUEST = 0x1023, TILE_DATA = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
    if (!syscall(SYS_arch_prctl, REQUEST, TILE_DATA)) return 2;
#endif
    return 1;
}

extern "C" void bf16_rows(long threads, const float* from, long count, long n, entry* to, long stride) {
#pragma omp parallel num_threads(threads)
    bf16::to_rows(from, count, n, to, stride);
}

extern "C" void bf16_columns_packed(long threads, const float* from, long stride, long columns, long inner, entry* panels) {
#pragma omp parallel num_threads(threads)
    bf16::pack_columns(from, stride, columns, inner, panels);
}

extern "C" void bf16_rows_packed(long threads, const float* from, long stride, long columns, long inner, entry* panels) {
#pragma omp parallel num_threads(threads)
    bf16::pack_rows(from, stride, columns, inner, panels);
}

extern "C" void bf16_entries_packed(long threads, const entry* from, long stride, long columns, long inner, entry* panels) {
#pragma omp parallel num_threads(threads)
    bf16::pack_rows(from, stride, columns, inner, panels);
}

extern "C" void bf16_transposed(long threads, const entry* from, long stride, long columns, long inner, entry* to,
                                long to_stride) {
#pragma omp parallel num_threads(threads)
    bf16::transpose_rows(from, stride, columns, inner, to, to_stride);
}

extern "C" void bf16_product(long threads, long tiles, const entry* rows, long stride, long count, const entry* panels,
                             long inner, long columns, const float* base, long base_stride, float* out) {
#pragma omp parallel num_threads(threads)
    {
        bf16::Engine engine(tiles);
        bf16::multiply(engine, {rows, stride, count, panels, inner, columns, base, base_stride, out, columns});
    }
}

// The sums of n entries of every row.
extern "C" void bf16_sums(long threads, const entry* rows, long stride, long count, long n, float* sums) {
    const __m512bh ones = (__m512bh)_mm512_set1_epi16(0x3f80);
#pragma omp parallel for num_threads(threads) schedule(static)
    for (long row = 0; row < count; row++) {
        __m512 sum = _mm512_setzero_ps();
        for (long k = 0; k < n; k += bf16::STEP)
            sum = _mm512_dpbf16_ps(sum, (__m512bh)bf16::along(rows + row * stride + k, n - k), ones);
        sums[row] = _mm512_reduce_add_ps(sum);
    }
}

#else
extern "C" int bf16_instructions() { return 0; }
#endif
