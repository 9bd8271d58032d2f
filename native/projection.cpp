#include <algorithm>
#include <atomic>
#include <cstring>
#include <vector>

#include "kernels.h"
#include "parallel.h"

namespace analytic_cl {

namespace {

constexpr std::size_t kRowsAtOnce = 256;  // that stay in the second-level cache while all components pass

// Panels of 48 components from `first` on. The tile adds 128 to them, so -128 and -127 stand for the bits 0 and 1.
void unpack_signs(const std::uint8_t* bits, std::size_t stride, std::size_t components, std::size_t features,
                  std::size_t first, std::size_t quads, std::int8_t* panels) {
    std::memset(panels, -128, kTilePanels * quads * kPanelQuadBytes);
    for (std::size_t c = 0; c < std::min(kTileColumns, components - first); ++c) {
        std::int8_t* column = panels + (c / kPanelColumns * quads * kPanelColumns + c % kPanelColumns) * kQuad;
        const std::uint8_t* stream = bits + (first + c) * stride;
        for (std::size_t j = 0; j < features; ++j)
            column[j / kQuad * kPanelQuadBytes + j % kQuad] =
                static_cast<std::int8_t>(-128 + (stream[j / 8] >> (j % 8) & 1));
    }
}

}  // namespace

void project(const Isa& isa, const Matrix<std::int8_t>& x, const std::uint8_t* bits, std::size_t bits_stride,
             std::size_t components, int shift, std::int8_t* out, int threads) {
    const std::size_t quads = up(x.columns, kQuad) / kQuad, length = quads * kQuad;
    const std::size_t groups = up(components, kTileColumns) / kTileColumns;
    const std::size_t group_bytes = kTilePanels * quads * kPanelQuadBytes;
    const std::int32_t half = shift ? std::int32_t{1} << (shift - 1) : 0;
    std::vector<std::int8_t> signs(groups * group_bytes);
    std::vector<std::int8_t> last(kTileRows * length * static_cast<std::size_t>(threads));
    std::atomic<std::size_t> next_group{0}, next_rows{0}, next_thread{0};
    in_parallel(threads, [&] {
        for (std::size_t g; (g = next_group.fetch_add(1)) < groups;)
            unpack_signs(bits, bits_stride, components, x.columns, g * kTileColumns, quads, &signs[g * group_bytes]);
    });
    in_parallel(threads, [&] {
        std::int8_t* padded = &last[kTileRows * length * next_thread.fetch_add(1)];
        std::int32_t totals[kRowsAtOnce];
        for (std::size_t top; (top = next_rows.fetch_add(kRowsAtOnce)) < x.rows;) {
            const std::size_t end = std::min(top + kRowsAtOnce, x.rows);
            for (std::size_t i = top; i < end; ++i) {
                const std::int8_t* row = &x.at(i, 0);
                std::int32_t total = 0;
                for (std::size_t j = 0; j < x.columns; ++j) total += row[j];
                totals[i - top] = total;
            }
            for (std::size_t g = 0; g < groups; ++g) {
                const std::size_t first = g * kTileColumns, width = std::min(kTileColumns, components - first);
                for (std::size_t row = top; row < end; row += kTileRows) {
                    const std::size_t count = std::min(kTileRows, end - row);
                    const bool whole = count == kTileRows && length == x.columns;
                    const std::int8_t* a[kTileRows];
                    for (std::size_t r = 0; r < kTileRows; ++r) {
                        a[r] = whole ? &x.at(row + r, 0) : padded + r * length;
                        if (!whole && r < count) std::memcpy(padded + r * length, &x.at(row + r, 0), x.columns);
                    }
                    alignas(64) Tile tile;
                    isa.tile(a, kQuad, &signs[g * group_bytes], quads * kPanelQuadBytes, quads, tile);
                    for (std::size_t r = 0; r < count; ++r) {
                        // x . s = 2 (x . bits) - sum x
                        const std::int32_t total = totals[row + r - top];
                        std::int8_t line[kTileColumns];
                        for (std::size_t c = 0; c < kTileColumns; ++c) {
                            const std::int32_t v = (std::max(2 * tile[r][c] - total, 0) + half) >> shift;
                            line[c] = static_cast<std::int8_t>(std::min(v, 127));
                        }
                        std::memcpy(out + (row + r) * components + first, line, width);
                    }
                }
            }
        }
    });
}

}  // namespace analytic_cl
