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

// The columns of a matrix that may be other than 0, by block of columns and by row, and where those of each begin; null
// for all columns.
struct Columns {
    const uint16_t* columns;
    const int32_t* begins;
};

// As `Layer` in native.py; null for what there is not.
struct Layer {
    long inputs, outputs;
    void *weight, *bias, *d_weight, *d_bias, *first_weight, *first_bias, *second_weight, *second_bias;
    const uint16_t* kept;  // bits of what the mask keeps, a word for each vector of a row; null for all
    Columns forward;   // of the weight, in blocks
    Columns backward;  // of the weight with rows and columns swapped, in blocks
    Columns gradient;  // of the weight, in one block
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

// A matrix with many zeros: of weights, or of weights with rows and columns swapped.
template <class S> struct Sparse {
    Columns places;
    const S* weight;
    long rows, columns, row_step, column_step;
};

// As `tile`, of R rows, with the columns of each: what is left out would have added 0. A block of columns at a time, so
// that what is read again for every row stays in the nearest cache. `finish` makes the result of the whole sum.
template <class S, int R, int V, class F>
inline void sparse_rows(const Sparse<S>& w, long j, const S* in, S* out, long p, long block, bool last, F finish) {
    Vector<S> sums[R][V];
    const uint16_t *now[R], *end[R];
    long common = 1 << 30;
    for (int r = 0; r < R; r++) {
        const int32_t* begins = w.places.begins + block * w.rows + j + r;
        now[r] = w.places.columns + begins[0], end[r] = w.places.columns + begins[1];
        common = end[r] - now[r] < common ? end[r] - now[r] : common;
        for (int v = 0; v < V; v++) sums[r][v] = block ? load(out + (j + r) * p + v * LANES<S>) : Vector<S>{};
    }
    auto add = [&](int r) {
        const long column = *now[r]++;
        const Vector<S> left = all(w.weight[(j + r) * w.row_step + column * w.column_step]);
#pragma GCC unroll 4
        for (int v = 0; v < V; v++) sums[r][v] = fma(left, load(in + column * p + v * LANES<S>), sums[r][v]);
    };
    for (; common > 0; common--)
        for (int r = 0; r < R; r++) add(r);
    for (int r = 0; r < R; r++) {
        while (now[r] < end[r]) add(r);
        for (int v = 0; v < V; v++)
            store(out + (j + r) * p + v * LANES<S>, last ? finish(sums[r][v], j + r, v) : sums[r][v]);
    }
}

// out(rows, P) = w in(columns, P), finished: `finish(first vector)` makes the function of a sum, its row and its vector.
template <class S, class F> void sparse_product(const Sparse<S>& w, const S* in, S* out, long p, F finish) {
    const long blocks = (w.columns + BLOCK - 1) / BLOCK;
    in_vectors(p / LANES<S>, [&](auto vectors, long v0) {
        const auto make = finish(v0);
        for (long block = 0; block < blocks; block++) {
            const bool last = block + 1 == blocks;
            const S* part = in + v0 * LANES<S>;
            S* to = out + v0 * LANES<S>;
            long j = 0;
            for (; j + 2 <= w.rows; j += 2) sparse_rows<S, 2, vectors()>(w, j, part, to, p, block, last, make);
            if (j < w.rows) sparse_rows<S, 1, vectors()>(w, j, part, to, p, block, last, make);
        }
    });
}

template <class S> void sparse_forward(const Layer& layer, const S* in, S* out, long p, bool relu) {
    const S *weight = static_cast<const S*>(layer.weight), *bias = static_cast<const S*>(layer.bias);
    const Sparse<S> w{layer.forward, weight, layer.outputs, layer.inputs, layer.inputs, 1};
    sparse_product(w, in, out, p, [=](long) {
        return [=](Vector<S> sum, long row, int) { return finished(sum, bias[row], relu); };
    });
}

template <class S> void sparse_backward(const Layer& layer, const S* in, const S* d_out, S* d_in, long p) {
    const Sparse<S> w{layer.backward, static_cast<const S*>(layer.weight), layer.inputs, layer.outputs, 1, layer.inputs};
    sparse_product(w, d_out, d_in, p, [=](long v0) {
        return [=](Vector<S> sum, long row, int v) {
            return load(in + row * p + (v0 + v) * LANES<S>) <= 0 ? Vector<S>{} : sum;
        };
    });
}

// out(outputs, P) = weight in(inputs, P) + bias, with ReLU.
template <class S> void forward(const Layer& layer, const S* in, S* out, long p, bool relu, int threads) {
    if (layer.forward.columns) return sparse_forward(layer, in, out, p, relu);
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
    if (layer.backward.columns) return sparse_backward(layer, in, d_out, d_in, p);
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

// Updates a vector of which some lanes, from `rest` on, are in the rest of a tensor.
template <class S, int KIND>
inline void update_all(Numbers<S>& n, Vector<S> gradient, const Rule& rule, long rest, int lanes) {
    const Numbers<S> before = n;
    update<S, KIND, false>(n, gradient, rule);
    if (rest >= lanes || !rule.fused) return;
    Numbers<S> other = before;
    update<S, KIND, true>(other, gradient, rule);
    for (int lane = rest > 0 ? rest : 0; lane < lanes; lane++) {
        n.weight[lane] = other.weight[lane];
        n.first[lane] = other.first[lane], n.second[lane] = other.second[lane];
    }
}

template <class S, int KIND> inline void put(const Place<S>& place, Vector<S> gradient, const Rule& rule) {
    if constexpr (KIND == GRADIENTS) {
        place.set(place.gradient, gradient);
    } else {
        Numbers<S> n{place.get(place.weight), place.get(place.first), place.get(place.second)};
        update_all<S, KIND>(n, gradient, rule, place.whole, place.lanes);
        place.set(place.weight, n.weight), place.set(place.first, n.first), place.set(place.second, n.second);
    }
}

// Numbers of a row, at these columns.
template <class S> struct Scattered {
    const uint16_t* columns;
    int lanes;
    Vector<S> get(const S* row) const {
        Vector<S> found{};
        if (row)
            for (int lane = 0; lane < lanes; lane++) found[lane] = row[columns[lane]];
        return found;
    }
    void set(S* row, Vector<S> value) const {
        if (row)
            for (int lane = 0; lane < lanes; lane++) row[columns[lane]] = value[lane];
    }
};

// The gradients of the weights that are not masked, each summed over the examples in their order: in(inputs, P) and
// d_out(outputs, P). What is masked stays 0, and so does what the optimiser knows of it.
template <class S, int KIND>
void sparse_gradients(const Layer& layer, const S* in, const S* d_out, long batch, long p, const Rule& rule,
                      int threads) {
    constexpr int lanes = LANES<S>;
    const long whole = layer.inputs * layer.outputs / Place<S>::FUSED * Place<S>::FUSED;
    auto row_of = [&](void* of, long j) { return of ? static_cast<S*>(of) + j * layer.inputs : nullptr; };
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (long j = 0; j < layer.outputs; j++) {
        S *weight = row_of(layer.weight, j), *d_weight = row_of(layer.d_weight, j);
        S *first = row_of(layer.first_weight, j), *second = row_of(layer.second_weight, j);
        const S* left = d_out + j * p;
        const long end = layer.gradient.begins[j + 1];
        if (KIND == GRADIENTS) std::memset(d_weight, 0, layer.inputs * sizeof(S));
        for (long at = layer.gradient.begins[j]; at < end; at += lanes) {
            const Scattered<S> some{layer.gradient.columns + at, end - at < lanes ? int(end - at) : lanes};
            const S* rows[lanes];
            for (int lane = 0; lane < lanes; lane++) rows[lane] = in + some.columns[lane < some.lanes ? lane : 0] * p;
            Vector<S> sums{};
            for (long b = 0; b < batch; b += lanes) {
                Vector<S> square[lanes];
#pragma GCC unroll 16
                for (int lane = 0; lane < lanes; lane++) square[lane] = load(rows[lane] + b);
                swap_square<S>(square);
                if (batch - b >= lanes) {
#pragma GCC unroll 16
                    for (int one = 0; one < lanes; one++) sums = fma(all(left[b + one]), square[one], sums);
                } else {
                    for (int one = 0; one < batch - b; one++) sums = fma(all(left[b + one]), square[one], sums);
                }
            }
            if constexpr (KIND == GRADIENTS) {
                some.set(d_weight, sums);
            } else {
                Numbers<S> n{some.get(weight), some.get(first), some.get(second)};
                long rest = 0;
                while (rest < some.lanes && j * layer.inputs + some.columns[rest] < whole) rest++;
                update_all<S, KIND>(n, sums, rule, rest, some.lanes);
                some.set(weight, n.weight), some.set(first, n.first), some.set(second, n.second);
            }
        }
    }
}

// The same of all weights, with those masked that there are masks for: in(B, inputs) and d_out(outputs, P).
template <class S, int KIND>
void dense_gradients(const Layer& layer, const S* in, long in_stride, const S* d_out, long batch, long p,
                     const Rule& rule, int threads) {
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
}

// The gradients of a layer: its input as units(inputs, P) and as rows(B, inputs), and d_out(outputs, P); what is to be
// done with them is KIND.
template <class S, int KIND>
void gradients(const Layer& layer, const S* units, const S* rows, long row_stride, const S* d_out, long batch, long p,
               const Rule& rule, int threads) {
    if (layer.gradient.columns) sparse_gradients<S, KIND>(layer, units, d_out, batch, p, rule, threads);
    else dense_gradients<S, KIND>(layer, rows, row_stride, d_out, batch, p, rule, threads);
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
        if (l + 1 < count && !layers[l + 1].gradient.columns)
            transpose(units(l + 1), layers[l].outputs, batch, p, rows(l + 1), places.padded[l + 1]);
    }
    S* d_out = units(count);
    for (long b = 0; b < batch; b++)
        for (long c = 0; c < classes; c++) logits[b * classes + c] = d_out[c * p + b];
    const double loss = cross_entropy(d_out, labels, classes, batch, p);
    const S* first = images;
    long first_stride = inputs;
    if (inputs % LANES<S> && !layers[0].gradient.columns) {  // a vector must not reach beyond the last image
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
        auto run = [&](auto kind) {
            gradients<S, kind()>(layers[l], units(l), in, stride, d_out, batch, p, rule, threads);
        };
        if (rule.kind == GRADIENTS) run(Count<GRADIENTS>());
        if (rule.kind == SGD) run(Count<SGD>());
        if (rule.kind == ADAM) run(Count<ADAM>());
        if (rule.kind == ADAMW) run(Count<ADAMW>());
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

// Writes the columns and begins of a `Columns` from what is kept, (rows, columns) of 0 and 1, in blocks of so many columns.
extern "C" void find_columns(const uint8_t* kept, long rows, long columns, long block, uint16_t* found, int32_t* begins) {
    int32_t count = 0;
    for (long first = 0; first < columns; first += block)
        for (long row = 0; row < rows; row++) {
            *begins++ = count;
            const long end = first + block < columns ? first + block : columns;
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
extern "C" long block_columns() { return BLOCK; }

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
