// The exact integer products. Matrices are described by a pointer and strides in elements; nothing is copied by the
// caller, whatever the strides.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

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
// int16 and int32 must keep to +-0x7F7F and +-0x7F7F7F7F. Scratch as above, 64-byte aligned. Of int8 also into int32,
// where the caller knows that the sums fit.
template <typename T, typename Sum>
void gram_block(const Isa& isa, const Matrix<T>& x, std::int64_t sign, Sum* const* planes, std::int8_t* scratch,
                int threads);

// The +-1 weights of a projection, laid out once as one instruction set reads them, and unchanged from then on: any
// number of threads may use it at a time. Bit j of component k, least significant first, is 1 for +1 and 0 for -1;
// `bits` holds `bits_stride` bytes a component. At most kMaxTerms features.
class Signs {
  public:
    Signs(const Isa& isa, const std::uint8_t* bits, std::size_t bits_stride, std::size_t components,
          std::size_t features);
    const Isa& isa;
    const std::size_t components, features;
    // Sums of the values that have a bit in each of the 48 components of a group: of 8 rows, or of the first alone.
    void sum(const std::int8_t* const a[kTileRows], std::size_t count, std::size_t group, Tile out) const;

  private:
    const std::size_t quads_;
    std::vector<std::int8_t> panels_;   // where the instruction set reads no bits
    std::vector<std::uint64_t> words_;  // where it does: an eighth of the memory
};

// out[i, k] = v = sum over j of x[i, j] * s[j, k] as int32, or as int8 min(max(v, 0) / 2^shift, halves up, 127). x must
// have unit column stride, as many columns as the signs have features, and no -128.
template <typename Out>
void project(const Matrix<std::int8_t>& x, const Signs& signs, int shift, Out* out, int threads);

// Integer weights of linear scores; w * 2^pad, of at most kMaxWeight, is cut once into balanced base-256 digits, so that
// the leading half of them holds as much as it can. At most kMaxTerms features; 127 times the sum of |w| of a class must
// stay below 2^62.
constexpr std::size_t kDigits = 6;
constexpr std::size_t kLeading = 3;
constexpr std::int64_t kMaxWeight = 0x7F7F7F7F7F7F;

class Weights {
  public:
    Weights(const Isa& isa, const std::int64_t* w, std::size_t classes, std::size_t features, int pad);
    const Isa& isa;
    const std::size_t classes, features;
    const int pad;
    // kDigits panels for each 16 classes.
    const std::int8_t* panels(std::size_t group) const { return panels_.data() + group * kDigits * panel_bytes(); }
    std::size_t panel_bytes() const { return up_quads_ * kPanelQuadBytes; }

  private:
    const std::size_t up_quads_;
    std::vector<std::int8_t> panels_;
};

// out[i, k] = (sum over j of x[i, j] * w[k, j] - origin[k]) * unit[k] + bias[k], the bracket exact. x must have unit
// column stride and no -128.
void score(const Matrix<std::int8_t>& x, const Weights& weights, const std::int64_t* origin, const double* unit,
           const double* bias, double* out, int threads);

// The same with the leading kLeading digits of the weights alone, and sizes[i] = sum over j of |x[i, j]|: what is left
// out of a sum is at most sizes[i] * kMaxRest / 2^pad.
constexpr std::int64_t kMaxRest = 0x808080;
void score_leading(const Matrix<std::int8_t>& x, const Weights& weights, const std::int64_t* origin, const double* unit,
                   const double* bias, double* out, std::int64_t* sizes, int threads);

// Columns of rows among which `nearest` searches: 3 * 127^2 * 32,768 < 2^31.
constexpr std::size_t kMaxWidth = 32768;

// The m rows of least squared distance to each query, nearest first, by exact distances; of rows at the m-th distance,
// any. Rows that are not alive are passed over. Where there are fewer than m, positions are -1 behind the last. Both
// matrices must have unit column stride, the same at most kMaxWidth columns, and no -128; m is at least 1.
void nearest(const Isa& isa, const Matrix<std::int8_t>& rows, const std::uint8_t* alive,
             const Matrix<std::int8_t>& queries, std::size_t m, std::int64_t* distances, std::int64_t* positions,
             int threads);

// The same by angle: 2 - 2 cosine, within 2^-20 of the exact value. A row of zeros has cosine 0.
void nearest_angles(const Isa& isa, const Matrix<std::int8_t>& rows, const std::uint8_t* alive,
                    const Matrix<std::int8_t>& queries, std::size_t m, double* distances, std::int64_t* positions,
                    int threads);

}  // namespace analytic_cl
