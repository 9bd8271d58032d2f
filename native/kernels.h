// The exact integer products. Matrices are described by a pointer and strides in elements; nothing is copied by the
// caller, whatever the strides.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tile.h"

namespace analytic_cl {

template <typename T>
struct Matrix {
    const T* data;
    std::size_t rows, columns;
    std::ptrdiff_t row_stride, column_stride;
    const T& at(std::size_t i, std::size_t j) const {
        return data[static_cast<std::ptrdiff_t>(i) * row_stride + static_cast<std::ptrdiff_t>(j) * column_stride];
    }
};

// Rows that one Gram block may have: what its packed copy and int32 sums are made for.
constexpr std::size_t kBlockRows = 4096;

// Bytes of scratch that `gram_block` needs for rows of this width and kind.
std::size_t gram_scratch_bytes(std::size_t columns, std::size_t value_bytes);

// planes += sign * x^T x for at most kBlockRows rows, into packed row-major upper triangles of int64: one plane for
// int8 and int16, three for int32 (weights 2^32, 2^16 and 1 of x = 2^16 h + l, l from -0x8080 to 0x7F7F). Values of
// int16 and int32 must keep to +-0x7F7F and +-0x7F7F7F7F. Scratch as above, 64-byte aligned.
template <typename T>
void gram_block(const Isa& isa, const Matrix<T>& x, std::int64_t sign, std::int64_t* const* planes, std::int8_t* scratch,
                int threads);

// out[i, k] = min(max(sum over j of x[i, j] * s[j, k], 0) / 2^shift, halves up, 127), s the signs: bit j of component
// k, least significant first, 1 for +1 and 0 for -1. `bits` holds `bits_stride` bytes a component. x must have unit
// column stride, at most kMaxTerms columns, and no -128.
void project(const Isa& isa, const Matrix<std::int8_t>& x, const std::uint8_t* bits, std::size_t bits_stride,
             std::size_t components, int shift, std::int8_t* out, int threads);

}  // namespace analytic_cl
