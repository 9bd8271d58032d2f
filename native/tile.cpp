#include "tile.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#ifdef ANALYTIC_CL_X86
#include <immintrin.h>
#endif

namespace analytic_cl {

void tile_portable(const std::int8_t* const a[kTileRows], std::size_t a_stride, const std::int8_t* b,
                   std::size_t b_stride, std::size_t quads, Tile out) {
    std::memset(out, 0, sizeof(Tile));
    for (std::size_t p = 0; p < kTilePanels; ++p) {
        for (std::size_t q = 0; q < quads; ++q) {
            const std::int8_t* panel = b + p * b_stride + q * kPanelQuadBytes;
            for (std::size_t r = 0; r < kTileRows; ++r) {
                const std::int8_t* x = a[r] + q * a_stride;
                std::int32_t* row = out[r] + p * kPanelColumns;
                for (std::size_t c = 0; c < kPanelColumns; ++c) {
                    const std::int8_t* y = panel + c * kQuad;
                    row[c] += x[0] * (y[0] + 128) + x[1] * (y[1] + 128) + x[2] * (y[2] + 128) + x[3] * (y[3] + 128);
                }
            }
        }
    }
}

// Plain loops, which compilers turn into the instructions that the function around them may use.

static inline RowSums row_sums(const std::int8_t* row, std::size_t columns) {
    RowSums sums = {0, 0};
    for (std::size_t j = 0; j < columns; ++j) sums.total += row[j];
    for (std::size_t j = 0; j < columns; ++j) sums.size += std::abs(row[j]);
    return sums;
}

static inline void rectify(const std::int32_t sums[kTileColumns], std::int32_t total, int shift,
                           std::int8_t out[kTileColumns]) {
    const std::int32_t half = shift ? std::int32_t{1} << (shift - 1) : 0;
    for (std::size_t c = 0; c < kTileColumns; ++c)
        out[c] = static_cast<std::int8_t>(std::min((std::max(2 * sums[c] - total, 0) + half) >> shift, 127));
}

static RowSums row_sums_portable(const std::int8_t* row, std::size_t columns) { return row_sums(row, columns); }

static void rectify_portable(const std::int32_t sums[kTileColumns], std::int32_t total, int shift,
                             std::int8_t out[kTileColumns]) {
    rectify(sums, total, shift, out);
}

#ifdef ANALYTIC_CL_X86

// Every function that uses an instruction set names it, so that nothing compiled for it can leak elsewhere.

#define FOR_ROWS(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7)

// 24 accumulators in registers. Written as assembly, because GCC spills them around the intrinsic.
__attribute__((target("avx512f,avx512bw,avx512vnni"))) static void tile_avx512vnni(
    const std::int8_t* const a[kTileRows], std::size_t a_stride, const std::int8_t* b, std::size_t b_stride,
    std::size_t quads, Tile out) {
    const __m512i flip = _mm512_set1_epi8(static_cast<char>(0x80));
    const std::int8_t* b1 = b + b_stride;
    const std::int8_t* b2 = b + 2 * b_stride;
#define ZERO(r)                             \
    const std::int8_t* a##r = a[r];         \
    __m512i sum##r##_0 = _mm512_setzero_si512(), sum##r##_1 = sum##r##_0, sum##r##_2 = sum##r##_0;
    FOR_ROWS(ZERO)
    for (std::size_t q = 0; q < quads; ++q) {
        const __m512i y0 = _mm512_xor_si512(_mm512_loadu_si512(b + q * kPanelQuadBytes), flip);
        const __m512i y1 = _mm512_xor_si512(_mm512_loadu_si512(b1 + q * kPanelQuadBytes), flip);
        const __m512i y2 = _mm512_xor_si512(_mm512_loadu_si512(b2 + q * kPanelQuadBytes), flip);
#define MULTIPLY(r)                                                                      \
    {                                                                                    \
        std::int32_t four;                                                               \
        std::memcpy(&four, a##r + q * a_stride, sizeof four);                            \
        const __m512i x = _mm512_set1_epi32(four);                                       \
        asm("vpdpbusd %2, %1, %0" : "+v"(sum##r##_0) : "v"(y0), "v"(x));                 \
        asm("vpdpbusd %2, %1, %0" : "+v"(sum##r##_1) : "v"(y1), "v"(x));                 \
        asm("vpdpbusd %2, %1, %0" : "+v"(sum##r##_2) : "v"(y2), "v"(x));                 \
    }
        FOR_ROWS(MULTIPLY)
    }
#define STORE(r)                                 \
    _mm512_storeu_si512(out[r], sum##r##_0);     \
    _mm512_storeu_si512(out[r] + 16, sum##r##_1); \
    _mm512_storeu_si512(out[r] + 32, sum##r##_2);
    FOR_ROWS(STORE)
}

__attribute__((target("avx512f,avx512bw,avx512vnni"))) static void bits_tile_avx512vnni(
    const std::int8_t* const a[kTileRows], const std::uint64_t* bits, std::size_t quads, Tile out) {
    constexpr std::size_t a_stride = kQuad;
    const __m512i one = _mm512_set1_epi8(1);
    FOR_ROWS(ZERO)
    for (std::size_t q = 0; q < quads; ++q, bits += kTilePanels) {
        const __m512i y0 = _mm512_maskz_mov_epi8(bits[0], one);
        const __m512i y1 = _mm512_maskz_mov_epi8(bits[1], one);
        const __m512i y2 = _mm512_maskz_mov_epi8(bits[2], one);
        FOR_ROWS(MULTIPLY)
    }
    FOR_ROWS(STORE)
}
#undef ZERO
#undef MULTIPLY
#undef STORE

// For one row memory is what takes time, and a tile's other seven rows would take more.
__attribute__((target("avx512f,avx512bw,avx512vnni"))) static void row_avx512vnni(
    const std::int8_t* a, const std::int8_t* b, std::size_t b_stride, std::size_t quads,
    std::int32_t out[kTileColumns]) {
    const __m512i flip = _mm512_set1_epi8(static_cast<char>(0x80));
    __m512i sum[kTilePanels] = {_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512()};
    for (std::size_t q = 0; q < quads; ++q) {
        std::int32_t four;
        std::memcpy(&four, a + q * kQuad, sizeof four);
        const __m512i x = _mm512_set1_epi32(four);
        for (std::size_t p = 0; p < kTilePanels; ++p)
            sum[p] = _mm512_dpbusd_epi32(
                sum[p], _mm512_xor_si512(_mm512_loadu_si512(b + p * b_stride + q * kPanelQuadBytes), flip), x);
    }
    for (std::size_t p = 0; p < kTilePanels; ++p) _mm512_storeu_si512(out + p * kPanelColumns, sum[p]);
}

__attribute__((target("avx512f,avx512bw,avx512vnni"))) static void bits_row_avx512vnni(
    const std::int8_t* a, const std::uint64_t* bits, std::size_t quads, std::int32_t out[kTileColumns]) {
    const __m512i one = _mm512_set1_epi8(1);
    __m512i sum[kTilePanels] = {_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512()};
    for (std::size_t q = 0; q < quads; ++q, bits += kTilePanels) {
        std::int32_t four;
        std::memcpy(&four, a + q * kQuad, sizeof four);
        const __m512i x = _mm512_set1_epi32(four);
        for (std::size_t p = 0; p < kTilePanels; ++p)
            sum[p] = _mm512_dpbusd_epi32(sum[p], _mm512_maskz_mov_epi8(bits[p], one), x);
    }
    for (std::size_t p = 0; p < kTilePanels; ++p) _mm512_storeu_si512(out + p * kPanelColumns, sum[p]);
}

__attribute__((target("avx512f,avx512bw,avx512vnni"))) static RowSums row_sums_avx512vnni(const std::int8_t* row,
                                                                                         std::size_t columns) {
    return row_sums(row, columns);
}

__attribute__((target("avx512f,avx512bw,avx512vnni"))) static void rectify_avx512vnni(
    const std::int32_t sums[kTileColumns], std::int32_t total, int shift, std::int8_t out[kTileColumns]) {
    rectify(sums, total, shift, out);
}

// Bytes widened to 16 bits, because vpmaddubsw would saturate: 4 columns a register, two partial sums each.
__attribute__((target("avx2"))) static void tile_avx2(const std::int8_t* const a[kTileRows], std::size_t a_stride,
                                                      const std::int8_t* b, std::size_t b_stride, std::size_t quads,
                                                      Tile out) {
    const __m256i bias = _mm256_set1_epi16(128);
    for (std::size_t column = 0; column < kTileColumns; column += 8) {
        const std::int8_t* panel =
            b + column / kPanelColumns * b_stride + column % kPanelColumns * kQuad;
        for (std::size_t r = 0; r < kTileRows; r += 4) {
            __m256i low[4], high[4];
            for (int i = 0; i < 4; ++i) low[i] = high[i] = _mm256_setzero_si256();
            for (std::size_t q = 0; q < quads; ++q) {
                const auto* y = reinterpret_cast<const __m128i*>(panel + q * kPanelQuadBytes);
                const __m256i y0 = _mm256_add_epi16(_mm256_cvtepi8_epi16(_mm_loadu_si128(y)), bias);
                const __m256i y1 = _mm256_add_epi16(_mm256_cvtepi8_epi16(_mm_loadu_si128(y + 1)), bias);
                for (int i = 0; i < 4; ++i) {
                    std::int32_t four;
                    std::memcpy(&four, a[r + i] + q * a_stride, sizeof four);
                    const __m256i x = _mm256_broadcastq_epi64(_mm_cvtepi8_epi16(_mm_cvtsi32_si128(four)));
                    low[i] = _mm256_add_epi32(low[i], _mm256_madd_epi16(y0, x));
                    high[i] = _mm256_add_epi32(high[i], _mm256_madd_epi16(y1, x));
                }
            }
            for (int i = 0; i < 4; ++i) {
                const __m256i mixed = _mm256_hadd_epi32(low[i], high[i]);  // columns 0 1 4 5 2 3 6 7
                _mm256_storeu_si256(reinterpret_cast<__m256i*>(out[r + i] + column),
                                    _mm256_permute4x64_epi64(mixed, 0xD8));
            }
        }
    }
}

#undef FOR_ROWS
#endif

static const Isa kIsas[] = {
#ifdef ANALYTIC_CL_X86
    {"avx512vnni", tile_avx512vnni, dots_avx512vnni, row_sums_avx512vnni, rectify_avx512vnni, row_avx512vnni,
     bits_tile_avx512vnni, bits_row_avx512vnni},
    {"avx2", tile_avx2, dots_avx2, row_sums_portable, rectify_portable, nullptr, nullptr, nullptr},
#endif
    {"portable", tile_portable, dots_portable, row_sums_portable, rectify_portable, nullptr, nullptr, nullptr},
};

static bool machine_has(const char* name) {
#ifdef ANALYTIC_CL_X86
    __builtin_cpu_init();
    if (!std::strcmp(name, "avx512vnni"))
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512vnni");
    if (!std::strcmp(name, "avx2")) return __builtin_cpu_supports("avx2");
#endif
    return !std::strcmp(name, "portable");
}

const Isa* find_isa(const char* name) {
    for (const Isa& isa : kIsas)
        if ((!*name || !std::strcmp(name, isa.name)) && machine_has(isa.name)) return &isa;
    return nullptr;
}

}  // namespace analytic_cl
