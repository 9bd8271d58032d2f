// Odd shapes through every kernel, to be run under the address and undefined-behaviour sanitizers: make sanitize.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "kernels.h"

using namespace analytic_cl;

template <typename T>
int gram_differs(const Isa& isa, std::size_t n, std::size_t d, int threads) {
    const std::int64_t limit = sizeof(T) == 1 ? 0x7F : sizeof(T) == 2 ? 0x7F7F : 0x7F7F7F7F;
    std::vector<T> x(n * d);
    for (T& v : x) v = static_cast<T>(std::rand() % 7 ? std::rand() % (2 * limit + 1) - limit : limit);
    const std::size_t planes = sizeof(T) > 2 ? 3 : 1, packed = d * (d + 1) / 2;
    std::vector<std::vector<std::int64_t>> sums(planes, std::vector<std::int64_t>(packed));
    std::int64_t* pointers[3] = {};
    for (std::size_t p = 0; p < planes; ++p) pointers[p] = sums[p].data();
    std::vector<std::int8_t> scratch(gram_scratch_bytes(d, sizeof(T)) + 64);
    std::int8_t* aligned = scratch.data() + (64 - reinterpret_cast<std::uintptr_t>(scratch.data()) % 64) % 64;
    const Matrix<T> rows{x.data(), n, d, static_cast<std::ptrdiff_t>(d), 1};
    gram_block<T>(isa, rows, 1, pointers, aligned, threads);
    gram_block<T>(isa, rows, 1, pointers, aligned, threads);
    gram_block<T>(isa, rows, -1, pointers, aligned, threads);
    std::size_t at = 0;
    for (std::size_t i = 0; i < d; ++i)
        for (std::size_t j = i; j < d; ++j, ++at) {
            __int128 exact = 0, got = 0;
            for (std::size_t k = 0; k < n; ++k) exact += static_cast<__int128>(x[k * d + i]) * x[k * d + j];
            for (std::size_t p = 0; p < planes; ++p)
                got += static_cast<__int128>(sums[p][at]) * (std::int64_t{1} << (planes == 3 ? 16 * (2 - p) : 0));
            if (exact != got) return std::printf("gram %s %zu x %zu, %zu bytes: wrong\n", isa.name, n, d, sizeof(T));
        }
    return 0;
}

int projection_differs(const Isa& isa, std::size_t n, std::size_t d, std::size_t m, int shift, int threads) {
    std::vector<std::int8_t> x(n * d), out(n * m);
    for (auto& v : x) v = static_cast<std::int8_t>(std::rand() % 255 - 127);
    const std::size_t stride = (d + 7) / 8;
    std::vector<std::uint8_t> bits(m * stride);
    for (auto& v : bits) v = static_cast<std::uint8_t>(std::rand());
    std::vector<std::int32_t> sums(n * m);
    const Signs signs(isa, bits.data(), stride, m, d);
    const Matrix<std::int8_t> rows{x.data(), n, d, static_cast<std::ptrdiff_t>(d), 1};
    project(rows, signs, shift, out.data(), threads);
    project(rows, signs, 0, sums.data(), threads);
    for (std::size_t i = 0; i < n; ++i)
        for (std::size_t k = 0; k < m; ++k) {
            int v = 0;
            for (std::size_t j = 0; j < d; ++j) v += bits[k * stride + j / 8] >> (j % 8) & 1 ? x[i * d + j] : -x[i * d + j];
            const int expected = ((v < 0 ? 0 : v) + (shift ? 1 << (shift - 1) : 0)) >> shift;
            if (out[i * m + k] != (expected > 127 ? 127 : expected) || sums[i * m + k] != v)
                return std::printf("projection %s %zu x %zu -> %zu: wrong\n", isa.name, n, d, m);
        }
    return 0;
}

int score_differs(const Isa& isa, std::size_t n, std::size_t d, std::size_t k, int threads) {
    std::vector<std::int8_t> x(n * d);
    for (auto& v : x) v = static_cast<std::int8_t>(std::rand() % 255 - 127);
    std::vector<std::int64_t> w(k * d), origin(k);
    for (auto& v : w) v = (std::int64_t{std::rand()} << 16 ^ std::rand()) % (2 * kMaxWeight + 1) - kMaxWeight;
    w[0] = kMaxWeight, w[k * d - 1] = -kMaxWeight;
    for (auto& v : origin) v = std::rand();
    std::vector<double> unit(k), bias(k), out(n * k);
    for (auto& v : unit) v = std::ldexp(1.0, std::rand() % 20 - 40);
    for (auto& v : bias) v = std::rand() / 1e6;
    const int pad = static_cast<int>(n % 3);
    for (auto& v : w) v >>= pad;
    const Weights weights(isa, w.data(), k, d, pad);
    score({x.data(), n, d, static_cast<std::ptrdiff_t>(d), 1}, weights, origin.data(), unit.data(), bias.data(), out.data(),
          threads);
    for (std::size_t i = 0; i < n; ++i)
        for (std::size_t c = 0; c < k; ++c) {
            std::int64_t sum = -origin[c];
            for (std::size_t j = 0; j < d; ++j) sum += x[i * d + j] * w[c * d + j];
            if (out[i * k + c] != static_cast<double>(sum) * unit[c] + bias[c])
                return std::printf("score %s %zu x %zu, %zu: wrong\n", isa.name, n, d, k);
        }
    std::vector<double> leading(n * k);
    std::vector<std::int64_t> sizes(n);
    score_leading({x.data(), n, d, static_cast<std::ptrdiff_t>(d), 1}, weights, origin.data(), unit.data(), bias.data(),
                  leading.data(), sizes.data(), threads);
    for (std::size_t i = 0; i < n; ++i)
        for (std::size_t c = 0; c < k; ++c) {
            const double rest = std::ldexp(static_cast<double>(sizes[i]) * kMaxRest, -pad) * unit[c];
            if (std::abs(leading[i * k + c] - out[i * k + c]) > rest + 1e-9 * std::abs(out[i * k + c]))
                return std::printf("leading %s %zu x %zu, %zu: wrong\n", isa.name, n, d, k);
        }
    return 0;
}

