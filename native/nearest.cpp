#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <limits>
#include <mutex>
#include <utility>
#include <vector>

#include "kernels.h"
#include "parallel.h"

namespace analytic_cl {

namespace {

constexpr std::size_t kRowsAtOnce = 256;      // that stay in the second-level cache while all queries pass
constexpr std::size_t kQueriesAtOnce = 960;   // whose panels stay in the third
constexpr std::size_t kFoundAtOnce = 1 << 20; // that one thread remembers, to bound memory
constexpr std::size_t kFewQueries = 24;       // for which a tile would make more products than are asked for
constexpr std::size_t kBytesAThread = 1 << 23; // of rows, that take longer to read than a thread takes to start
constexpr std::size_t kProductsLikeARead = 8;  // queries that take as long again as to read the rows
constexpr std::size_t kVectorBytes = 64;

// How far a row is from a query, but for what only the query has a part in.
struct Distance {
    using Key = std::int32_t;  // less |query|^2
    using Out = std::int64_t;
    std::int32_t squared;
    explicit Distance(std::int32_t squared) : squared(squared) {}
    Key key(std::int32_t product) const { return squared - 2 * product; }
    static Out out(Key key, std::int64_t query_squared) { return query_squared + key; }
    static Out none() { return std::numeric_limits<Out>::max(); }
};

struct Angle {
    using Key = float;  // the cosine times -|query|
    using Out = double;
    float inverse;
    explicit Angle(std::int32_t squared)
        : inverse(squared ? static_cast<float>(1 / std::sqrt(static_cast<double>(squared))) : 0) {}
    Key key(std::int32_t product) const { return -inverse * static_cast<float>(product); }
    static Out out(Key key, std::int64_t query_squared) {
        return query_squared ? 2 + 2 * key / std::sqrt(static_cast<double>(query_squared)) : 2;
    }
    static Out none() { return std::numeric_limits<Out>::infinity(); }
};

// The nearest rows of some queries that one thread has seen, as heaps with the farthest on top.
template <typename Key>
struct Nearest {
    using Found = std::pair<Key, std::int64_t>;  // and the position of the row
    std::size_t m;
    std::vector<std::vector<Found>> heaps;
    std::vector<Key> bounds;  // what a row must be nearer than; columns without a query take none

