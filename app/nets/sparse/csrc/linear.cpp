// A linear layer whose weight is sparse, forward and backward, for float and double, with a plain C interface.
//
// B examples. What comes in and goes out is row-major, (B, features).

#include <cstring>

#include "products.h"

namespace {

// One example: the products of each row's survivors in four sums.
template <class S>
void forward_one(const Pattern& w, const int32_t* order, const S* values, const S* bias, const S* x, S* y) {
    const uint16_t* places = w.places;
    for (long i = 0; i < w.rows; i++) {
        long at = w.begins[i];
        const long end = w.begins[i + 1], row = order[i];
        S a = 0, b = 0, c = 0, d = 0;
        for (; at + 4 <= end; at += 4) {
            a += values[at] * x[places[at]], b += values[at + 1] * x[places[at + 1]];
            c += values[at + 2] * x[places[at + 2]], d += values[at + 3] * x[places[at + 3]];
        }
        for (; at < end; at++) a += values[at] * x[places[at]];
        y[row] = (a + b) + (c + d) + (bias ? bias[row] : 0);
    }
}

// y(B, rows) = x(B, columns) w^T + bias.
template <class S>
void forward(const Pattern& w, const S* values, const S* bias, const S* x, long batch, S* y, int threads) {
    const Panels<S> panels(Use::PRODUCTS, batch);
    S *in = room<S>(0, w.columns * panels.padded()), *out = room<S>(1, w.rows * panels.padded());
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        to_panels(x, w.columns, panels, in);
#pragma omp barrier
        product(w, values, in, bias, out, panels);
#pragma omp barrier
        from_panels(out, w.rows, panels, y);
    }
}

// d_x(B, columns), d_weight and d_bias from d_y(B, rows); null for those that are not wanted. d_weight, dense, and d_bias
// are 0 before.
template <class S>
void backward(const Weight& w, const S* values, const S* x, const S* d_y, long batch, S* d_x, S* d_weight, S* d_bias,
              int threads) {
    const Panels<S> panels(Use::GRADIENTS, batch);
    const long p = panels.padded(), rows = w.by_row.rows, columns = w.by_row.columns, count = w.by_row.count();
    S *d_out = room<S>(0, rows * p), *in = room<S>(1, columns * p), *turned = room<S>(2, count);
    S* d_values = room<S>(3, count);
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        to_panels(d_y, rows, panels, d_out);
        const Range mine(count);
        if (d_x) turn(w, values, turned);
        if (d_weight) {
            to_panels(x, columns, panels, in);
            std::memset(d_values + mine.first, 0, (mine.end - mine.first) * sizeof(S));
        }
#pragma omp barrier
        if (d_bias) row_sums(d_out, rows, panels, d_bias);
        if (d_weight) {
            gradient(w.by_row, in, d_out, panels, d_values);
#pragma omp barrier
            for (long i = mine.first; i < mine.end; i++) d_weight[w.positions[i]] = d_values[i];
        }
        if (d_x) {
            product(w.by_column, turned, d_out, static_cast<const S*>(nullptr), in, panels);
#pragma omp barrier
            from_panels(in, columns, panels, d_x);
        }
    }
}

}  // namespace

#define FOR(S, NAME)                                                                                                  \
    extern "C" void linear_one_##NAME(const Weight* w, const S* values, const S* bias, const S* x, S* y) {            \
        forward_one(w->plain, w->order, values, bias, x, y);                                                                    \
    }                                                                                                                 \
    extern "C" void linear_##NAME(const Weight* w, const S* values, const S* bias, const S* x, long batch, S* y,      \
                                  int threads) {                                                                      \
        forward(w->by_row, values, bias, x, batch, y, threads);                                                       \
    }                                                                                                                 \
    extern "C" void linear_backward_##NAME(const Weight* w, const S* values, const S* x, const S* d_y, long batch,    \
                                           S* d_x, S* d_weight, S* d_bias, int threads) {                             \
        backward(*w, values, x, d_y, batch, d_x, d_weight, d_bias, threads);                                          \
    }
FOR(float, float32)
FOR(double, float64)
