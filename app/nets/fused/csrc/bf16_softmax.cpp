// Softmax over a vocabulary and its loss with products in bfloat16: one block of rows after another, whose scores stay
// in the cache. Scores, logarithms and sums are in float32. See bf16.h for rows and panels.
//
// N predictions, D features, V words. Arrays are row-major.

#include <cmath>
#include <vector>

#include "bf16.h"

#ifdef BF16

namespace {

using bf16::BLOCK;
using bf16::Engine;
using bf16::entry;
using bf16::LANES;
using bf16::STEP;

// exp(x) for x <= 0, with a relative error of at most 2e-7; NaN stays NaN.
inline __m512 exponential(__m512 x) {
    const __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504f)), 8);  // the nearest integer
    // ln 2 in two parts, the first exact times n.
    const __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(1.42860677e-6f),
                                      _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693145752f), x));
    // Taylor's series for |r| <= ln 2 / 2: the next term is below 1.2e-7 of the sum.
    __m512 series = _mm512_set1_ps(1.0f / 720);
    for (const float factor : {1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1.0f, 1.0f})
        series = _mm512_fmadd_ps(series, r, _mm512_set1_ps(factor));
    return _mm512_scalef_ps(series, n);
}

struct Scores {
    const entry* hidden;  // rows (N, D)
    long stride, count, features, words;
    const entry* panels;  // of the weight's transpose: m(d, v)
    const float* bias;
    const int64_t* targets;
};

// Turns the scores of one prediction into their exponentials, relative to the greatest, and returns minus the target's
// log probability; `inverse` becomes 1 over the sum. NaN stays NaN.
inline float normalise(float* scores, long words, int64_t target, float& inverse) {
    __m512 most = _mm512_set1_ps(-INFINITY);
    for (long v = 0; v < words; v += LANES)
        most = _mm512_mask_max_ps(most, bf16::first(words - v), most, _mm512_loadu_ps(scores + v));
    const float top = _mm512_reduce_max_ps(most), at_target = scores[target] - top;
    __m512 sum = _mm512_setzero_ps();
    for (long v = 0; v < words; v += LANES) {
        const __m512 e = exponential(_mm512_sub_ps(_mm512_loadu_ps(scores + v), _mm512_set1_ps(top)));
        _mm512_storeu_ps(scores + v, e);
        sum = _mm512_mask_add_ps(sum, bf16::first(words - v), sum, e);
    }
    const float total = _mm512_reduce_add_ps(sum);
    inverse = 1 / total;
    return std::log(total) - at_target;
}

// Entries of the exponentials times `inverse`, with zeros up to `padded`.
inline void to_probabilities(const float* exponentials, long words, float inverse, entry* to, long padded) {
    const __m512 factor = _mm512_set1_ps(inverse);
    for (long v = 0; v < padded; v += STEP) {
        const __m512 low = _mm512_maskz_loadu_ps(bf16::first(words - v), exponentials + v);
        const __m512 high = _mm512_maskz_loadu_ps(bf16::first(words - v - LANES), exponentials + v + LANES);
        const __m512bh both = _mm512_cvtne2ps_pbh(_mm512_mul_ps(high, factor), _mm512_mul_ps(low, factor));
        _mm512_storeu_si512(to + v, (__m512i)both);
    }
}

// The scores of a block of rows.
void score(Engine& engine, const Scores& s, long top, long rows, float* scores, long scores_stride) {
    const long padded = bf16::up(s.features, STEP);
    for (long v = 0; v < s.words; v += 2 * LANES)
        engine.compute({s.hidden + top * s.stride, s.stride, rows, s.panels + v * padded, padded, 0, padded, s.bias + v,
                        0, scores + v, scores_stride, s.words - v < 2 * LANES ? s.words - v : 2 * LANES});
}

}  // namespace

// Losses (N,) alone.
extern "C" void bf16_losses(long threads, long tiles, const entry* hidden, long stride, long count, long features,
                            long words, const entry* panels, const float* bias, const int64_t* targets, float* losses) {
    const Scores s{hidden, stride, count, features, words, panels, bias, targets};
    const long scores_stride = bf16::up(words, LANES);
#pragma omp parallel num_threads(threads)
    {
        Engine engine(tiles);
        std::vector<float> scores(BLOCK * scores_stride);
#pragma omp for schedule(static)
        for (long top = 0; top < count; top += BLOCK) {
            const long rows = count - top < BLOCK ? count - top : BLOCK;
            score(engine, s, top, rows, scores.data(), scores_stride);
            float inverse;
            for (long r = 0; r < rows; r++)
                losses[top + r] = normalise(scores.data() + r * scores_stride, words, targets[top + r], inverse);
        }
    }
}

// Losses (N,); the gradient of their sum with respect to the hidden features (N, D); and, as rows of the transpose
// (V, N), the gradient with respect to the scores. `back` are panels of the weight: m(v, d).
extern "C" void bf16_losses_and_gradients(long threads, long tiles, const entry* hidden, long stride, long count,
                                          long features, long words, const entry* panels, const entry* back,
                                          const float* bias, const int64_t* targets, float* losses, float* d_hidden,
                                          entry* d_scores, long d_stride) {
    const Scores s{hidden, stride, count, features, words, panels, bias, targets};
    const long padded = bf16::up(words, STEP), rows_stride = padded % 512 ? padded : padded + STEP;
#pragma omp parallel num_threads(threads)
    {
        Engine engine(tiles);
        std::vector<float> scores(BLOCK * padded);
        std::vector<entry> rounded(BLOCK * rows_stride);
#pragma omp for schedule(static)
        for (long top = 0; top < count; top += BLOCK) {
            const long rows = count - top < BLOCK ? count - top : BLOCK;
            score(engine, s, top, rows, scores.data(), padded);
            for (long r = 0; r < rows; r++) {
                float inverse, *mine = scores.data() + r * padded;
                losses[top + r] = normalise(mine, words, targets[top + r], inverse);
                mine[targets[top + r]] -= 1 / inverse;
                to_probabilities(mine, words, inverse, rounded.data() + r * rows_stride, padded);
            }
            for (long d = 0; d < features; d += 2 * LANES)
                engine.compute({rounded.data(), rows_stride, rows, back + d * padded, padded, 0, padded, nullptr, 0,
                                d_hidden + top * features + d, features,
                                features - d < 2 * LANES ? features - d : 2 * LANES});
            for (long v = 0; v < words; v += LANES) {
                __m512i pairs[16];
                for (long pair = 0; pair < 16; pair++) {
                    const entry* row = rounded.data() + 2 * pair * rows_stride + v;
                    pairs[pair] = bf16::across(2 * pair < rows ? row : nullptr,
                                               2 * pair + 1 < rows ? row + rows_stride : nullptr, words - v);
                }
                bf16::transpose(pairs);
                for (long n = 0; n < LANES && v + n < words; n++)
                    _mm512_storeu_si512(d_scores + (v + n) * d_stride + top, pairs[n]);
            }
        }
    }
}

#endif
