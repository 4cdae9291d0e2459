// A recurrent layer over a whole sequence, forward and backward, for float and double, with a plain C interface.
//
// T time, B batch, H hidden units, C chunk size, R rows of all gates together. Arrays are row-major.

#include <vector>

#include "cells.h"
#include "product.h"

namespace {

struct Shape { long time, batch, hidden; };

template <class S, class Cell>
void forward(Shape n, const Cell& cell, int threads, S* gates, const S* weight, S* packed, S* lined, const S* h,
             const S* c, S* outputs, S* cells, S* distances) {
    const long H = n.hidden, R = cell.rows();
#pragma omp parallel num_threads(threads)
    {
        std::vector<S> scratch(cell.scratch());
        pack(weight, H, R, 1, H, packed);
#pragma omp for schedule(static)
        for (long b = 0; b < n.batch; b++) line_up(h + b * H, n.batch, b, H, lined);
        for (long t = 0; t < n.time; t++) {
            S* now = gates + t * n.batch * R;
            product(lined, packed, n.batch, H, R, now, now);
#pragma omp for schedule(static)
            for (long b = 0; b < n.batch; b++) {
                const long at = (t * n.batch + b) * H;
                distances[t * n.batch + b] = cell.forward(
                    now + b * R, t ? cells + at - n.batch * H : c + b * H, outputs + at, cells + at, scratch.data());
                line_up(outputs + at, n.batch, b, H, lined);
            }
        }
    }
}

// dh and dc hold the gradients of the last h and c at first and of the first h and c in the end; dh only if wanted.
template <class S, class Cell>
void backward(Shape n, const Cell& cell, int threads, const S* gates, const S* weight, S* packed, S* lined, const S* c,
              const S* cells, const S* d_outputs, S* d_gates, S* dh, S* dc, bool want_dh) {
    const long H = n.hidden, R = cell.rows(), step = n.batch * H;
#pragma omp parallel num_threads(threads)
    {
        std::vector<S> scratch(cell.scratch());
        pack(weight, R, H, H, 1, packed);
        for (long t = n.time; t-- > 0;) {
#pragma omp for schedule(static)
            for (long b = 0; b < n.batch; b++) {
                const long at = t * step + b * H, row = (t * n.batch + b) * R;
                cell.backward(gates + row, t ? cells + at - step : c + b * H, cells + at, dh + b * H, dc + b * H,
                              d_gates + row, scratch.data());
                line_up(d_gates + row, n.batch, b, R, lined);
            }
            if (t || want_dh)
                product(lined, packed, n.batch, R, H, t && d_outputs ? d_outputs + (t - 1) * step : nullptr, dh);
        }
    }
}

}  // namespace

#define FOR(S, NAME)                                                                                                  \
    extern "C" void forward_##NAME(long time, long batch, long hidden, long chunk, int threads, S* gates,             \
                                   const S* weight, S* packed, S* lined, const S* h, const S* c, S* outputs,          \
                                   S* cells, S* distances) {                                                          \
        const Shape n{time, batch, hidden};                                                                           \
        if (chunk)                                                                                                    \
            forward(n, ONLSTM<S>{hidden, chunk, hidden / chunk}, threads, gates, weight, packed, lined, h, c,         \
                    outputs, cells, distances);                                                                       \
        else                                                                                                          \
            forward(n, LSTM<S>{hidden}, threads, gates, weight, packed, lined, h, c, outputs, cells, distances);      \
    }                                                                                                                 \
    extern "C" void backward_##NAME(long time, long batch, long hidden, long chunk, int threads, const S* gates,      \
                                    const S* weight, S* packed, S* lined, const S* c, const S* cells,                 \
                                    const S* d_outputs, S* d_gates, S* dh, S* dc, int want_dh) {                      \
        const Shape n{time, batch, hidden};                                                                           \
        if (chunk)                                                                                                    \
            backward(n, ONLSTM<S>{hidden, chunk, hidden / chunk}, threads, gates, weight, packed, lined, c, cells,    \
                     d_outputs, d_gates, dh, dc, want_dh);                                                            \
        else                                                                                                          \
            backward(n, LSTM<S>{hidden}, threads, gates, weight, packed, lined, c, cells, d_outputs, d_gates, dh, dc, \
                     want_dh);                                                                                        \
    }
FOR(float, float32)
FOR(double, float64)
