#include <algorithm>
#include <cstring>

#include "kernels.h"
#include "row_blocks.h"

namespace analytic_cl {

namespace {

constexpr std::size_t kRowsAtOnce = 256;  // that stay in the second-level cache while all components pass

void write(const Isa&, const std::int32_t sums[kTileColumns], std::int32_t total, int, std::int32_t out[kTileColumns]) {
    for (std::size_t c = 0; c < kTileColumns; ++c) out[c] = 2 * sums[c] - total;
}

void write(const Isa& isa, const std::int32_t sums[kTileColumns], std::int32_t total, int shift,
           std::int8_t out[kTileColumns]) {
    isa.rectify(sums, total, shift, out);
}

}  // namespace

// The tile adds 128 to what panels hold, so -128 and -127 stand for the bits 0 and 1.
Signs::Signs(const Isa& isa, const std::uint8_t* bits, std::size_t bits_stride, std::size_t components,
             std::size_t features)
    : isa(isa), components(components), features(features), quads_(up(features, kQuad) / kQuad) {
    const std::size_t groups = up(components, kTileColumns) / kTileColumns;
    if (isa.bits_tile)
        words_.resize(groups * quads_ * kTilePanels);
    else
        panels_.resize(groups * kTilePanels * quads_ * kPanelQuadBytes, -128);
    for (std::size_t c = 0; c < components; ++c) {
        const std::size_t panel = c / kPanelColumns, first = c % kPanelColumns * kQuad;
        const std::uint8_t* stream = bits + c * bits_stride;
        for (std::size_t j = 0; j < features; ++j) {
            const std::uint8_t bit = stream[j / 8] >> (j % 8) & 1;
            if (isa.bits_tile)
                words_[(panel / kTilePanels * quads_ + j / kQuad) * kTilePanels + panel % kTilePanels] |=
                    std::uint64_t{bit} << (first + j % kQuad);
            else
                panels_[(panel * quads_ + j / kQuad) * kPanelQuadBytes + first + j % kQuad] =
                    static_cast<std::int8_t>(-128 + bit);
        }
    }
}

void Signs::sum(const std::int8_t* const a[kTileRows], std::size_t count, std::size_t group, Tile out) const {
    if (!isa.bits_tile) {
        const std::size_t panel_bytes = quads_ * kPanelQuadBytes;
        isa.tile(a, kQuad, panels_.data() + group * kTilePanels * panel_bytes, panel_bytes, quads_, out);
        return;
    }
    const std::uint64_t* words = words_.data() + group * quads_ * kTilePanels;
    if (count == 1)
        isa.bits_row(a[0], words, quads_, out[0]);
    else
        isa.bits_tile(a, words, quads_, out);
}

template <typename Out>
void project(const Matrix<std::int8_t>& x, const Signs& signs, int shift, Out* out, int threads) {
    const std::size_t components = signs.components;
    const std::size_t groups = up(components, kTileColumns) / kTileColumns;
    by_tiles(signs.isa, x, kRowsAtOnce, threads, [&](const RowBlock& block) {
        for (std::size_t g = 0; g < groups; ++g) {
            const std::size_t first = g * kTileColumns, width = std::min(kTileColumns, components - first);
            block.tiles([&](std::size_t row, std::size_t count, const std::int8_t* const* a) {
                alignas(64) Tile tile;
                signs.sum(a, count, g, tile);
                for (std::size_t r = 0; r < count; ++r) {
                    // x . s = 2 (x . bits) - sum x
                    Out line[kTileColumns];
                    write(signs.isa, tile[r], block.total(row + r), shift, line);
                    std::memcpy(out + (row + r) * components + first, line, width * sizeof(Out));
                }
            });
        }
    });
}

template void project(const Matrix<std::int8_t>&, const Signs&, int, std::int8_t*, int);
template void project(const Matrix<std::int8_t>&, const Signs&, int, std::int32_t*, int);

}  // namespace analytic_cl
