#include "row_blocks.h"

namespace analytic_cl {

namespace {

constexpr std::size_t kBytesAtOnce = 1 << 18;  // of rows, that stay in the second-level cache while all classes pass

static_assert(kDigits % kTilePanels == 0, "a tile holds digits of 16 classes");

}  // namespace

Weights::Weights(const Isa& isa, const std::int64_t* w, std::size_t classes, std::size_t features)
    : isa(isa), classes(classes), features(features), up_quads_(up(features, kQuad) / kQuad),
      panels_(up(classes, kPanelColumns) / kPanelColumns * kDigits * panel_bytes()) {
    for (std::size_t c = 0; c < classes; ++c) {
        std::int8_t* column = panels_.data() + c / kPanelColumns * kDigits * panel_bytes() + c % kPanelColumns * kQuad;
        for (std::size_t j = 0; j < features; ++j) {
            std::int64_t rest = w[c * features + j];
            std::int8_t* digit = column + j / kQuad * kPanelQuadBytes + j % kQuad;
            for (std::size_t s = 0; s < kDigits; ++s, digit += panel_bytes()) {
                *digit = static_cast<std::int8_t>(static_cast<std::uint8_t>(rest & 0xFF));
                rest = (rest - *digit) >> 8;
            }
        }
    }
}

void score(const Matrix<std::int8_t>& x, const Weights& weights, const std::int64_t* origin, const double* unit,
           const double* bias, double* out, int threads) {
    const std::size_t classes = weights.classes, quads = up(x.columns, kQuad) / kQuad;
    const Isa& isa = weights.isa;
    const std::size_t at_once = std::max(kTileRows, kBytesAtOnce / (quads * kQuad) / kTileRows * kTileRows);
    by_tiles(x, at_once, threads, [&](const RowBlock& block) {
        for (std::size_t first = 0; first < classes; first += kPanelColumns) {
            const std::size_t width = std::min(kPanelColumns, classes - first);
            const std::int8_t* panels = weights.panels(first / kPanelColumns);
            block.tiles([&](std::size_t row, std::size_t count, const std::int8_t* const* a) {
                std::int64_t sums[kTileRows][kPanelColumns] = {};
                for (std::size_t s = 0; s < kDigits; s += kTilePanels) {
                    alignas(64) Tile tile;
                    if (count == 1 && isa.row)
                        isa.row(a[0], panels + s * weights.panel_bytes(), weights.panel_bytes(), quads, tile[0]);
                    else
                        isa.tile(a, kQuad, panels + s * weights.panel_bytes(), weights.panel_bytes(), quads, tile);
                    for (std::size_t r = 0; r < count; ++r) {
                        const std::int32_t extra = 128 * block.total(row + r);
                        for (std::size_t p = 0; p < kTilePanels; ++p)
                            for (std::size_t c = 0; c < kPanelColumns; ++c)
                                sums[r][c] += std::int64_t{tile[r][p * kPanelColumns + c] - extra} *
                                              (std::int64_t{1} << 8 * (s + p));
                    }
                }
                for (std::size_t r = 0; r < count; ++r)
                    for (std::size_t c = 0; c < width; ++c)
                        out[(row + r) * classes + first + c] =
                            static_cast<double>(sums[r][c] - origin[first + c]) * unit[first + c] + bias[first + c];
            });
        }
    });
}

}  // namespace analytic_cl
