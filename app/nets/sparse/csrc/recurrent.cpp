// A recurrent layer with sparse weights over a whole sequence, forward and backward, for float and double, with a plain
// C interface.
//
// T time, B batch, I features of the input, H hidden units, C chunk size, R rows of all gates together. Arrays are
// row-major; what the products read and write lies in panels.

#include <cstring>
#include <vector>

#include "cells.h"
#include "products.h"

namespace {

struct Shape { long time, batch, inputs, hidden; };

// The examples of some steps whose gradients are added up together: what the weights' gradient reads stays in the
// second-level cache, and a survivor's sum is finished once for all of them.
constexpr long EXAMPLES = 128;

template <class S, class Cell>
void forward(Shape n, const Cell& cell, int threads, const Weight& ih, const S* ih_values, const Weight& hh,
             const S* hh_values, const S* bias, const S* x, const S* h, const S* c, S* gates, S* outputs, S* cells,
             S* distances) {
    const long B = n.batch, I = n.inputs, H = n.hidden, R = cell.rows();
    const Panels<S> panels(Use::PRODUCTS, B);
    const long p = panels.padded();
    S *in = room<S>(0, I * p), *state = room<S>(1, H * p), *sums = room<S>(2, R * p);
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        std::vector<S> scratch(cell.scratch());
        to_panels(h, H, panels, state);
        for (long t = 0; t < n.time; t++) {
            to_panels(x + t * B * I, I, panels, in);
#pragma omp barrier
            product(ih.by_row, ih_values, in, bias, sums, panels);
            product(hh.by_row, hh_values, state, static_cast<const S*>(nullptr), sums, panels, Start::SUM);
#pragma omp barrier
            S* now = gates + t * B * R;
            from_panels(sums, R, panels, now);
#pragma omp barrier
#pragma omp for schedule(static)
            for (long b = 0; b < B; b++) {
                const long at = (t * B + b) * H;
                distances[t * B + b] = cell.forward(now + b * R, t ? cells + at - B * H : c + b * H, outputs + at,
                                                    cells + at, scratch.data());
            }
            to_panels(outputs + t * B * H, H, panels, state);
        }
    }
}

