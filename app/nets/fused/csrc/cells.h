// A time step after the matrix product, forward and backward, for one row of the batch. The gates have the order of
// app/nets/lstm.py and app/nets/on_lstm.py; an activated master gate's entries hold its softmax.
//
// H hidden units, C chunk size, K = H / C chunks.

#pragma once

#include "activations.h"

namespace {

template <class S> struct LSTM {
    long H;
    long rows() const { return 4 * H; }
    long scratch() const { return 0; }

    S forward(S* __restrict g, const S* __restrict c, S* __restrict new_h, S* __restrict new_c, S*) const {
        S kept = 0;
        for (long j = 0; j < H; j++) {
            const S in = sigmoid(g[j]), forget = sigmoid(g[H + j]);
            const S candidate = hyperbolic_tangent(g[2 * H + j]), output = sigmoid(g[3 * H + j]);
            new_c[j] = forget * c[j] + in * candidate;
            new_h[j] = output * hyperbolic_tangent(new_c[j]);
            g[j] = in, g[H + j] = forget, g[2 * H + j] = candidate, g[3 * H + j] = output;
        }
        for (long j = 0; j < H; j++) kept += g[H + j];
        return 1 - kept / H;
    }

    void backward(const S* __restrict g, const S* __restrict c, const S* __restrict new_c, const S* __restrict dh,
                  S* __restrict dc, S* __restrict dg, S*) const {
        for (long j = 0; j < H; j++) {
            const S in = g[j], forget = g[H + j], candidate = g[2 * H + j], output = g[3 * H + j];
            const S squashed = hyperbolic_tangent(new_c[j]);
            const S d = dc[j] + dh[j] * output * (1 - squashed * squashed);
            dg[j] = d * candidate * in * (1 - in);
            dg[H + j] = d * c[j] * forget * (1 - forget);
            dg[2 * H + j] = d * in * (1 - candidate * candidate);
            dg[3 * H + j] = dh[j] * squashed * output * (1 - output);
            dc[j] = d * forget;
        }
    }
};

template <class S> struct ONLSTM {
    long H, C, K;
    long rows() const { return 2 * K + 4 * H; }
    long scratch() const { return 2 * H; }

    // Cumulative sums of the two softmaxes p, each value repeated for every unit of its chunk.
    S masters(const S* p, S* __restrict in, S* __restrict forget) const {
        S sum_in = 0, sum_forget = 0, total = 0;
        for (long k = 0; k < K; k++) {
            total += sum_forget += p[K + k];
            const S falling = 1 - (sum_in += p[k]);
            for (long j = k * C; j < (k + 1) * C; j++) in[j] = falling, forget[j] = sum_forget;
        }
        return 1 - total / K;
    }

    void softmax(S* z) const {
        S most = z[0], sum = 0;
        for (long k = 1; k < K; k++) most = z[k] > most ? z[k] : most;
        for (long k = 0; k < K; k++) z[k] = exponential(z[k] - most);
        for (long k = 0; k < K; k++) sum += z[k];
        for (long k = 0; k < K; k++) z[k] /= sum;
    }

    S forward(S* __restrict g, const S* __restrict c, S* __restrict new_h, S* __restrict new_c,
              S* __restrict scratch) const {
        S *__restrict master_in = scratch, *__restrict master_forget = scratch + H;
        softmax(g), softmax(g + K);
        const S distance = masters(g, master_in, master_forget);
        S *__restrict o = g + 2 * K, *__restrict z = o + H, *__restrict i = z + H, *__restrict f = i + H;
        for (long j = 0; j < H; j++) {
            const S output = sigmoid(o[j]), candidate = hyperbolic_tangent(z[j]), in = sigmoid(i[j]);
            const S forget = sigmoid(f[j]), overlap = master_forget[j] * master_in[j];
            new_c[j] = (forget * overlap + (master_forget[j] - overlap)) * c[j]
                + (in * overlap + (master_in[j] - overlap)) * candidate;
            new_h[j] = output * hyperbolic_tangent(new_c[j]);
            o[j] = output, z[j] = candidate, i[j] = in, f[j] = forget;
        }
        return distance;
    }

    // From the gradients of a cumulative sum at every unit to those of the inputs z of its softmax p.
    void softmax_backward(const S* p, const S* d_units, S sign, S* dz) const {
        S reached = 0, mean = 0;
        for (long k = K; k-- > 0;) {
            for (long j = k * C; j < (k + 1) * C; j++) reached += sign * d_units[j];
            dz[k] = reached;
            mean += p[k] * reached;
        }
        for (long k = 0; k < K; k++) dz[k] = p[k] * (dz[k] - mean);
    }

    void backward(const S* __restrict g, const S* __restrict c, const S* __restrict new_c, const S* __restrict dh,
                  S* __restrict dc, S* __restrict dg, S* __restrict scratch) const {
        S *__restrict master_in = scratch, *__restrict master_forget = scratch + H;
        masters(g, master_in, master_forget);
        const S *o = g + 2 * K, *z = o + H, *i = z + H, *f = i + H;
        S *__restrict d_o = dg + 2 * K, *__restrict d_z = d_o + H, *__restrict d_i = d_z + H, *__restrict d_f = d_i + H;
        for (long j = 0; j < H; j++) {
            const S m_in = master_in[j], m_forget = master_forget[j], overlap = m_forget * m_in;
            const S squashed = hyperbolic_tangent(new_c[j]);
            const S d = dc[j] + dh[j] * o[j] * (1 - squashed * squashed);
            const S d_forget = d * c[j], d_in = d * z[j], d_overlap = d_forget * (f[j] - 1) + d_in * (i[j] - 1);
            d_o[j] = dh[j] * squashed * o[j] * (1 - o[j]);
            d_z[j] = d * (i[j] * overlap + (m_in - overlap)) * (1 - z[j] * z[j]);
            d_i[j] = d_in * overlap * i[j] * (1 - i[j]);
            d_f[j] = d_forget * overlap * f[j] * (1 - f[j]);
            dc[j] = d * (f[j] * overlap + (m_forget - overlap));
            master_in[j] = d_in + m_forget * d_overlap;  // overwritten by their gradients
            master_forget[j] = d_forget + m_in * d_overlap;
        }
        softmax_backward(g, master_in, S(-1), dg);
        softmax_backward(g + K, master_forget, S(1), dg + K);
    }
};

}  // namespace
