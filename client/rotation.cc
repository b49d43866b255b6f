#include "client/rotation.h"

#include <algorithm>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "client/rpc.h"
#include "client/submit_entry.h"
#include "ledger_anchor/entry.h"
#include "ledger_anchor/proof.h"

namespace hilum::client {
namespace {

using ledger_anchor::Entry;
using ledger_anchor::KeyRotate;

constexpr char kStoredEntry[] = "key_rotate_entry";
constexpr uint64_t kRotationLimit = 64;  // of one member that a site follows

absl::StatusOr<crypto::SigningKey> NextKey(const SiteFolder& folder) {
  absl::StatusOr<crypto::SigningKey> stored = crypto::SigningKey::Load(folder.next_entry_key());
  if (!absl::IsNotFound(stored.status())) return stored;
  crypto::SigningKey made = crypto::SigningKey::Generate();
  HILUM_RETURN_IF_ERROR(made.Save(folder.next_entry_key()));
  return made;
}

absl::StatusOr<std::string> SignRotation(const SiteOptions& options, const std::string& origin,
                                         const crypto::SigningKey& now_key,
                                         const crypto::SigningKey& next_key, int64_t now_s) {
  Entry entry;
  entry.by = options.site;
  entry.key = crypto::KeyDigest(now_key.public_key());
  entry.t = static_cast<uint64_t>(now_s);
  entry.body = KeyRotate{.member = options.site,
                         .use = "entry",
                         .old = entry.key,
                         .new_key = next_key.public_key(),
                         .new_sig = {}};
  HILUM_ASSIGN_OR_RETURN(std::get<KeyRotate>(entry.body).new_sig,
                         ledger_anchor::SignRotate(entry, origin, next_key));
  return ledger_anchor::SignEntry(std::move(entry), origin, now_key);
}

// The key-rotate of these two keys: the stored one, else a new one, stored before it is sent.
absl::StatusOr<std::string> RotationEntry(State& state, const SiteOptions& options,
                                          const std::string& origin,
                                          const crypto::SigningKey& now_key,
                                          const crypto::SigningKey& next_key, int64_t now_s) {
  HILUM_ASSIGN_OR_RETURN(const std::string stored, state.Value(kStoredEntry));
  if (const absl::StatusOr<Entry> entry = ledger_anchor::ParseEntry(stored); entry.ok()) {
    const auto* rotate = std::get_if<KeyRotate>(&entry->body);
    if (rotate != nullptr && rotate->new_key == next_key.public_key()) return stored;
  }
  HILUM_ASSIGN_OR_RETURN(const std::string text,
                         SignRotation(options, origin, now_key, next_key, now_s));
  HILUM_RETURN_IF_ERROR(state.PutValue(kStoredEntry, text));
  return text;
}

bool IsRetiredKey(const fs::path& file) {
  return absl::StartsWith(file.filename().string(), "entry.retired-");
}

absl::Status Rename(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::rename(from, to, error);
  if (!error) return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat("cannot rename ", from.string(), " to ", to.string(), ": ", error.message()));
}

}  // namespace

absl::StatusOr<RotationReport> RotateKey(const SiteFolder& folder, const SiteOptions& options,
                                         State& state, int64_t now_s) {
  HILUM_ASSIGN_OR_RETURN(
      LedgerGate gate,
      LedgerGate::Open(folder.ledger(), {.faults = options.faults,
                                         .max_cosignature_age_s = options.max_cosignature_age_s}));
  HILUM_ASSIGN_OR_RETURN(const Credentials credentials, ReadCredentials(folder));
  HILUM_ASSIGN_OR_RETURN(const crypto::SigningKey now_key,
                         crypto::SigningKey::Load(folder.entry_key()));
  HILUM_ASSIGN_OR_RETURN(const crypto::SigningKey next_key, NextKey(folder));
  HILUM_ASSIGN_OR_RETURN(const std::string entry,
                         RotationEntry(state, options, gate.origin(), now_key, next_key, now_s));
  Connection connection(options.server, credentials);
  RotationReport report{.site = options.site,
                        .old_key = crypto::ToBase64(now_key.public_key()),
                        .new_key = crypto::ToBase64(next_key.public_key()),
                        .index = 0};
  absl::StatusOr<uint64_t> index =
      SubmitProven(connection, gate, now_key.public_key(), entry, now_s);
  if (absl::IsInvalidArgument(index.status())) {
    // It never came to the ledger, and the server's clock has gone on by more than a day.
    HILUM_ASSIGN_OR_RETURN(const std::string again,
                           SignRotation(options, gate.origin(), now_key, next_key, now_s));
    HILUM_RETURN_IF_ERROR(state.PutValue(kStoredEntry, again));
    index = SubmitProven(connection, gate, now_key.public_key(), again, now_s);
  }
  HILUM_ASSIGN_OR_RETURN(report.index, index);
  return report;
}

