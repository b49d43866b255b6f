// Entry bundles and tiles from a server; the first byte is the width that is asked for, less one.
#include <algorithm>
#include <cstdint>

#include "base/check.h"
#include "ledger_anchor/tiles.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hilum;
  using namespace hilum::ledger_anchor;
  if (size == 0) return 0;
  const int width = data[0] + 1;
  const ByteView bytes(data + 1, size - 1);
  if (const auto entries = DecodeBundle(bytes, width); entries.ok()) {
    HILUM_CHECK(static_cast<int>(entries->size()) == width);
    const Bytes again = EncodeBundle(*entries);
    HILUM_CHECK(ByteView(again).size() == bytes.size() &&
                std::equal(again.begin(), again.end(), bytes.begin()));
  }
  if (const auto hashes = DecodeTile(bytes, width); hashes.ok()) {
    HILUM_CHECK(static_cast<int>(hashes->size()) == width);
  }
  return 0;
}
