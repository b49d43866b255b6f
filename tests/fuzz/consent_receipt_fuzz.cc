// Consent receipts come from patients and from whoever says so, years later: up to the whole check.
#include <array>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "base/check.h"
#include "crypto/hash.h"
#include "ledger_anchor/consent_receipt.h"
#include "ledger_anchor/note.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hilum;
  using namespace hilum::ledger_anchor;
  const absl::string_view text = AsText(ByteView(data, size));
  const absl::StatusOr<ConsentReceipt> receipt = ParseReceipt(text);
  if (!receipt.ok()) return 0;
  HILUM_CHECK(text.size() <= kReceiptLimitBytes + 1);
  HILUM_CHECK(receipt->path.size() <= 63);
  const absl::StatusOr<std::string> again = FormatReceipt(*receipt);
  HILUM_CHECK(again.ok() && *again == text);
  // The log of tests/vectors/ledger/consent.json, where the first seed is from.
  std::array<uint8_t, 32> seed{};
  seed.fill(0x31);
  GatePins pins;
  pins.policy = ParsePolicy(MakePolicyWithoutWitnesses(
                                MakeVerifierKey("fl.example/ledger", KeyType::kEd25519,
                                                crypto::SigningKey::FromSeed(seed).public_key())))
                    .value();
  const absl::StatusOr<CheckedReceipt> checked = CheckReceipt(*receipt, pins, 1767000000);
  HILUM_CHECK(!checked.ok() || checked->event.action != "");
  return 0;
}
