// Inner products of few vectors with many rows that are read once, where memory is what takes time: nothing is laid out
// anew, and no product is made that nobody asked for.
#pragma once

#include <cstddef>
#include <cstdint>

namespace analytic_cl {

constexpr std::size_t kDotRows = 4;

// Vectors to multiply rows with, one after another, `stride` bytes apart: a multiple of 64, zeros behind each.
struct DotVectors {
    const std::int8_t* data;
    std::size_t stride, count;
    const std::int32_t* totals;  // the sum of each one's values
};

// out[v][r] = vector_v . row_r, and squares[r] = row_r . row_r, for four rows of `width` values without -128; at least one vector.
using DotsFunction = void (*)(const std::int8_t* const rows[kDotRows], std::size_t width, const DotVectors& vectors,
                              std::int32_t (*out)[kDotRows], std::int32_t squares[kDotRows]);

void dots_portable(const std::int8_t* const rows[kDotRows], std::size_t width, const DotVectors& vectors,
                   std::int32_t (*out)[kDotRows], std::int32_t squares[kDotRows]);
void dots_avx2(const std::int8_t* const rows[kDotRows], std::size_t width, const DotVectors& vectors,
               std::int32_t (*out)[kDotRows], std::int32_t squares[kDotRows]);
void dots_avx512vnni(const std::int8_t* const rows[kDotRows], std::size_t width, const DotVectors& vectors,
                     std::int32_t (*out)[kDotRows], std::int32_t squares[kDotRows]);

}  // namespace analytic_cl
