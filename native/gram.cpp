#include <algorithm>
#include <atomic>
#include <cstring>

#include "kernels.h"
#include "parallel.h"

namespace analytic_cl {

namespace {

// Panels of 48 columns that a thread keeps in its second-level cache while it walks along the rows.
constexpr std::size_t kGroupTiles = 4;

// Balanced base-256 digits, least significant first: x = sum of digit[s] * 256^s, each within int8.
template <typename T>
void digits(T value, std::int8_t digit[sizeof(T)]) {
    std::int64_t x = value;
    for (std::size_t s = 0; s < sizeof(T); ++s) {
        digit[s] = static_cast<std::int8_t>(static_cast<std::uint8_t>(x & 0xFF));
        x = (x - digit[s]) >> 8;
    }
}

// A block in panels, slice by slice, and the sums of each column of each slice.
template <typename T>
struct Packed {
    std::size_t quads, columns;
    std::int8_t* panels;
    std::int32_t* column_sums;

    Packed(const Matrix<T>& x, std::int8_t* scratch, int threads);
    const std::int8_t* panel(std::size_t slice, std::size_t column) const {
        return panels + ((slice * columns + column) / kPanelColumns) * quads * kPanelQuadBytes;
    }
};

// One quad of 16 columns into a panel. The plain case is written so that compilers turn it into shuffles.
inline void pack_quad(const Matrix<std::int8_t>& x, std::size_t row, std::size_t column, std::int8_t* quad,
                      std::int32_t sums[kPanelColumns]) {
    const std::int8_t* r0 = &x.at(row, column);
    const std::int8_t *r1 = r0 + x.row_stride, *r2 = r1 + x.row_stride, *r3 = r2 + x.row_stride;
    for (std::size_t c = 0; c < kPanelColumns; ++c) {
        quad[4 * c] = r0[c];
        quad[4 * c + 1] = r1[c];
        quad[4 * c + 2] = r2[c];
        quad[4 * c + 3] = r3[c];
        sums[c] += r0[c] + r1[c] + r2[c] + r3[c];
    }
}

template <typename T>
Packed<T>::Packed(const Matrix<T>& x, std::int8_t* scratch, int threads)
    : quads(up(x.rows, kQuad) / kQuad),
      columns(up(x.columns, kTileColumns)),
      panels(scratch),
      column_sums(reinterpret_cast<std::int32_t*>(scratch + sizeof(T) * columns * kBlockRows)) {
    constexpr std::size_t strip = 64;  // a cache line of int8 in each row
    std::atomic<std::size_t> next{0};
    in_parallel(threads, [&] {
        for (std::size_t taken; (taken = next.fetch_add(strip)) < columns;) {
            const std::size_t end = std::min(taken + strip, columns);
            std::int32_t sums[sizeof(T)][strip] = {};
            for (std::size_t q = 0; q < quads; ++q)
                for (std::size_t first = taken; first < end; first += kPanelColumns) {
                    std::int8_t* panel = panels + (first / kPanelColumns * quads + q) * kPanelQuadBytes;
                    const std::size_t row = q * kQuad;
                    if constexpr (sizeof(T) == 1) {
                        if (x.column_stride == 1 && row + kQuad <= x.rows && first + kPanelColumns <= x.columns) {
                            pack_quad(x, row, first, panel, sums[0] + (first - taken));
                            continue;
                        }
                    }
                    const std::size_t width = first < x.columns ? std::min(kPanelColumns, x.columns - first) : 0;
                    std::int8_t quad[sizeof(T)][kPanelQuadBytes] = {};
                    for (std::size_t k = 0; k < std::min(kQuad, x.rows - row); ++k)
                        for (std::size_t c = 0; c < width; ++c) {
                            std::int8_t digit[sizeof(T)];
                            digits(x.at(row + k, first + c), digit);
                            for (std::size_t s = 0; s < sizeof(T); ++s) {
                                quad[s][c * kQuad + k] = digit[s];
                                sums[s][first - taken + c] += digit[s];
                            }
                        }
                    for (std::size_t s = 0; s < sizeof(T); ++s)
                        std::memcpy(panel + s * columns * quads * kQuad, quad[s], kPanelQuadBytes);
                }
            for (std::size_t s = 0; s < sizeof(T); ++s)
                std::memcpy(column_sums + s * columns + taken, sums[s], (end - taken) * sizeof(std::int32_t));
        }
    });
}

// value * 2^shift, by way of unsigned numbers because C++17 leaves the shift of a negative one undefined.
inline std::int64_t shifted(std::int64_t value, int shift) {
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(value) << shift);
}

// sum += 2^shift * (products of 8 columns of slice s from `row` on with 48 of slice t from `column` on)
template <typename T, typename Sum>
void add_product(const Isa& isa, const Packed<T>& x, std::size_t s, std::size_t t, std::size_t row, std::size_t column,
                 int shift, Sum sum[kTileRows][kTileColumns]) {
    const std::int8_t* a[kTileRows];
    for (std::size_t r = 0; r < kTileRows; ++r) a[r] = x.panel(s, row) + (row + r) % kPanelColumns * kQuad;
    alignas(64) Tile tile;
    isa.tile(a, kPanelQuadBytes, x.panel(t, column), x.quads * kPanelQuadBytes, x.quads, tile);
    for (std::size_t r = 0; r < kTileRows; ++r) {
        const std::int32_t bias = 128 * x.column_sums[s * x.columns + row + r];
        for (std::size_t c = 0; c < kTileColumns; ++c) {
            if constexpr (sizeof(T) == 1)
                sum[r][c] += tile[r][c] - bias;
            else
                sum[r][c] += shifted(tile[r][c] - bias, shift);
        }
    }
}

// Adds one tile of x^T x to the triangles: every pair of slices, into the plane of its weight.
template <typename T, typename Sum>
void add_tile(const Isa& isa, const Packed<T>& x, std::size_t row, std::size_t column, std::size_t width,
              std::int64_t sign, Sum* const* planes) {
    const Sum flip = sign < 0 ? -1 : 0;  // (v ^ -1) + 1 = -v, without a multiplication that SSE2 lacks
    constexpr std::size_t slices = sizeof(T), halves = slices > 2 ? 2 : 1, digits_a_half = slices / halves;
    for (std::size_t plane = 0; plane < 2 * halves - 1; ++plane) {
        Sum sum[kTileRows][kTileColumns] = {};
        for (std::size_t s = 0; s < slices; ++s)
            for (std::size_t t = 0; t < slices; ++t)
                if (2 * (halves - 1) - s / digits_a_half - t / digits_a_half == plane)
                    add_product(isa, x, s, t, row, column, 8 * static_cast<int>(s % digits_a_half + t % digits_a_half),
                                sum);
        for (std::size_t i = row; i < std::min(row + kTileRows, width); ++i) {
            Sum* start = planes[plane] + (i * width - i * (i + 1) / 2);
            for (std::size_t j = std::max(i, column); j < std::min(column + kTileColumns, width); ++j)
                start[j] += (sum[i - row][j - column] ^ flip) - flip;
        }
    }
}

}  // namespace

