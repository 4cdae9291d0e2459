// Survivors between a dense tensor and a list of values.

#include <cstdint>

#define FOR(S, NAME)                                                                                                  \
    extern "C" void gather_##NAME(const S* from, const int32_t* positions, long count, S* to) {                       \
        for (long i = 0; i < count; i++) to[i] = from[positions[i]];                                                  \
    }                                                                                                                 \
    extern "C" void scatter_##NAME(const S* from, const int32_t* positions, long count, S* to) {                      \
        for (long i = 0; i < count; i++) to[positions[i]] = from[i];                                                  \
    }
FOR(float, float32)
FOR(double, float64)
