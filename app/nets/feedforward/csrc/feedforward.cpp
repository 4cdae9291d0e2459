// A training iteration of fully connected layers with ReLU between them and cross-entropy at the end: forward pass,
// gradients, masks and optimiser. Sums are made in one order, whatever the sizes of tiles and the number of threads, so
// that an iteration has the same bits whether its gradients are kept or go straight into the weights.
//
// B examples of a batch, P of them with padding to whole vectors. Activations are (units, P) and (B, units).

#include <cstdint>
#include <new>

#include "vectors.h"

namespace {

constexpr long ALIGNED = 64;
constexpr long BLOCK = 196;  // columns whose activations of a tile's examples stay in the nearest cache

// As `Layer` in native.py; null for what there is not.
struct Layer {
    long inputs, outputs;
    void *weight, *bias, *d_weight, *d_bias, *first_weight, *first_bias, *second_weight, *second_bias;
    const uint16_t* kept;  // bits of what the mask keeps, a word for each vector of a row; null for all
    // The columns of weights that may be other than 0, by block of columns and by row, and where those of each begin;
    // null for all columns.
    const uint16_t* columns;
    const int32_t* begins;
};

// As `Rule` in native.py.
enum Kind { GRADIENTS, SGD, ADAM, ADAMW };
struct Rule {
    long kind;
    long fused;  // 1 for torch's fused optimisers, which round otherwise in what a tensor has after whole vectors
    double rate, decay, momentum, damped, nesterov, first_time;             // SGD; the last two are 0 or 1
    double beta1_rest, beta2, beta2_rest, eps, step_size, root_correction;  // Adam
};

inline long rounded_up(long count, long part) { return (count + part - 1) / part * part; }

// Memory that a thread keeps from call to call.
template <class S> S* room(int which, long count) {
    static thread_local struct Room {
        void* memory = nullptr;
        long size = 0;
        ~Room() { ::operator delete(memory, std::align_val_t(ALIGNED)); }
    } rooms[2];
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

// Where each layer's activations lie, (units, P) and (B, units padded).
template <class S> struct Places {
    long of_units[17], of_rows[17], padded[17], size = 0;
    Places(const Layer* layers, long count, long batch, long p, bool training) {
        for (long l = 0; l <= count; l++) {
            const long units = l < count ? layers[l].inputs : layers[l - 1].outputs;
            padded[l] = rounded_up(units, LANES<S>);
            of_units[l] = size, size += rounded_up(units * p, ALIGNED);
            of_rows[l] = size, size += training && l < count ? rounded_up(batch * padded[l], ALIGNED) : 0;
        }
    }
};

// The end of a layer's forward pass for a row: bias and ReLU, in which nan stays nan.
template <class S> inline Vector<S> finished(Vector<S> sum, S bias, bool relu) {
    sum += all(bias);
    return relu ? (sum <= 0 ? Vector<S>{} : sum) : sum;
}

// As `tile`, of R rows, with the columns of each: what is left out would have added 0. A block of columns at a time, so
// that what is read again for every row stays in the nearest cache.
template <class S, int R, int V>
inline void sparse_rows(const Layer& layer, long j, const S* in, S* out, long p, bool relu, long block, bool last) {
    const S *weight = static_cast<const S*>(layer.weight), *bias = static_cast<const S*>(layer.bias);
    Vector<S> sums[R][V];
    const uint16_t *now[R], *end[R];
    long common = 1 << 30;
    for (int r = 0; r < R; r++) {
        const int32_t* begins = layer.begins + block * layer.outputs + j + r;
        now[r] = layer.columns + begins[0], end[r] = layer.columns + begins[1];
        common = end[r] - now[r] < common ? end[r] - now[r] : common;
        for (int v = 0; v < V; v++) sums[r][v] = block ? load(out + (j + r) * p + v * LANES<S>) : Vector<S>{};
    }
    auto add = [&](int r) {
        const long column = *now[r]++;
        const Vector<S> left = all(weight[(j + r) * layer.inputs + column]);
#pragma GCC unroll 4
        for (int v = 0; v < V; v++) sums[r][v] = fma(left, load(in + column * p + v * LANES<S>), sums[r][v]);
    };
    for (; common > 0; common--)
        for (int r = 0; r < R; r++) add(r);
    for (int r = 0; r < R; r++) {
        while (now[r] < end[r]) add(r);
        for (int v = 0; v < V; v++)
            store(out + (j + r) * p + v * LANES<S>, last ? finished(sums[r][v], bias[j + r], relu) : sums[r][v]);
    }
}

template <class S> void sparse_forward(const Layer& layer, const S* in, S* out, long p, bool relu) {
    const long blocks = (layer.inputs + BLOCK - 1) / BLOCK;
    in_vectors(p / LANES<S>, [&](auto vectors, long v0) {
        for (long block = 0; block < blocks; block++) {
            const bool last = block + 1 == blocks;
            const S* part = in + v0 * LANES<S>;
            S* to = out + v0 * LANES<S>;
            long j = 0;
            for (; j + 2 <= layer.outputs; j += 2) sparse_rows<S, 2, vectors()>(layer, j, part, to, p, relu, block, last);
            if (j < layer.outputs) sparse_rows<S, 1, vectors()>(layer, j, part, to, p, relu, block, last);
        }
    });
}

// out(outputs, P) = weight in(inputs, P) + bias, with ReLU.
template <class S> void forward(const Layer& layer, const S* in, S* out, long p, bool relu, int threads) {
    if (layer.columns) return sparse_forward(layer, in, out, p, relu);
    const S *weight = static_cast<const S*>(layer.weight), *bias = static_cast<const S*>(layer.bias);
    const long groups = (layer.outputs + ROWS - 1) / ROWS;
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (long group = 0; group < groups; group++) {
        const long end = group + 1 < groups ? (group + 1) * ROWS : layer.outputs;
        in_rows(group * ROWS, end, [&](auto rows, long j) {
            in_vectors(p / LANES<S>, [&](auto vectors, long v0) {
                Vector<S> sums[rows()][vectors()] = {};
                tile<S, rows(), vectors()>(sums, layer.inputs, weight + j * layer.inputs, layer.inputs, 1,
                                           in + v0 * LANES<S>, p);
                for (int r = 0; r < rows(); r++)
                    for (int v = 0; v < vectors(); v++)
                        store(out + (j + r) * p + (v0 + v) * LANES<S>, finished(sums[r][v], bias[j + r], relu));
            });
        });
    }
}

// d_in(inputs, P) = weight^T d_out(outputs, P) where `in` is above 0, else 0.
template <class S> void backward(const Layer& layer, const S* in, const S* d_out, S* d_in, long p, int threads) {
    const S* weight = static_cast<const S*>(layer.weight);
    const long groups = (layer.inputs + ROWS - 1) / ROWS;
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (long group = 0; group < groups; group++) {
        const long end = group + 1 < groups ? (group + 1) * ROWS : layer.inputs;
        in_rows(group * ROWS, end, [&](auto rows, long k) {
            in_vectors(p / LANES<S>, [&](auto vectors, long v0) {
                Vector<S> sums[rows()][vectors()] = {};
                tile<S, rows(), vectors()>(sums, layer.outputs, weight + k, 1, layer.inputs, d_out + v0 * LANES<S>, p);
                for (int r = 0; r < rows(); r++)
                    for (int v = 0; v < vectors(); v++) {
                        const long at = (k + r) * p + (v0 + v) * LANES<S>;
                        store(d_in + at, load(in + at) <= 0 ? Vector<S>{} : sums[r][v]);
                    }
            });
        });
    }
}

// A vector of weights or biases, and what the optimiser knows of them, in registers.
template <class S> struct Numbers {
    Vector<S> weight, first, second;
};

constexpr long FUSED_BYTES = 32;  // of the vectors of torch's fused optimisers

// a b + c d, of which one product is rounded before the sum is: c d, or in the rest of a tensor a b.
template <class S, bool REST> inline Vector<S> sum(Vector<S> a, Vector<S> b, Vector<S> c, Vector<S> d) {
    return REST ? fma(c, d, a * b) : fma(a, b, c * d);
}

// torch's optimisers, operation by operation.
template <class S, int KIND, bool REST> inline void update(Numbers<S>& n, Vector<S> gradient, const Rule& rule) {
    if constexpr (KIND == SGD) {
        if (rule.decay != 0) gradient = fma(n.weight, all(S(rule.decay)), gradient);
        if (rule.momentum != 0) {
            n.first = rule.first_time != 0
                          ? gradient
                          : sum<S, REST>(gradient, all(S(rule.damped)), n.first, all(S(rule.momentum)));
            gradient = rule.nesterov != 0 ? fma(n.first, all(S(rule.momentum)), gradient) : n.first;
        }
        n.weight = fma(gradient, all(S(-rule.rate)), n.weight);
    } else {
        if (rule.decay != 0) {
            if constexpr (KIND == ADAM) gradient = fma(n.weight, all(S(rule.decay)), gradient);
            else n.weight = n.weight * all(S(1 - rule.rate * rule.decay));
        }
        n.first = fma(all(S(rule.beta1_rest)), gradient - n.first, n.first);
        n.second = sum<S, REST>(all(S(rule.beta2_rest)) * gradient, gradient, n.second, all(S(rule.beta2)));
        const Vector<S> scale = root(n.second) / all(S(rule.root_correction)) + all(S(rule.eps));
        n.weight = n.weight + all(S(-rule.step_size)) * n.first / scale;
    }
}

template <class S> inline Vector<S> masked(Vector<S> value, const uint16_t* kept) {
    if (!kept) return value;
#if defined(__AVX512F__)
    if constexpr (sizeof(S) == 4) return (Vector<S>)_mm512_maskz_mov_ps(*kept, (__m512)value);
    else return (Vector<S>)_mm512_maskz_mov_pd(*kept, (__m512d)value);
#else
    Words<S> bits;
    for (int lane = 0; lane < LANES<S>; lane++) bits[lane] = Word<S>(1) << lane;
    return (Words<S>{} + Word<S>(*kept) & bits) != 0 ? value : Vector<S>{};
#endif
}

// Where a vector of a tensor is, and what the optimiser knows of it.
template <class S> struct Place {
    static constexpr long FUSED = FUSED_BYTES / sizeof(S);
    S *weight, *gradient, *first, *second;
    int lanes;   // that it has
    long whole;  // lanes before the rest of the tensor, which begins after so many numbers
    Place(void* weight, void* gradient, void* first, void* second, long at, long width, long numbers)
        : weight(static_cast<S*>(weight) + at), gradient(gradient ? static_cast<S*>(gradient) + at : nullptr),
          first(first ? static_cast<S*>(first) + at : nullptr), second(second ? static_cast<S*>(second) + at : nullptr),
          lanes(width < LANES<S> ? width : LANES<S>), whole(numbers / FUSED * FUSED - at) {}
    Vector<S> get(const S* from) const {
        return !from ? Vector<S>{} : lanes == LANES<S> ? load(from) : load_some(from, lanes);
    }
    void set(S* to, Vector<S> value) const {
        if (to) lanes == LANES<S> ? store(to, value) : store_some(to, value, lanes);
    }
};

template <class S, int KIND> inline void put(const Place<S>& place, Vector<S> gradient, const Rule& rule) {
    if constexpr (KIND == GRADIENTS) {
        place.set(place.gradient, gradient);
    } else {
        Numbers<S> n{place.get(place.weight), place.get(place.first), place.get(place.second)};
        const Numbers<S> before = n;
        update<S, KIND, false>(n, gradient, rule);
        if (place.whole < place.lanes && rule.fused) {
            Numbers<S> rest = before;
            update<S, KIND, true>(rest, gradient, rule);
            for (int lane = place.whole > 0 ? place.whole : 0; lane < place.lanes; lane++) {
                n.weight[lane] = rest.weight[lane];
                n.first[lane] = rest.first[lane], n.second[lane] = rest.second[lane];
            }
        }
        place.set(place.weight, n.weight), place.set(place.first, n.first), place.set(place.second, n.second);
    }
}

// The gradients of a layer: in(B, inputs) and d_out(outputs, P); what is to be done with them is KIND.
template <class S, int KIND>
void gradients(const Layer& layer, const S* in, long in_stride, const S* d_out, long batch, long p, const Rule& rule,
               int threads) {
    const long vectors_of_row = rounded_up(layer.inputs, LANES<S>) / LANES<S>;
    const long groups = (layer.outputs + ROWS - 1) / ROWS;
    const long numbers = layer.inputs * layer.outputs;
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (long group = 0; group < groups; group++) {
        const long end = group + 1 < groups ? (group + 1) * ROWS : layer.outputs;
        in_rows(group * ROWS, end, [&](auto rows, long j) {
            in_vectors(vectors_of_row, [&](auto vectors, long v0) {
                Vector<S> sums[rows()][vectors()] = {};
                tile<S, rows(), vectors()>(sums, batch, d_out + j * p, p, 1, in + v0 * LANES<S>, in_stride);
                for (int r = 0; r < rows(); r++)
                    for (int v = 0; v < vectors(); v++) {
                        const long column = (v0 + v) * LANES<S>;
                        const Place<S> place(layer.weight, layer.d_weight, layer.first_weight, layer.second_weight,
                                             (j + r) * layer.inputs + column, layer.inputs - column, numbers);
                        const uint16_t* kept = layer.kept ? layer.kept + (j + r) * vectors_of_row + v0 + v : nullptr;
                        put<S, KIND>(place, masked<S>(sums[r][v], kept), rule);
                    }
            });
        });
    }
    for (long j = 0; j < layer.outputs; j += LANES<S>) {
        const Place<S> place(layer.bias, layer.d_bias, layer.first_bias, layer.second_bias, j,
                             layer.outputs - j, layer.outputs);
        Vector<S> sums{};
        for (int lane = 0; lane < place.lanes; lane++) {
            Vector<S> parts{};
            for (long b = 0; b < p; b += LANES<S>) parts += load(d_out + (j + lane) * p + b);
            S total = 0;
            for (int part = 0; part < LANES<S>; part++) total += parts[part];
            sums[lane] = total;
        }
        put<S, KIND>(place, sums, rule);
    }
}

// Turns the logits (C, P) into the gradient of the mean cross-entropy, 0 in the padding; returns that mean.
template <class S> double cross_entropy(S* logits, const int64_t* labels, long classes, long batch, long p) {
    double loss = 0;
    for (long b = 0; b < p; b++) {
        S* column = logits + b;
        if (b >= batch) {
            for (long c = 0; c < classes; c++) column[c * p] = 0;
            continue;
        }
        S most = column[0];
        for (long c = 1; c < classes; c++) most = column[c * p] > most ? column[c * p] : most;
        const S wanted = column[labels[b] * p];
        S total = 0;
        for (long c = 0; c < classes; c++) total += column[c * p] = std::exp(column[c * p] - most);
        loss += double(most) - double(wanted) + std::log(double(total));
        for (long c = 0; c < classes; c++) column[c * p] = (column[c * p] / total - S(c == labels[b])) / S(batch);
    }
    return loss / batch;
}

template <class S>
double step(const Layer* layers, long count, const Rule& rule, const S* images, const int64_t* labels, long batch,
            S* logits, int threads) {
    const long p = rounded_up(batch, LANES<S>), inputs = layers[0].inputs, classes = layers[count - 1].outputs;
    for (long b = 0; b < batch; b++)
        if (labels[b] < 0 || labels[b] >= classes) return -1;
    const Places<S> places(layers, count, batch, p, true);
    S* memory = room<S>(0, places.size);
    auto units = [&](long l) { return memory + places.of_units[l]; };
    auto rows = [&](long l) { return memory + places.of_rows[l]; };
    transpose(images, batch, inputs, inputs, units(0), p);
    for (long l = 0; l < count; l++) {
        forward(layers[l], units(l), units(l + 1), p, l + 1 < count, threads);
        if (l + 1 < count) transpose(units(l + 1), layers[l].outputs, batch, p, rows(l + 1), places.padded[l + 1]);
    }
    S* d_out = units(count);
    for (long b = 0; b < batch; b++)
        for (long c = 0; c < classes; c++) logits[b * classes + c] = d_out[c * p + b];
    const double loss = cross_entropy(d_out, labels, classes, batch, p);
    const S* first = images;
    long first_stride = inputs;
    if (inputs % LANES<S>) {  // a vector must not reach beyond the last image
        for (long b = 0; b < batch; b++) {
            std::memcpy(rows(0) + b * places.padded[0], images + b * inputs, inputs * sizeof(S));
            std::memset(rows(0) + b * places.padded[0] + inputs, 0, (places.padded[0] - inputs) * sizeof(S));
        }
        first = rows(0), first_stride = places.padded[0];
    }
    long widest = 0;
    for (long l = 1; l < count; l++) widest = widest < layers[l].inputs ? layers[l].inputs : widest;
    S* spare = room<S>(1, 2 * rounded_up(widest * p, ALIGNED) + ALIGNED);
    for (long l = count; l-- > 0;) {
        S* d_in = spare + (l % 2) * rounded_up(widest * p, ALIGNED);
        if (l > 0) backward(layers[l], units(l), d_out, d_in, p, threads);
        const S* in = l > 0 ? rows(l) : first;
        const long stride = l > 0 ? places.padded[l] : first_stride;
        if (rule.kind == GRADIENTS) gradients<S, GRADIENTS>(layers[l], in, stride, d_out, batch, p, rule, threads);
        if (rule.kind == SGD) gradients<S, SGD>(layers[l], in, stride, d_out, batch, p, rule, threads);
        if (rule.kind == ADAM) gradients<S, ADAM>(layers[l], in, stride, d_out, batch, p, rule, threads);
        if (rule.kind == ADAMW) gradients<S, ADAMW>(layers[l], in, stride, d_out, batch, p, rule, threads);
        d_out = d_in;
    }
    return loss;
}

// The logits (E, C) of images (E, inputs), a part of as many columns as a tile has at a time.
template <class S>
void logits_of(const Layer* layers, long count, const S* images, long examples, S* logits, int threads) {
    const long part = VECTORS * LANES<S>, inputs = layers[0].inputs, classes = layers[count - 1].outputs;
    const Places<S> places(layers, count, part, part, false);
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (long begin = 0; begin < examples; begin += part) {
        const long batch = examples - begin < part ? examples - begin : part, p = rounded_up(batch, LANES<S>);
        S* memory = room<S>(0, places.size);
        transpose(images + begin * inputs, batch, inputs, inputs, memory + places.of_units[0], p);
        for (long l = 0; l < count; l++)
            forward(layers[l], memory + places.of_units[l], memory + places.of_units[l + 1], p, l + 1 < count, 1);
        const S* found = memory + places.of_units[count];
        for (long b = 0; b < batch; b++)
            for (long c = 0; c < classes; c++) logits[(begin + b) * classes + c] = found[c * p + b];
    }
}

}  // namespace

// Writes columns and begins of a `Layer` from what is kept, (rows, columns) of 0 and 1.
extern "C" void find_columns(const uint8_t* kept, long rows, long columns, uint16_t* found, int32_t* begins) {
    int32_t count = 0;
    for (long first = 0; first < columns; first += BLOCK)
        for (long row = 0; row < rows; row++) {
            *begins++ = count;
            const long end = first + BLOCK < columns ? first + BLOCK : columns;
            for (long column = first; column < end; column++) {
                found[count] = column;  // there is room for one more than all
                count += kept[row * columns + column];
            }
        }
    *begins = count;
}

// Writes `kept` of a `Layer` from the same, for numbers of so many bytes.
extern "C" void pack_kept(const uint8_t* kept, long rows, long columns, long bytes, uint16_t* words) {
    const long lanes = WIDTH / bytes;
    for (long row = 0; row < rows; row++)
        for (long first = 0; first < columns; first += lanes) {
            *words = 0;
            for (long lane = 0; lane < lanes && first + lane < columns; lane++)
                *words |= kept[row * columns + first + lane] << lane;
            words++;
        }
}

extern "C" long lanes_of(long bytes) { return WIDTH / bytes; }
extern "C" long blocks_of(long columns) { return (columns + BLOCK - 1) / BLOCK; }

#define FUNCTIONS(S, name)                                                                                            \
    extern "C" double step_##name(const Layer* layers, long count, const Rule* rule, const S* images,                 \
                                  const int64_t* labels, long batch, S* logits, int threads) {                        \
        return step<S>(layers, count, *rule, images, labels, batch, logits, threads);                                 \
    }                                                                                                                 \
    extern "C" void logits_##name(const Layer* layers, long count, const S* images, long examples, S* logits,         \
                                  int threads) {                                                                      \
        logits_of<S>(layers, count, images, examples, logits, threads);                                               \
    }

FUNCTIONS(float, float32)
FUNCTIONS(double, float64)
