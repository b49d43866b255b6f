#include "aggregator/federation.h"

#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "base/system_error.h"
#include "base/version.h"
#include "crypto/base64.h"
#include "crypto/dsse.h"
#include "crypto/hash.h"
#include "crypto/tree.h"
#include "ledger_anchor/note.h"
#include "ledger_anchor/policy.h"
#include "nlohmann/json.hpp"
#include "privacy/policy.h"
#include "privacy/round_config.h"
#include "proto/canonical_json.h"
#include "proto/join_token.h"
#include "proto/json_fields.h"

namespace hilum::aggregator {
namespace {

constexpr uint64_t kSmallFileBytes = 64 << 10;

absl::Status CheckFederationName(const std::string& name) {
  bool good = !name.empty() && name.size() <= 200;
  for (const char c : name) {
    good = good && ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.');
  }
  if (good) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("the federation's name is \"", name,
                                                 "\", allowed are 1 to 200 of a-z, 0-9, - and ."));
}

absl::Status WriteText(const fs::path& path, absl::string_view text,
                       FileMode mode = FileMode::kPublic) {
  return WriteFileDurably(path, AsBytes(text), mode);
}

// The floors that a new site starts with; each site's own file decides.
absl::StatusOr<std::string> DefaultRules() {
  const privacy::SiteFloors floors;
  HILUM_ASSIGN_OR_RETURN(const std::string clip, proto::FormatDecimal(floors.max_clip_l2));
  HILUM_ASSIGN_OR_RETURN(const std::string range, proto::FormatDecimal(floors.max_range));
  return proto::Canonicalize({{"v", 1U},
                              {"allow_open", floors.allow_open},
                              {"min_open_sites", uint64_t{floors.min_open_sites}},
                              {"max_clip_l2", clip},
                              {"max_range", range},
                              {"max_weight", uint64_t{floors.max_weight}}});
}

struct NewCredential {
  std::string name;
  std::string role;
  std::vector<std::string> hosts;
};

absl::StatusOr<crypto::CertifiedKey> MakeCredential(const crypto::CertifiedKey& ca,
                                                    const NewCredential& wanted, int64_t now_s) {
  const crypto::Subject subject{.common_name = wanted.name, .role = wanted.role};
  crypto::CertifiedKey pair;
  HILUM_ASSIGN_OR_RETURN(pair.key_pem, crypto::MakeTlsKey());
  HILUM_ASSIGN_OR_RETURN(const std::string request, crypto::MakeRequest(pair.key_pem, subject));
  HILUM_ASSIGN_OR_RETURN(
      pair.certificate_pem,
      crypto::IssueCertificate(
          ca, {.request_pem = request, .subject = subject, .now = now_s, .hosts = wanted.hosts}));
  return pair;
}

// Certificates: the CA, the server's, and the lead's folder.
absl::Status MakeCertificates(const fs::path& folder, const InitOptions& options) {
  for (const char* name : {"ca", "keys", "operator"}) {
    HILUM_RETURN_IF_ERROR(MakeFolder(folder / name));
  }
  HILUM_ASSIGN_OR_RETURN(const crypto::CertifiedKey ca,
                         crypto::MakeCa(options.federation, options.now_s));
  HILUM_RETURN_IF_ERROR(WriteText(folder / "ca/ca.pem", ca.certificate_pem));
  HILUM_RETURN_IF_ERROR(WriteText(folder / "ca/ca.key", ca.key_pem, FileMode::kPrivate));

  std::vector<std::string> hosts = {proto::kServerName, "localhost", "127.0.0.1", "::1"};
  hosts.insert(hosts.end(), options.hosts.begin(), options.hosts.end());
  HILUM_ASSIGN_OR_RETURN(
      const crypto::CertifiedKey tls,
      MakeCredential(ca, {std::string(kAggregatorName), "server", hosts}, options.now_s));
  HILUM_RETURN_IF_ERROR(WriteText(folder / "keys/tls.pem", tls.certificate_pem));
  HILUM_RETURN_IF_ERROR(WriteText(folder / "keys/tls.key", tls.key_pem, FileMode::kPrivate));

  HILUM_ASSIGN_OR_RETURN(const crypto::CertifiedKey lead,
                         MakeCredential(ca, {std::string(kLeadName), "lead", {}}, options.now_s));
  HILUM_RETURN_IF_ERROR(WriteText(folder / "operator/ca.pem", ca.certificate_pem));
  HILUM_RETURN_IF_ERROR(WriteText(folder / "operator/cert.pem", lead.certificate_pem));
  HILUM_RETURN_IF_ERROR(WriteText(folder / "operator/key.pem", lead.key_pem, FileMode::kPrivate));
  HILUM_ASSIGN_OR_RETURN(const crypto::CertificateInfo info,
                         crypto::ReadCertificate(lead.certificate_pem));
  HILUM_ASSIGN_OR_RETURN(const std::unique_ptr<State> state, State::Open(folder / "state.sqlite"));
  return state->PutMember({.name = info.common_name,
                           .role = "lead",
                           .fingerprint = info.fingerprint,
                           .joined_s = options.now_s,
                           .join_entry = "",
                           .certificate = lead.certificate_pem,
                           .removed = false});
}

// The key that signs released models, made where it is missing: a federation of an older version
// has none. Its public half is for whoever checks a release without the ledger.
absl::StatusOr<std::string> ReleaseKey(const fs::path& folder) {
  const fs::path path = folder / "keys/release.key";
  absl::StatusOr<std::string> key = ReadTextFile(path, kSmallFileBytes);
  if (absl::IsNotFound(key.status())) {
    key = crypto::MakeTlsKey();
    if (key.ok()) HILUM_RETURN_IF_ERROR(WriteText(path, *key, FileMode::kPrivate));
  }
  HILUM_RETURN_IF_ERROR(key.status());
  const absl::StatusOr<std::string> public_pem = crypto::P256PublicPem(*key);
  if (!public_pem.ok()) {
    return absl::DataLossError(absl::StrCat(path.string(), ": ", public_pem.status().message()));
  }
  const fs::path pinned = folder / "operator/release.pub";
  const absl::StatusOr<std::string> known = ReadTextFile(pinned, kSmallFileBytes);
  if (!known.ok() || *known != *public_pem) HILUM_RETURN_IF_ERROR(WriteText(pinned, *public_pem));
  return key;
}

// Keys, policy, rules and the log with its genesis; then what the lead pins.
absl::Status MakeLedger(const fs::path& folder, const InitOptions& options) {
  const std::string origin = absl::StrCat(options.federation, "/ledger");
  crypto::SigningKey log_key = crypto::SigningKey::Generate();
  const crypto::SigningKey entry_key = crypto::SigningKey::Generate();
  HILUM_RETURN_IF_ERROR(log_key.Save(folder / "keys/log.key"));
  HILUM_RETURN_IF_ERROR(entry_key.Save(folder / "keys/entry.key"));
  HILUM_RETURN_IF_ERROR(ReleaseKey(folder).status());
  const ledger_anchor::VerifierKey verifier = ledger_anchor::MakeVerifierKey(
      origin, ledger_anchor::KeyType::kEd25519, log_key.public_key());
  const std::string vkey = ledger_anchor::FormatVerifierKey(verifier);
  const std::string policy = ledger_anchor::MakePolicyWithoutWitnesses(verifier);
  HILUM_ASSIGN_OR_RETURN(const std::string rules, DefaultRules());
  HILUM_ASSIGN_OR_RETURN(const ledger_anchor::Store store,
                         ledger_anchor::Store::Open(folder / "objects"));
  ledger_anchor::Genesis genesis{.federation = options.federation,
                                 .origin = origin,
                                 .log_vkey = vkey,
                                 .entry_key = entry_key.public_key(),
                                 .policy = {},
                                 .rules = {},
                                 .participants = {}};
  HILUM_ASSIGN_OR_RETURN(genesis.policy, store.Put(AsBytes(policy)));
  HILUM_ASSIGN_OR_RETURN(genesis.rules, store.Put(AsBytes(rules)));
  ledger_anchor::Entry entry;
  entry.by = std::string(kAggregatorName);
  entry.t = static_cast<uint64_t>(options.now_s);
  entry.body = genesis;
  HILUM_ASSIGN_OR_RETURN(const std::string text,
                         ledger_anchor::SignEntry(std::move(entry), origin, entry_key));
  HILUM_RETURN_IF_ERROR(ledger_anchor::Log::Create({.folder = folder / "ledger", .origin = origin},
                                                   std::move(log_key), text));
  HILUM_RETURN_IF_ERROR(WriteText(folder / "ledger/policy", policy));

  return WriteIdentity({.folder = folder,
                        .name = options.federation,
                        .origin = origin,
                        .log_vkey = vkey,
                        .entry_key = entry_key.public_key(),
                        .genesis_leaf = crypto::LeafHash(AsBytes(text)),
                        .address = options.address});
}

absl::Status FillFolder(const fs::path& folder, const InitOptions& options) {
  HILUM_RETURN_IF_ERROR(MakeFolder(folder));
  for (const char* name : {"logs", "run"}) HILUM_RETURN_IF_ERROR(MakeFolder(folder / name));
  HILUM_RETURN_IF_ERROR(MakeCertificates(folder, options));
  HILUM_RETURN_IF_ERROR(MakeLedger(folder, options));
  return WriteText(folder / "server.toml", options.server_toml);
}

}  // namespace

