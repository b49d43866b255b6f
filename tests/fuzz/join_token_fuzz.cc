// An invitation that somebody pasted, and a model.json beside a model.
#include "proto/join_token.h"

#include "base/check.h"
#include "proto/model_json.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hilum;
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto token = proto::ParseJoinToken(text); token.ok()) {
    const auto again = proto::EncodeJoinToken(*token);
    HILUM_CHECK(again.ok() && *again == text);
  }
  if (const auto model = proto::ModelDescriptionFromJson(text); model.ok()) {
    const auto again = proto::ModelDescriptionFromJson(proto::ModelDescriptionToJson(*model));
    HILUM_CHECK(again.ok() && *again == *model);
  }
  return 0;
}
