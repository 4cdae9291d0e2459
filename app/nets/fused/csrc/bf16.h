// Matrix products of bfloat16 with sums in float32, by AMX tiles where the processor and the kernel allow them, else by
// AVX512_BF16. Both take the same operands:
//
// - rows: row-major, one row per row of the result, `stride` entries apart, with zeros up to a multiple of STEP;
// - panels: LANES columns each; of every two entries k, k + 1 of a column one 32-bit word, the words of the columns side
//   by side, with zeros up to a multiple of STEP and after the last column.
//
// Each entry of a result is added up in the order of k by one thread: it does not depend on the number of threads.

#pragma once

#if defined(__AVX512BF16__) && defined(__AVX512BW__) && defined(__AVX512VL__)
#define BF16 1

#include <immintrin.h>
#include <omp.h>

#include <cstdint>
#include <utility>

namespace bf16 {

typedef uint16_t entry;

constexpr long LANES = 16, STEP = 32;  // columns of a panel; entries of k of a tile
constexpr long BLOCK = 32;             // rows that share a pair of panels

inline long up(long n, long multiple) { return (n + multiple - 1) / multiple * multiple; }
inline __mmask16 first(long n) { return n >= 16 ? 0xffff : n <= 0 ? 0 : (__mmask16)((1u << n) - 1); }
inline __mmask32 first_entries(long n) { return n >= 32 ? 0xffffffffu : n <= 0 ? 0 : (1u << n) - 1; }

// 32 floats of a row, of which n are there, as 32 entries.
inline __m512i along(const float* row, long n) {
    const __m512 low = _mm512_maskz_loadu_ps(first(n), row), high = _mm512_maskz_loadu_ps(first(n - 16), row + 16);
    return (__m512i)_mm512_cvtne2ps_pbh(high, low);
}
inline __m512i along(const entry* row, long n) { return _mm512_maskz_loadu_epi16(first_entries(n), row); }

// 16 columns of the rows `even` and `odd`, of which n are there, as 16 words; a row of nullptr is zeros.
inline __m512i across(const float* even, const float* odd, long n) {
    const __m512 low = even ? _mm512_maskz_loadu_ps(first(n), even) : _mm512_setzero_ps();
    const __m512 high = odd ? _mm512_maskz_loadu_ps(first(n), odd) : _mm512_setzero_ps();
    const __m512i both = (__m512i)_mm512_cvtne2ps_pbh(high, low);  // first all of `even`, then all of `odd`
    const __m512i words = _mm512_cvtepu16_epi32(_mm512_castsi512_si256(both));
    return _mm512_or_si512(words, _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(both, 1)), 16));
}
inline __m512i across(const entry* even, const entry* odd, long n) {
    const __m256i low = even ? _mm256_maskz_loadu_epi16(first(n), even) : _mm256_setzero_si256();
    const __m256i high = odd ? _mm256_maskz_loadu_epi16(first(n), odd) : _mm256_setzero_si256();
    return _mm512_or_si512(_mm512_cvtepu16_epi32(low), _mm512_slli_epi32(_mm512_cvtepu16_epi32(high), 16));
}

// Transposes 16 x 16 words.
inline void transpose(__m512i r[16]) {
    __m512i s[16];
    for (int i = 0; i < 16; i += 4) {
        const __m512i a = _mm512_unpacklo_epi32(r[i], r[i + 1]), b = _mm512_unpackhi_epi32(r[i], r[i + 1]);
        const __m512i c = _mm512_unpacklo_epi32(r[i + 2], r[i + 3]), d = _mm512_unpackhi_epi32(r[i + 2], r[i + 3]);
        s[i] = _mm512_unpacklo_epi64(a, c), s[i + 1] = _mm512_unpackhi_epi64(a, c);
        s[i + 2] = _mm512_unpacklo_epi64(b, d), s[i + 3] = _mm512_unpackhi_epi64(b, d);
    }
    for (int i = 0; i < 4; i++) {
        const __m512i a = _mm512_shuffle_i32x4(s[i], s[i + 4], 0x88), b = _mm512_shuffle_i32x4(s[i], s[i + 4], 0xdd);
        const __m512i c = _mm512_shuffle_i32x4(s[i + 8], s[i + 12], 0x88);
        const __m512i d = _mm512_shuffle_i32x4(s[i + 8], s[i + 12], 0xdd);
        r[i] = _mm512_shuffle_i32x4(a, c, 0x88), r[i + 8] = _mm512_shuffle_i32x4(a, c, 0xdd);
        r[i + 4] = _mm512_shuffle_i32x4(b, d, 0x88), r[i + 12] = _mm512_shuffle_i32x4(b, d, 0xdd);
    }
}

