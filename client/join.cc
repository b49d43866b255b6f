#include "client/join.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/clock.h"
#include "base/status_macros.h"
#include "client/ledger_gate.h"
#include "client/pseudonym.h"
#include "client/rpc.h"
#include "crypto/age_keys.h"
#include "crypto/base64.h"
#include "crypto/certificate.h"
#include "ledger_anchor/entry.h"
#include "ledger_anchor/note.h"
#include "ledger_anchor/policy.h"
#include "ledger_anchor/witness_folder.h"
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

// A token is one JSON object, so its base64url begins with these and its bytes end with '}'.
constexpr absl::string_view kTokenStart = "eyJ";

absl::StatusOr<Bytes> DecodeToken(absl::string_view text) {
  if (text.empty()) {
    return absl::InvalidArgumentError(
        "the join token is empty; give the line that `hilum server invite` printed, or @FILE.");
  }
  if (!absl::StartsWith(text, kTokenStart)) {
    return absl::InvalidArgumentError(
        absl::StrCat("this is no join token: one begins with ", kTokenStart,
                     "; give the line that `hilum server invite` printed, or @FILE."));
  }
  absl::StatusOr<Bytes> json = crypto::Base64UrlDecode(text);
  if (json.ok() && json->back() == '}') return json;
  return absl::InvalidArgumentError(absl::StrCat("the join token is cut short or damaged, it has ",
                                                 text.size(),
                                                 " characters; copy it again as one line."));
}

absl::StatusOr<Invitation> ReadToken(const JoinOptions& options) {
  HILUM_ASSIGN_OR_RETURN(const Bytes json, DecodeToken(absl::StripAsciiWhitespace(options.token)));
  Invitation invitation;
  HILUM_ASSIGN_OR_RETURN(invitation.token, proto::ParseJoinToken(AsText(json)));
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

// A join works in DIR/.joining. Once all is verified its parts move up, site.toml last.
constexpr const char* kParts[] = {"keys", "ledger", "witness", "ca.pem", "site.toml"};

SiteFolder WorkFolder(const SiteFolder& folder) { return {folder.root / ".joining"}; }

// Exists once the server may have heard of the keys: then the invitation may be spent on them.
fs::path AskedFile(const SiteFolder& work) { return work.ledger() / "joined_at"; }

absl::Status CheckFolder(const SiteFolder& folder) {
  std::error_code error;
  if (!fs::exists(folder.root, error)) return absl::OkStatus();
  const std::string root = folder.root.string();
  if (fs::exists(folder.config(), error)) {
    return absl::InvalidArgumentError(
        absl::StrCat(root, " has joined already; join with a new folder for another site."));
  }
  const fs::path work = WorkFolder(folder).root;
  const bool unfinished = fs::exists(work, error);
  for (const auto& entry : fs::directory_iterator(folder.root, error)) {
    const fs::path name = entry.path().filename();
    const bool is_part = std::find(std::begin(kParts), std::end(kParts), name) != std::end(kParts);
    if (name == work.filename() || (unfinished && is_part)) continue;
    return absl::InvalidArgumentError(
        absl::StrCat(root, " holds ", name.string(),
                     ", which is not of a join; join with a new or empty folder."));
  }
  if (!error) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(root, " is not a folder: ", error.message()));
}

// Back to before the first part moved up.
void UndoMoves(const SiteFolder& folder, const SiteFolder& work) {
  std::error_code error;
  for (const char* part : kParts) {
    if (fs::exists(folder.root / part, error) && !fs::exists(work.root / part, error)) {
      fs::rename(folder.root / part, work.root / part, error);
    }
  }
}

absl::Status MoveUp(const SiteFolder& folder, const SiteFolder& work) {
  std::error_code error;
  for (const char* part : kParts) {
    fs::rename(work.root / part, folder.root / part, error);
    if (error) {
      return absl::UnavailableError(absl::StrCat("cannot move ", (work.root / part).string(),
                                                 " up: ", error.message(), "; join again."));
    }
  }
  HILUM_RETURN_IF_ERROR(SyncFolder(folder.root));
  fs::remove_all(work.root, error);
  return absl::OkStatus();
}

// Whether the server has surely not taken the request, so that nothing of it need be kept.
bool IsRefusal(const absl::Status& status) {
  return absl::IsPermissionDenied(status) || absl::IsInvalidArgument(status) ||
         absl::IsFailedPrecondition(status) || absl::IsNotFound(status) ||
         absl::IsAlreadyExists(status) || absl::IsUnauthenticated(status);
}

