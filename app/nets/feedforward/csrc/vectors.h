// Vectors as wide as the processor's, and a tile of a product that stays in registers. A product and a sum are rounded
// apart except in `fma`: what is written here is what is computed, whatever the compiler would contract.

#pragma once

#include <cmath>
#include <cstring>
#include <type_traits>

#if defined(__AVX__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace {

// The width of a vector in bytes, and the rows and vectors of a tile: its sums fill the registers.
#if defined(__AVX512F__)
constexpr int WIDTH = 64, ROWS = 6, VECTORS = 4;
#elif defined(__AVX__)
constexpr int WIDTH = 32, ROWS = 6, VECTORS = 2;
#elif defined(__aarch64__)
constexpr int WIDTH = 16, ROWS = 6, VECTORS = 4;
#else
constexpr int WIDTH = 16, ROWS = 4, VECTORS = 2;
#endif

template <class S> using Word = std::conditional_t<sizeof(S) == 4, int, long>;
template <class S> struct Wide {
    typedef S type __attribute__((vector_size(WIDTH), aligned(sizeof(S)), may_alias));
    typedef Word<S> words __attribute__((vector_size(WIDTH), aligned(sizeof(S)), may_alias));
    static constexpr int lanes = WIDTH / sizeof(S);
};
template <class S> using Vector = typename Wide<S>::type;
template <class S> using Words = typename Wide<S>::words;
template <class S> constexpr int LANES = Wide<S>::lanes;

template <class S> inline Vector<S> load(const S* from) { return *reinterpret_cast<const Vector<S>*>(from); }
template <class S> inline void store(S* to, Vector<S> value) { *reinterpret_cast<Vector<S>*>(to) = value; }
template <class S> inline Vector<S> all(S value) { return value - Vector<S>{}; }
#if defined(__AVX512F__)
inline Vector<float> load_some(const float* from, int lanes) {
    return (Vector<float>)_mm512_maskz_loadu_ps((1u << lanes) - 1, from);
}
inline Vector<double> load_some(const double* from, int lanes) {
    return (Vector<double>)_mm512_maskz_loadu_pd((1u << lanes) - 1, from);
}
inline void store_some(float* to, Vector<float> value, int lanes) {
    _mm512_mask_storeu_ps(to, (1u << lanes) - 1, (__m512)value);
}
inline void store_some(double* to, Vector<double> value, int lanes) {
    _mm512_mask_storeu_pd(to, (1u << lanes) - 1, (__m512d)value);
}
#else
template <class S> inline Vector<S> load_some(const S* from, int lanes) {
    Vector<S> value{};
    std::memcpy(&value, from, lanes * sizeof(S));
    return value;
}
template <class S> inline void store_some(S* to, Vector<S> value, int lanes) {
    std::memcpy(to, &value, lanes * sizeof(S));
}
#endif

#if defined(__AVX512F__)
inline Vector<float> fma(Vector<float> a, Vector<float> b, Vector<float> c) {
    return (Vector<float>)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
}
inline Vector<double> fma(Vector<double> a, Vector<double> b, Vector<double> c) {
    return (Vector<double>)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
}
inline Vector<float> root(Vector<float> a) { return (Vector<float>)_mm512_sqrt_ps((__m512)a); }
inline Vector<double> root(Vector<double> a) { return (Vector<double>)_mm512_sqrt_pd((__m512d)a); }
#else
#if defined(__AVX__) && defined(__FMA__)
inline Vector<float> fma(Vector<float> a, Vector<float> b, Vector<float> c) {
    return (Vector<float>)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
}
inline Vector<double> fma(Vector<double> a, Vector<double> b, Vector<double> c) {
    return (Vector<double>)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
}
#elif defined(__aarch64__)
inline Vector<float> fma(Vector<float> a, Vector<float> b, Vector<float> c) {
    return (Vector<float>)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
}
inline Vector<double> fma(Vector<double> a, Vector<double> b, Vector<double> c) {
    return (Vector<double>)vfmaq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b);
}
#else
template <class V> inline V fma(V a, V b, V c) { return a * b + c; }
#endif
template <class V> inline V root(V a) {
    V found;
    for (unsigned lane = 0; lane < sizeof(V) / sizeof(a[0]); lane++) found[lane] = std::sqrt(a[lane]);
    return found;
}
#endif

