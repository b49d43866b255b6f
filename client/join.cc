#include "client/join.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/status_macros.h"
#include "client/ledger_gate.h"
#include "client/pseudonym.h"
#include "client/rpc.h"
#include "crypto/base64.h"
#include "crypto/certificate.h"
#include "ledger_anchor/entry.h"
#include "ledger_anchor/note.h"
#include "ledger_anchor/policy.h"
#include "proto/join_token.h"

namespace hilum::client {
namespace {

// The token, with what is inside it decoded.
struct Invitation {
  proto::JoinToken token;
  std::string ca_pem;
  Digest ca_fingerprint{};
  crypto::PublicKey aggregator_key;
  ledger_anchor::VerifierKey log;
};

absl::StatusOr<Invitation> ReadToken(const JoinOptions& options) {
  const absl::string_view text = absl::StripAsciiWhitespace(options.token);
  absl::StatusOr<Bytes> json = crypto::Base64UrlDecode(text);
  if (!json.ok()) {
    return absl::InvalidArgumentError("the join token is damaged; copy it again as one line.");
  }
  Invitation invitation;
  HILUM_ASSIGN_OR_RETURN(invitation.token, proto::ParseJoinToken(AsText(*json)));
  if (options.now_s > invitation.token.expires_s) {
    return absl::PermissionDeniedError(
        absl::StrCat("the join token expired at ", FormatUtc(invitation.token.expires_s),
                     "; ask the operator for a new one (hilum server invite)."));
  }
  HILUM_ASSIGN_OR_RETURN(const Bytes der, crypto::Base64Decode(invitation.token.ca));
  absl::StatusOr<std::string> ca_pem = crypto::CertificateFromDer(der);
  if (!ca_pem.ok()) return absl::InvalidArgumentError("the join token's CA certificate is damaged");
  invitation.ca_pem = *ca_pem;
  HILUM_ASSIGN_OR_RETURN(const crypto::CertificateInfo ca,
                         crypto::ReadCertificate(invitation.ca_pem));
  invitation.ca_fingerprint = ca.fingerprint;
  HILUM_ASSIGN_OR_RETURN(invitation.aggregator_key,
                         crypto::PublicKeyFromBase64(invitation.token.entry_key));
  HILUM_RETURN_IF_ERROR(crypto::CheckPublicKey(invitation.aggregator_key));
  HILUM_ASSIGN_OR_RETURN(invitation.log,
                         ledger_anchor::ParseVerifierKey(invitation.token.log_vkey));
  if (invitation.log.name != invitation.token.origin) {
    return absl::InvalidArgumentError("the join token names two ledgers");
  }
  return invitation;
}

// The key in `path`, made when it is missing: a join that failed half way goes on with its keys.
absl::StatusOr<std::string> TlsKey(const fs::path& path) {
  absl::StatusOr<std::string> key = ReadTextFile(path, crypto::kCertificateLimitBytes);
  if (!absl::IsNotFound(key.status())) return key;
  HILUM_ASSIGN_OR_RETURN(std::string made, crypto::MakeTlsKey());
  HILUM_RETURN_IF_ERROR(WriteFileDurably(path, AsBytes(made), FileMode::kPrivate));
  return made;
}

absl::StatusOr<crypto::SigningKey> EntryKey(const fs::path& path) {
  absl::StatusOr<crypto::SigningKey> key = crypto::SigningKey::Load(path);
  if (!absl::IsNotFound(key.status())) return key;
  crypto::SigningKey made = crypto::SigningKey::Generate();
  HILUM_RETURN_IF_ERROR(made.Save(path));
  return made;
}

// When this site first asked. The server answers a repeated request only when it is the same.
absl::StatusOr<int64_t> JoinTime(const fs::path& path, int64_t now_s) {
  const absl::StatusOr<std::string> text = ReadTextFile(path, 64);
  int64_t time_s = 0;
  if (text.ok() && absl::SimpleAtoi(*text, &time_s)) return time_s;
  HILUM_RETURN_IF_ERROR(WriteFileDurably(path, AsBytes(absl::StrCat(now_s, "\n"))));
  return now_s;
}

// The `join` entry as the aggregator will sign it.
ledger_anchor::Entry JoinEntry(const Invitation& invitation, const crypto::PublicKey& key,
                               int64_t now_s) {
  ledger_anchor::Entry entry;
  entry.by = invitation.token.aggregator;
  entry.key = crypto::KeyDigest(invitation.aggregator_key);
  entry.t = static_cast<uint64_t>(now_s);
  ledger_anchor::Join join;
  join.member = invitation.token.member;
  join.role = invitation.token.role;
  join.entry_key = key;
  entry.body = join;
  return entry;
}

absl::StatusOr<JoinAnswer> CallServer(const Invitation& invitation, const std::string& server,
                                      int64_t joined_at_s, const std::string& tls_key,
                                      const crypto::SigningKey& key) {
  JoinCall call;
  call.member = invitation.token.member;
  call.secret.assign(invitation.token.secret.begin(), invitation.token.secret.end());
  HILUM_ASSIGN_OR_RETURN(
      call.certificate_request,
      crypto::MakeRequest(tls_key, {invitation.token.member, invitation.token.role}));
  const auto& public_key = key.public_key().bytes;
  call.entry_key.assign(public_key.begin(), public_key.end());
  HILUM_ASSIGN_OR_RETURN(
      const crypto::Signature signature,
      ledger_anchor::SignJoin(JoinEntry(invitation, key.public_key(), joined_at_s),
                              invitation.token.origin, key));
  call.member_signature.assign(signature.bytes.begin(), signature.bytes.end());
  call.joined_at_s = joined_at_s;
  Connection connection(server, {invitation.ca_pem, "", ""});
  return connection.Join(call);
}

absl::Status CheckCertificate(const Invitation& invitation, const std::string& certificate,
                              const std::string& tls_key, int64_t now_s) {
  HILUM_RETURN_IF_ERROR(crypto::VerifyIssuedBy(certificate, invitation.ca_pem, now_s));
  HILUM_RETURN_IF_ERROR(crypto::CheckKeyMatches({certificate, tls_key}));
  HILUM_ASSIGN_OR_RETURN(const crypto::CertificateInfo info, crypto::ReadCertificate(certificate));
  if (info.common_name == invitation.token.member && info.role == invitation.token.role) {
    return absl::OkStatus();
  }
  return absl::DataLossError(absl::StrCat("the server's certificate is for ", info.common_name,
                                          ", this site is ", invitation.token.member));
}

// Genesis and own join, against the pins. Returns the index of the join.
absl::StatusOr<uint64_t> CheckProofs(const SiteFolder& folder, const Invitation& invitation,
                                     const JoinAnswer& answer, const crypto::PublicKey& key,
                                     Connection& connection, int64_t now_s) {
  HILUM_ASSIGN_OR_RETURN(LedgerGate gate, LedgerGate::Open(folder.ledger(), {}));
  const ProveConsistency prove = [&](uint64_t old_size, uint64_t new_size) {
    return connection.ProveConsistency(old_size, new_size);
  };
  HILUM_ASSIGN_OR_RETURN(const ledger_anchor::ProvenEntry genesis,
                         gate.CheckEntry(answer.genesis_proof, {"genesis", "", {}}, prove, now_s));
  const auto& first = std::get<ledger_anchor::Genesis>(genesis.entry().body);
  if (first.entry_key != invitation.aggregator_key || first.origin != invitation.token.origin) {
    return absl::DataLossError("the ledger's genesis names other keys than the join token");
  }
  HILUM_ASSIGN_OR_RETURN(const ledger_anchor::ProvenEntry joined,
                         gate.CheckEntry(answer.join_proof, {"join", "", {}}, prove, now_s));
  const auto& join = std::get<ledger_anchor::Join>(joined.entry().body);
  if (join.member != invitation.token.member || join.entry_key != key) {
    return absl::DataLossError("the ledger's join entry is not this site's");
  }
  return joined.place().index;
}

absl::Status PinOnce(const SiteFolder& folder, const Invitation& invitation) {
  const std::string policy = ledger_anchor::MakePolicyWithoutWitnesses(invitation.log);
  const absl::Status pinned = LedgerGate::Pin(folder.ledger(), policy, invitation.aggregator_key);
  if (!absl::IsAlreadyExists(pinned)) return pinned;
  // An earlier attempt pinned: it must have been the same ledger.
  HILUM_ASSIGN_OR_RETURN(const LedgerGate gate, LedgerGate::Open(folder.ledger(), {}));
  if (gate.log_vkey() == invitation.token.log_vkey &&
      gate.pins().entry_key == invitation.aggregator_key) {
    return absl::OkStatus();
  }
  return absl::AlreadyExistsError(absl::StrCat(
      folder.root.string(), " has pinned another federation's ledger; use a new folder."));
}

}  // namespace

absl::StatusOr<JoinReport> Join(const SiteFolder& folder, const JoinOptions& options) {
  if (fs::exists(folder.config())) {
    return absl::AlreadyExistsError(absl::StrCat(folder.root.string(), " has joined already."));
  }
  HILUM_ASSIGN_OR_RETURN(const Invitation invitation, ReadToken(options));
  HILUM_RETURN_IF_ERROR(MakeFolder(folder.tls_key().parent_path()));
  HILUM_ASSIGN_OR_RETURN(const std::string tls_key, TlsKey(folder.tls_key()));
  HILUM_ASSIGN_OR_RETURN(const crypto::SigningKey entry_key, EntryKey(folder.entry_key()));
  if (!fs::exists(folder.pseudonym_secret())) {
    HILUM_RETURN_IF_ERROR(MakeSiteSecret(folder.pseudonym_secret()));
  }
  HILUM_RETURN_IF_ERROR(PinOnce(folder, invitation));
  HILUM_ASSIGN_OR_RETURN(const int64_t joined_at_s,
                         JoinTime(folder.ledger() / "joined_at", options.now_s));
  HILUM_ASSIGN_OR_RETURN(const JoinAnswer answer,
                         CallServer(invitation, options.server, joined_at_s, tls_key, entry_key));
  HILUM_RETURN_IF_ERROR(CheckCertificate(invitation, answer.certificate, tls_key, options.now_s));
  HILUM_RETURN_IF_ERROR(WriteFileDurably(folder.ca_pem(), AsBytes(invitation.ca_pem)));
  HILUM_RETURN_IF_ERROR(WriteFileDurably(folder.tls_certificate(), AsBytes(answer.certificate)));
  Connection connection(options.server, {invitation.ca_pem, answer.certificate, tls_key});
  HILUM_ASSIGN_OR_RETURN(
      const uint64_t index,
      CheckProofs(folder, invitation, answer, entry_key.public_key(), connection, options.now_s));
  const std::string config = DefaultSiteToml(invitation.token.member, options.server);
  HILUM_RETURN_IF_ERROR(WriteFileDurably(folder.config(), AsBytes(config)));
  return JoinReport{.site = invitation.token.member,
                    .federation = answer.federation,
                    .origin = invitation.token.origin,
                    .log_vkey = invitation.token.log_vkey,
                    .ca_fingerprint = invitation.ca_fingerprint,
                    .join_index = index};
}

std::string DefaultSiteToml(absl::string_view site, absl::string_view server) {
  return absl::StrCat(
      "# This site's configuration; docs/site.md explains every key.\n[site]\nname = \"", site,
      "\"\nserver = \"", server, R"toml("

[policy]
# "ask": a person approves each job (hilum site approve JOB). "auto": jobs within this policy run.
approve = "ask"
# In open mode the server sees this site's update by itself; under masks only the sum of all.
allow_open = false
min_cohort = 2           # sites in a round, this one included
max_clip = 100.0         # largest L2 norm that an update may have
max_weight = 1000000     # largest weight of a site that a job may allow
min_films = 1            # take no part with fewer films
architectures = []       # empty: every network that this program knows

[training]
threads = 1              # more is faster on a large computer, with other bits in the result

[ledger]
faults = 0               # witnesses that may be dishonest
max_age = 3600           # seconds after which a witness's signature is stale

[import]
profile = "cxr128"       # films are prepared for this profile
issuers = []             # IssuerOfPatientID of this hospital's ids; empty: any
)toml");
}

}  // namespace hilum::client
