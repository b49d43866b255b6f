// model.sig of a released model folder.
#include <cstdint>

#include "base/check.h"
#include "ledger_anchor/release_bundle.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hilum;
  using namespace hilum::ledger_anchor;
  const absl::StatusOr<ReleaseBundle> bundle = ParseReleaseBundle(AsText(ByteView(data, size)));
  if (!bundle.ok()) return 0;
  HILUM_CHECK(!bundle->files.empty() && bundle->files.size() <= kReleaseFileLimit);
  for (const ReleaseFile& file : bundle->files) {
    HILUM_CHECK(file.name.find('/') == std::string::npos && file.name.front() != '.');
  }
  (void)VerifyReleaseBundle(*bundle, "no key");
  return 0;
}
