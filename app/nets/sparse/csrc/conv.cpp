// A convolution of stride 1 whose weight is sparse, forward and backward, for float and double, with a plain C interface.
//
// N images, C channels, O channels of the result, L positions of a channel of the result, in rows of `width`. The matrix
// (O, C * kernel height * kernel width) is multiplied with the columns of an image. Of these, those of one channel that
// differ in the row of the kernel alone are the same numbers further on: an image is copied once for each column of the
// kernel, and all columns lie in these copies.

#include <cstring>

#include "products.h"

namespace {

struct Sizes {
    long images, channels, height, width, outputs, rows, columns, top, left;  // rows and columns of the kernel; padding
    long out_height() const { return height + 2 * top - rows + 1; }
    long out_width() const { return width + 2 * left - columns + 1; }
    long positions() const { return out_height() * out_width(); }
    long channel() const { return (height + 2 * top) * out_width(); }  // of a copy
    long copies() const { return columns * channels * channel(); }
};

// Copies of one image; what a vector reads after the last is there, too.
template <class S> void copy(const Sizes& n, const S* image, S* to, Range channels) {
    const long w = n.out_width();
    for (long shift = 0; shift < n.columns; shift++) {
        const long first = shift < n.left ? n.left - shift : 0;  // before it, and from `end` on, is the padding
        const long end = n.width + n.left - shift < w ? n.width + n.left - shift : w;
        for (long c = channels.first; c < channels.end; c++) {
            S* begin = to + (shift * n.channels + c) * n.channel();
            std::memset(begin, 0, n.top * w * sizeof(S));
            std::memset(begin + (n.top + n.height) * w, 0, n.top * w * sizeof(S));
            for (long y = 0; y < n.height; y++) {
                S* row = begin + (n.top + y) * w;
                const S* from = image + (c * n.height + y) * n.width + shift - n.left;
                for (long x = 0; x < first && x < w; x++) row[x] = 0;
                for (long x = first; x < end; x++) row[x] = from[x];
                for (long x = end < 0 ? 0 : end; x < w; x++) row[x] = 0;
            }
        }
    }
}

// Where each column of the matrix begins in the copies.
inline void offsets_of(const Sizes& n, int32_t* offsets) {
    for (long c = 0; c < n.channels; c++)
        for (long y = 0; y < n.rows; y++)
            for (long x = 0; x < n.columns; x++) *offsets++ = (x * n.channels + c) * n.channel() + y * n.out_width();
}

template <class S> struct Shifted {
    const S* begin;
    const int32_t* offsets;
    const S* at(long column, int v) const { return begin + offsets[column] + v * LANES<S>; }
};
template <class S> struct Channels {
    S* begin;
    long stride;
    S* at(long row, int v) const { return begin + row * stride + v * LANES<S>; }
};

template <class S> long room_for(const Sizes& n) { return n.copies() + LANES<S>; }

template <class S>
void forward(const Pattern& w, const S* values, const S* bias, const Sizes& n, const S* x, S* y, int threads) {
    const long positions = n.positions(), whole = (positions + LANES<S> - 1) / LANES<S>;
    int32_t* offsets = room<int32_t>(1, w.columns);
    offsets_of(n, offsets);
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        // The channels of an image lie apart by powers of two, and would share few places of the cache.
        S *copies = room<S>(0, room_for<S>(n)), *sums = room<S>(2, n.outputs * 8 * LANES<S>);
        std::memset(copies + n.copies(), 0, LANES<S> * sizeof(S));
        const Range all(n.outputs, 1, 0);
#pragma omp for schedule(static)
        for (long image = 0; image < n.images; image++) {
            copy(n, x + image * n.channels * n.height * n.width, copies, Range(n.channels, 1, 0));
            S* out = y + image * n.outputs * positions;
            auto part = [&](auto vectors, long v0) {
                constexpr long width = vectors() * LANES<S>;
                const Shifted<S> from{copies + v0 * LANES<S>, offsets};
                product_of<S, vectors(), 0>(w, values, from, bias, all, Start::BIAS, Channels<S>{sums, width});
                const long left = positions - v0 * LANES<S>;
                for (long o = 0; o < n.outputs; o++)
                    std::memcpy(out + o * positions + v0 * LANES<S>, sums + o * width,
                                (left < width ? left : width) * sizeof(S));
            };
            long v0 = 0;
            for (; whole - v0 >= 8; v0 += 8) part(Count<8>(), v0);
            in_vectors(whole - v0, [&](auto vectors, long more) { part(vectors, v0 + more); });
        }
    }
}

