#include "ledger_anchor/consent_receipt.h"

#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"
#include "crypto/base64.h"
#include "ledger_anchor/consent_json.h"
#include "ledger_anchor/proof.h"
#include "proto/canonical_json.h"

namespace hilum::ledger_anchor {
namespace {

using Json = nlohmann::json;

constexpr char kType[] = "hilum-consent-receipt";

absl::Status Malformed(absl::string_view why) {
  return absl::DataLossError(absl::StrCat("the consent receipt is malformed: ", why));
}

}  // namespace

absl::StatusOr<std::string> FormatReceipt(const ConsentReceipt& receipt) {
  HILUM_ASSIGN_OR_RETURN(
      const std::string text,
      proto::Canonicalize(Json{{"type", kType},
                               {"v", 1},
                               {"event", receipt.event},
                               {"nonce", ToHex(receipt.nonce)},
                               {"slot", receipt.slot},
                               {"path", HashesToJson(receipt.path)},
                               {"proof", crypto::Base64Encode(AsBytes(receipt.proof))},
                               {"entry_key", crypto::ToBase64(receipt.entry_key)}}));
  return text + "\n";
}

absl::StatusOr<ConsentReceipt> ParseReceipt(absl::string_view text) {
  if (!absl::ConsumeSuffix(&text, "\n")) return Malformed("it does not end in one line end");
  const absl::StatusOr<Json> object = proto::ParseCanonical(text, kReceiptLimitBytes);
  if (!object.ok()) return Malformed(object.status().message());
  proto::JsonFields fields(*object, "receipt");
  fields.Integer("v", 1, 1);
  if (fields.Text("type") != kType) fields.Fail("type", absl::StrCat("is not ", kType));
  ConsentReceipt receipt;
  receipt.event = fields.Text("event");
  receipt.nonce = fields.Hash("nonce");
  receipt.slot = fields.Integer("slot");
  receipt.path = ReadHashes(fields, "path");
  const absl::StatusOr<Bytes> proof = crypto::Base64Decode(fields.Text("proof"));
  if (!proof.ok()) fields.Fail("proof", "is not base64");
  const auto key = crypto::PublicKeyFromBase64(fields.Text("entry_key"));
  if (!key.ok()) fields.Fail("entry_key", "is not the base64 of a 32-byte key");
  if (const absl::Status status = fields.Finish(); !status.ok()) return Malformed(status.message());
  receipt.proof = std::string(AsText(*proof));
  receipt.entry_key = *key;
  return receipt;
}

absl::StatusOr<ConsentEvent> OpenEvent(const ConsentBatch& batch, const EventOpening& opening) {
  HILUM_ASSIGN_OR_RETURN(ConsentEvent event, ParseConsentEvent(opening.event));
  const Digest commitment = CommitEvent(opening.event, opening.nonce);
  const absl::Status status = VerifyInclusion({.index = opening.slot,
                                               .size = batch.count,
                                               .leaf_hash = crypto::LeafHash(commitment),
                                               .root = batch.root},
                                              opening.path);
  if (status.ok()) return event;
  return absl::DataLossError(absl::StrCat("the consent event is not shown to stand in the batch ",
                                          ToHex(batch.root), " of ", batch.site, ": ",
                                          status.message()));
}

absl::StatusOr<CheckedReceipt> CheckReceipt(const ConsentReceipt& receipt, const GatePins& pins,
                                            uint64_t now_s) {
  HILUM_ASSIGN_OR_RETURN(const TlogProof proof, ParseTlogProof(receipt.proof));
  HILUM_ASSIGN_OR_RETURN(const Entry entry, ParseEntry(proof.extra));
  GatePins ageless = pins;
  ageless.max_cosignature_age_s = std::numeric_limits<uint64_t>::max();
  HILUM_ASSIGN_OR_RETURN(const ProvenEntry proven,
                         CheckProof(ageless, {.proof = receipt.proof,
                                              .consistency = {},
                                              .last = {},
                                              .now_s = now_s,
                                              .expected = {.type = "consent-batch",
                                                           .study = entry.study,
                                                           .round = {},
                                                           .signer = receipt.entry_key}}));
  const auto& batch = std::get<ConsentBatch>(proven.entry().body);
  CheckedReceipt checked;
  HILUM_ASSIGN_OR_RETURN(
      checked.event, OpenEvent(batch, {receipt.event, receipt.nonce, receipt.slot, receipt.path}));
  checked.site = batch.site;
  checked.study = proven.entry().study;
  checked.place = proven.place();
  checked.logged_s = proven.entry().t;
  checked.witnesses = proven.witnesses();
  checked.quorum_none = proven.quorum_none();
  return checked;
}

}  // namespace hilum::ledger_anchor
