#include "client/own_entry.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "client/ledger_gate.h"
#include "client/rpc.h"
#include "client/submit_entry.h"
#include "crypto/hash.h"

namespace hilum::client {
namespace {

using ledger_anchor::Entry;

Entry Draft(const OwnEntry& own, const EntrySigner& signer) {
  Entry entry;
  entry.by = signer.site;
  entry.study = own.study;
  entry.body = own.body;
  return entry;
}

// Under which name the signed bytes of what the entry says are remembered.
absl::StatusOr<std::string> MemoryOf(const OwnEntry& own, const EntrySigner& signer) {
  HILUM_ASSIGN_OR_RETURN(const std::string said, ledger_anchor::EncodeEntry(Draft(own, signer)));
  return absl::StrCat("own_entry/", ToHex(crypto::Sha256(said)));
}

absl::StatusOr<std::string> SignAndRemember(State& state, const OwnEntry& own,
                                            const EntrySigner& signer, const std::string& memory) {
  Entry entry = Draft(own, signer);
  entry.t = static_cast<uint64_t>(signer.now_s);
  HILUM_ASSIGN_OR_RETURN(std::string text,
                         ledger_anchor::SignEntry(std::move(entry), signer.origin, signer.key));
  HILUM_RETURN_IF_ERROR(state.PutValue(memory, text));
  return text;
}

}  // namespace

absl::StatusOr<uint64_t> LogOwnEntry(State& state, const OwnEntry& own, const EntrySigner& signer,
                                     const LogEntry& log) {
  HILUM_ASSIGN_OR_RETURN(const std::string memory, MemoryOf(own, signer));
  HILUM_ASSIGN_OR_RETURN(const std::string stored, state.Value(memory));
  if (!stored.empty()) {
    absl::StatusOr<uint64_t> index = log(stored);
    const bool is_refused =
        absl::IsInvalidArgument(index.status()) || absl::IsFailedPrecondition(index.status());
    if (!is_refused) return index;
  }
  HILUM_ASSIGN_OR_RETURN(const std::string text, SignAndRemember(state, own, signer, memory));
  return log(text);
}

absl::StatusOr<uint64_t> SendOwnEntry(const SiteFolder& folder, const SiteOptions& options,
                                      State& state, const OwnEntry& own, int64_t now_s) {
  HILUM_ASSIGN_OR_RETURN(
      LedgerGate gate,
      LedgerGate::Open(folder.ledger(), {.faults = options.faults,
                                         .max_cosignature_age_s = options.max_cosignature_age_s}));
  HILUM_ASSIGN_OR_RETURN(const Credentials credentials, ReadCredentials(folder));
  HILUM_ASSIGN_OR_RETURN(const crypto::SigningKey key,
                         crypto::SigningKey::Load(folder.entry_key()));
  Connection connection(options.server, credentials);
  const std::string origin = gate.origin();
  return LogOwnEntry(state, own,
                     {.site = options.site, .origin = origin, .key = key, .now_s = now_s},
                     [&](const std::string& text) {
                       return SubmitProven(connection, gate, key.public_key(), text, now_s);
                     });
}

}  // namespace hilum::client
