#include "ledger_anchor/update_receipt.h"

#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"
#include "crypto/base64.h"
#include "crypto/tree.h"
#include "ledger_anchor/consent_json.h"
#include "ledger_anchor/entry.h"
#include "ledger_anchor/proof.h"
#include "proto/canonical_json.h"

namespace hilum::ledger_anchor {
namespace {

using Json = nlohmann::json;

constexpr char kType[] = "hilum-update-receipt";

absl::Status Malformed(absl::string_view why) {
  return absl::DataLossError(absl::StrCat("the round's receipt is malformed: ", why));
}

absl::Status CheckLeaf(const RoundClose& close, const UpdateReceipt& receipt) {
  if (close.status != "ok") {
    return absl::DataLossError(
        absl::StrCat("round ", close.round, " was aborted, and counts none"));
  }
  const absl::Status status =
      VerifyInclusion({.index = receipt.position,
                       .size = close.updates.n,
                       .leaf_hash = crypto::LeafHash(EncodeUpdateLeaf(receipt.leaf)),
                       .root = close.updates.root},
                      receipt.path);
  if (status.ok()) return status;
  return absl::DataLossError(absl::StrCat("the update with root ", ToHex(receipt.leaf.root),
                                          " is not shown to count in round ", close.round, ": ",
                                          status.message()));
}

}  // namespace

absl::StatusOr<std::string> FormatUpdateReceipt(const UpdateReceipt& receipt) {
  HILUM_ASSIGN_OR_RETURN(
      const std::string text,
      proto::Canonicalize(Json{{"type", kType},
                               {"v", 1},
                               {"index", uint64_t{receipt.leaf.site_index}},
                               {"root", ToHex(receipt.leaf.root)},
                               {"sig", crypto::ToBase64(receipt.leaf.signature)},
                               {"position", receipt.position},
                               {"path", HashesToJson(receipt.path)},
                               {"proof", crypto::Base64Encode(AsBytes(receipt.proof))}}));
  return text + "\n";
}

absl::StatusOr<UpdateReceipt> ParseUpdateReceipt(absl::string_view text) {
  if (!absl::ConsumeSuffix(&text, "\n")) return Malformed("it does not end in one line end");
  const absl::StatusOr<Json> object = proto::ParseCanonical(text, kUpdateReceiptLimitBytes);
  if (!object.ok()) return Malformed(object.status().message());
  proto::JsonFields fields(*object, "receipt");
  fields.Integer("v", 1, 1);
  if (fields.Text("type") != kType) fields.Fail("type", absl::StrCat("is not ", kType));
  UpdateReceipt receipt;
  receipt.leaf.site_index = static_cast<uint16_t>(fields.Integer("index", 0, 0xffff));
  receipt.leaf.root = fields.Hash("root");
  const auto signature = crypto::SignatureFromBase64(fields.Text("sig"));
  if (!signature.ok()) fields.Fail("sig", "is not the base64 of 64 bytes");
  receipt.position = fields.Integer("position");
  receipt.path = ReadHashes(fields, "path");
  const absl::StatusOr<Bytes> proof = crypto::Base64Decode(fields.Text("proof"));
  if (!proof.ok()) fields.Fail("proof", "is not base64");
  if (const absl::Status status = fields.Finish(); !status.ok()) return Malformed(status.message());
  receipt.leaf.signature = *signature;
  receipt.proof = std::string(AsText(*proof));
  return receipt;
}

absl::StatusOr<CheckedUpdateReceipt> CheckUpdateReceipt(const UpdateReceipt& receipt,
                                                        const GatePins& pins, uint64_t now_s) {
  HILUM_ASSIGN_OR_RETURN(const TlogProof proof, ParseTlogProof(receipt.proof));
  HILUM_ASSIGN_OR_RETURN(const Entry entry, ParseEntry(proof.extra));
  GatePins ageless = pins;
  ageless.max_cosignature_age_s = std::numeric_limits<uint64_t>::max();
  HILUM_ASSIGN_OR_RETURN(
      const ProvenEntry proven,
      CheckProof(ageless,
                 {.proof = receipt.proof,
                  .consistency = {},
                  .last = {},
                  .now_s = now_s,
                  .expected = {.type = "round-close", .study = entry.study, .round = {}}}));
  const auto& close = std::get<RoundClose>(proven.entry().body);
  HILUM_RETURN_IF_ERROR(CheckLeaf(close, receipt));
  CheckedUpdateReceipt checked{.study = proven.entry().study,
                               .round = close.round,
                               .site = "",
                               .counted = close.updates.n,
                               .model = close.model,
                               .place = proven.place(),
                               .logged_s = proven.entry().t,
                               .witnesses = proven.witnesses(),
                               .quorum_none = proven.quorum_none()};
  const std::vector<std::string>& names = close.cohort.items;
  if (receipt.position < names.size()) checked.site = names[receipt.position];
  return checked;
}

}  // namespace hilum::ledger_anchor
