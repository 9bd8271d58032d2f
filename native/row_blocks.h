// Rows of a matrix, some at a time on each thread, and eight at a time for the tile.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstring>
#include <vector>

#include "kernels.h"
#include "parallel.h"

namespace analytic_cl {

class RowBlock {
  public:
    RowBlock(const Matrix<std::int8_t>& x, std::size_t at_once)
        : x_(x), length_(up(x.columns, kQuad)), padded_(kTileRows * length_), totals_(at_once) {}

    void move(std::size_t top, std::size_t end) {
        top_ = top, end_ = end;
        for (std::size_t i = top; i < end; ++i) {
            const std::int8_t* row = &x_.at(i, 0);
            std::int32_t total = 0;
            for (std::size_t j = 0; j < x_.columns; ++j) total += row[j];
            totals_[i - top] = total;
        }
    }

    // The sum of a row's values.
    std::int32_t total(std::size_t row) const { return totals_[row - top_]; }

    // Calls `work` with the number of a first row, how many there are, and where the quads of eight begin: of fewer
    // than eight the last ones have no meaning.
    template <typename Work>
    void tiles(const Work& work) const {
        for (std::size_t row = top_; row < end_; row += kTileRows) {
            const std::size_t count = std::min(kTileRows, end_ - row);
            const bool as_they_lie = length_ == x_.columns;
            const std::int8_t* a[kTileRows];
            for (std::size_t r = 0; r < kTileRows; ++r) {
                std::int8_t* copy = padded_.data() + r * length_;
                a[r] = as_they_lie ? &x_.at(row + std::min(r, count - 1), 0) : copy;
                if (!as_they_lie && r < count) std::memcpy(copy, &x_.at(row + r, 0), x_.columns);
            }
            work(row, count, a);
        }
    }

  private:
    const Matrix<std::int8_t>& x_;
    const std::size_t length_;
    mutable std::vector<std::int8_t> padded_;
    std::vector<std::int32_t> totals_;
    std::size_t top_ = 0, end_ = 0;
};

// Runs `work` on blocks of at most `most` rows, on several threads.
template <typename Work>
void by_tiles(const Matrix<std::int8_t>& x, std::size_t most, int threads, const Work& work) {
    const std::size_t share = up(up(x.rows, threads) / threads, kTileRows), at_once = std::min(share, most);
    const int useful = static_cast<int>(std::min<std::size_t>(threads, up(x.rows, at_once) / at_once));
    std::atomic<std::size_t> next{0};
    in_parallel(useful, [&] {
        RowBlock block(x, at_once);
        for (std::size_t top; (top = next.fetch_add(at_once)) < x.rows;) {
            block.move(top, std::min(top + at_once, x.rows));
            work(block);
        }
    });
}

}  // namespace analytic_cl
