#include <algorithm>
#include <atomic>
#include <cstring>
#include <vector>

#include "kernels.h"
#include "parallel.h"

namespace analytic_cl {

namespace {

constexpr std::size_t kRowsAtOnce = 256;  // that stay in the second-level cache while all components pass

void write(std::int32_t v, std::int32_t, int, std::int32_t& out) { out = v; }

void write(std::int32_t v, std::int32_t half, int shift, std::int8_t& out) {
    out = static_cast<std::int8_t>(std::min((std::max(v, 0) + half) >> shift, 127));
}

}  // namespace

// The tile adds 128 to what the panels hold, so -128 and -127 stand for the bits 0 and 1.
Signs::Signs(const std::uint8_t* bits, std::size_t bits_stride, std::size_t components, std::size_t features)
    : components(components),
      features(features),
      group_bytes_(kTilePanels * (up(features, kQuad) / kQuad) * kPanelQuadBytes),
      panels_(up(components, kTileColumns) / kTileColumns * group_bytes_, -128) {
    const std::size_t panel_bytes = group_bytes_ / kTilePanels;
    for (std::size_t c = 0; c < components; ++c) {
        std::int8_t* column = panels_.data() + c / kPanelColumns * panel_bytes + c % kPanelColumns * kQuad;
        const std::uint8_t* stream = bits + c * bits_stride;
        for (std::size_t j = 0; j < features; ++j)
            column[j / kQuad * kPanelQuadBytes + j % kQuad] =
                static_cast<std::int8_t>(-128 + (stream[j / 8] >> (j % 8) & 1));
    }
}

template <typename Out>
void project(const Isa& isa, const Matrix<std::int8_t>& x, const Signs& signs, int shift, Out* out, int threads) {
    const std::size_t components = signs.components, quads = up(x.columns, kQuad) / kQuad, length = quads * kQuad;
    const std::size_t groups = up(components, kTileColumns) / kTileColumns;
    const std::size_t share = up(up(x.rows, threads) / threads, kTileRows), at_once = std::min(share, kRowsAtOnce);
    const int useful = static_cast<int>(std::min<std::size_t>(threads, up(x.rows, at_once) / at_once));
    const std::int32_t half = shift ? std::int32_t{1} << (shift - 1) : 0;
    std::vector<std::int8_t> last(kTileRows * length * static_cast<std::size_t>(useful));
    std::atomic<std::size_t> next_rows{0}, next_thread{0};
    in_parallel(useful, [&] {
        std::int8_t* padded = &last[kTileRows * length * next_thread.fetch_add(1)];
        std::int32_t totals[kRowsAtOnce];
        for (std::size_t top; (top = next_rows.fetch_add(at_once)) < x.rows;) {
            const std::size_t end = std::min(top + at_once, x.rows);
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
                    isa.tile(a, kQuad, signs.panels(g), quads * kPanelQuadBytes, quads, tile);
                    for (std::size_t r = 0; r < count; ++r) {
                        // x . s = 2 (x . bits) - sum x
                        const std::int32_t total = totals[row + r - top];
                        Out line[kTileColumns];
                        for (std::size_t c = 0; c < kTileColumns; ++c)
                            write(2 * tile[r][c] - total, half, shift, line[c]);
                        std::memcpy(out + (row + r) * components + first, line, width * sizeof(Out));
                    }
                }
            }
        }
    });
}

template void project(const Isa&, const Matrix<std::int8_t>&, const Signs&, int, std::int8_t*, int);
template void project(const Isa&, const Matrix<std::int8_t>&, const Signs&, int, std::int32_t*, int);

}  // namespace analytic_cl
