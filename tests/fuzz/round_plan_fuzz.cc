// A round plan from a server. What is accepted is canonical: it encodes to the same bytes.
#include "proto/round_plan.h"

#include "base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hilum;
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const auto plan = proto::ParseRoundPlan(text);
  if (!plan.ok()) return 0;
  const auto again = proto::EncodeRoundPlan(*plan);
  HILUM_CHECK(again.ok() && *again == text);
  return 0;
}