// dh and dc hold the gradients of the last h and c at first and of the first h and c in the end; dh only if wanted. Those
// of the survivors and of the bias are 0 before. Null for what is not wanted.
template <class S, class Cell>
void backward(Shape n, const Cell& cell, int threads, const Weight& ih, const S* ih_values, const Weight& hh,
              const S* hh_values, const S* x, const S* h, const S* c, const S* gates, const S* outputs, const S* cells,
              const S* d_outputs, S* d_x, S* d_ih, S* d_hh, S* d_bias, S* dh, S* dc, bool want_dh) {
    const long B = n.batch, I = n.inputs, H = n.hidden, R = cell.rows(), step = B * H;
    const long steps = B < EXAMPLES ? EXAMPLES / B : 1, most = Panels<S>(Use::GRADIENTS, steps * B).padded();
    const Panels<S> panels(Use::PRODUCTS, B);
    const long p = panels.padded();
    const bool of_weights = d_ih || d_hh || d_bias;
    S *rows = room<S>(0, steps * B * R), *sums = room<S>(1, R * p), *back = room<S>(2, (I > H ? I : H) * p);
    S *d_out = room<S>(3, R * most), *in = room<S>(4, (I + H) * most), *state = in + I * most;
    S *ih_turned = room<S>(5, ih.by_row.count()), *hh_turned = room<S>(6, hh.by_row.count());
    S* earlier = room<S>(7, steps * step);
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        std::vector<S> scratch(cell.scratch());
        if (d_x) turn(ih, ih_values, ih_turned);
        turn(hh, hh_values, hh_turned);
        for (long end = n.time; end > 0;) {
            const long begin = end > steps ? end - steps : 0;
            for (long t = end; t-- > begin;) {
                S* d_gates = rows + (t - begin) * B * R;
#pragma omp barrier
#pragma omp for schedule(static)
                for (long b = 0; b < B; b++) {
                    const long at = t * step + b * H;
                    cell.backward(gates + (t * B + b) * R, t ? cells + at - step : c + b * H, cells + at, dh + b * H,
                                  dc + b * H, d_gates + b * R, scratch.data());
                }
                to_panels(d_gates, R, panels, sums);
#pragma omp barrier
                if (d_x) {
                    product(ih.by_column, ih_turned, sums, static_cast<const S*>(nullptr), back, panels);
#pragma omp barrier
                    from_panels(back, I, panels, d_x + t * B * I);
#pragma omp barrier
                }
                if (t || want_dh) {
                    product(hh.by_column, hh_turned, sums, static_cast<const S*>(nullptr), back, panels);
#pragma omp barrier
                    from_panels(back, H, panels, dh);
#pragma omp barrier
                    if (t && d_outputs) {
#pragma omp for schedule(static)
                        for (long i = 0; i < step; i++) dh[i] += d_outputs[(t - 1) * step + i];
                    }
                }
            }
            if (of_weights) {
                const Panels<S> some(Use::GRADIENTS, (end - begin) * B);
                to_panels(rows, R, some, d_out);
                if (d_ih) to_panels(x + begin * B * I, I, some, in);
                if (d_hh) {
                    const S* before = outputs + (begin - 1) * step;
                    if (begin == 0) {  // h before the first step is not among the outputs
#pragma omp single
                        {
                            std::memcpy(earlier, h, step * sizeof(S));
                            std::memcpy(earlier + step, outputs, (end - 1) * step * sizeof(S));
                        }
                        before = earlier;
                    }
                    to_panels(before, H, some, state);
                }
#pragma omp barrier
                if (d_ih) gradient(ih.by_row, in, d_out, some, d_ih);
                if (d_hh) gradient(hh.by_row, state, d_out, some, d_hh);
                if (d_bias) row_sums(d_out, R, some, d_bias);
            }
            end = begin;
        }
    }
}

}  // namespace

#define FOR(S, NAME)                                                                                                  \
    extern "C" void recurrent_##NAME(long time, long batch, long inputs, long hidden, long chunk, long threads,       \
                                     const Weight* ih, const S* ih_values, const Weight* hh, const S* hh_values,      \
                                     const S* bias, const S* x, const S* h, const S* c, S* gates, S* outputs,         \
                                     S* cells, S* distances) {                                                        \
        const Shape n{time, batch, inputs, hidden};                                                                   \
        auto run = [&](const auto& cell) {                                                                            \
            forward(n, cell, threads, *ih, ih_values, *hh, hh_values, bias, x, h, c, gates, outputs, cells,           \
                    distances);                                                                                       \
        };                                                                                                            \
        if (chunk) run(ONLSTM<S>{hidden, chunk, hidden / chunk});                                                     \
        else run(LSTM<S>{hidden});                                                                                    \
    }                                                                                                                 \
    extern "C" void recurrent_backward_##NAME(                                                                        \
        long time, long batch, long inputs, long hidden, long chunk, long threads, const Weight* ih,                  \
        const S* ih_values, const Weight* hh, const S* hh_values, const S* x, const S* h, const S* c, const S* gates, \
        const S* outputs, const S* cells, const S* d_outputs, S* d_x, S* d_ih, S* d_hh, S* d_bias, S* dh, S* dc,      \
        long want_dh) {                                                                                               \
        const Shape n{time, batch, inputs, hidden};                                                                   \
        auto run = [&](const auto& cell) {                                                                            \
            backward(n, cell, threads, *ih, ih_values, *hh, hh_values, x, h, c, gates, outputs, cells, d_outputs,     \
                     d_x, d_ih, d_hh, d_bias, dh, dc, want_dh);                                                       \
        };                                                                                                            \
        if (chunk) run(ONLSTM<S>{hidden, chunk, hidden / chunk});                                                     \
        else run(LSTM<S>{hidden});                                                                                    \
    }
FOR(float, float32)
FOR(double, float64)
