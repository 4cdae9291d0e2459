// Products of a sparse matrix with activations that are feature-major: a row for each feature, a column for each example.
// A surviving weight is multiplied with a row of activations, a few vectors of it at a time, so that the sums of a row of
// the result stay in registers. Every sum is made in one order, whatever the number of threads.

#pragma once

#include <omp.h>

#include <cstdint>
#include <new>

#include "vectors.h"

namespace {

// Where the survivors of a matrix are: their columns, by block of columns and by row, and where those of each begin. The
// activations of a block, which are read again for every row, stay in a near cache.
struct Pattern {
    long rows, columns, blocks;
    const uint16_t* places;
    const int32_t* begins;  // blocks * rows + 1
    long count() const { return begins[blocks * rows]; }
};

// As `_Weight` in pattern.py.
struct Weight {
    Pattern by_row, by_column;   // of the matrix and of its transpose
    const int32_t* positions;    // of the values in the dense weight, in the order of `by_row`
    const int32_t* turned;       // which of the values each survivor of `by_column` is
    Pattern plain;               // of the matrix in one block, with its rows in another order
    const int32_t* order;        // the rows in that order
};

constexpr long ALIGNED = 64;

// Memory that a thread keeps from call to call.
template <class S> S* room(int which, long count) {
    static thread_local struct Room {
        void* memory = nullptr;
        long size = 0;
        ~Room() { ::operator delete(memory, std::align_val_t(ALIGNED)); }
    } rooms[8];
    Room& mine = rooms[which];
    const long size = count * sizeof(S);
    if (mine.size < size) {
        ::operator delete(mine.memory, std::align_val_t(ALIGNED));
        mine.memory = nullptr, mine.size = 0;
        mine.memory = ::operator new(size, std::align_val_t(ALIGNED));
        mine.size = size;
    }
    return static_cast<S*>(mine.memory);
}

// The part of `count` things that a thread of a parallel region does.
struct Range {
    long first, end;
    explicit Range(long count) : Range(count, omp_get_num_threads(), omp_get_thread_num()) {}
    Range(long count, long threads, long me) : first(count * me / threads), end(count * (me + 1) / threads) {}
};

// The values in the order of the transpose, by the threads of a parallel region.
template <class S> void turn(const Weight& w, const S* values, S* turned) {
    const Range mine(w.by_row.count());
    for (long i = mine.first; i < mine.end; i++) turned[i] = values[w.turned[i]];
}

// Fewer lanes than a vector: a quarter or a half of it, where these are vectors of the processor, too.
template <class S, int T> struct Part {
    typedef S type __attribute__((vector_size(T * sizeof(S)), aligned(sizeof(S)), may_alias));
};
template <class S> struct Part<S, 0> { typedef S type; };
constexpr bool HAS_PARTS = WIDTH == 64;

// How activations of a batch lie in memory: in panels of up to four vectors of examples each, (features, examples), one
// panel after the other. What is left of the examples is a vector of its own with padding, or, for PRODUCTS, a part of a
// vector that lies after the last panel, (features, tail): rows of whole vectors begin at multiples of a vector. For
// GRADIENTS, which finish a sum for each panel, there may be eight vectors.
enum class Use { PRODUCTS, GRADIENTS };
template <class S> struct Panels {
    Use use;
    long batch, whole, tail = 0;
    Panels(Use use, long batch) : use(use), batch(batch), whole(batch / LANES<S>) {
        const long left = batch % LANES<S>;
        if (left == 0) return;
        if (use == Use::PRODUCTS && HAS_PARTS && whole > 0 && left <= LANES<S> / 2)
            tail = left <= LANES<S> / 4 ? LANES<S> / 4 : LANES<S> / 2;
        else
            whole++;
    }
    long padded() const { return whole * LANES<S> + tail; }

    // Calls `body` with the vectors of each panel, the tail of the last, and the first example.
    template <class F> void each(F body) const {
        long v0 = 0;
        if (use == Use::GRADIENTS)
            for (; whole - v0 >= 8; v0 += 8) body(Count<8>(), Count<0>(), v0 * LANES<S>);
        in_vectors(whole - v0, [&](auto vectors, long more) {
            const long first = (v0 + more) * LANES<S>;
            const bool ends = tail && v0 + more + vectors() == whole;
            if (ends && tail == LANES<S> / 4) body(vectors, Count<HAS_PARTS ? LANES<S> / 4 : 0>(), first);
            else if (ends) body(vectors, Count<HAS_PARTS ? LANES<S> / 2 : 0>(), first);
            else body(vectors, Count<0>(), first);
        });
    }
};

// Four numbers of which each can be had in all lanes of a vector. They are loaded at once: a product is bound by loads.
#if defined(__AVX512F__)
template <class S> struct Four;
template <> struct Four<float> {
    __m512 four;
    Four() {}
    explicit Four(const float* from) : four(_mm512_broadcast_f32x4(_mm_loadu_ps(from))) {}
    template <int I> Vector<float> all() const { return (Vector<float>)_mm512_permute_ps(four, I * 0x55); }
};
template <> struct Four<double> {
    __m512d four;
    Four() {}
    explicit Four(const double* from) : four(_mm512_broadcast_f64x4(_mm256_loadu_pd(from))) {}
    template <int I> Vector<double> all() const { return (Vector<double>)_mm512_permutex_pd(four, I * 0x55); }
};
#else
template <class S> struct Four {
    const S* from;
    Four() {}
    explicit Four(const S* from) : from(from) {}
    template <int I> Vector<S> all() const { return from[I] - Vector<S>{}; }
};
#endif

// What is in the result before: nothing, which means the bias, or something to add to.
enum class Start { BIAS, SUM };

// A panel: V vectors of examples for each row, and T examples.
template <class S, int V, int T> struct Panel {
    S *vectors, *tail;
    Panel(S* begin, long rows, long first) : vectors(begin + rows * first), tail(vectors + rows * V * LANES<S>) {}
    S* at(long row, int v) const { return vectors + (row * V + v) * LANES<S>; }
    S* rest(long row) const { return tail + row * T; }
};

// R rows of the result from the survivors of one block: out += w in, or out = bias + w in at the first block.
template <class S, int R, int V, int T, class In, class Out>
inline __attribute__((always_inline)) void add_block(const Pattern& w, const S* values, const In& in, const S* bias,
                                                     long row, long block, Start start, const Out& out) {
    typedef typename Part<S, T>::type Rest;
    const bool adds = block > 0 || start == Start::SUM;
    const int32_t* begins = w.begins + block * w.rows + row;
    const uint16_t* places = w.places;
    Vector<S> sums[R][V];
    Rest rests[R];
    long common = 1L << 40;
#pragma GCC unroll 8
    for (int r = 0; r < R; r++) {
        const long count = begins[r + 1] - begins[r];
        common = count < common ? count : common;
        const S first = bias ? bias[row + r] : S(0);
#pragma GCC unroll 8
        for (int v = 0; v < V; v++) sums[r][v] = adds ? load(out.at(row + r, v)) : all(first);
        if constexpr (T > 0) rests[r] = adds ? *reinterpret_cast<Rest*>(out.rest(row + r)) : first - Rest{};
    }
    auto add = [&](int r, const Vector<S> value, long column) __attribute__((always_inline)) {
#pragma GCC unroll 8
        for (int v = 0; v < V; v++) sums[r][v] = fma(value, load(in.at(column, v)), sums[r][v]);
        if constexpr (T > 0) {
            Rest same;
            std::memcpy(&same, &value, sizeof same);
            rests[r] += same * *reinterpret_cast<const Rest*>(in.rest(column));
        }
    };
    auto add_one = [&](int r, long at) __attribute__((always_inline)) { add(r, all(values[at]), places[at]); };
    // Four survivors of each of some rows, whose values are loaded at once.
    auto add_four = [&](auto count, int first, long i) __attribute__((always_inline)) {
        Four<S> four[count()];
#pragma GCC unroll 8
        for (int r = 0; r < count(); r++) four[r] = Four<S>(values + begins[first + r] + i);
#pragma GCC unroll 8
        for (int r = 0; r < count(); r++) add(first + r, four[r].template all<0>(), places[begins[first + r] + i]);
#pragma GCC unroll 8
        for (int r = 0; r < count(); r++) add(first + r, four[r].template all<1>(), places[begins[first + r] + i + 1]);
#pragma GCC unroll 8
        for (int r = 0; r < count(); r++) add(first + r, four[r].template all<2>(), places[begins[first + r] + i + 2]);
#pragma GCC unroll 8
        for (int r = 0; r < count(); r++) add(first + r, four[r].template all<3>(), places[begins[first + r] + i + 3]);
    };
    long i = 0;
    for (; i + 4 <= common; i += 4) add_four(Count<R>(), 0, i);
    for (; i < common; i++)
#pragma GCC unroll 8
        for (int r = 0; r < R; r++) add_one(r, begins[r] + i);
#pragma GCC unroll 8
    for (int r = 0; r < R; r++) {
        if (R > 1) {
            const long end = begins[r + 1] - begins[r];
            long more = common;
            for (; more + 4 <= end; more += 4) add_four(Count<1>(), r, more);
            for (; more < end; more++) add_one(r, begins[r] + more);
        }
#pragma GCC unroll 8
        for (int v = 0; v < V; v++) store(out.at(row + r, v), sums[r][v]);
        if constexpr (T > 0) *reinterpret_cast<Rest*>(out.rest(row + r)) = rests[r];
    }
}

// The rows of activations that `in` and `out` have at places, V vectors of each and T examples.
template <class S, int V, int T, class In, class Out>
__attribute__((noinline)) void product_of(const Pattern& w, const S* values, In in, const S* bias, Range rows,
                                          Start start, Out out) {
    constexpr int R = V == 1 ? 4 : V < 4 ? 2 : 1;  // as many sums as a multiply-add takes cycles
    for (long block = 0; block < w.blocks; block++) {
        long row = rows.first;
        for (; row + R <= rows.end; row += R) add_block<S, R, V, T>(w, values, in, bias, row, block, start, out);
        for (; row < rows.end; row++) add_block<S, 1, V, T>(w, values, in, bias, row, block, start, out);
    }
}

// out(rows) = w in(columns) + bias, or + out, in panels, by the threads of a parallel region.
template <class S>
void product(const Pattern& w, const S* values, const S* in, const S* bias, S* out, const Panels<S>& panels,
             Start start = Start::BIAS) {
    const Range rows(w.rows);
    panels.each([&](auto vectors, auto tail, long first) {
        const Panel<const S, vectors(), tail()> from(in, w.columns, first);
        const Panel<S, vectors(), tail()> to(out, w.rows, first);
        product_of<S, vectors(), tail()>(w, values, from, bias, rows, start, to);
    });
}

// One vector of two: sums of lanes whose numbers differ in one bit; those of the first are where the bit is 0.
template <class S, int BIT> inline Vector<S> halved(Vector<S> a, Vector<S> b) {
    Words<S> low, high;
    for (int lane = 0; lane < LANES<S>; lane++) {
        const int other = lane & BIT ? LANES<S> : 0;
        low[lane] = other + (lane & ~BIT), high[lane] = other + (lane | BIT);
    }
    return __builtin_shuffle(a, b, low) + __builtin_shuffle(a, b, high);
}

// The sums of the lanes of as many vectors as there are lanes.
template <class S, int BIT = 1> inline __attribute__((always_inline)) Vector<S> sums_of(const Vector<S>* from) {
    if constexpr (BIT == LANES<S>) {
        return from[0];
    } else {
        constexpr int left = LANES<S> / BIT / 2;
        Vector<S> next[left];
#pragma GCC unroll 8
        for (int i = 0; i < left; i++) next[i] = halved<S, BIT>(from[2 * i], from[2 * i + 1]);
        return sums_of<S, 2 * BIT>(next);
    }
}

// Takes one vector for each of consecutive results, and adds the sum of its lanes to the result, many at a time.
template <class S> class Sums {
  public:
    explicit Sums(S* out) : out_(out) {}
    void add(Vector<S> sum) {
        waiting_[count_++] = sum;
        if (count_ == LANES<S>) {
            store(out_, load(out_) + sums_of<S>(waiting_));
            out_ += LANES<S>, count_ = 0;
        }
    }
    void finish() {
        for (int i = count_; i < LANES<S>; i++) waiting_[i] = Vector<S>{};
        if (count_) store_some(out_, load_some(out_, count_) + sums_of<S>(waiting_), count_);
    }

  private:
    S* out_;
    int count_ = 0;
    Vector<S> waiting_[LANES<S>];
};

template <class S, int V, class In, class Out>
__attribute__((noinline)) void gradient_of(const Pattern& w, In in, Out d_out, Range rows, S* d_values) {
    for (long block = 0; block < w.blocks; block++) {
        const int32_t* begins = w.begins + block * w.rows;
        Sums<S> sums(d_values + begins[rows.first]);
        for (long row = rows.first; row < rows.end; row++) {
            Vector<S> left[V];
#pragma GCC unroll 8
            for (int v = 0; v < V; v++) left[v] = load(d_out.at(row, v));
            for (long at = begins[row]; at < begins[row + 1]; at++) {
                const S* right = in.at(w.places[at], 0);
                Vector<S> sum = left[0] * load(right), other{};
#pragma GCC unroll 8
                for (int v = 1; v < V; v++) {
                    Vector<S>& to = v % 2 ? other : sum;
                    to = fma(left[v], load(right + v * LANES<S>), to);
                }
                sums.add(sum + other);
            }
        }
        sums.finish();
    }
}

// d_values += for each survivor the product of its row of d_out(rows) and that of in(columns), both in panels for
// GRADIENTS, by the threads of a parallel region.
template <class S>
void gradient(const Pattern& w, const S* in, const S* d_out, const Panels<S>& panels, S* d_values) {
    const Range rows(w.rows);
    panels.each([&](auto vectors, auto, long first) {
        const Panel<const S, vectors(), 0> from(in, w.columns, first), to(d_out, w.rows, first);
        gradient_of<S, vectors()>(w, from, to, rows, d_values);
    });
}

// sums += those of the rows of from(rows), in panels for GRADIENTS, by the threads of a parallel region.
template <class S> void row_sums(const S* from, long rows, const Panels<S>& panels, S* sums) {
    const Range mine(rows);
    panels.each([&](auto vectors, auto, long first) {
        const S* panel = from + rows * first;
        Sums<S> all_sums(sums + mine.first);
        for (long row = mine.first; row < mine.end; row++) {
            Vector<S> sum = load(panel + row * vectors() * LANES<S>);
            for (int v = 1; v < vectors(); v++) sum += load(panel + (row * vectors() + v) * LANES<S>);
            all_sums.add(sum);
        }
        all_sums.finish();
    });
}

// to(columns, stride) = from(rows, columns) with rows and columns swapped, by the threads of a parallel region; rows up
// to `padded` become 0, and nothing is written beyond them.
template <class S>
void swapped(const S* from, long rows, long columns, long from_stride, S* to, long to_stride, long padded) {
    constexpr int lanes = LANES<S>;
    const Range parts((columns + lanes - 1) / lanes);
    for (long column = parts.first * lanes; column < columns && column < parts.end * lanes; column += lanes)
        for (long row = 0; row < padded; row += lanes) {
            const int high = rows - row < lanes ? rows - row : lanes, filled = padded - row < lanes ? padded - row : lanes;
            const int wide = columns - column < lanes ? columns - column : lanes;
            Vector<S> square[lanes];
            const S* begin = from + row * from_stride + column;
            if (wide == lanes) {
#pragma GCC unroll 16
                for (int r = 0; r < lanes; r++) square[r] = r < high ? load(begin + r * from_stride) : Vector<S>{};
            } else {
                for (int r = 0; r < lanes; r++)
                    square[r] = r < high ? load_some(begin + r * from_stride, wide) : Vector<S>{};
            }
            swap_square<S>(square);
            S* end = to + column * to_stride + row;
            if (wide == lanes && filled == lanes) {
#pragma GCC unroll 16
                for (int c = 0; c < lanes; c++) store(end + c * to_stride, square[c]);
            } else {
                for (int c = 0; c < wide; c++) store_some(end + c * to_stride, square[c], filled);
            }
        }
}

// Panels of x(B, features), by the threads of a parallel region.
template <class S> void to_panels(const S* x, long features, const Panels<S>& panels, S* to) {
    panels.each([&](auto vectors, auto tail, long first) {
        constexpr long width = vectors() * LANES<S>;
        const long batch = panels.batch - first, rows = batch < width ? batch : width;
        S* panel = to + features * first;
        swapped(x + first * features, rows, features, features, panel, width, width);
        if constexpr (tail() > 0)
            swapped(x + (first + width) * features, batch - width, features, features, panel + features * width,
                    long(tail()), long(tail()));
    });
}

// y(B, features) from panels, by the threads of a parallel region.
template <class S> void from_panels(const S* from, long features, const Panels<S>& panels, S* y) {
    panels.each([&](auto vectors, auto tail, long first) {
        constexpr long width = vectors() * LANES<S>;
        const long batch = panels.batch - first, rows = batch < width ? batch : width;
        const S* panel = from + features * first;
        swapped(panel, features, rows, width, y + first * features, features, features);
        if constexpr (tail() > 0)
            swapped(panel + features * width, features, batch - width, long(tail()), y + (first + width) * features,
                    features, features);
    });
}

}  // namespace