// One row of floats as a row of entries, with zeros up to `stride`.
inline void to_row(const float* from, long n, entry* to, long stride) {
    for (long k = 0; k < stride; k += STEP) _mm512_storeu_si512(to + k, along(from + k, n - k));
}

// The functions below share their work among the threads of a parallel region that calls them.

// Rows of floats (count, n) as rows of entries.
inline void to_rows(const float* from, long count, long n, entry* to, long stride) {
#pragma omp for schedule(static)
    for (long row = 0; row < count; row++) to_row(from + row * n, n, to + row * stride, stride);
}

// Panels of m(k, column) = from[column * stride + k].
template <class S> void pack_columns(const S* from, long stride, long columns, long inner, entry* panels) {
    const long padded = up(inner, STEP), count = up(columns, LANES) / LANES;
#pragma omp for schedule(static)
    for (long panel = 0; panel < count; panel++)
        for (long k = 0; k < padded; k += STEP) {
            __m512i words[16];
            for (long n = 0; n < 16; n++) {
                const long column = panel * LANES + n;
                words[n] = column < columns ? along(from + column * stride + k, inner - k) : _mm512_setzero_si512();
            }
            transpose(words);
            entry* to = panels + (panel * padded + k) * LANES;
            for (long pair = 0; pair < 16; pair++) _mm512_storeu_si512(to + pair * 2 * LANES, words[pair]);
        }
}

// Panels of m(k, column) = from[k * stride + column].
template <class S> void pack_rows(const S* from, long stride, long columns, long inner, entry* panels) {
    const long padded = up(inner, STEP), count = up(columns, LANES) / LANES;
#pragma omp for schedule(static)
    for (long panel = 0; panel < count; panel++)
        for (long k = 0; k < padded; k += 2) {
            const S* row = from + k * stride + panel * LANES;
            const S *even = k < inner ? row : nullptr, *odd = k + 1 < inner ? row + stride : nullptr;
            _mm512_storeu_si512(panels + (panel * padded + k) * LANES, across(even, odd, columns - panel * LANES));
        }
}

// Rows of the transpose of rows of entries: to[column * to_stride + k] = from[k * stride + column].
inline void transpose_rows(const entry* from, long stride, long columns, long inner, entry* to, long to_stride) {
    const long blocks = up(columns, LANES) / LANES;
#pragma omp for schedule(static)
    for (long block = 0; block < blocks; block++)
        for (long k = 0; k < to_stride; k += STEP) {
            __m512i words[16];
            for (long pair = 0; pair < 16; pair++) {
                const long at = k + 2 * pair;
                const entry* row = from + at * stride + block * LANES;
                words[pair] = across(at < inner ? row : nullptr, at + 1 < inner ? row + stride : nullptr,
                                     columns - block * LANES);
            }
            transpose(words);
            for (long n = 0; n < 16 && block * LANES + n < columns; n++)
                _mm512_storeu_si512(to + (block * LANES + n) * to_stride + k, words[n]);
        }
}

// What a block of a result is: out = base + rows * panels, for up to BLOCK rows and two panels.
struct Block {
    const entry* rows;
    long stride, count;           // of the rows
    const entry *panels;          // the first of them
    long padded, begin, end;      // entries of k of a panel, and the range to add
    const float* base;            // nullptr for zeros
    long base_stride;             // 0 for the same row again
    float* out;
    long out_stride, columns;     // 1 to 2 * LANES
};

template <int ROWS, int PANELS> void by_dots(const Block& b, long row) {
    __m512 sums[ROWS][PANELS];
    const __mmask16 masks[2] = {first(b.columns), first(b.columns - LANES)};
#pragma GCC unroll 12
    for (int r = 0; r < ROWS; r++)
        for (int p = 0; p < PANELS; p++)
            sums[r][p] = b.base ? _mm512_maskz_loadu_ps(masks[p], b.base + (row + r) * b.base_stride + p * LANES)
                                : _mm512_setzero_ps();
    const entry *rows = b.rows + row * b.stride, *panel = b.panels;
    for (long k = b.begin; k < b.end; k += 2) {
        __m512bh words[PANELS];
        for (int p = 0; p < PANELS; p++)
            words[p] = (__m512bh)_mm512_loadu_si512(panel + (p * b.padded + k) * LANES);
#pragma GCC unroll 12
        for (int r = 0; r < ROWS; r++) {
            int pair;
            __builtin_memcpy(&pair, rows + r * b.stride + k, sizeof pair);
            for (int p = 0; p < PANELS; p++)
                sums[r][p] = _mm512_dpbf16_ps(sums[r][p], (__m512bh)_mm512_set1_epi32(pair), words[p]);
        }
    }
#pragma GCC unroll 12
    for (int r = 0; r < ROWS; r++)
        for (int p = 0; p < PANELS; p++)
            _mm512_mask_storeu_ps(b.out + (row + r) * b.out_stride + p * LANES, masks[p], sums[r][p]);
}

