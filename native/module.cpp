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
using Plane = nb::ndarray<std::int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
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

template <typename T>
void gram(const Rows<T>& rows, std::int64_t sign, nb::list planes, const Scratch& scratch, int threads,
          const std::string& isa) {
    const std::size_t width = rows.shape(1), count = sizeof(T) > 2 ? 3 : 1;
    std::int64_t* pointers[3] = {};
    if (planes.size() != count || rows.shape(0) > kBlockRows) throw std::invalid_argument("too many rows or planes");
    for (std::size_t p = 0; p < count; ++p) {
        const Plane plane = nb::cast<Plane>(planes[p], false);  // a converted copy would take the sums with it
        if (plane.shape(0) != width * (width + 1) / 2) throw std::invalid_argument("a plane is of the wrong size");
        pointers[p] = plane.data();
    }
    const auto address = reinterpret_cast<std::uintptr_t>(scratch.data());
    const std::size_t skip = (64 - address % 64) % 64;
    if (scratch.shape(0) < gram_scratch_bytes(width, sizeof(T)) + skip) throw std::invalid_argument("too little scratch");
    const Isa& chosen = isa_named(isa);
    if (!rows.shape(0) || !width) return;
    nb::gil_scoped_release released;
    gram_block<T>(chosen, matrix<T>(rows), sign, pointers, scratch.data() + skip, threads);
}

void project_rows(const Rows<std::int8_t>& rows, const nb::ndarray<const std::uint8_t, nb::ndim<2>, nb::c_contig>& bits,
                  int shift, nb::ndarray<std::int8_t, nb::ndim<2>, nb::c_contig> out, int threads,
                  const std::string& isa) {
    if (rows.shape(1) > kMaxTerms || bits.shape(1) * 8 < rows.shape(1) || out.shape(0) != rows.shape(0) ||
        out.shape(1) != bits.shape(0) || shift < 0 || shift > 30)
        throw std::invalid_argument("shapes do not fit");
    const Isa& chosen = isa_named(isa);
    if (!out.size()) return;
    if (rows.stride(1) != 1 && rows.shape(1) > 1) throw std::invalid_argument("rows do not fit: they must be contiguous");
    nb::gil_scoped_release released;
    project(chosen, matrix<std::int8_t>(rows), bits.data(), bits.shape(1), bits.shape(0), shift, out.data(), threads);
}

}  // namespace

NB_MODULE(_native, m) {
    m.attr("BLOCK_ROWS") = kBlockRows;
    m.attr("MAX_TERMS") = kMaxTerms;
    m.def("gram_scratch_bytes", [](std::size_t columns, std::size_t bytes) { return gram_scratch_bytes(columns, bytes) + 64; });
    const auto as_is = nb::arg().noconvert();
    m.def("gram8", &gram<std::int8_t>, as_is, nb::arg(), nb::arg(), as_is, nb::arg(), nb::arg());
    m.def("gram16", &gram<std::int16_t>, as_is, nb::arg(), nb::arg(), as_is, nb::arg(), nb::arg());
    m.def("gram32", &gram<std::int32_t>, as_is, nb::arg(), nb::arg(), as_is, nb::arg(), nb::arg());
    m.def("project", &project_rows, as_is, as_is, nb::arg(), as_is, nb::arg(), nb::arg());
    m.def("isas", [] {
        nb::list found;
        for (const char* name : {"avx512vnni", "avx2", "portable"})
            if (find_isa(name)) found.append(name);
        return found;
    });
}
