#include "ledger_anchor/cosign.h"

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace hilum::ledger_anchor {
namespace {

constexpr uint64_t kTimeLimit = (uint64_t{1} << 63) - 1;

// The message does not name the witness: one key serves one witness.
std::string CosignedMessage(uint64_t time_s, absl::string_view checkpoint_text) {
  return absl::StrCat("cosignature/v1\ntime ", time_s, "\n", checkpoint_text);
}

absl::Status Fails(const VerifierKey& witness, absl::string_view why) {
  return absl::DataLossError(absl::StrCat("the cosignature of ", witness.name, " ", why));
}

}  // namespace

absl::StatusOr<SignatureLine> Cosign(const CosignOptions& options, const crypto::SigningKey& key) {
  if (options.time_s == 0 || options.time_s > kTimeLimit) {
    return absl::InvalidArgumentError(
        absl::StrCat("a cosignature's time ", options.time_s, " is not within 1 to 2^63-1"));
  }
  const crypto::Signature signature =
      key.Sign(CosignedMessage(options.time_s, options.checkpoint_text));
  SignatureLine line;
  line.name = std::string(options.name);
  line.key_id = KeyId(options.name, KeyType::kCosignature, key.public_key().bytes);
  AppendU64(line.signature, options.time_s);
  AppendBytes(line.signature, signature.bytes);
  return line;
}

absl::StatusOr<uint64_t> VerifyCosignature(absl::string_view checkpoint_text,
                                           const SignatureLine& line, const VerifierKey& witness) {
  if (line.signature.size() != 72) {
    return Fails(witness, absl::StrCat("has ", line.signature.size(), " bytes, not 72"));
  }
  uint64_t time_s = 0;
  for (size_t i = 0; i < 8; ++i) time_s = time_s << 8 | line.signature[i];
  if (time_s == 0 || time_s > kTimeLimit) return Fails(witness, "has no time within 1 to 2^63-1");
  HILUM_ASSIGN_OR_RETURN(const crypto::PublicKey key, crypto::PublicKeyFromBytes(witness.key));
  HILUM_ASSIGN_OR_RETURN(const crypto::Signature signature,
                         crypto::SignatureFromBytes(ByteView(line.signature).subspan(8)));
  if (!crypto::Verify(key, CosignedMessage(time_s, checkpoint_text), signature).ok()) {
    return Fails(witness, "does not verify");
  }
  return time_s;
}

}  // namespace hilum::ledger_anchor
