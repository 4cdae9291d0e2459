// The innermost loop of large products: tiles of the result stay in the registers while all k are added up.

#pragma once

#include <initializer_list>

#include "product.h"

namespace {

// Rows and vectors of a tile. Its sums fill the registers but for what is being multiplied.
#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int TILE_ROWS = 12;
#else
constexpr int TILE_ROWS = 6;
#endif
constexpr int TILE_VECTORS = 2;

// Which neighbours in memory the left operand has: all k of a row, or all rows of a k.
enum class Layout { ALONG, ACROSS };
// What is added to: zeros, a number for each row, or the result that is there.
enum class Base { NONE, BIAS, OUT };

// out(r, n) = base(r, n) + sum over k of a(r, k) * b(k, n), for whole vectors of n.
template <class S> struct Product {
    const S* a;
    long a_stride;  // between the rows of a, or ACROSS between the k of a
    const S* b;
    long b_stride, inner;
    S* out;
    long out_stride, count, vectors;  // rows, and vectors of a row
    Base base;
    const S* bias;
};

// Memory that is needed soon: it is fetched into the second-level cache meanwhile.
struct Ahead {
    const void* begin;
    long bytes;
};

template <class S, Layout LAYOUT, int ROWS, int VECTORS> void tile(const Product<S>& p, long row, long vector) {
    typedef typename Wide<S>::type V;
    constexpr long lanes = Wide<S>::lanes;
    const long a_stride = p.a_stride, b_stride = p.b_stride, inner = p.inner;
    const S *a = p.a + row * (LAYOUT == Layout::ALONG ? a_stride : 1), *b = p.b + vector * lanes;
    S* out = p.out + row * p.out_stride + vector * lanes;
    V sums[ROWS][VECTORS];
#pragma GCC unroll 12
    for (int r = 0; r < ROWS; r++)
#pragma GCC unroll 2
        for (int v = 0; v < VECTORS; v++)
            sums[r][v] = V{} + (p.base == Base::BIAS ? p.bias[row + r] : S(0));
    for (long k = 0; k < inner; k++) {
        V m[VECTORS];
#pragma GCC unroll 2
        for (int v = 0; v < VECTORS; v++) m[v] = *reinterpret_cast<const V*>(b + k * b_stride + v * lanes);
#pragma GCC unroll 12
        for (int r = 0; r < ROWS; r++) {
            const S x = LAYOUT == Layout::ALONG ? a[r * a_stride + k] : a[k * a_stride + r];
#pragma GCC unroll 2
            for (int v = 0; v < VECTORS; v++) sums[r][v] += x * m[v];
        }
    }
#pragma GCC unroll 12
    for (int r = 0; r < ROWS; r++)
#pragma GCC unroll 2
        for (int v = 0; v < VECTORS; v++) {
            V* const to = reinterpret_cast<V*>(out + r * p.out_stride + v * lanes);
            // Added at the end: a sum of sums has smaller rounding errors than one long sum.
            *to = p.base == Base::OUT ? *to + sums[r][v] : sums[r][v];
        }
}

template <class S, Layout LAYOUT, int VECTORS, int... I> auto tile_for(long rows, std::integer_sequence<int, I...>) {
    static constexpr decltype(&tile<S, LAYOUT, 1, VECTORS>) all[] = {tile<S, LAYOUT, I + 1, VECTORS>...};
    return all[rows - 1];
}

// A product tile by tile, on one thread; each tile fetches its share of what is needed next.
template <class S, Layout LAYOUT> void multiply(const Product<S>& p, std::initializer_list<Ahead> ahead) {
    constexpr long LINE = 64;
    const auto sizes = std::make_integer_sequence<int, TILE_ROWS>();
    const long count = (p.count + TILE_ROWS - 1) / TILE_ROWS * ((p.vectors + TILE_VECTORS - 1) / TILE_VECTORS);
    long done = 0;
    for (long row = 0; row < p.count; row += TILE_ROWS) {
        const long rows = p.count - row < TILE_ROWS ? p.count - row : TILE_ROWS;
        for (long vector = 0; vector < p.vectors; vector += TILE_VECTORS, done++) {
            for (const Ahead& next : ahead) {
                const long lines = next.bytes / LINE;
                for (long line = lines * done / count; line < lines * (done + 1) / count; line++)
                    __builtin_prefetch(static_cast<const char*>(next.begin) + line * LINE, 0, 2);
            }
            (p.vectors - vector > 1 ? tile_for<S, LAYOUT, 2>(rows, sizes)
                                    : tile_for<S, LAYOUT, 1>(rows, sizes))(p, row, vector);
        }
    }
}

}  // namespace