// The key in `path`, made when it is missing: a join whose answer was lost goes on with its keys.
absl::StatusOr<std::string> TlsKey(const fs::path& path) {
  absl::StatusOr<std::string> key = ReadTextFile(path, crypto::kCertificateLimitBytes);
  if (!absl::IsNotFound(key.status())) return key;
  HILUM_ASSIGN_OR_RETURN(std::string made, crypto::MakeTlsKey());
  HILUM_RETURN_IF_ERROR(WriteFileDurably(path, AsBytes(made), FileMode::kPrivate));
  return made;
}

// The verifier key of the site's witness, which is made when it is missing.
absl::StatusOr<std::string> WitnessKey(const SiteFolder& work, const Invitation& invitation) {
  absl::StatusOr<ledger_anchor::OpenedWitness> opened = ledger_anchor::OpenWitness(work.witness());
  if (opened.ok()) return FormatVerifierKey(opened->vkey);
  std::error_code error;
  fs::remove_all(work.witness(), error);  // an unfinished one: it has cosigned nothing
  return ledger_anchor::CreateWitness(
      work.witness(),
      ledger_anchor::SiteWitnessName(invitation.token.origin, invitation.token.member));
}

// The recipient of the site's age identity, which is made when it is missing.
absl::StatusOr<std::string> AgeRecipientOf(const fs::path& path) {
  const absl::StatusOr<crypto::AgeIdentity> identity = crypto::AgeIdentity::Load(path);
  if (identity.ok()) return crypto::FormatAgeRecipient(identity->recipient());
  if (!absl::IsNotFound(identity.status())) return identity.status();
  const crypto::AgeIdentity made = crypto::AgeIdentity::Generate();
  HILUM_RETURN_IF_ERROR(made.Save(path));
  return crypto::FormatAgeRecipient(made.recipient());
}

// What the `join` entry says of the site beside its entry key.
struct Announced {
  std::string witness_vkey;
  std::string age_recipient;
};

absl::StatusOr<crypto::SigningKey> EntryKey(const fs::path& path) {
  absl::StatusOr<crypto::SigningKey> key = crypto::SigningKey::Load(path);
  if (!absl::IsNotFound(key.status())) return key;
  crypto::SigningKey made = crypto::SigningKey::Generate();
  HILUM_RETURN_IF_ERROR(made.Save(path));
  return made;
}

// When this site first asked, and as whom. The server answers a repeated request only when it is
// the same.
absl::StatusOr<int64_t> JoinTime(const SiteFolder& work, const std::string& member, int64_t now_s) {
  const absl::StatusOr<std::string> text = ReadTextFile(AskedFile(work), 256);
  if (absl::IsNotFound(text.status())) {
    HILUM_RETURN_IF_ERROR(
        WriteFileDurably(AskedFile(work), AsBytes(absl::StrCat(now_s, " ", member, "\n"))));
    return now_s;
  }
  HILUM_RETURN_IF_ERROR(text);
  const std::vector<std::string> words =
      absl::StrSplit(absl::StripAsciiWhitespace(*text), ' ', absl::SkipEmpty());
  int64_t time_s = 0;
  if (words.size() == 2 && words[1] == member && absl::SimpleAtoi(words[0], &time_s)) return time_s;
  return absl::AbortedError("another invitation");
}

// The `join` entry as the aggregator will sign it.
ledger_anchor::Entry JoinEntry(const Invitation& invitation, const crypto::PublicKey& key,
                               const Announced& announced, int64_t now_s) {
  ledger_anchor::Entry entry;
  entry.by = invitation.token.aggregator;
  entry.key = crypto::KeyDigest(invitation.aggregator_key);
  entry.t = static_cast<uint64_t>(now_s);
  ledger_anchor::Join join;
  join.member = invitation.token.member;
  join.role = invitation.token.role;
  join.entry_key = key;
  join.witness_vkey = announced.witness_vkey;
  join.age_recipient = announced.age_recipient;
  entry.body = join;
  return entry;
}

// Unavailable: nothing answers there, so nothing was sent either.
absl::Status Reach(Connection& connection) {
  connection.WaitUntilConnected();  // a server that was started this moment
  // Any answer will do: without a certificate it is a refusal.
  const absl::Status answer = connection.ProveConsistency(0, 0).status();
  return absl::IsUnavailable(answer) ? answer : absl::OkStatus();
}