std::size_t gram_scratch_bytes(std::size_t columns, std::size_t value_bytes) {
    return value_bytes * up(columns, kTileColumns) * (kBlockRows + sizeof(std::int32_t));
}

template <typename T, typename Sum>
void gram_block(const Isa& isa, const Matrix<T>& x, std::int64_t sign, Sum* const* planes, std::int8_t* scratch,
                int threads) {
    const Packed<T> packed(x, scratch, threads);
    const std::size_t width = x.columns, group = kGroupTiles * kTileColumns;
    std::atomic<std::size_t> next{0};
    in_parallel(threads, [&] {
        for (std::size_t taken; (taken = next.fetch_add(group)) < packed.columns;) {
            // The last columns have the longest way along the rows: they go first, for balance.
            const std::size_t first = up(packed.columns, group) - group - taken;
            const std::size_t end = std::min(first + group, packed.columns);
            for (std::size_t row = 0; row < std::min(end, width); row += kTileRows)
                for (std::size_t column = first; column < end; column += kTileColumns)
                    if (row < column + kTileColumns) add_tile(isa, packed, row, column, width, sign, planes);
        }
    });
}

template void gram_block(const Isa&, const Matrix<std::int8_t>&, std::int64_t, std::int32_t* const*, std::int8_t*, int);
template void gram_block(const Isa&, const Matrix<std::int8_t>&, std::int64_t, std::int64_t* const*, std::int8_t*, int);
template void gram_block(const Isa&, const Matrix<std::int16_t>&, std::int64_t, std::int64_t* const*, std::int8_t*, int);
template void gram_block(const Isa&, const Matrix<std::int32_t>&, std::int64_t, std::int64_t* const*, std::int8_t*, int);

}  // namespace analytic_cl