// d_values += the gradient of the survivors.
template <class S>
void weight_gradient(const Pattern& w, const Sizes& n, const S* x, const S* d_y, S* d_values, int threads) {
    const long positions = n.positions(), whole = positions / LANES<S>, left = positions % LANES<S>;
    int32_t* offsets = room<int32_t>(1, w.columns);
    offsets_of(n, offsets);
    S *copies = room<S>(0, room_for<S>(n)), *rest = room<S>(2, n.outputs * LANES<S>);
    std::memset(copies + n.copies(), 0, LANES<S> * sizeof(S));
#pragma omp parallel num_threads(threads) if (threads > 1)
    for (long image = 0; image < n.images; image++) {
        const Range rows(n.outputs);
        const S* d_out = d_y + image * n.outputs * positions;
        copy(n, x + image * n.channels * n.height * n.width, copies, Range(n.channels));
        for (long o = rows.first; o < rows.end; o++)
            if (left) store(rest + o * LANES<S>, load_some(d_out + o * positions + whole * LANES<S>, left));
#pragma omp barrier
        auto part = [&](auto vectors, long v0) {
            const Shifted<S> from{copies + v0 * LANES<S>, offsets};
            gradient_of<S, vectors()>(w, from, Channels<const S>{d_out + v0 * LANES<S>, positions}, rows, d_values);
        };
        long v0 = 0;
        for (; whole - v0 >= 8; v0 += 8) part(Count<8>(), v0);
        in_vectors(whole - v0, [&](auto vectors, long more) { part(vectors, v0 + more); });
        if (left) {
            const Shifted<S> from{copies + whole * LANES<S>, offsets};
            gradient_of<S, 1>(w, from, Channels<const S>{rest, LANES<S>}, rows, d_values);
        }
#pragma omp barrier
    }
}

// The convolution that the gradient of the input is: of the result's gradient, with the kernel turned by half a circle.
inline Sizes turned(const Sizes& n) {
    return {n.images, n.outputs, n.out_height(), n.out_width(), n.channels, n.rows, n.columns, n.rows - 1 - n.top,
            n.columns - 1 - n.left};
}

}  // namespace

#define FOR(S, NAME)                                                                                                  \
    extern "C" void conv_##NAME(const Weight* w, const S* values, const S* bias, const Sizes* n, const S* x, S* y,    \
                                long threads) {                                                                       \
        forward(w->by_row, values, bias, *n, x, y, threads);                                                          \
    }                                                                                                                 \
    extern "C" void conv_input_gradient_##NAME(const Weight* w, const S* values, const Sizes* n, const S* d_y,        \
                                               S* d_x, long threads) {                                                \
        S* other = room<S>(3, w->by_row.count());                                                                     \
        turn(*w, values, other);                                                                                      \
        forward(w->by_column, other, static_cast<const S*>(nullptr), turned(*n), d_y, d_x, threads);                  \
    }                                                                                                                 \
    extern "C" void conv_weight_gradient_##NAME(const Weight* w, const Sizes* n, const S* x, const S* d_y,            \
                                                S* d_values, long threads) {                                          \
        weight_gradient(w->by_row, *n, x, d_y, d_values, threads);                                                    \
    }
FOR(float, float32)
FOR(double, float64)