    Nearest(std::size_t queries, std::size_t m)
        : m(m), heaps(queries), bounds(up(queries, kTileColumns), std::numeric_limits<Key>::lowest()) {
        std::fill_n(bounds.begin(), queries, std::numeric_limits<Key>::max());
    }
    void insert(std::size_t query, Found found) {
        std::vector<Found>& heap = heaps[query];
        if (heap.size() == m) {
            if (!(found < heap.front())) return;
            std::pop_heap(heap.begin(), heap.end());
            heap.back() = found;
        } else {
            heap.push_back(found);
        }
        std::push_heap(heap.begin(), heap.end());
        if (heap.size() == m) bounds[query] = heap.front().first;
    }
};

// Queries in panels, as the tile reads its second operand.
std::vector<std::int8_t> packed(const Matrix<std::int8_t>& queries, std::size_t first, std::size_t count) {
    const std::size_t panel_bytes = up(queries.columns, kQuad) / kQuad * kPanelQuadBytes;
    std::vector<std::int8_t> panels(up(count, kTileColumns) / kPanelColumns * panel_bytes, 0);
    for (std::size_t c = 0; c < count; ++c) {
        std::int8_t* column = &panels[c / kPanelColumns * panel_bytes + c % kPanelColumns * kQuad];
        for (std::size_t j = 0; j < queries.columns; ++j)
            column[j / kQuad * kPanelQuadBytes + j % kQuad] = queries.at(first + c, j);
    }
    return panels;
}

std::int32_t dot(const std::int8_t* x, const std::int8_t* y, std::size_t n) {
    std::int32_t total = 0;
    for (std::size_t j = 0; j < n; ++j) total += x[j] * y[j];
    return total;
}

// Offers the rows from `top` to `end` to all queries in the panels.
template <typename Measure>
void offer(const Isa& isa, const Matrix<std::int8_t>& rows, const std::uint8_t* alive, std::size_t top,
           std::size_t end, const std::vector<std::int8_t>& panels, std::vector<std::int8_t>& padded,
           Nearest<typename Measure::Key>& nearest) {
    const std::size_t width = rows.columns, quads = up(width, kQuad) / kQuad, length = quads * kQuad;
    const std::size_t panel_bytes = quads * kPanelQuadBytes;
    const std::int8_t* block = &rows.at(top, 0);
    std::size_t stride = static_cast<std::size_t>(rows.row_stride);
    if (length != width) {
        padded.assign(kRowsAtOnce * length, 0);
        for (std::size_t i = top; i < end; ++i) std::memcpy(&padded[(i - top) * length], &rows.at(i, 0), width);
        block = padded.data();
        stride = length;
    }
    std::vector<std::int8_t> ones(up(length, kVectorBytes), 0);  // whose product with a row is the sum of its values
    std::fill_n(ones.begin(), length, 1);
    const auto ones_total = static_cast<std::int32_t>(length);
    std::vector<Measure> measures;
    measures.reserve(kRowsAtOnce);
    std::int32_t excess[kRowsAtOnce];  // of the 128 that the tile adds to the panels
    const std::size_t count = end - top;
    for (std::size_t i = 0; i < count; i += kDotRows) {
        const std::int8_t* a[kDotRows];
        for (std::size_t r = 0; r < kDotRows; ++r) a[r] = block + std::min(i + r, count - 1) * stride;
        std::int32_t totals[1][kDotRows], squares[kDotRows];
        isa.dots(a, length, {ones.data(), ones.size(), 1, &ones_total}, totals, squares);
        for (std::size_t r = 0; r < std::min(kDotRows, count - i); ++r) {
            measures.emplace_back(squares[r]);
            excess[i + r] = 128 * totals[0][r];
        }
    }
    for (std::size_t first = 0; first < nearest.bounds.size(); first += kTileColumns) {
        const typename Measure::Key* bounds = &nearest.bounds[first];
        for (std::size_t i = 0; i < end - top; i += kTileRows) {
            const std::int8_t* a[kTileRows];
            for (std::size_t r = 0; r < kTileRows; ++r) a[r] = block + std::min(i + r, end - top - 1) * stride;
            alignas(64) Tile tile;
            isa.tile(a, kQuad, &panels[first / kPanelColumns * panel_bytes], panel_bytes, quads, tile);
            for (std::size_t r = 0; r < std::min(kTileRows, end - top - i); ++r) {
                const Measure measure = measures[i + r];
                typename Measure::Key distances[kTileColumns];
                int near = 0;
                for (std::size_t c = 0; c < kTileColumns; ++c) {
                    distances[c] = measure.key(tile[r][c] - excess[i + r]);
                    near |= distances[c] < bounds[c];
                }
                if (!near || !alive[top + i + r]) continue;
                for (std::size_t c = 0; c < kTileColumns; ++c)
                    if (distances[c] < bounds[c])
                        nearest.insert(first + c, {distances[c], static_cast<std::int64_t>(top + i + r)});
            }
        }
    }
}

// A few queries as `dots` reads them.
class FewQueries {
  public:
    FewQueries(const Matrix<std::int8_t>& queries, std::size_t first, std::size_t count)
        : stride_(up(queries.columns, kVectorBytes)), values_(count * stride_, 0), totals_(count, 0) {
        for (std::size_t c = 0; c < count; ++c) {
            const std::int8_t* query = &queries.at(first + c, 0);
            std::memcpy(&values_[c * stride_], query, queries.columns);
            for (std::size_t j = 0; j < queries.columns; ++j) totals_[c] += query[j];
        }
    }
    DotVectors vectors() const { return {values_.data(), stride_, totals_.size(), totals_.data()}; }

