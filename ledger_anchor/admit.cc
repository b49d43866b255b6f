#include "ledger_anchor/admit.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "crypto/tree.h"
#include "ledger_anchor/note.h"

namespace hilum::ledger_anchor {
namespace {

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

absl::Status Admission::CheckSignatures(const Entry& entry) const {
  HILUM_ASSIGN_OR_RETURN(const crypto::PublicKey key, members_.SignerKey(entry));
  HILUM_RETURN_IF_ERROR(VerifyEntrySignature(entry, origin_, key));
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

absl::StatusOr<Entry> Admission::Admit(absl::string_view text, Trust trust,
                                       const RootReader& root_at) {
  HILUM_ASSIGN_OR_RETURN(Entry entry, ParseEntry(text));
  if (size_ == 0) {
    HILUM_RETURN_IF_ERROR(CheckGenesis(entry));
  } else {
    if (std::holds_alternative<Genesis>(entry.body)) {
      return absl::DataLossError("a second genesis; it stands at index 0 only");
    }
    HILUM_RETURN_IF_ERROR(members_.Check(entry));
    if (trust == Trust::kVerify) HILUM_RETURN_IF_ERROR(CheckSignatures(entry));
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
  chain_.Apply({.index = size_, .leaf_hash = crypto::LeafHash(AsBytes(text))}, entry);
  ++size_;
  return entry;
}

}  // namespace hilum::ledger_anchor