absl::StatusOr<crypto::SigningKey> OpenEntryKey(const SiteFolder& folder) {
  absl::StatusOr<crypto::SigningKey> key = crypto::SigningKey::Load(folder.entry_key());
  if (!absl::IsNotFound(key.status())) return key;
  std::error_code error;
  const fs::directory_iterator files(folder.entry_key().parent_path(), error);
  const bool was_changing = std::any_of(begin(files), end(files),
                                        [](const auto& file) { return IsRetiredKey(file.path()); });
  if (!was_changing || !fs::exists(folder.next_entry_key(), error)) return key;
  HILUM_RETURN_IF_ERROR(Rename(folder.next_entry_key(), folder.entry_key()));
  return crypto::SigningKey::Load(folder.entry_key());
}

absl::StatusOr<std::vector<crypto::PublicKey>> OwnKeys(const SiteFolder& folder) {
  std::vector<fs::path> files = {folder.entry_key()};
  std::error_code error;
  if (fs::exists(folder.next_entry_key(), error)) files.push_back(folder.next_entry_key());
  for (const auto& file : fs::directory_iterator(folder.entry_key().parent_path(), error)) {
    if (IsRetiredKey(file.path())) files.push_back(file.path());
  }
  std::vector<crypto::PublicKey> keys;
  for (const fs::path& file : files) {
    HILUM_ASSIGN_OR_RETURN(const crypto::SigningKey key, crypto::SigningKey::Load(file));
    keys.push_back(key.public_key());
  }
  return keys;
}

absl::StatusOr<std::optional<crypto::SigningKey>> ChangeOver(
    const SiteFolder& folder, const std::vector<crypto::PublicKey>& valid) {
  const auto is_valid = [&valid](const crypto::SigningKey& key) {
    return std::find(valid.begin(), valid.end(), key.public_key()) != valid.end();
  };
  absl::StatusOr<crypto::SigningKey> next = crypto::SigningKey::Load(folder.next_entry_key());
  if (absl::IsNotFound(next.status())) return std::optional<crypto::SigningKey>();
  HILUM_RETURN_IF_ERROR(next.status());
  if (!is_valid(*next)) return std::optional<crypto::SigningKey>();
  // After a crash between the two renames the key of now is missing, and the next one is in place.
  const absl::StatusOr<crypto::SigningKey> now = crypto::SigningKey::Load(folder.entry_key());
  if (now.ok()) {
    const std::string name = ToHex(crypto::KeyDigest(now->public_key())).substr(0, 8);
    HILUM_RETURN_IF_ERROR(
        Rename(folder.entry_key(),
               folder.entry_key().parent_path() / absl::StrCat("entry.retired-", name, ".key")));
  } else if (!absl::IsNotFound(now.status())) {
    return now.status();
  }
  HILUM_RETURN_IF_ERROR(Rename(folder.next_entry_key(), folder.entry_key()));
  return std::optional<crypto::SigningKey>(*std::move(next));
}

absl::Status CheckRotated(LedgerGate& gate, const PinnedMember& member,
                          const ProveConsistency& prove, const FetchRotation& fetch) {
  crypto::PublicKey known = member.pinned;
  for (uint64_t nth = 1; nth <= kRotationLimit; ++nth) {
    const absl::StatusOr<std::string> proof = fetch(member.member, nth);
    if (absl::IsNotFound(proof.status())) break;
    HILUM_RETURN_IF_ERROR(proof.status());
    HILUM_ASSIGN_OR_RETURN(const ledger_anchor::TlogProof parsed,
                           ledger_anchor::ParseTlogProof(*proof));
    HILUM_ASSIGN_OR_RETURN(const Entry entry, ledger_anchor::ParseEntry(parsed.extra));
    const auto* rotate = std::get_if<KeyRotate>(&entry.body);
    // One from before this site pinned the member.
    if (rotate == nullptr || rotate->old != crypto::KeyDigest(known)) continue;
    HILUM_RETURN_IF_ERROR(
        gate.CheckEntry(*proof, {.type = "key-rotate", .study = "", .round = {}, .signer = known},
                        prove, member.now_s));
    HILUM_RETURN_IF_ERROR(ledger_anchor::VerifyRotateSignature(entry, gate.origin()));
    if (entry.by != member.member) break;
    known = rotate->new_key;
    if (known == member.shown) return absl::OkStatus();
  }
  return absl::PermissionDeniedError(
      absl::StrCat("the key of member ", member.member,
                   " is not the one that this site has pinned, and the ledger shows no key-rotate "
                   "that leads to it."));
}

}  // namespace hilum::client
