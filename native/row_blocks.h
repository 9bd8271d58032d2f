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
    RowBlock(const Isa& isa, const Matrix<std::int8_t>& x, std::size_t at_once)
        : isa_(isa), x_(x), length_(up(x.columns, kQuad)), padded_(kTileRows * length_), sums_(at_once) {}

    void move(std::size_t top, std::size_t end) {
        top_ = top, end_ = end;
        for (std::size_t i = top; i < end; ++i) sums_[i - top] = isa_.row_sums(&x_.at(i, 0), x_.columns);
    }

    // The sum of a row's values, and that of their absolute values.
    std::int32_t total(std::size_t row) const { return sums_[row - top_].total; }
    std::int32_t size(std::size_t row) const { return sums_[row - top_].size; }

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
    const Isa& isa_;
    const Matrix<std::int8_t>& x_;
    const std::size_t length_;
    mutable std::vector<std::int8_t> padded_;
    std::vector<RowSums> sums_;
    std::size_t top_ = 0, end_ = 0;
};

// Runs `work` on blocks of at most `most` rows, a multiple of kTileRows, on several threads: as many blocks on each,
// where none has to wait.
template <typename Work>
void by_tiles(const Isa& isa, const Matrix<std::int8_t>& x, std::size_t most, int threads, const Work& work) {
    const std::size_t blocks = up(up(x.rows, most) / most, threads);
    const std::size_t at_once = up(up(x.rows, blocks) / blocks, kTileRows);
    const int useful = static_cast<int>(std::min<std::size_t>(threads, up(x.rows, at_once) / at_once));
    std::atomic<std::size_t> next{0};
    in_parallel(useful, [&] {
        RowBlock block(isa, x, at_once);
        for (std::size_t top; (top = next.fetch_add(at_once)) < x.rows;) {
            block.move(top, std::min(top + at_once, x.rows));
            work(block);
        }
    });
}

}  // namespace analytic_cl