absl::StatusOr<JoinAnswer> CallServer(const Invitation& invitation, Connection& connection,
                                      int64_t joined_at_s, const std::string& tls_key,
                                      const crypto::SigningKey& key, const Announced& announced) {
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
      ledger_anchor::SignJoin(JoinEntry(invitation, key.public_key(), announced, joined_at_s),
                              invitation.token.origin, key));
  call.member_signature.assign(signature.bytes.begin(), signature.bytes.end());
  call.joined_at_s = joined_at_s;
  call.witness_vkey = announced.witness_vkey;
  call.age_recipient = announced.age_recipient;
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
                                     const Announced& announced, Connection& connection,
                                     int64_t now_s) {
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
  if (join.member != invitation.token.member || join.entry_key != key ||
      join.witness_vkey != announced.witness_vkey ||
      join.age_recipient != announced.age_recipient) {
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
  return absl::AbortedError("another invitation");
}

// All of a join, in the work folder. Aborted: the folder is of another invitation.
absl::StatusOr<JoinReport> JoinIn(const SiteFolder& work, const Invitation& invitation,
                                  const JoinOptions& options) {
  HILUM_RETURN_IF_ERROR(MakeFolder(work.tls_key().parent_path()));
  HILUM_ASSIGN_OR_RETURN(const std::string tls_key, TlsKey(work.tls_key()));
  HILUM_ASSIGN_OR_RETURN(const crypto::SigningKey entry_key, EntryKey(work.entry_key()));
  if (!fs::exists(work.pseudonym_secret())) {
    HILUM_RETURN_IF_ERROR(MakeSiteSecret(work.pseudonym_secret()));
  }
  Announced announced;
  HILUM_ASSIGN_OR_RETURN(announced.witness_vkey, WitnessKey(work, invitation));
  HILUM_ASSIGN_OR_RETURN(announced.age_recipient, AgeRecipientOf(work.age_identity()));
  HILUM_RETURN_IF_ERROR(PinOnce(work, invitation));
  Connection stranger(options.server, {invitation.ca_pem, "", ""});
  HILUM_RETURN_IF_ERROR(Reach(stranger));
  HILUM_ASSIGN_OR_RETURN(const int64_t joined_at_s,
                         JoinTime(work, invitation.token.member, options.now_s));
  HILUM_ASSIGN_OR_RETURN(const JoinAnswer answer, CallServer(invitation, stranger, joined_at_s,
                                                             tls_key, entry_key, announced));
  HILUM_RETURN_IF_ERROR(CheckCertificate(invitation, answer.certificate, tls_key, options.now_s));
  HILUM_RETURN_IF_ERROR(WriteFileDurably(work.ca_pem(), AsBytes(invitation.ca_pem)));
  HILUM_RETURN_IF_ERROR(WriteFileDurably(work.tls_certificate(), AsBytes(answer.certificate)));
  Connection connection(options.server, {invitation.ca_pem, answer.certificate, tls_key});
  HILUM_ASSIGN_OR_RETURN(const uint64_t index,
                         CheckProofs(work, invitation, answer, entry_key.public_key(), announced,
                                     connection, options.now_s));
  const std::string config = DefaultSiteToml(invitation.token.member, options.server);
  HILUM_RETURN_IF_ERROR(WriteFileDurably(work.config(), AsBytes(config)));
  return JoinReport{.site = invitation.token.member,
                    .federation = answer.federation,
                    .origin = invitation.token.origin,
                    .log_vkey = invitation.token.log_vkey,
                    .ca_fingerprint = invitation.ca_fingerprint,
                    .join_index = index};
}

}  // namespace

absl::StatusOr<JoinReport> Join(const SiteFolder& folder, const JoinOptions& options) {
  HILUM_ASSIGN_OR_RETURN(const Invitation invitation, ReadToken(options));
  HILUM_RETURN_IF_ERROR(CheckFolder(folder));
  std::error_code error;
  const bool is_new = !fs::exists(folder.root, error);
  const SiteFolder work = WorkFolder(folder);
  if (fs::exists(work.root, error)) UndoMoves(folder, work);
  const bool asked_before = fs::exists(AskedFile(work), error);
  if (!asked_before) fs::remove_all(work.root, error);
  const absl::StatusOr<JoinReport> report = JoinIn(work, invitation, options);
  if (asked_before && absl::IsAborted(report.status())) {
    return absl::InvalidArgumentError(absl::StrCat(
        folder.root.string(), " holds an unfinished join with another invitation; repeat it with ",
        "that token, join with a new folder, or remove ", work.root.string(), " and its keys."));
  }
  if (!report.ok()) {
    // What the server may have accepted is kept: the same keys, sent again, get the same answer.
    if (!fs::exists(AskedFile(work), error) || IsRefusal(report.status())) {
      fs::remove_all(work.root, error);
      if (is_new) fs::remove(folder.root, error);
    }
    return report;
  }
  HILUM_RETURN_IF_ERROR(MoveUp(folder, work));
  return report;
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
min_sigma = 0            # above 0: only jobs with differential privacy, and at least this noise
max_epsilon = 0          # above 0: the privacy budget of each unit; jobs without noise are refused
budget_delta = 1e-5      # of that budget
architectures = []       # empty: every network that this program knows
# How a masked round is verified before its model is used. "full": the sum, and the model from it.
# "sampled": the sum, and the model in parts drawn by chance. "tags": the sum alone, with less work.
# "none": only the ledger's proof.
verify = "full"

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