template <int N> using Count = std::integral_constant<int, N>;

// Calls `body` with a count that the compiler knows and the place where so many begin, until all are done. What is left
// of the rows is done in smaller parts; five vectors in parts of three and two, which take less time than four and one.
template <class F> inline void in_rows(long first, long end, F body) {
    for (; end - first >= ROWS; first += ROWS) body(Count<ROWS>(), first);
    if (ROWS > 4 && end - first >= 4) body(Count<4>(), first), first += 4;
    if (end - first >= 2) body(Count<2>(), first), first += 2;
    if (end - first >= 1) body(Count<1>(), first);
}
template <class F> inline void in_vectors(long count, F body) {
    long first = 0;
    while (count - first >= VECTORS && count - first != VECTORS + 1) body(Count<VECTORS>(), first), first += VECTORS;
    if constexpr (VECTORS == 4) {
        if (count - first == 5) body(Count<3>(), first), first += 3;
        if (count - first == 3) body(Count<3>(), first), first += 3;
        if (count - first == 2) body(Count<2>(), first), first += 2;
    } else if (count - first == 3) {
        body(Count<2>(), first), first += 2;
    }
    if (count - first == 1) body(Count<1>(), first);
}

// sums[r][v] += sum over p of a[r * row + p * step] * b[p * stride + v * lanes], in the order of p.
template <class S, int R, int V>
inline __attribute__((always_inline)) void tile(
    Vector<S> (&sums)[R][V], long count, const S* a, long row, long step, const S* b, long stride
) {
    for (long p = 0; p < count; p++) {
        Vector<S> right[V];
#pragma GCC unroll 4
        for (int v = 0; v < V; v++) right[v] = load(b + p * stride + v * LANES<S>);
#pragma GCC unroll 6
        for (int r = 0; r < R; r++) {
            const Vector<S> left = all(a[r * row + p * step]);
#pragma GCC unroll 4
            for (int v = 0; v < V; v++) sums[r][v] = fma(left, right[v], sums[r][v]);
        }
    }
}

// Swaps rows and columns of a square as wide as a vector: first of each two rows, then of each four, and so on.
template <class S, int DISTANCE = 1> inline __attribute__((always_inline)) void swap_square(Vector<S> (&rows)[LANES<S>]) {
    constexpr int lanes = LANES<S>;
    if constexpr (DISTANCE < lanes) {
        Words<S> low, high;
        for (int lane = 0; lane < lanes; lane++) {
            low[lane] = lane & DISTANCE ? lanes + lane - DISTANCE : lane;
            high[lane] = lane & DISTANCE ? lanes + lane : lane + DISTANCE;
        }
#pragma GCC unroll 16
        for (int row = 0; row < lanes; row++) {
            if (row & DISTANCE) continue;
            const Vector<S> above = rows[row], below = rows[row + DISTANCE];
            rows[row] = __builtin_shuffle(above, below, low);
            rows[row + DISTANCE] = __builtin_shuffle(above, below, high);
        }
        swap_square<S, 2 * DISTANCE>(rows);
    }
}

// to[column * to_stride + row] = from[row * from_stride + column]; rows up to a multiple of the lanes become 0.
template <class S>
void transpose(const S* from, long rows, long columns, long from_stride, S* to, long to_stride) {
    constexpr int lanes = LANES<S>;
    for (long row = 0; row < rows; row += lanes)
        for (long column = 0; column < columns; column += lanes) {
            const int high = rows - row < lanes ? rows - row : lanes;
            const int wide = columns - column < lanes ? columns - column : lanes;
            Vector<S> square[lanes];
            for (int r = 0; r < lanes; r++) {
                const S* begin = from + (row + r) * from_stride + column;
                square[r] = r >= high ? Vector<S>{} : wide == lanes ? load(begin) : load_some(begin, wide);
            }
            swap_square<S>(square);
            for (int c = 0; c < wide; c++) store(to + (column + c) * to_stride + row, square[c]);
        }
}

}  // namespace
