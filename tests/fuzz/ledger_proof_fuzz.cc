// Tlog-proofs from a server, up to the whole gate.
#include <cstdint>

#include "absl/strings/string_view.h"
#include "base/check.h"
#include "ledger_anchor/gate.h"
#include "ledger_anchor/proof.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hilum;
  using namespace hilum::ledger_anchor;
  const absl::string_view text = AsText(ByteView(data, size));
  const absl::StatusOr<TlogProof> proof = ParseTlogProof(text);
  if (!proof.ok()) return 0;
  HILUM_CHECK(FormatTlogProof(*proof) == text);
  HILUM_CHECK(proof->hashes.size() <= kProofHashLimit);
  const VerifierKey log = MakeVerifierKey("fl.example/ledger", KeyType::kEd25519,
                                          crypto::SigningKey::FromSeed({1}).public_key());
  GatePins pins;
  pins.policy = ParsePolicy(MakePolicyWithoutWitnesses(log)).value();
  pins.entry_key = crypto::SigningKey::FromSeed({2}).public_key();
  (void)CheckProof(pins, {.proof = text,
                          .consistency = {},
                          .last = std::nullopt,
                          .now_s = 1767000000,
                          .expected = {"round-close", "cxr-1", 2}});
  return 0;
}