absl::Status InitFederation(const InitOptions& options) {
  HILUM_RETURN_IF_ERROR(CheckFederationName(options.federation));
  std::error_code error;
  if (fs::exists(options.folder, error) && !fs::is_empty(options.folder, error)) {
    return absl::AlreadyExistsError(absl::StrCat(options.folder.string(),
                                                 " is not empty: give the new federation a folder "
                                                 "of its own"));
  }
  fs::path unfinished = fs::absolute(options.folder, error).lexically_normal();
  if (!unfinished.has_filename()) unfinished = unfinished.parent_path();
  const fs::path folder = unfinished;
  unfinished += ".unfinished";
  fs::remove_all(unfinished, error);
  absl::Status status = FillFolder(unfinished, options);
  if (status.ok()) {
    fs::remove(folder, error);  // an empty folder, if it is there at all
    fs::rename(unfinished, folder, error);
    if (error) {
      status =
          SystemUnavailable(absl::StrCat("cannot make ", folder.string(), ": ", error.message()));
    }
  }
  if (!status.ok()) {
    fs::remove_all(unfinished, error);
    return status;
  }
  return SyncFolder(folder.parent_path());
}

absl::Status WriteIdentity(const FederationIdentity& identity) {
  nlohmann::ordered_json pins;
  pins["federation"] = identity.name;
  pins["address"] = identity.address;
  pins["origin"] = identity.origin;
  pins["log_vkey"] = identity.log_vkey;
  pins["entry_key"] = crypto::ToBase64(identity.entry_key);
  pins["genesis_leaf"] = ToHex(identity.genesis_leaf);
  return WriteText(identity.folder / "operator/federation.json", pins.dump(2) + "\n");
}

