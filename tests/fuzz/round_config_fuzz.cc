// A round configuration from a hostile server: read, judged, and written back as it came.
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "privacy/policy.h"
#include "privacy/round_config.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hilum::privacy;
  const hilum::ByteView bytes(data, size);
  const auto config = DecodeRoundConfig(bytes);
  if (!config.ok()) return 0;
  HILUM_CHECK(EncodeRoundConfig(*config) == hilum::Bytes(bytes.begin(), bytes.end()));
  SiteFloors floors{.n_params = config->n_params, .model_hash = config->model_hash};
  for (const RosterEntry& entry : config->roster) floors.roster.push_back(entry.key);
  floors.architectures.push_back(config->architecture_digest);
  floors.allow_open = true;
  (void)CheckPolicy(*config, floors);
  return 0;
}
