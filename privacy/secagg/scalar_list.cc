#include "privacy/secagg/scalar_list.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace hilum::privacy::secagg {

void AppendScalars(Bytes& out, const IndexedScalars& scalars) {
  AppendU32(out, static_cast<uint32_t>(scalars.size()));
  for (const IndexedScalar& scalar : scalars) {
    AppendU16(out, scalar.index);
    AppendBytes(out, scalar.value.bytes());
  }
}

absl::Status ReadScalars(Reader& in, const ListName& name, IndexedScalars& out) {
  bool canonical = true;
  HILUM_RETURN_IF_ERROR(ReadList(in, name, out, [&](Reader& reader) {
    IndexedScalar scalar;
    scalar.index = reader.U16();
    const ByteView bytes = reader.View(32);
    if (bytes.size() != 32) return scalar;
    auto value = Scalar::FromBytes(std::span<const uint8_t, 32>(bytes));
    canonical = canonical && value.ok();
    if (value.ok()) scalar.value = *std::move(value);
    return scalar;
  }));
  if (canonical) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(name.what, " has a scalar that is not below the order of the group"));
}

absl::Status ReadTag(Reader& in, SumTag& tag) {
  for (uint64_t& value : tag.values) {
    value = in.U64();
    if (value >= kernels::kTagPrime) {
      return absl::InvalidArgumentError(
          absl::StrCat("a tag has the value ", value, ", which is not below 2^61 - 1"));
    }
  }
  tag.signature.bytes = in.Array<64>();
  return absl::OkStatus();
}

}  // namespace hilum::privacy::secagg
