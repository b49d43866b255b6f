#include "client/doctor.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/count.h"
#include "base/status_macros.h"
#include "client/doctor_sources.h"
#include "client/ledger_gate.h"
#include "client/policy.h"
#include "client/pseudonym.h"
#include "client/rpc.h"
#include "client/state.h"
#include "crypto/certificate.h"
#include "crypto/locked_memory.h"
#include "crypto/secret.h"
#include "crypto/sign.h"
#include "dicom/worker.h"
#include "ledger_anchor/witness_folder.h"
#include "proto/channel.h"

namespace hilum::client {
namespace {

constexpr uint64_t kFreeBytes = uint64_t{1} << 30;
constexpr int64_t kClockSkewS = 300;
constexpr int64_t kRenewDays = 30;
constexpr auto kPatience = std::chrono::seconds(5);

ProbeResult Of(std::string probe, absl::Status status, std::string detail = "") {
  return {std::move(probe), std::move(status), std::move(detail)};
}

ProbeResult ProbeKeys(const SiteFolder& folder) {
  absl::Status status = LoadSiteSecret(folder.pseudonym_secret()).status();
  if (status.ok()) status = crypto::SigningKey::Load(folder.entry_key()).status();
  return Of("keys", status, "private, and as they were made");
}

// Keys and shares of masked rounds.
ProbeResult ProbeMemory() {
  const crypto::SecretKey one;  // takes a page of them
  if (crypto::SecretsAreLocked()) {
    return Of("memory", absl::OkStatus(), "secrets are locked into memory");
  }
  return Of("memory", absl::FailedPreconditionError(
                          "secrets cannot be locked into memory and may reach the swap partition: "
                          "raise the limit (ulimit -l, LimitMEMLOCK=), or swap to an encrypted "
                          "partition."));
}

ProbeResult ProbeDatabase(const SiteFolder& folder) {
  const absl::StatusOr<std::unique_ptr<State>> state = State::Open(folder.database());
  if (!state.ok()) return Of("database", state.status());
  const absl::StatusOr<std::vector<FilmRecord>> films = (*state)->Films();
  if (!films.ok()) return Of("database", films.status());
  return Of("database", absl::OkStatus(), absl::StrCat(Count(films->size(), "film"), " on record"));
}

ProbeResult ProbeDisk(const SiteFolder& folder) {
  std::error_code error;
  const fs::space_info space = fs::space(folder.root, error);
  if (error) return Of("disk", absl::InternalError(error.message()));
  const std::string free = absl::StrCat(space.available >> 20, " MiB free");
  if (space.available >= kFreeBytes) return Of("disk", absl::OkStatus(), free);
  return Of("disk", absl::ResourceExhaustedError(
                        absl::StrCat(free, " on the disk of ", folder.root.string(), ", at least ",
                                     kFreeBytes >> 20, " MiB are wanted; free some space.")));
}

// Without a sandbox no film is read, so a kernel or container that forbids it is named here.
ProbeResult ProbeReader() {
  return Of("reader", dicom::WorkerPool().Probe(), "films are read in a sandbox");
}

ProbeResult ProbePins(const SiteFolder& folder) {
  const absl::StatusOr<LedgerGate> gate = LedgerGate::Open(folder.ledger(), {});
  if (!gate.ok()) return Of("pins", gate.status());
  return Of("pins", absl::OkStatus(),
            absl::StrCat(gate->origin(), ", accepted up to size ", gate->accepted_size()));
}

// Whose cosignatures this site asks for.
ProbeResult ProbePolicy(const SiteFolder& folder) {
  const absl::StatusOr<std::string> text =
      ReadTextFile(folder.ledger() / "policy", kPolicyFileLimitBytes);
  if (!text.ok()) return Of("policy", text.status());
  const absl::StatusOr<PolicyReport> policy = DescribePolicy(*text);
  if (!policy.ok()) return Of("policy", policy.status());
  if (policy->quorum == 0) {
    return Of("policy", absl::OkStatus(), "quorum none: no witness vouches for the ledger");
  }
  return Of(
      "policy", absl::OkStatus(),
      absl::StrCat(policy->quorum, " of ", policy->witnesses.size(), " witnesses must cosign; ",
                   policy->faults, " may be dishonest, ", policy->may_be_away, " may be away"));
}

// The site's own witness: its key, its memory, and what it kept against the log.
ProbeResult ProbeWitness(const SiteFolder& folder) {
  std::error_code error;
  if (!fs::exists(folder.witness(), error)) {
    return Of("witness", absl::OkStatus(), "this site joined without one");
  }
  const absl::StatusOr<ledger_anchor::OpenedWitness> witness =
      ledger_anchor::OpenWitness(folder.witness());
  if (!witness.ok()) return Of("witness", witness.status());
  const absl::StatusOr<LedgerGate> gate = LedgerGate::Open(folder.ledger(), {});
  if (!gate.ok()) return Of("witness", gate.status());
  const auto last = witness->store->Last(gate->origin());
  if (!last.ok()) return Of("witness", last.status());
  const auto evidence = witness->store->Evidence();
  if (!evidence.ok()) return Of("witness", evidence.status());
  const auto n_forks = std::count_if(evidence->begin(), evidence->end(),
                                     [](const auto& one) { return one.is_fork; });
  if (n_forks > 0) {
    return Of("witness", absl::DataLossError(absl::StrCat(
                             "this site's witness keeps evidence of ", n_forks,
                             n_forks == 1 ? " fork" : " forks",
                             " of the ledger: see hilum ledger witness --evidence --dir ",
                             folder.witness().string(), ", and tell the other sites.")));
  }
  const std::string cosigned = last->has_value()
                                   ? absl::StrCat("cosigned ", (*last)->size, " entries on ",
                                                  FormatUtc(static_cast<int64_t>((*last)->time_s)))
                                   : "has cosigned nothing yet";
  return Of("witness", absl::OkStatus(), absl::StrCat(witness->vkey.name, ", ", cosigned));
}

ProbeResult ProbeCertificate(const Credentials& credentials, int64_t now_s) {
  absl::Status status =
      crypto::VerifyIssuedBy(credentials.certificate_pem, credentials.ca_pem, now_s);
  if (status.ok()) {
    status = crypto::CheckKeyMatches({credentials.certificate_pem, credentials.key_pem});
  }
  const absl::StatusOr<crypto::CertificateInfo> info =
      crypto::ReadCertificate(credentials.certificate_pem);
  if (status.ok()) status = info.status();
  if (!status.ok()) return Of("certificate", status);
  const int64_t days = (info->not_after - now_s) / 86400;
  if (days < kRenewDays) {
    return Of("certificate",
              absl::FailedPreconditionError(absl::StrCat("this site's certificate ends in ", days,
                                                         " days; ask the operator for a new "
                                                         "invitation.")));
  }
  return Of("certificate", absl::OkStatus(),
            absl::StrCat("of ", info->common_name, ", valid for ", days, " more days"));
}

// The first snapshot of the server, or why there is none.
absl::StatusOr<Snapshot> FirstSnapshot(const SiteOptions& options, const Credentials& credentials) {
  Connection connection(options.server, credentials);
  std::mutex mutex;
  std::condition_variable done;
  std::optional<Snapshot> first;
  bool over = false;
  absl::Status ended;
  std::thread watching([&] {
    ended = connection.Watch([&](Snapshot snapshot) {
      const std::lock_guard lock(mutex);
      if (!first.has_value()) first = std::move(snapshot);
      done.notify_all();
    });
    const std::lock_guard lock(mutex);
    over = true;
    done.notify_all();
  });
  {
    std::unique_lock lock(mutex);
    done.wait_for(lock, kPatience, [&] { return over || first.has_value(); });
  }
  connection.StopWatch();
  watching.join();
  if (first.has_value()) return *std::move(first);
  if (absl::IsCancelled(ended)) {
    return absl::UnavailableError(
        absl::StrCat("the server ", options.server, " did not answer within 5 s"));
  }
  return ended;
}

using Step = proto::ConnectionStep;

constexpr std::pair<Step, const char*> kSteps[] = {{Step::kName, "name"},
                                                   {Step::kConnection, "connection"},
                                                   {Step::kTls, "tls"},
                                                   {Step::kServer, "server"}};

// What to do about it; empty where the status says it.
std::string Advice(Step step, const std::string& server) {
  if (step == Step::kName) {
    return absl::StrCat("the name in \"", server,
                        "\" does not resolve: check [site] server and "
                        "this computer's DNS");
  }
  if (step == Step::kConnection) {
    return absl::StrCat("nothing accepts connections at ", server,
                        ": check the address, the firewall (outbound only) and that the server "
                        "runs");
  }
  if (step == Step::kTls) {
    return absl::StrCat("TLS with ", server,
                        " fails: its certificate is not of this federation, "
                        "or a proxy opens the connection");
  }
  return "";
}

void ProbeServer(const SiteOptions& options, const Credentials& credentials, int64_t now_s,
                 std::vector<ProbeResult>& findings) {
  const absl::StatusOr<Snapshot> snapshot = FirstSnapshot(options, credentials);
  for (const auto& [step, probe] : kSteps) {
    if (!snapshot.ok() && step == proto::FailedStep(snapshot.status())) {
      const std::string advice = Advice(step, options.server);
      findings.push_back(Of(probe, advice.empty()
                                       ? snapshot.status()
                                       : absl::Status(snapshot.status().code(), advice)));
      return;
    }
    findings.push_back(Of(probe, absl::OkStatus(), options.server));
  }
  const int64_t skew = snapshot->server_time_s - now_s;
  if (std::llabs(skew) > kClockSkewS) {
    findings.push_back(Of("clock", absl::FailedPreconditionError(absl::StrCat(
                                       "the server's clock is ", skew, " s ahead of this one, ",
                                       kClockSkewS, " s are allowed; set up NTP."))));
    return;
  }
  findings.push_back(Of("clock", absl::OkStatus(), absl::StrCat(skew, " s from the server's")));
}

}  // namespace

std::vector<ProbeResult> Diagnose(const SiteFolder& folder, const SiteOptions& options,
                                  int64_t now_s) {
  std::vector<ProbeResult> findings = {
      ProbeKeys(folder), ProbeMemory(),     ProbeDatabase(folder), ProbeDisk(folder),
      ProbeReader(),     ProbePins(folder), ProbePolicy(folder),   ProbeWitness(folder)};
  for (ProbeResult& finding : DiagnoseSources(folder, options.sources, now_s)) {
    findings.push_back(std::move(finding));
  }
  const absl::StatusOr<Credentials> credentials = ReadCredentials(folder);
  if (!credentials.ok()) {
    findings.push_back(Of("certificate", credentials.status()));
    return findings;
  }
  findings.push_back(ProbeCertificate(*credentials, now_s));
  ProbeServer(options, *credentials, now_s, findings);
  return findings;
}

}  // namespace hilum::client