absl::Status InstallPolicy(const FederationIdentity& identity, absl::string_view policy) {
  HILUM_RETURN_IF_ERROR(ledger_anchor::ParsePolicy(policy));
  HILUM_RETURN_IF_ERROR(WriteFileDurably(identity.folder / "operator/policy", AsBytes(policy)));
  return WriteFileDurably(identity.folder / "policy", AsBytes(policy));
}

absl::StatusOr<FederationIdentity> ReadIdentity(const fs::path& folder) {
  const absl::StatusOr<std::string> text =
      ReadTextFile(folder / "operator/federation.json", kSmallFileBytes);
  if (absl::IsNotFound(text.status())) {
    return absl::NotFoundError(absl::StrCat(folder.string(),
                                            " holds no federation: make one with `hilum server "
                                            "init`"));
  }
  HILUM_RETURN_IF_ERROR(text.status());
  const auto pins = nlohmann::json::parse(*text, nullptr, false);
  proto::JsonFields fields(pins, "federation.json");
  FederationIdentity identity;
  identity.folder = folder;
  identity.name = fields.Text("federation");
  identity.origin = fields.Text("origin");
  identity.log_vkey = fields.Text("log_vkey");
  identity.genesis_leaf = fields.Hash("genesis_leaf");
  identity.address = fields.Text("address");
  const std::string key = fields.Text("entry_key");
  HILUM_RETURN_IF_ERROR(fields.Finish());
  HILUM_ASSIGN_OR_RETURN(identity.entry_key, crypto::PublicKeyFromBase64(key));
  identity.id = privacy::FederationId(identity.origin, identity.log_vkey);
  HILUM_ASSIGN_OR_RETURN(identity.ca_pem, ReadTextFile(folder / "ca/ca.pem", kSmallFileBytes));
  return identity;
}