  private:
    const std::size_t stride_;
    std::vector<std::int8_t> values_;
    std::vector<std::int32_t> totals_;
};

// The same for a few queries: rows are read once, as they lie, and nothing else takes time.
template <typename Measure>
void offer_to_few(const Isa& isa, const Matrix<std::int8_t>& rows, const std::uint8_t* alive, std::size_t top,
                  std::size_t end, const DotVectors& queries, Nearest<typename Measure::Key>& nearest) {
    for (std::size_t i = top; i < end; i += kDotRows) {
        const std::int8_t* a[kDotRows];
        for (std::size_t r = 0; r < kDotRows; ++r) a[r] = &rows.at(std::min(i + r, end - 1), 0);
        std::int32_t products[kFewQueries][kDotRows], squares[kDotRows];
        isa.dots(a, rows.columns, queries, products, squares);
        for (std::size_t r = 0; r < std::min(kDotRows, end - i); ++r) {
            if (!alive[i + r]) continue;
            const Measure measure(squares[r]);
            for (std::size_t q = 0; q < queries.count; ++q) {
                const typename Measure::Key key = measure.key(products[q][r]);
                if (key < nearest.bounds[q]) nearest.insert(q, {key, static_cast<std::int64_t>(i + r)});
            }
        }
    }
}

template <typename Measure>
void search(const Isa& isa, const Matrix<std::int8_t>& rows, const std::uint8_t* alive,
            const Matrix<std::int8_t>& queries, std::size_t m, typename Measure::Out* distances,
            std::int64_t* positions, int threads) {
    const std::size_t blocks = up(rows.rows, kRowsAtOnce) / kRowsAtOnce;
    threads = static_cast<int>(std::min<std::size_t>(static_cast<std::size_t>(threads), std::max<std::size_t>(blocks, 1)));
    const std::size_t at_once = std::clamp(kFoundAtOnce / m, kTileColumns, kQueriesAtOnce);
    for (std::size_t first = 0; first < queries.rows; first += at_once) {
        const std::size_t count = std::min(at_once, queries.rows - first);
        const bool few = count <= kFewQueries;
        const FewQueries some(queries, first, few ? count : 0);
        const std::vector<std::int8_t> panels = packed(queries, first, few ? 0 : count);
        const std::size_t work = rows.rows * rows.columns * (1 + count / kProductsLikeARead);
        const std::size_t useful = few ? std::max<std::size_t>(work / kBytesAThread, 1) : threads;
        Nearest<typename Measure::Key> all(count, m);
        std::mutex merging;
        std::atomic<std::size_t> next{0};
        in_parallel(static_cast<int>(std::min<std::size_t>(threads, useful)), [&] {
            Nearest<typename Measure::Key> mine(count, m);
            std::vector<std::int8_t> padded;
            for (std::size_t taken; (taken = next.fetch_add(1)) < blocks;) {
                const std::size_t top = taken * kRowsAtOnce, end = std::min(top + kRowsAtOnce, rows.rows);
                if (few)
                    offer_to_few<Measure>(isa, rows, alive, top, end, some.vectors(), mine);
                else
                    offer<Measure>(isa, rows, alive, top, end, panels, padded, mine);
            }
            const std::lock_guard<std::mutex> lock(merging);
            for (std::size_t q = 0; q < count; ++q)
                for (const auto& found : mine.heaps[q]) all.insert(q, found);
        });
        for (std::size_t q = 0; q < count; ++q) {
            auto& heap = all.heaps[q];
            std::sort_heap(heap.begin(), heap.end());
            const std::int8_t* query = &queries.at(first + q, 0);
            const std::int64_t norm = dot(query, query, queries.columns);
            for (std::size_t k = 0; k < m; ++k) {
                const std::size_t at = (first + q) * m + k;
                distances[at] = k < heap.size() ? Measure::out(heap[k].first, norm) : Measure::none();
                positions[at] = k < heap.size() ? heap[k].second : -1;
            }
        }
    }
}

}  // namespace

void nearest(const Isa& isa, const Matrix<std::int8_t>& rows, const std::uint8_t* alive,
             const Matrix<std::int8_t>& queries, std::size_t m, std::int64_t* distances, std::int64_t* positions,
             int threads) {
    search<Distance>(isa, rows, alive, queries, m, distances, positions, threads);
}

void nearest_angles(const Isa& isa, const Matrix<std::int8_t>& rows, const std::uint8_t* alive,
                    const Matrix<std::int8_t>& queries, std::size_t m, double* distances, std::int64_t* positions,
                    int threads) {
    search<Angle>(isa, rows, alive, queries, m, distances, positions, threads);
}

}  // namespace analytic_cl
