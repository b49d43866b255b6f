// What a log, or anyone, sends to a witness.
#include "ledger_anchor/witness.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view body(reinterpret_cast<const char*>(data), size);
  const auto request = hilum::ledger_anchor::ParseAddCheckpoint(body);
  // What is accepted has one form only.
  if (request.ok() && hilum::ledger_anchor::FormatAddCheckpoint(*request) != body) __builtin_trap();
  return 0;
}
