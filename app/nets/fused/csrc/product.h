// out = base + a m, for few rows a and the same m at every step: m is packed once, in panels as wide as a vector, and
// the sums stay in registers.

#pragma once

#include <utility>

namespace {

// The width of a vector in bytes, and the number of vectors that the registers can hold as sums.
#if defined(__AVX512F__)
constexpr long WIDTH = 64, MAX_ROWS = 24;
#elif defined(__AVX__)
constexpr long WIDTH = 32, MAX_ROWS = 12;
#elif defined(__aarch64__)
constexpr long WIDTH = 16, MAX_ROWS = 24;
#else
constexpr long WIDTH = 16, MAX_ROWS = 12;
#endif

template <class S> struct Wide {
    typedef S type __attribute__((vector_size(WIDTH), aligned(sizeof(S)), may_alias));
    static constexpr long lanes = WIDTH / sizeof(S);
};

// Blocks of rows of nearly equal size: all but the last have `size` rows.
struct Blocks {
    long batch, count, size;
    explicit Blocks(long batch) : batch(batch), count((batch + MAX_ROWS - 1) / MAX_ROWS), size(0) {
        size = (batch + count - 1) / count;
        count = (batch + size - 1) / size;
    }
    long start(long index) const { return index * size; }
    long rows(long index) const { return index + 1 < count ? size : batch - index * size; }
};

// Packs m(k, n) = from[k * k_stride + n * n_stride] in panels of `lanes` columns, with zeros after the last column.
template <class S> void pack(const S* from, long inner, long columns, long k_stride, long n_stride, S* packed) {
    constexpr long lanes = Wide<S>::lanes;
#pragma omp for schedule(static)
    for (long panel = 0; panel < (columns + lanes - 1) / lanes; panel++) {
        const long first = panel * lanes, width = columns - first < lanes ? columns - first : lanes;
        S* to = packed + first * inner;
        for (long k = 0; k < inner; k++, to += lanes)
            for (long n = 0; n < lanes; n++) to[n] = n < width ? from[k * k_stride + (first + n) * n_stride] : S(0);
    }
}

// Copies row b of `a` to where the kernel reads it: block by block, the rows of a block interleaved.
template <class S> void line_up(const S* row, long batch, long b, long inner, S* lined) {
    const Blocks all(batch);
    const long index = b / all.size, rows = all.rows(index);
    S* to = lined + all.start(index) * inner + (b - all.start(index));
    for (long k = 0; k < inner; k++) to[k * rows] = row[k];
}

template <class S, int ROWS>
void kernel(const S* a, const S* panel, long inner, const S* base, S* out, long columns, long width) {
    typedef typename Wide<S>::type V;
    V sums[ROWS] = {};
    for (long k = 0; k < inner; k++) {
        __builtin_prefetch(panel + k * Wide<S>::lanes + 2048 / sizeof(S));  // across the ends of pages
        const V m = *reinterpret_cast<const V*>(panel + k * Wide<S>::lanes);
#pragma GCC unroll 24
        for (int row = 0; row < ROWS; row++) sums[row] += a[k * ROWS + row] * m;
    }
    for (int row = 0; row < ROWS; row++)
        for (long n = 0; n < width; n++)
            out[row * columns + n] = sums[row][n] + (base ? base[row * columns + n] : S(0));
}

template <class S, int... I> auto kernel_for(long rows, std::integer_sequence<int, I...>) {
    static constexpr decltype(&kernel<S, 1>) all[] = {kernel<S, I + 1>...};
    return all[rows - 1];
}

template <class S>
void product(const S* lined, const S* packed, long batch, long inner, long columns, const S* base, S* out) {
    constexpr long lanes = Wide<S>::lanes;
    const Blocks all(batch);
#pragma omp for schedule(static)
    for (long panel = 0; panel < (columns + lanes - 1) / lanes; panel++)
        for (long index = 0; index < all.count; index++) {
            const long first = panel * lanes, start = all.start(index), at = start * columns + first;
            kernel_for<S>(all.rows(index), std::make_integer_sequence<int, MAX_ROWS>())(
                lined + start * inner, packed + first * inner, inner, base ? base + at : nullptr, out + at, columns,
                columns - first < lanes ? columns - first : lanes);
        }
}

}  // namespace
