// The compiled softmax with all memory next to pages that must not be touched: its arguments, at the end or the
// beginning of what is theirs, and whatever it allocates for itself.

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>

namespace {

std::map<void*, std::pair<void*, size_t>> mapped;  // what is used: what munmap takes
std::mutex lock;

// Memory between two pages without access, up to the second of them or from the first on.
void* guarded(size_t bytes, size_t alignment, bool at_end) {
    const size_t page = sysconf(_SC_PAGESIZE), inner = (bytes + page - 1) / page * page, all = inner + 2 * page;
    char* begin = static_cast<char*>(mmap(nullptr, all, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    if (begin == MAP_FAILED || (inner && mprotect(begin + page, inner, PROT_READ | PROT_WRITE))) std::abort();
    char* used = begin + page + (at_end ? (inner - bytes) / alignment * alignment : 0);
    const std::lock_guard<std::mutex> held(lock);
    mapped[used] = {begin, all};
    return used;
}

void give_back(void* used) {
    const std::lock_guard<std::mutex> held(lock);
    const auto found = mapped.find(used);
    if (found == mapped.end()) return;
    munmap(found->second.first, found->second.second);
    mapped.erase(found);
}

int guarded_memalign(void** to, size_t alignment, size_t bytes) {
    *to = guarded(bytes, alignment, true);
    return 0;
}

}  // namespace

#define posix_memalign guarded_memalign
#define free give_back
namespace std {
using ::give_back;
}
#include "softmax.cpp"
#undef posix_memalign
#undef free

namespace {

template <class S, class F> void run(F softmax, long count, long features, long words, int threads, bool at_end) {
    const auto numbers = [&](long size) {
        S* made = static_cast<S*>(guarded(size * sizeof(S), sizeof(S), at_end));
        for (long n = 0; n < size; n++) made[n] = S(n % 7) / 7;
        return made;
    };
    const long lanes = Wide<S>::lanes, stride = (features + lanes - 1) / lanes * lanes;
    S *hidden = numbers(count * features), *weight = numbers(words * features), *bias = numbers(words);
    S *losses = numbers(count), *d_hidden = numbers(count * features), *d_weight = numbers(words * stride);
    S* d_bias = numbers(words);
    int64_t* targets = static_cast<int64_t*>(guarded(count * 8, 8, at_end));
    for (long n = 0; n < count; n++) targets[n] = n % 2 ? words - 1 : 0;
    std::fprintf(stderr, "%ld %ld %ld, %zu bytes, %d threads, %d\n", count, features, words, sizeof(S), threads, at_end);
    softmax(count, features, words, 0, threads, hidden, weight, bias, targets, losses, nullptr, nullptr, nullptr);
    softmax(count, features, words, stride, threads, hidden, weight, bias, targets, losses, d_hidden, d_weight, d_bias);
    for (void* each : {hidden, weight, bias, losses, d_hidden, d_weight, d_bias}) give_back(each);
    give_back(targets);
}

}  // namespace

// Dies where memory beyond is read or written; the last line that is printed has the sizes.
extern "C" void run_guarded() {
    for (const long count : {1, 31, 127, 128, 129, 481, 500, 511, 512, 513})
        for (const long features : {1, 15, 16, 17, 40})
            for (const long words : {1, 11, 95, 97, 203})
                for (const int threads : {1, 3})
                    for (const bool at_end : {true, false}) {
                        run<float>(softmax_float32, count, features, words, threads, at_end);
                        run<double>(softmax_float64, count, features, words, threads, at_end);
                    }
}
