#include "privacy/secagg/r5_messages.h"

#include "base/status_macros.h"
#include "privacy/secagg/scalar_list.h"

namespace hilum::privacy::secagg {
namespace {

constexpr ListName kOpenedB{.what = "the list of opened b"};
constexpr ListName kOpenedA{.what = "the list of opened a"};
constexpr ListName kTags{.what = "the list of tags"};

}  // namespace

Bytes Encode(const RoundOpening& opening) {
  Bytes out;
  AppendScalars(out, opening.secrets.b);
  AppendScalars(out, opening.secrets.a);
  AppendU32(out, static_cast<uint32_t>(opening.tags.size()));
  for (const MemberTag& tag : opening.tags) {
    AppendU16(out, tag.index);
    for (const uint64_t value : tag.tag.values) AppendU64(out, value);
    AppendBytes(out, tag.tag.signature.bytes);
  }
  return out;
}

absl::StatusOr<RoundOpening> DecodeRoundOpening(ByteView body) {
  Reader in(body);
  RoundOpening opening;
  absl::Status inner;
  HILUM_RETURN_IF_ERROR(ReadScalars(in, kOpenedB, opening.secrets.b));
  HILUM_RETURN_IF_ERROR(ReadScalars(in, kOpenedA, opening.secrets.a));
  HILUM_RETURN_IF_ERROR(ReadList(in, kTags, opening.tags, [&inner](Reader& reader) {
    MemberTag tag;
    tag.index = reader.U16();
    inner.Update(ReadTag(reader, tag.tag));
    return tag;
  }));
  HILUM_RETURN_IF_ERROR(inner);
  HILUM_RETURN_IF_ERROR(in.Finish("the opening of a round"));
  return opening;
}

}  // namespace hilum::privacy::secagg
