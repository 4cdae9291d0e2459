// Softmax over a vocabulary and its loss in float32 or float64, with all three products. One block of predictions after
// another is computed, and within it one chunk of words after another: the scores of a chunk become exponentials, and
// those the gradients that are multiplied, while they are in the nearest caches. Each thread has words of its own, so that
// there is one gradient of the weight.
//
// N predictions, D features, V words. Arrays are row-major. Scores are transposed, (V, BLOCK): sums over words are sums
// of vectors, and the weight, its gradient and the scores have the layout that each product needs.

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <memory>
#include <new>

#include "activations.h"
#include "tiles.h"

namespace {

constexpr long BLOCK = 128;  // predictions: weight and its gradient are read for so many at once
constexpr long CHUNK = 96;   // words, whole tiles: 48 kilobytes of scores

inline long blocks(long n, long size) { return (n + size - 1) / size; }
inline long smaller(long a, long b) { return a < b ? a : b; }

// Numbers from the beginning of a line of the cache.
template <class S> class Memory {
  public:
    explicit Memory(long count) {
        void* begin = nullptr;
        if (posix_memalign(&begin, 64, count * sizeof(S))) throw std::bad_alloc();
        begin_.reset(static_cast<S*>(begin));
    }
    S* at(long offset) const { return begin_.get() + offset; }

  private:
    struct Free {
        void operator()(S* begin) const { std::free(begin); }
    };
    std::unique_ptr<S, Free> begin_;
};

template <class S> struct Arguments {
    const S* hidden;  // (N, D)
    long count, features, words;
    const S *weight, *bias;  // (V, D), (V,)
    const int64_t* targets;
    S* losses;
    S *d_hidden, *d_weight;  // (N, D), and (V, D) with rows of whole vectors; nullptr for losses alone
    long d_stride;           // entries of such a row
    S* d_bias;
    long parts;  // of the vocabulary, each the work of a thread
};

template <class S> class Softmax : Arguments<S> {
    typedef typename Wide<S>::type V;
    static constexpr long lanes = Wide<S>::lanes;
    using Arguments<S>::hidden, Arguments<S>::count, Arguments<S>::features, Arguments<S>::words, Arguments<S>::weight;
    using Arguments<S>::bias, Arguments<S>::targets, Arguments<S>::losses, Arguments<S>::d_hidden;
    using Arguments<S>::d_weight, Arguments<S>::d_stride, Arguments<S>::d_bias, Arguments<S>::parts;

    const bool gradients = d_weight != nullptr;
    const Memory<S> columns{features * blocks(count, BLOCK) * BLOCK};  // hidden features, block by block (D, BLOCK)
    const Memory<S> rows{gradients ? count * d_stride : 0};            // and (N, D) with rows of whole vectors
    const Memory<S> scores{(gradients ? words : parts * CHUNK) * BLOCK};
    const Memory<S> tops{(blocks(words, CHUNK) + parts) * BLOCK};      // of each chunk: the greatest score so far
    const Memory<S> totals{parts * BLOCK};     // of each part: the sum of exponentials relative to its greatest score
    const Memory<S> greatest{parts * BLOCK};   // score of each part
    const Memory<S> at_target{BLOCK};          // the targets' scores
    const Memory<S> d_columns{gradients ? parts * features * BLOCK : 0};  // a part's share in d_hidden

    static V& vector(S* at) { return *reinterpret_cast<V*>(at); }

    long begin(long part) const { return words * part / parts; }
    long first_chunk(long part) const { return begin(part) / CHUNK + part; }

    // Both layouts of a block of hidden features, with zeros beyond their end.
    void lay_out(long start) {
        S* to = columns.at(start * features);
        for (long d = 0; d < features; d++)
            for (long r = 0; r < BLOCK; r++)
                to[d * BLOCK + r] = start + r < count ? hidden[(start + r) * features + d] : S(0);
        if (!gradients) return;
        for (long row = start; row < smaller(count, start + BLOCK); row++)
            for (long d = 0; d < d_stride; d++)
                *rows.at(row * d_stride + d) = d < features ? hidden[row * features + d] : S(0);
    }

    // Calls f(row of the block, its score's place) for every target among `size` words from `first`.
    template <class F> void for_targets(long start, long size, long first, S* mine, F f) {
        for (long r = 0; r < smaller(count - start, BLOCK); r++) {
            const long word = targets[start + r] - first;
            if (word >= 0 && word < size) f(r, mine + word * BLOCK + r);
        }
    }

    // Scores of a part of the words, as exponentials relative to the greatest up to the end of their chunk.
    void score(long part, long start) {
        const long vectors = blocks(smaller(count - start, BLOCK), lanes);
        S *top = greatest.at(part * BLOCK), *total = totals.at(part * BLOCK);
        for (long r = 0; r < BLOCK; r++) top[r] = std::numeric_limits<S>::lowest(), total[r] = 0;
        long chunk = first_chunk(part);
        for (long v = begin(part); v < begin(part + 1); v += CHUNK, chunk++) {
            const long size = smaller(begin(part + 1) - v, CHUNK), bytes = size * features * sizeof(S);
            S* mine = scores.at((gradients ? v : part * CHUNK) * BLOCK);
            multiply<S, Layout::ALONG>({weight + v * features, features, columns.at(start * features), BLOCK, features,
                                        mine, BLOCK, size, vectors, Base::BIAS, bias + v},
                                       {{weight + (v + size) * features, bytes}});
            for_targets(start, size, v, mine, [&](long r, S* score) { *at_target.at(r) = *score; });
            for (long r = 0; r < vectors * lanes; r += lanes) exponentials(mine + r, size, top + r, total + r);
            for (long r = 0; r < vectors * lanes; r++) *tops.at(chunk * BLOCK + r) = top[r];
        }
    }

    // Turns a vector's scores of a chunk into exponentials, and updates the greatest score and their sum.
    static void exponentials(S* mine, long size, S* top, S* total) {
        V most = vector(top);
        for (long v = 0; v < size; v++) most = vector(mine + v * BLOCK) > most ? vector(mine + v * BLOCK) : most;
        S base[lanes], sums[lanes] = {};
        for (long n = 0; n < lanes; n++) base[n] = most[n];
        for (long v = 0; v < size; v++)
            for (long n = 0; n < lanes; n++) {
                const S e = exponential(mine[v * BLOCK + n] - base[n]);
                mine[v * BLOCK + n] = e;
                sums[n] += e;
            }
        for (long n = 0; n < lanes; n++) {
            total[n] = total[n] * exponential(top[n] - base[n]) + sums[n];
            top[n] = base[n];
        }
    }

    // The greatest score of row r of the block, and the sum of exponentials relative to it, over all parts.
    void join(long r, S& top, S& total) const {
        top = std::numeric_limits<S>::lowest(), total = 0;
        for (long part = 0; part < parts; part++) {
            const S one = *greatest.at(part * BLOCK + r);
            top = one > top ? one : top;
        }
        for (long part = 0; part < parts; part++)
            total += *totals.at(part * BLOCK + r) * exponential(*greatest.at(part * BLOCK + r) - top);
    }

    void write_losses(long start) {
        for (long r = 0; r < smaller(count - start, BLOCK); r++) {
            S top, total;
            join(r, top, total);
            losses[start + r] = std::log(total) - (*at_target.at(r) - top);
        }
    }

    // Turns the exponentials of a chunk, which begins with word v, into the gradient of its scores, and adds that of the
    // bias up.
    void differentiate(long start, long v, long size, S* mine, S* factor) {
        const long width = blocks(smaller(count - start, BLOCK), lanes) * lanes;
        for (long word = 0; word < size; word++)
            for (long r = 0; r < width; r += lanes) vector(mine + word * BLOCK + r) *= vector(factor + r);
        for_targets(start, size, v, mine, [&](long, S* score) { *score -= S(1) / count; });
        for (long word = 0; word < size; word++) {
            V sum = {};
            for (long r = 0; r < width; r += lanes) sum += vector(mine + word * BLOCK + r);
            S total = 0;
            for (long n = 0; n < lanes; n++) total += sum[n];
            d_bias[v + word] = start ? d_bias[v + word] + total : total;
        }
    }

    // The gradients of a part of the words, and its share in that of the hidden features.
    void propagate(long part, long start) {
        const long size_of_block = smaller(count - start, BLOCK), vectors = blocks(size_of_block, lanes);
        S top[BLOCK], share[BLOCK], factor[BLOCK] = {};
        for (long r = 0; r < size_of_block; r++) {
            S total;
            join(r, top[r], total);
            share[r] = 1 / (total * count);
        }
        S* d_mine = d_columns.at(part * features * BLOCK);
        long chunk = first_chunk(part);
        for (long v = begin(part); v < begin(part + 1); v += CHUNK, chunk++) {
            const long size = smaller(begin(part + 1) - v, CHUNK);
            const long bytes = size * features * sizeof(S), d_bytes = size * d_stride * sizeof(S);
            S *mine = scores.at(v * BLOCK), *d_words = d_weight + v * d_stride;
            for (long r = 0; r < size_of_block; r++)
                factor[r] = exponential(*tops.at(chunk * BLOCK + r) - top[r]) * share[r];
            differentiate(start, v, size, mine, factor);
            multiply<S, Layout::ACROSS>({weight + v * features, features, mine, BLOCK, size, d_mine, BLOCK, features,
                                         vectors, v > begin(part) ? Base::OUT : Base::NONE, nullptr},
                                        {{d_words, d_bytes}});
            multiply<S, Layout::ALONG>({mine, BLOCK, rows.at(start * d_stride), d_stride, size_of_block, d_words,
                                        d_stride, size, d_stride / lanes, start ? Base::OUT : Base::NONE, nullptr},
                                       {{weight + (v + size) * features, bytes},
                                        {mine + size * BLOCK, long(size * BLOCK * sizeof(S))}});
        }
    }

    // The gradient of the hidden features of a prediction.
    void gather(long row) {
        for (long d = 0; d < features; d++) {
            S total = 0;
            for (long part = 0; part < parts; part++)
                total += *d_columns.at((part * features + d) * BLOCK + row % BLOCK);
            d_hidden[row * features + d] = total;
        }
    }

  public:
    explicit Softmax(const Arguments<S>& arguments) : Arguments<S>(arguments) {}

    void compute() {
#pragma omp parallel num_threads(parts)
        {
#pragma omp for schedule(static)
            for (long start = 0; start < count; start += BLOCK) lay_out(start);
            for (long start = 0; start < count; start += BLOCK) {
#pragma omp for schedule(static, 1)
                for (long part = 0; part < parts; part++) score(part, start);
                if (gradients) {
#pragma omp single nowait
                    write_losses(start);
#pragma omp for schedule(static, 1)
                    for (long part = 0; part < parts; part++) propagate(part, start);
#pragma omp for schedule(static)
                    for (long row = start; row < smaller(count, start + BLOCK); row++) gather(row);
                } else {
#pragma omp single
                    write_losses(start);
                }
            }
        }
    }
};

}  // namespace

// Losses (N,) and, unless d_weight is nullptr, the gradients of their mean. The last bits depend on the threads.
#define SOFTMAX(NAME, S)                                                                                              \
    extern "C" void softmax_##NAME(long count, long features, long words, long d_stride, int threads,                 \
                                   const S* hidden, const S* weight, const S* bias, const int64_t* targets,           \
                                   S* losses, S* d_hidden, S* d_weight, S* d_bias) {                                  \
        Softmax<S>({hidden, count, features, words, weight, bias, targets, losses, d_hidden, d_weight, d_stride,      \
                    d_bias, smaller(threads, words)})                                                                 \
            .compute();                                                                                               \
    }

SOFTMAX(float32, float)
SOFTMAX(float64, double)
