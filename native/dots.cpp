#include "dots.h"

#include <algorithm>

#include "tile.h"

#ifdef ANALYTIC_CL_X86
#include <immintrin.h>
#endif

namespace analytic_cl {

namespace {

constexpr std::size_t kAhead = 16384;  // bytes from what is multiplied to what is fetched

std::int32_t dot(const std::int8_t* x, const std::int8_t* y, std::size_t from, std::size_t to) {
    std::int32_t total = 0;
    for (std::size_t j = from; j < to; ++j) total += x[j] * y[j];
    return total;
}

}  // namespace

void dots_portable(const std::int8_t* const rows[kDotRows], std::size_t width, const DotVectors& vectors,
                   std::int32_t (*out)[kDotRows], std::int32_t squares[kDotRows]) {
    for (std::size_t r = 0; r < kDotRows; ++r) {
        squares[r] = dot(rows[r], rows[r], 0, width);
        for (std::size_t v = 0; v < vectors.count; ++v)
            out[v][r] = dot(vectors.data + v * vectors.stride, rows[r], 0, width);
    }
}

#ifdef ANALYTIC_CL_X86

// Every function that uses an instruction set names it, so that nothing compiled for it can leak elsewhere.
#define AVX2 __attribute__((target("avx2")))
#define VNNI __attribute__((target("avx512f,avx512bw,avx512vnni")))

AVX2 static inline __m128i sums_of(__m256i s0, __m256i s1, __m256i s2, __m256i s3) {
    const __m256i mixed = _mm256_hadd_epi32(_mm256_hadd_epi32(s0, s1), _mm256_hadd_epi32(s2, s3));
    return _mm_add_epi32(_mm256_castsi256_si128(mixed), _mm256_extracti128_si256(mixed, 1));
}

// vpmaddubsw does not saturate without -128: 2 * 127^2 < 2^15.
AVX2 static void one_avx2(const std::int8_t* const rows[kDotRows], std::size_t width, const std::int8_t* vector,
                          bool squared, std::int32_t out[kDotRows]) {
    const __m256i one = _mm256_set1_epi16(1);
    __m256i sum[kDotRows] = {};
    const std::size_t whole = width / 32 * 32;
    for (std::size_t j = 0; j < whole; j += 32) {
        for (std::size_t r = 0; r < kDotRows; ++r) {
            if (squared) __builtin_prefetch(rows[r] + j + kAhead);
            const __m256i x = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(rows[r] + j));
            const __m256i y = squared ? x : _mm256_loadu_si256(reinterpret_cast<const __m256i*>(vector + j));
            const __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(y), _mm256_sign_epi8(x, y));
            sum[r] = _mm256_add_epi32(sum[r], _mm256_madd_epi16(pairs, one));
        }
    }
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), sums_of(sum[0], sum[1], sum[2], sum[3]));
    for (std::size_t r = 0; r < kDotRows; ++r) out[r] += dot(rows[r], squared ? rows[r] : vector, whole, width);
}

void dots_avx2(const std::int8_t* const rows[kDotRows], std::size_t width, const DotVectors& vectors,
               std::int32_t (*out)[kDotRows], std::int32_t squares[kDotRows]) {
    one_avx2(rows, width, nullptr, true, squares);
    for (std::size_t v = 0; v < vectors.count; ++v)
        one_avx2(rows, width, vectors.data + v * vectors.stride, false, out[v]);
}

// With a mask of all, because GCC 12 warns of the other intrinsic's own code.
VNNI static inline __m256i half(__m512i x) {
    return _mm256_add_epi32(_mm512_maskz_extracti64x4_epi64(0xF, x, 0), _mm512_maskz_extracti64x4_epi64(0xF, x, 1));
}

VNNI static inline void store_sums(__m512i s0, __m512i s1, __m512i s2, __m512i s3, std::int32_t less,
                                   std::int32_t out[kDotRows]) {
    const __m128i sums = sums_of(half(s0), half(s1), half(s2), half(s3));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), _mm_sub_epi32(sums, _mm_set1_epi32(less)));
}

