// Threads for the length of one call: numba's and OpenMP's pools are left alone.
#pragma once

#include <cstddef>
#include <thread>
#include <vector>

namespace analytic_cl {

inline std::size_t up(std::size_t n, std::size_t step) { return (n + step - 1) / step * step; }

// Runs `work` on several threads at once, this one among them; it takes its share from a counter of its own.
template <typename Work>
void in_parallel(int threads, const Work& work) {
    std::vector<std::thread> others;
    for (int t = 1; t < threads; ++t) {
        try {
            others.emplace_back(work);
        } catch (...) {
            break;  // the system has no more threads: those that run share the work
        }
    }
    work();
    for (std::thread& other : others) other.join();
}

}  // namespace analytic_cl