absl::StatusOr<ledger_anchor::LogReceipt> Federation::Append(const std::string& entry) {
  std::error_code error;
  const fs::space_info space = fs::space(identity.folder, error);
  if (!error && space.available < kReserveBytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the disk of ", identity.folder.string(), " has ", space.available,
                     " bytes left, the ledger needs ", kReserveBytes, ": free some space"));
  }
  absl::StatusOr<ledger_anchor::LogReceipt> receipt = log->Append(entry);
  if (!receipt.ok() && !absl::IsDataLoss(receipt.status()) &&
      !absl::IsInvalidArgument(receipt.status())) {
    broken = true;
  }
  if (receipt.ok() && on_grown) on_grown();
  return receipt;
}

absl::StatusOr<std::string> Federation::Prove(uint64_t index, absl::Duration limit) const {
  constexpr absl::Duration kLookEvery = absl::Milliseconds(20);
  for (const absl::Time end = absl::Now() + limit;; absl::SleepFor(kLookEvery)) {
    absl::StatusOr<std::string> proof = log->Prove(index);
    if (!absl::IsUnavailable(proof.status()) || absl::Now() >= end || closing) return proof;
  }
}

namespace {

// Absent: a policy without witnesses needs no file, and is none here.
absl::StatusOr<std::optional<ledger_anchor::Policy>> ReadPolicy(
    const FederationIdentity& identity) {
  const fs::path path = identity.folder / "policy";
  const absl::StatusOr<std::string> text = ReadTextFile(path, ledger_anchor::kPolicyLimitBytes);
  if (absl::IsNotFound(text.status())) return std::nullopt;
  HILUM_RETURN_IF_ERROR(text.status());
  absl::StatusOr<ledger_anchor::Policy> policy = ledger_anchor::ParsePolicy(*text);
  if (!policy.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(path.string(), ": ", policy.status().message()));
  }
  if (policy->logs.size() != 1 || FormatVerifierKey(policy->logs[0].key) != identity.log_vkey) {
    return absl::InvalidArgumentError(
        absl::StrCat(path.string(), " must name one log, ", identity.log_vkey));
  }
  if (!policy->quorum.has_value()) return std::nullopt;
  return *std::move(policy);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Federation>> OpenFederation(const fs::path& folder) {
  HILUM_ASSIGN_OR_RETURN(FederationIdentity identity, ReadIdentity(folder));
  // The state first: its version decides whether the rest can be read at all.
  HILUM_ASSIGN_OR_RETURN(std::unique_ptr<State> state, State::Open(folder / "state.sqlite"));
  HILUM_ASSIGN_OR_RETURN(crypto::SigningKey log_key,
                         crypto::SigningKey::Load(folder / "keys/log.key"));
  HILUM_ASSIGN_OR_RETURN(crypto::SigningKey entry_key,
                         crypto::SigningKey::Load(folder / "keys/entry.key"));
  HILUM_ASSIGN_OR_RETURN(ledger_anchor::Store store,
                         ledger_anchor::Store::Open(folder / "objects"));
  HILUM_ASSIGN_OR_RETURN(std::optional<ledger_anchor::Policy> policy, ReadPolicy(identity));
  HILUM_ASSIGN_OR_RETURN(
      std::unique_ptr<ledger_anchor::Log> log,
      ledger_anchor::Log::Open(
          {.folder = folder / "ledger", .origin = identity.origin, .witnessed = policy.has_value()},
          std::move(log_key)));
  crypto::CertifiedKey ca{.certificate_pem = identity.ca_pem, .key_pem = ""};
  HILUM_ASSIGN_OR_RETURN(ca.key_pem, ReadTextFile(folder / "ca/ca.key", kSmallFileBytes));
  crypto::CertifiedKey tls;
  HILUM_ASSIGN_OR_RETURN(tls.certificate_pem,
                         ReadTextFile(folder / "keys/tls.pem", kSmallFileBytes));
  HILUM_ASSIGN_OR_RETURN(tls.key_pem, ReadTextFile(folder / "keys/tls.key", kSmallFileBytes));
  HILUM_ASSIGN_OR_RETURN(std::string release_key_pem, ReleaseKey(folder));
  const Digest build = crypto::Sha256(absl::StrCat("hilum-server ", kVersion));
  return std::unique_ptr<Federation>(new Federation{.identity = std::move(identity),
                                                    .store = std::move(store),
                                                    .log = std::move(log),
                                                    .state = std::move(state),
                                                    .entry_key = std::move(entry_key),
                                                    .ca = std::move(ca),
                                                    .tls = std::move(tls),
                                                    .release_key_pem = std::move(release_key_pem),
                                                    .build = build,
                                                    .policy = std::move(policy)});
}

}  // namespace hilum::aggregator
