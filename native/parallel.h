// Threads for the length of one call: numba's and OpenMP's pools are left alone.
#pragma once

#include <cstddef>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace analytic_cl {

inline std::size_t up(std::size_t n, std::size_t step) { return (n + step - 1) / step * step; }

// Runs `work` on several threads at once, this one among them; it takes its share from a counter of its own. What one
// of them throws, such as bad_alloc, is thrown here when all have ended.
template <typename Work>
void in_parallel(int threads, const Work& work) {
    std::exception_ptr failure;
    std::mutex failing;
    const auto guarded = [&] {
        try {
            work();
        } catch (...) {
            const std::lock_guard<std::mutex> lock(failing);
            failure = std::current_exception();
        }
    };
    std::vector<std::thread> others;
    for (int t = 1; t < threads; ++t) {
        try {
            others.emplace_back(guarded);
        } catch (...) {
            break;  // the system has no more threads: those that run share the work
        }
    }
    guarded();
    for (std::thread& other : others) other.join();
    if (failure) std::rethrow_exception(failure);
}

}  // namespace analytic_cl
