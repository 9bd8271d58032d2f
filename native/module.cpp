// Python's view of the kernels: shapes and dtypes are checked there, here only what memory safety needs.

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>

#include <stdexcept>
#include <string>

#include "kernels.h"

namespace nb = nanobind;
using namespace analytic_cl;

namespace {

template <typename T>
using Rows = nb::ndarray<const T, nb::ndim<2>, nb::device::cpu>;
template <typename Sum>
using Plane = nb::ndarray<Sum, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Scratch = nb::ndarray<std::int8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

const Isa& isa_named(const std::string& name) {
    const Isa* isa = find_isa(name.c_str());
    if (!isa) throw std::invalid_argument("this machine has no instruction set " + name);
    return *isa;
}

template <typename T>
Matrix<T> matrix(const Rows<T>& rows) {
    return {rows.data(), rows.shape(0), rows.shape(1), rows.stride(0), rows.stride(1)};
}

template <typename T, typename Sum>
void gram_into(const Rows<T>& rows, std::int64_t sign, const nb::list& planes, const Scratch& scratch, int threads,
               const std::string& isa) {
    const std::size_t width = rows.shape(1), count = sizeof(T) > 2 ? 3 : 1;
    Sum* pointers[3] = {};
    if (planes.size() != count || rows.shape(0) > kBlockRows) throw std::invalid_argument("too many rows or planes");
    for (std::size_t p = 0; p < count; ++p) {
        const auto plane = nb::cast<Plane<Sum>>(planes[p], false);  // a converted copy would take the sums with it
        if (plane.shape(0) != width * (width + 1) / 2) throw std::invalid_argument("a plane is of the wrong size");
        pointers[p] = plane.data();
    }
    const auto address = reinterpret_cast<std::uintptr_t>(scratch.data());
    const std::size_t skip = (64 - address % 64) % 64;
    if (scratch.shape(0) < gram_scratch_bytes(width, sizeof(T)) + skip) throw std::invalid_argument("too little scratch");
    const Isa& chosen = isa_named(isa);
    if (!rows.shape(0) || !width) return;
    nb::gil_scoped_release released;
    gram_block<T, Sum>(chosen, matrix<T>(rows), sign, pointers, scratch.data() + skip, threads);
}

template <typename T>
void gram(const Rows<T>& rows, std::int64_t sign, const nb::list& planes, const Scratch& scratch, int threads,
          const std::string& isa) {
    if constexpr (sizeof(T) == 1) {
        Plane<std::int32_t> narrow;
        if (planes.size() && nb::try_cast(planes[0], narrow, false)) {
            gram_into<T, std::int32_t>(rows, sign, planes, scratch, threads, isa);
            return;
        }
    }
    gram_into<T, std::int64_t>(rows, sign, planes, scratch, threads, isa);
}

void make_signs(Signs* self, const nb::ndarray<const std::uint8_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>& bits,
                std::size_t features, const std::string& isa) {
    if (features > kMaxTerms || bits.shape(1) * 8 < features) throw std::invalid_argument("shapes do not fit");
    const Isa& chosen = isa_named(isa);
    nb::gil_scoped_release released;
    new (self) Signs(chosen, bits.data(), bits.shape(1), bits.shape(0), features);
}

template <typename Out>
void project_rows(const Rows<std::int8_t>& rows, const Signs& signs, int shift,
                  nb::ndarray<Out, nb::ndim<2>, nb::c_contig, nb::device::cpu> out, int threads) {
    if (rows.shape(1) != signs.features || out.shape(0) != rows.shape(0) || out.shape(1) != signs.components ||
        shift < 0 || shift > 30 || threads < 1)
        throw std::invalid_argument("shapes do not fit");
    if (!out.size()) return;
    if (rows.stride(1) != 1 && rows.shape(1) > 1) throw std::invalid_argument("rows do not fit: they must be contiguous");
    nb::gil_scoped_release released;
    project<Out>(matrix<std::int8_t>(rows), signs, shift, out.data(), threads);
}

template <typename T>
using Line = nb::ndarray<const T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

void make_weights(Weights* self, const nb::ndarray<const std::int64_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>& w,
                  int pad, const std::string& isa) {
    if (w.shape(1) > kMaxTerms || pad < 0 || pad > 8) throw std::invalid_argument("shapes do not fit");
    const Isa& chosen = isa_named(isa);
    nb::gil_scoped_release released;
    new (self) Weights(chosen, w.data(), w.shape(0), w.shape(1), pad);
}

using Scores = nb::ndarray<double, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

void check_scored(const Rows<std::int8_t>& rows, const Weights& weights, const Line<std::int64_t>& origin,
                  const Line<double>& unit, const Line<double>& bias, const Scores& out, int threads) {
    const std::size_t k = weights.classes;
    if (rows.shape(1) != weights.features || out.shape(0) != rows.shape(0) || out.shape(1) != k || threads < 1 ||
        origin.shape(0) != k || unit.shape(0) != k || bias.shape(0) != k || !rows.shape(1))
        throw std::invalid_argument("shapes do not fit");
    if (rows.stride(1) != 1 && rows.shape(1) > 1) throw std::invalid_argument("rows do not fit: they must be contiguous");
}

void score_rows(const Rows<std::int8_t>& rows, const Weights& weights, const Line<std::int64_t>& origin,
                const Line<double>& unit, const Line<double>& bias, const Scores& out, int threads) {
    check_scored(rows, weights, origin, unit, bias, out, threads);
    if (!out.size()) return;
    nb::gil_scoped_release released;
    score(matrix<std::int8_t>(rows), weights, origin.data(), unit.data(), bias.data(), out.data(), threads);
}

void score_rows_leading(const Rows<std::int8_t>& rows, const Weights& weights, const Line<std::int64_t>& origin,
                        const Line<double>& unit, const Line<double>& bias, const Scores& out,
                        const nb::ndarray<std::int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>& sizes,
                        int threads) {
    check_scored(rows, weights, origin, unit, bias, out, threads);
    if (sizes.shape(0) != rows.shape(0)) throw std::invalid_argument("shapes do not fit");
    if (!out.size()) return;
    nb::gil_scoped_release released;
    score_leading(matrix<std::int8_t>(rows), weights, origin.data(), unit.data(), bias.data(), out.data(), sizes.data(),
                  threads);
}

using Bytes = nb::ndarray<const std::uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
template <typename T>
using Table = nb::ndarray<T, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

template <typename Out, auto search>
void nearest_rows(const Rows<std::int8_t>& rows, const Bytes& alive, const Rows<std::int8_t>& queries,
                  const Table<Out>& distances, const Table<std::int64_t>& positions, int threads,
                  const std::string& isa) {
    const std::size_t m = distances.shape(1), width = rows.shape(1);
    if (queries.shape(1) != width || width > kMaxWidth || alive.shape(0) != rows.shape(0) || !m || threads < 1 ||
        distances.shape(0) != queries.shape(0) || positions.shape(0) != queries.shape(0) || positions.shape(1) != m)
        throw std::invalid_argument("shapes do not fit");
    if (width > 1 && (rows.stride(1) != 1 || queries.stride(1) != 1))
        throw std::invalid_argument("rows do not fit: they must be contiguous");
    const Isa& chosen = isa_named(isa);
    if (!queries.shape(0) || !width) return;
    nb::gil_scoped_release released;
    search(chosen, matrix<std::int8_t>(rows), alive.data(), matrix<std::int8_t>(queries), m, distances.data(),
           positions.data(), threads);
}

}  // namespace