int nearest_differs(const Isa& isa, std::size_t n, std::size_t d, std::size_t m, int threads) {
    const std::size_t queries = 1 + 7 * n % 60;  // few, and more than a tile has columns
    std::vector<std::int8_t> x((n + queries) * d);
    for (auto& v : x) v = static_cast<std::int8_t>(std::rand() % 255 - 127);
    std::vector<std::uint8_t> alive(n);
    for (auto& v : alive) v = std::rand() % 4 != 0;
    std::vector<std::int64_t> distances(queries * m), positions(queries * m);
    const auto stride = static_cast<std::ptrdiff_t>(d);
    const std::int8_t* query = x.data() + n * d;
    nearest(isa, {x.data(), n, d, stride, 1}, alive.data(), {query, queries, d, stride, 1}, m, distances.data(),
            positions.data(), threads);
    for (std::size_t q = 0; q < queries; ++q) {
        std::vector<std::int64_t> exact;
        for (std::size_t i = 0; i < n; ++i) {
            std::int64_t sum = 0;
            for (std::size_t j = 0; j < d; ++j) sum += (x[i * d + j] - query[q * d + j]) * (x[i * d + j] - query[q * d + j]);
            if (alive[i]) exact.push_back(sum);
        }
        std::sort(exact.begin(), exact.end());
        for (std::size_t k = 0; k < m; ++k)
            if (k < exact.size() ? distances[q * m + k] != exact[k] : positions[q * m + k] != -1)
                return std::printf("nearest %s %zu x %zu, %zu: wrong\n", isa.name, n, d, m);
    }
    std::vector<double> angles(queries * m);
    nearest_angles(isa, {x.data(), n, d, stride, 1}, alive.data(), {query, queries, d, stride, 1}, m, angles.data(),
                   positions.data(), threads);
    for (std::size_t q = 0; q < queries; ++q) {
        std::vector<double> exact;
        for (std::size_t i = 0; i < n; ++i) {
            double xy = 0, xx = 0, yy = 0;
            for (std::size_t j = 0; j < d; ++j) {
                const double a = x[i * d + j], b = query[q * d + j];
                xy += a * b, xx += a * a, yy += b * b;
            }
            if (alive[i]) exact.push_back(xx * yy > 0 ? 2 - 2 * xy / std::sqrt(xx * yy) : 2);
        }
        std::sort(exact.begin(), exact.end());
        for (std::size_t k = 0; k < m; ++k)
            if (k < exact.size() ? std::abs(angles[q * m + k] - exact[k]) > 1e-6 : positions[q * m + k] != -1)
                return std::printf("angles %s %zu x %zu, %zu: wrong\n", isa.name, n, d, m);
    }
    return 0;
}

int main() {
    int failures = 0, runs = 0;
    for (const char* name : {"avx512vnni", "avx2", "portable"}) {
        const Isa* isa = find_isa(name);
        if (!isa) continue;
        for (std::size_t n : {1, 2, 3, 4, 5, 63, 64, 65, 257})
            for (std::size_t d : {1, 2, 7, 15, 16, 17, 47, 48, 49, 97, 193})
                for (int threads : {1, 3}) {
                    failures += gram_differs<std::int8_t>(*isa, n, d, threads) > 0;
                    failures += gram_differs<std::int16_t>(*isa, n, d, threads) > 0;
                    failures += gram_differs<std::int32_t>(*isa, n, d, threads) > 0;
                    for (std::size_t m : {1, 47, 48, 50}) failures += projection_differs(*isa, n, d, m, 3, threads) > 0;
                    for (std::size_t k : {1, 15, 16, 33}) failures += score_differs(*isa, n, d, k, threads) > 0;
                    for (std::size_t m : {1, 5, 300}) failures += nearest_differs(*isa, n, d, m, threads) > 0;
                    runs += 14;
                }
    }
    std::printf("%d runs, %d failures\n", runs, failures);
    return failures != 0;
}
