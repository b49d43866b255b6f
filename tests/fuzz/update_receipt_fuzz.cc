// A site's receipt of a round, from whoever shows one: read, verified, and written back as it came.
#include <cstdint>

#include "absl/strings/string_view.h"
#include "base/check.h"
#include "ledger_anchor/update_receipt.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hilum;
  using namespace hilum::ledger_anchor;
  const absl::string_view text = AsText(ByteView(data, size));
  const absl::StatusOr<UpdateReceipt> receipt = ParseUpdateReceipt(text);
  if (!receipt.ok()) return 0;
  HILUM_CHECK(FormatUpdateReceipt(*receipt).value() == text);
  const VerifierKey log = MakeVerifierKey("fl.example/ledger", KeyType::kEd25519,
                                          crypto::SigningKey::FromSeed({1}).public_key());
  GatePins pins;
  pins.policy = ParsePolicy(MakePolicyWithoutWitnesses(log)).value();
  pins.entry_key = crypto::SigningKey::FromSeed({2}).public_key();
  (void)CheckUpdateReceipt(*receipt, pins, 1767000000);
  return 0;
}
