// exp, tanh and the logistic function: for float with a relative error of at most 3e-7 and in a form that compilers
// vectorise, for double those of the C library. NaN stays NaN.

#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

namespace {

struct Power { float fraction, scale; };  // exp(x) - 1 = fraction * scale + (scale - 1)

inline Power power(float x) {
    x = x < -87.3f ? -87.3f : x;  // where exp(x) and its inverse are still normal numbers
    x = x > 87.3f ? 87.3f : x;
    // Adding this number leaves the nearest integer to x / ln 2 in the lowest bits.
    const float shift = 12582912.0f, shifted = x * 1.44269504f + shift, n = shifted - shift;
    uint32_t bits;
    std::memcpy(&bits, &shifted, sizeof bits);
    bits = (bits << 23) + 0x3f800000u;
    float scale;
    std::memcpy(&scale, &bits, sizeof scale);
    const float r = (x - n * 0.693145752f) - n * 1.42860677e-6f;  // ln 2 in two parts, the first exact times n
    // Taylor's series of exp(r) - 1 for |r| <= ln 2 / 2: the next term is below 6e-9.
    const float series = r * (1.0f / 5040) + 1.0f / 720;
    const float tail = ((((series * r + 1.0f / 120) * r + 1.0f / 24) * r + 1.0f / 6) * r + 0.5f) * r;
    return {tail * r + r, scale};
}

inline float exponential(float x) { const Power p = power(x); return p.fraction * p.scale + p.scale; }
inline float hyperbolic_tangent(float x) {
    x = x < -9.1f ? -9.1f : x;  // beyond, 1 is the nearest number
    x = x > 9.1f ? 9.1f : x;
    const Power p = power(2 * x);
    const float u = p.fraction * p.scale + (p.scale - 1);
    return u / (u + 2);
}
inline double exponential(double x) { return std::exp(x); }
inline double hyperbolic_tangent(double x) { return std::tanh(x); }
template <class S> inline S sigmoid(S x) { return 1 / (1 + exponential(-x)); }

}  // namespace
