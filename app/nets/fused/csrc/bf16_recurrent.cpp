// The steps of a recurrent layer with its recurrent product in bfloat16, forward and backward; everything else is in
// float32. See recurrent.cpp for the same in one precision, and bf16.h for rows and panels.
//
// T time, B batch, H hidden units, C chunk size, R rows of all gates together. Arrays are row-major.

#include <vector>

#include "bf16.h"
#include "cells.h"

#ifdef BF16

namespace {

using bf16::Engine;
using bf16::entry;

struct Shape { long time, batch, hidden; };

// `rows` are those of h before the first step and of all outputs, (T + 1) B of them.
template <class Cell>
void forward(Shape n, const Cell& cell, int threads, bool tiles, float* gates, const float* weight, entry* panels,
             entry* rows, long stride, const float* h, const float* c, float* outputs, float* cells, float* distances) {
    const long H = n.hidden, R = cell.rows();
#pragma omp parallel num_threads(threads)
    {
        Engine engine(tiles);
        std::vector<float> scratch(cell.scratch());
        bf16::pack_columns(weight, H, R, H, panels);
        bf16::to_rows(h, n.batch, H, rows, stride);
        for (long t = 0; t < n.time; t++) {
            float* now = gates + t * n.batch * R;
            bf16::multiply_again(engine, {rows + t * n.batch * stride, stride, n.batch, panels, H, R, now, R, now, R},
                                 t % 2);
#pragma omp for schedule(static)
            for (long b = 0; b < n.batch; b++) {
                const long row = t * n.batch + b, at = row * H;
                distances[row] = cell.forward(now + b * R, t ? cells + at - n.batch * H : c + b * H, outputs + at,
                                              cells + at, scratch.data());
                bf16::to_row(outputs + at, H, rows + (row + n.batch) * stride, stride);
            }
        }
    }
}

// dh and dc hold the gradients of the last h and c at first and of the first h and c in the end; dh only if wanted.
// `rows` gets the gradients of the gates before their activation.
template <class Cell>
void backward(Shape n, const Cell& cell, int threads, bool tiles, const float* gates, const float* weight,
              entry* panels, entry* rows, long stride, const float* c, const float* cells, const float* d_outputs,
              float* dh, float* dc, bool want_dh) {
    const long H = n.hidden, R = cell.rows(), step = n.batch * H;
#pragma omp parallel num_threads(threads)
    {
        Engine engine(tiles);
        std::vector<float> scratch(cell.scratch()), d_gates(R);
        bf16::pack_rows(weight, H, H, R, panels);
        for (long t = n.time; t-- > 0;) {
#pragma omp for schedule(static)
            for (long b = 0; b < n.batch; b++) {
                const long row = t * n.batch + b, at = row * H;
                cell.backward(gates + row * R, t ? cells + at - step : c + b * H, cells + at, dh + b * H, dc + b * H,
                              d_gates.data(), scratch.data());
                bf16::to_row(d_gates.data(), R, rows + row * stride, stride);
            }
            if (t || want_dh) {
                const float* before = t && d_outputs ? d_outputs + (t - 1) * step : nullptr;
                bf16::multiply_again(
                    engine, {rows + t * n.batch * stride, stride, n.batch, panels, R, H, before, H, dh, H}, t % 2);
            }
        }
    }
}

}  // namespace

extern "C" void bf16_forward(long threads, long tiles, long time, long batch, long hidden, long chunk, float* gates,
                             const float* weight, entry* panels, entry* rows, long stride, const float* h,
                             const float* c, float* outputs, float* cells, float* distances) {
    const Shape n{time, batch, hidden};
    if (chunk)
        forward(n, ONLSTM<float>{hidden, chunk, hidden / chunk}, threads, tiles, gates, weight, panels, rows, stride, h,
                c, outputs, cells, distances);
    else
        forward(n, LSTM<float>{hidden}, threads, tiles, gates, weight, panels, rows, stride, h, c, outputs, cells,
                distances);
}

extern "C" void bf16_backward(long threads, long tiles, long time, long batch, long hidden, long chunk,
                              const float* gates, const float* weight, entry* panels, entry* rows, long stride,
                              const float* c, const float* cells, const float* d_outputs, float* dh, float* dc,
                              long want_dh) {
    const Shape n{time, batch, hidden};
    if (chunk)
        backward(n, ONLSTM<float>{hidden, chunk, hidden / chunk}, threads, tiles, gates, weight, panels, rows, stride,
                 c, cells, d_outputs, dh, dc, want_dh);
    else
        backward(n, LSTM<float>{hidden}, threads, tiles, gates, weight, panels, rows, stride, c, cells, d_outputs, dh,
                 dc, want_dh);
}

#endif