NB_MODULE(_native, m) {
    nb::set_leak_warnings(false);  // the signs that are cached live until the process ends
    m.attr("BLOCK_ROWS") = kBlockRows;
    m.attr("MAX_TERMS") = kMaxTerms;
    m.def("gram_scratch_bytes", [](std::size_t columns, std::size_t bytes) { return gram_scratch_bytes(columns, bytes) + 64; });
    const auto as_is = nb::arg().noconvert();
    m.def("gram8", &gram<std::int8_t>, as_is, nb::arg(), nb::arg(), as_is, nb::arg(), nb::arg());
    m.def("gram16", &gram<std::int16_t>, as_is, nb::arg(), nb::arg(), as_is, nb::arg(), nb::arg());
    m.def("gram32", &gram<std::int32_t>, as_is, nb::arg(), nb::arg(), as_is, nb::arg(), nb::arg());
    nb::class_<Signs>(m, "Signs").def("__init__", &make_signs, as_is, nb::arg(), nb::arg())
        .def_ro("n_components", &Signs::components);
    m.def("project", &project_rows<std::int8_t>, as_is, nb::arg(), nb::arg(), as_is, nb::arg());
    m.def("project_sums", [](const Rows<std::int8_t>& rows, const Signs& signs,
                             nb::ndarray<std::int32_t, nb::ndim<2>, nb::c_contig, nb::device::cpu> out,
                             int threads) { project_rows<std::int32_t>(rows, signs, 0, out, threads); },
          as_is, nb::arg(), as_is, nb::arg());
    m.attr("MAX_WEIGHT") = kMaxWeight;
    nb::class_<Weights>(m, "Weights").def("__init__", &make_weights, as_is, nb::arg(), nb::arg());
    m.def("score", &score_rows, as_is, nb::arg(), as_is, as_is, as_is, as_is, nb::arg());
    m.def("score_leading", &score_rows_leading, as_is, nb::arg(), as_is, as_is, as_is, as_is, as_is, nb::arg());
    m.attr("MAX_WIDTH") = kMaxWidth;
    m.def("nearest", &nearest_rows<std::int64_t, nearest>, as_is, as_is, as_is, as_is, as_is, nb::arg(), nb::arg());
    m.def("nearest_angles", &nearest_rows<double, nearest_angles>, as_is, as_is, as_is, as_is, as_is, nb::arg(),
          nb::arg());
    m.def("isas", [] {
        nb::list found;
        for (const char* name : {"avx512vnni", "avx2", "portable"})
            if (find_isa(name)) found.append(name);
        return found;
    });
}
