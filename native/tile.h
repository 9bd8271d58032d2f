// The inner product that everything else is made of, once for each instruction set.
//
// Operands are int8 in *panels* of 16 columns: panel[quad][column][4], where a quad is four consecutive values of the
// index that is summed over; zeros fill up what is not there.
#pragma once

#include <cstddef>
#include <cstdint>

#include "dots.h"

#if (defined(__x86_64__) || defined(__i386__)) && (defined(__GNUC__) || defined(__clang__))
#define ANALYTIC_CL_X86 1
#endif

namespace analytic_cl {

constexpr std::size_t kQuad = 4;
constexpr std::size_t kPanelColumns = 16;
constexpr std::size_t kPanelQuadBytes = kQuad * kPanelColumns;
constexpr std::size_t kTileRows = 8;
constexpr std::size_t kTilePanels = 3;
constexpr std::size_t kTileColumns = kTilePanels * kPanelColumns;

// Values that may be summed in int32: (127 + 128) * 128 * 65,536 < 2^31.
constexpr std::size_t kMaxTerms = 65536;

using Tile = std::int32_t[kTileRows][kTileColumns];

// out[r][c] = sum over quads and their four values of a_r * (b_c + 128), to be corrected by 128 sum a_r: the hardware
// multiplies unsigned by signed bytes.
//   a          the first quad of each of 8 rows; consecutive quads are a_stride bytes apart
//   b          three panels, b_stride bytes from one to the next
using TileFunction = void (*)(const std::int8_t* const a[kTileRows], std::size_t a_stride, const std::int8_t* b,
                              std::size_t b_stride, std::size_t quads, Tile out);

void tile_portable(const std::int8_t* const a[kTileRows], std::size_t a_stride, const std::int8_t* b,
                   std::size_t b_stride, std::size_t quads, Tile out);

// The same for one row, out[c]; the row's quads are consecutive.
using RowFunction = void (*)(const std::int8_t* a, const std::int8_t* b, std::size_t b_stride, std::size_t quads,
                             std::int32_t out[kTileColumns]);

// out[r][c] = sum of the values of a_r where column c has a bit. `bits` has three words a quad, one for each panel; bit
// 4 c + k of a word is that of column c and the k-th value. Rows' quads are consecutive.
using BitsTileFunction = void (*)(const std::int8_t* const a[kTileRows], const std::uint64_t* bits, std::size_t quads,
                                  Tile out);
using BitsRowFunction = void (*)(const std::int8_t* a, const std::uint64_t* bits, std::size_t quads,
                                 std::int32_t out[kTileColumns]);

// A row's sum, and that of its absolute values.
struct RowSums {
    std::int32_t total, size;
};
using RowSumsFunction = RowSums (*)(const std::int8_t* row, std::size_t columns);

// out[c] = min(max(v, 0) / 2^shift, halves up, 127), v = 2 sums[c] - total
using RectifyFunction = void (*)(const std::int32_t sums[kTileColumns], std::int32_t total, int shift,
                                 std::int8_t out[kTileColumns]);

struct Isa {
    const char* name;
    TileFunction tile;
    DotsFunction dots;
    RowSumsFunction row_sums;
    RectifyFunction rectify;
    RowFunction row;             // these three are there together, or nullptr
    BitsTileFunction bits_tile;
    BitsRowFunction bits_row;
};

// The named instruction set, or the best one for an empty name; nullptr where this machine does not have it.
const Isa* find_isa(const char* name);

}  // namespace analytic_cl
