#include "row_blocks.h"

namespace analytic_cl {

namespace {

constexpr std::size_t kBytesAtOnce = 1 << 18;  // of rows, that stay in the second-level cache while all classes pass

static_assert(kDigits == 2 * kLeading && kLeading == kTilePanels, "a tile holds half of the digits of 16 classes");

// The products of a tile, less the 128 that it adds to weights, with digits of 16 classes from the least on.
inline void put_together(const std::int32_t tile[kTileColumns], std::int32_t extra, std::int64_t sums[kPanelColumns]) {
    for (std::size_t c = 0; c < kPanelColumns; ++c)
        sums[c] = std::int64_t{tile[c] - extra} + std::int64_t{tile[kPanelColumns + c] - extra} * 256 +
                  std::int64_t{tile[2 * kPanelColumns + c] - extra} * 65536;
}

}  // namespace

Weights::Weights(const Isa& isa, const std::int64_t* w, std::size_t classes, std::size_t features, int pad)
    : isa(isa), classes(classes), features(features), pad(pad), up_quads_(up(features, kQuad) / kQuad),
      panels_(up(classes, kPanelColumns) / kPanelColumns * kDigits * panel_bytes()) {
    for (std::size_t c = 0; c < classes; ++c) {
        std::int8_t* column = panels_.data() + c / kPanelColumns * kDigits * panel_bytes() + c % kPanelColumns * kQuad;
        for (std::size_t j = 0; j < features; ++j) {
            std::int64_t rest = w[c * features + j] * (std::int64_t{1} << pad);
            std::int8_t* digit = column + j / kQuad * kPanelQuadBytes + j % kQuad;
            for (std::size_t s = 0; s < kDigits; ++s, digit += panel_bytes()) {
                *digit = static_cast<std::int8_t>(static_cast<std::uint8_t>(rest & 0xFF));
                rest = (rest - *digit) >> 8;
            }
        }
    }
}

namespace {

template <bool kAll>
void scores(const Matrix<std::int8_t>& x, const Weights& weights, const std::int64_t* origin, const double* unit,
            const double* bias, double* out, std::int64_t* sizes, int threads) {
    const std::size_t classes = weights.classes, quads = up(x.columns, kQuad) / kQuad;
    const std::int64_t above = std::int64_t{1} << (8 * kLeading - weights.pad);
    const Isa& isa = weights.isa;
    const std::size_t at_once = std::max(kTileRows, kBytesAtOnce / (quads * kQuad) / kTileRows * kTileRows);
    by_tiles(isa, x, at_once, threads, [&](const RowBlock& block) {
        for (std::size_t first = 0; first < classes; first += kPanelColumns) {
            const std::size_t width = std::min(kPanelColumns, classes - first);
            const std::int8_t* panels = weights.panels(first / kPanelColumns);
            block.tiles([&](std::size_t row, std::size_t count, const std::int8_t* const* a) {
                alignas(64) Tile tiles[2];
                for (std::size_t half = kAll ? 0 : 1; half < 2; ++half) {
                    const std::int8_t* digits = panels + half * kLeading * weights.panel_bytes();
                    if (count == 1 && isa.row)
                        isa.row(a[0], digits, weights.panel_bytes(), quads, tiles[half][0]);
                    else
                        isa.tile(a, kQuad, digits, weights.panel_bytes(), quads, tiles[half]);
                }
                for (std::size_t r = 0; r < count; ++r) {
                    const std::int32_t extra = 128 * block.total(row + r);
                    std::int64_t low[kPanelColumns] = {}, high[kPanelColumns];
                    if (kAll) put_together(tiles[0][r], extra, low);
                    put_together(tiles[1][r], extra, high);
                    for (std::size_t c = 0; c < width; ++c) {
                        // the lower half is a multiple of 2^pad, as all of it is
                        const std::int64_t sum = high[c] * above + (low[c] >> weights.pad);
                        out[(row + r) * classes + first + c] =
                            static_cast<double>(sum - origin[first + c]) * unit[first + c] + bias[first + c];
                    }
                    if (!kAll && !first) sizes[row + r] = block.size(row + r);
                }
            });
        }
    });
}

}  // namespace

void score(const Matrix<std::int8_t>& x, const Weights& weights, const std::int64_t* origin, const double* unit,
           const double* bias, double* out, int threads) {
    scores<true>(x, weights, origin, unit, bias, out, nullptr, threads);
}

void score_leading(const Matrix<std::int8_t>& x, const Weights& weights, const std::int64_t* origin, const double* unit,
                   const double* bias, double* out, std::int64_t* sizes, int threads) {
    scores<false>(x, weights, origin, unit, bias, out, sizes, threads);
}

}  // namespace analytic_cl