template <int PANELS, int... I> auto dots_for(long rows, std::integer_sequence<int, I...>) {
    static constexpr decltype(&by_dots<1, PANELS>) all[] = {by_dots<I + 1, PANELS>...};
    return all[rows - 1];
}

inline void by_dots(const Block& b) {
    constexpr long MOST = 12;
    const long parts = (b.count + MOST - 1) / MOST, size = (b.count + parts - 1) / parts;
    for (long row = 0; row < b.count; row += size) {
        const long rows = b.count - row < size ? b.count - row : size;
        const auto sizes = std::make_integer_sequence<int, MOST>();
        (b.columns > LANES ? dots_for<2>(rows, sizes) : dots_for<1>(rows, sizes))(b, row);
    }
}

#if defined(__AMX_BF16__) && defined(__AMX_TILE__)
// Assembly, since the compiler's own functions do not tell it that they read and write memory.
#define TILE_LOAD(tile, from, bytes) \
    __asm__ volatile("tileloadd (%0,%1,1), %%tmm" #tile ::"r"(from), "r"((long)(bytes)) : "memory")
#define TILE_STORE(tile, to, bytes) \
    __asm__ volatile("tilestored %%tmm" #tile ", (%0,%1,1)" ::"r"(to), "r"((long)(bytes)) : "memory")
#define TILE_ZERO(tile) __asm__ volatile("tilezero %%tmm" #tile ::)
#define TILE_ADD(sum, rows, panel) __asm__ volatile("tdpbf16ps %%tmm" #panel ", %%tmm" #rows ", %%tmm" #sum ::)

// Tiles 0 and 1 are the sums of the first 16 rows, 2 and 3 of the others; 4 and 5 rows; 6 and 7 panels.
template <bool MORE_ROWS, bool MORE_PANELS> void by_tiles(const Block& b) {
    alignas(64) float edge[BLOCK * 2 * LANES];
    const bool whole = b.columns == (MORE_PANELS ? 2 * LANES : LANES);
    const long stride = whole ? b.out_stride : 2 * LANES, base_stride = whole ? b.base_stride : 2 * LANES;
    float* out = whole ? b.out : edge;
    const float* base = b.base;
    if (base && !whole) {
        for (long r = 0; r < b.count; r++)
            for (long n = 0; n < b.columns; n++) edge[r * 2 * LANES + n] = b.base[r * b.base_stride + n];
        base = edge;
    }
    if (base) {
        TILE_LOAD(0, base, base_stride * 4);
        if (MORE_PANELS) TILE_LOAD(1, base + LANES, base_stride * 4);
        if (MORE_ROWS) TILE_LOAD(2, base + 16 * base_stride, base_stride * 4);
        if (MORE_ROWS && MORE_PANELS) TILE_LOAD(3, base + 16 * base_stride + LANES, base_stride * 4);
    } else {
        TILE_ZERO(0);
        TILE_ZERO(1);
        TILE_ZERO(2);
        TILE_ZERO(3);
    }
    const entry *panel = b.panels, *next = b.panels + b.padded * LANES, *more = b.rows + 16 * b.stride;
    for (long k = b.begin; k < b.end; k += STEP) {
        TILE_LOAD(6, panel + k * LANES, 64);
        TILE_LOAD(4, b.rows + k, b.stride * 2);
        TILE_ADD(0, 4, 6);
        if (MORE_PANELS) TILE_LOAD(7, next + k * LANES, 64);
        if (MORE_PANELS) TILE_ADD(1, 4, 7);
        if (MORE_ROWS) TILE_LOAD(5, more + k, b.stride * 2);
        if (MORE_ROWS) TILE_ADD(2, 5, 6);
        if (MORE_ROWS && MORE_PANELS) TILE_ADD(3, 5, 7);
    }
    TILE_STORE(0, out, stride * 4);
    if (MORE_PANELS) TILE_STORE(1, out + LANES, stride * 4);
    if (MORE_ROWS) TILE_STORE(2, out + 16 * stride, stride * 4);
    if (MORE_ROWS && MORE_PANELS) TILE_STORE(3, out + 16 * stride + LANES, stride * 4);
    if (!whole)
        for (long r = 0; r < b.count; r++)
            for (long n = 0; n < b.columns; n++) b.out[r * b.out_stride + n] = edge[r * 2 * LANES + n];
}
#endif

// Computes blocks on one thread. Holds the configuration of its tiles, and gives them back at the end.
class Engine {
  public:
    explicit Engine(bool tiles) : tiles_(tiles) {}
    Engine(const Engine&) = delete;

    void compute(const Block& b) {
#if defined(__AMX_BF16__) && defined(__AMX_TILE__)
        if (tiles_) {
            configure(b.count);
            if (b.count > 16) return b.columns > LANES ? by_tiles<true, true>(b) : by_tiles<true, false>(b);
            return b.columns > LANES ? by_tiles<false, true>(b) : by_tiles<false, false>(b);
        }
#endif
        by_dots(b);
    }

#if defined(__AMX_BF16__) && defined(__AMX_TILE__)
    ~Engine() {
        if (rows_) __asm__ volatile("tilerelease" ::);
    }

  private:
    void configure(long rows) {
        if (rows == rows_) return;
        rows_ = rows;
        alignas(64) struct {
            uint8_t palette, start, reserved[14];
            uint16_t bytes[16];
            uint8_t rows[16];
        } tiles = {};
        const uint8_t upper = rows < 16 ? rows : 16, lower = rows > 16 ? rows - 16 : upper;
        tiles.palette = 1;
        const uint8_t counts[8] = {upper, upper, lower, lower, upper, lower, 16, 16};
        for (int tile = 0; tile < 8; tile++) tiles.bytes[tile] = 64, tiles.rows[tile] = counts[tile];
        __asm__ volatile("ldtilecfg %0" ::"m"(tiles));
    }
    long rows_ = 0;
#endif
    bool tiles_;
};

// A product: out (count, columns) = base + rows * panels; base_stride is 0 for a bias.
struct Product {
    const entry* rows;
    long stride, count;
    const entry* panels;
    long inner, columns;
    const float* base;
    long base_stride;
    float* out;
    long out_stride;
};

// A product with many rows.
inline void multiply(Engine& engine, const Product& m) {
    constexpr long DEPTH = 512;  // entries of k: the rows of a block stay in the first cache
    constexpr long PAIRS = 8;    // of panels, which stay in the second for all rows
    const long padded = up(m.inner, STEP), width = 2 * LANES, group = PAIRS * width;
#pragma omp for schedule(static) collapse(2)
    for (long left = 0; left < m.columns; left += group)
        for (long top = 0; top < m.count; top += BLOCK)
            for (long k = 0; k < padded; k += DEPTH)
                for (long column = left; column < m.columns && column < left + group; column += width) {
                    const long columns = m.columns - column < width ? m.columns - column : width;
                    const long rows = m.count - top < BLOCK ? m.count - top : BLOCK;
                    float* out = m.out + top * m.out_stride + column;
                    const float* base = m.base ? m.base + top * m.base_stride + column : nullptr;
                    engine.compute({m.rows + top * m.stride, m.stride, rows, m.panels + column * padded, padded, k,
                                    padded - k < DEPTH ? padded : k + DEPTH, k ? out : base,
                                    k ? m.out_stride : m.base_stride, out, m.out_stride, columns});
                }
}

// A product with few rows, one of many with the same panels. If every other one goes `back`, it begins with the panels
// that the one before has left in the cache of its thread.
inline void multiply_again(Engine& engine, const Product& m, bool back) {
    const long padded = up(m.inner, STEP), width = 2 * LANES, pairs = up(m.columns, width) / width;
    const long threads = omp_get_num_threads(), thread = omp_get_thread_num();
    const long begin = pairs * thread / threads, end = pairs * (thread + 1) / threads;
    for (long n = begin; n < end; n++) {
        const long column = (back ? end - 1 - (n - begin) : n) * width;
        for (long top = 0; top < m.count; top += BLOCK)
            engine.compute({m.rows + top * m.stride, m.stride, m.count - top < BLOCK ? m.count - top : BLOCK,
                            m.panels + column * padded, padded, 0, padded,
                            m.base ? m.base + top * m.base_stride + column : nullptr, m.base_stride,
                            m.out + top * m.out_stride + column, m.out_stride,
                            m.columns - column < width ? m.columns - column : width});
    }
#pragma omp barrier
}

}  // namespace bf16

#endif
