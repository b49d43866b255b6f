#include "ledger_anchor/admit.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/parallel.h"
#include "base/status_macros.h"
#include "crypto/tree.h"
#include "ledger_anchor/note.h"

namespace hilum::ledger_anchor {
namespace {

constexpr size_t kPreparedAlone = 8;  // so few entries are no work for a second thread

absl::Status Differs(absl::string_view what, absl::string_view says, absl::string_view pinned) {
  return absl::DataLossError(
      absl::StrCat("the genesis has the ", what, " ", says, ", pinned is ", pinned));
}

}  // namespace

absl::Status Admission::CheckGenesis(const Entry& entry) const {
  const auto* genesis = std::get_if<Genesis>(&entry.body);
  if (genesis == nullptr) {
    return absl::DataLossError(
        absl::StrCat("the first entry is a ", EntryType(entry), ", not the genesis"));
  }
  if (!pins_.origin.empty() && genesis->origin != pins_.origin) {
    return Differs("origin", genesis->origin, pins_.origin);
  }
  if (!pins_.log_vkey.empty() && genesis->log_vkey != pins_.log_vkey) {
    return Differs("log key", genesis->log_vkey, pins_.log_vkey);
  }
  if (pins_.entry_key != crypto::PublicKey{} && genesis->entry_key != pins_.entry_key) {
    return Differs("entry key", ToBase64(genesis->entry_key), ToBase64(pins_.entry_key));
  }
  HILUM_ASSIGN_OR_RETURN(const VerifierKey log, ParseVerifierKey(genesis->log_vkey));
  if (ByteView(log.key).size() == genesis->entry_key.bytes.size() &&
      std::equal(log.key.begin(), log.key.end(), genesis->entry_key.bytes.begin())) {
    return absl::DataLossError("the genesis has one key for log and entries");
  }
  return VerifyEntrySignature(entry, genesis->origin, genesis->entry_key);
}

absl::Status Admission::CheckSignatures(const Entry& entry,
                                        const std::optional<crypto::PublicKey>& verified) const {
  HILUM_ASSIGN_OR_RETURN(const crypto::PublicKey key, members_.SignerKey(entry));
  if (verified != key) HILUM_RETURN_IF_ERROR(VerifyEntrySignature(entry, origin_, key));
  if (std::holds_alternative<Join>(entry.body)) return VerifyJoinSignature(entry, origin_);
  if (std::holds_alternative<KeyRotate>(entry.body)) return VerifyRotateSignature(entry, origin_);
  return absl::OkStatus();
}

// The pinned checkpoint is one of this log. What the pin says of the sites' batches is Chain's.
absl::Status Admission::CheckPin(const ConsentPin& pin, Trust trust,
                                 const RootReader& root_at) const {
  if (pin.size > size_) {
    return absl::DataLossError(absl::StrCat("the round-open pins a checkpoint of ", pin.size,
                                            " entries, before it stand ", size_));
  }
  if (trust == Trust::kReplay || root_at == nullptr) return absl::OkStatus();
  HILUM_ASSIGN_OR_RETURN(const Digest root, root_at(pin.size));
  if (root == pin.root) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat("the round-open pins the root ", ToHex(pin.root),
                                          " at size ", pin.size, ", the log's is ", ToHex(root)));
}

PreparedEntry Admission::PrepareOne(absl::string_view text, Trust trust) const {
  PreparedEntry prepared{.entry = ParseEntry(text),
                         .leaf_hash = crypto::LeafHash(AsBytes(text)),
                         .verified = std::nullopt};
  if (trust == Trust::kReplay || !prepared.entry.ok()) return prepared;
  const absl::StatusOr<crypto::PublicKey> key = members_.SignerKey(*prepared.entry);
  if (key.ok() && VerifyEntrySignature(*prepared.entry, origin_, *key).ok()) {
    prepared.verified = *key;
  }
  return prepared;
}

std::vector<PreparedEntry> Admission::Prepare(std::span<const std::string> texts,
                                              Trust trust) const {
  std::vector<PreparedEntry> prepared(texts.size());
  ForEachOnCores(texts.size(), texts.size() < kPreparedAlone ? 1 : 0,
                 [&](size_t i) { prepared[i] = PrepareOne(texts[i], trust); });
  return prepared;
}

absl::StatusOr<Entry> Admission::Admit(absl::string_view text, Trust trust,
                                       const RootReader& root_at) {
  return Admit(PrepareOne(text, Trust::kReplay), trust, root_at);
}

absl::StatusOr<Entry> Admission::Admit(PreparedEntry prepared, Trust trust,
                                       const RootReader& root_at) {
  HILUM_ASSIGN_OR_RETURN(Entry entry, std::move(prepared.entry));
  if (size_ == 0) {
    HILUM_RETURN_IF_ERROR(CheckGenesis(entry));
  } else {
    if (std::holds_alternative<Genesis>(entry.body)) {
      return absl::DataLossError("a second genesis; it stands at index 0 only");
    }
    HILUM_RETURN_IF_ERROR(members_.Check(entry));
    if (trust == Trust::kVerify) HILUM_RETURN_IF_ERROR(CheckSignatures(entry, prepared.verified));
    const auto* open = std::get_if<RoundOpen>(&entry.body);
    if (open != nullptr && open->consent) {
      HILUM_RETURN_IF_ERROR(CheckPin(*open->consent, trust, root_at));
    }
    HILUM_RETURN_IF_ERROR(chain_.Check(entry));
  }
  if (const auto* genesis = std::get_if<Genesis>(&entry.body)) {
    origin_ = genesis->origin;
    log_vkey_ = genesis->log_vkey;
  }
  members_.Apply(size_, entry);
  chain_.Apply({.index = size_, .leaf_hash = prepared.leaf_hash}, entry);
  ++size_;
  return entry;
}

}  // namespace hilum::ledger_anchor