VNNI static inline __mmask64 mask_of(std::size_t values) {
    return values < 64 ? (std::uint64_t{1} << values) - 1 : ~std::uint64_t{0};
}

// As assembly, because GCC moves accumulators around the intrinsic, and spills them.
#define ADD_PRODUCTS(sum, unsigned_bytes, signed_bytes) \
    asm("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(unsigned_bytes), "v"(signed_bytes))
#define UNROLL _Pragma("GCC unroll 4")

// The hardware multiplies unsigned by signed bytes: rows are taken as 128 more than they are, and what that adds is the
// same for all rows. The first vectors' pass reads from memory, far ahead, and squares the rows; others find them near.
template <std::size_t count, bool first>
VNNI static void some_avx512vnni(const std::int8_t* const rows[kDotRows], std::size_t width, const DotVectors& vectors,
                                 std::size_t from, std::int32_t (*out)[kDotRows], std::int32_t squares[kDotRows]) {
    const __m512i flip = _mm512_set1_epi8(static_cast<char>(0x80));
    const std::int8_t* const a[kDotRows] = {rows[0], rows[1], rows[2], rows[3]};
    const std::int8_t* const b = vectors.data + from * vectors.stride;
    const std::size_t stride = vectors.stride;
    __m512i sum[count][kDotRows], square[kDotRows];
    UNROLL for (std::size_t r = 0; r < kDotRows; ++r) {
        square[r] = _mm512_setzero_si512();
        UNROLL for (std::size_t v = 0; v < count; ++v) sum[v][r] = square[r];
    }
    for (std::size_t j = 0; j < width; j += 64) {
        const __mmask64 there = mask_of(width - j);
        __m512i x[kDotRows];
        UNROLL for (std::size_t r = 0; r < kDotRows; ++r) {
            if (first) __builtin_prefetch(a[r] + j + kAhead);
            x[r] = _mm512_maskz_loadu_epi8(there, a[r] + j);
            if (first) {
                const __m512i size = _mm512_abs_epi8(x[r]);
                ADD_PRODUCTS(square[r], size, size);
            }
            x[r] = _mm512_xor_si512(x[r], flip);
        }
        UNROLL for (std::size_t v = 0; v < count; ++v) {
            const __m512i y = _mm512_loadu_si512(b + v * stride + j);
            UNROLL for (std::size_t r = 0; r < kDotRows; ++r) ADD_PRODUCTS(sum[v][r], x[r], y);
        }
    }
    if (first) store_sums(square[0], square[1], square[2], square[3], 0, squares);
    UNROLL for (std::size_t v = 0; v < count; ++v)
        store_sums(sum[v][0], sum[v][1], sum[v][2], sum[v][3], 128 * vectors.totals[from + v], out[from + v]);
}

template <bool first>
VNNI static std::size_t next_avx512vnni(const std::int8_t* const rows[kDotRows], std::size_t width,
                                        const DotVectors& vectors, std::size_t from, std::int32_t (*out)[kDotRows],
                                        std::int32_t squares[kDotRows]) {
    const std::size_t left = std::min<std::size_t>(vectors.count - from, 4);
    const auto some = left == 4   ? some_avx512vnni<4, first>
                      : left == 3 ? some_avx512vnni<3, first>
                      : left == 2 ? some_avx512vnni<2, first>
                                  : some_avx512vnni<1, first>;
    some(rows, width, vectors, from, out, squares);
    return from + left;
}

VNNI void dots_avx512vnni(const std::int8_t* const rows[kDotRows], std::size_t width, const DotVectors& vectors,
                          std::int32_t (*out)[kDotRows], std::int32_t squares[kDotRows]) {
    std::size_t v = next_avx512vnni<true>(rows, width, vectors, 0, out, squares);
    while (v < vectors.count) v = next_avx512vnni<false>(rows, width, vectors, v, out, squares);
}

#endif

}  // namespace analytic_cl
