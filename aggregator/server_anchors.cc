// The ledger's external anchors: their thread, and what an outage of the authority leaves.
#include <algorithm>
#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "aggregator/server_core.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "ledger_anchor/anchor_rfc3161.h"

namespace hilum::aggregator {
namespace {

constexpr size_t kEvidenceLimitBytes = 4096;

}  // namespace

fs::path ServerCore::AnchorFolder() const {
  return federation->identity.folder / "ledger/anchors/rfc3161";
}

absl::Status ServerCore::StartAnchors() {
  if (!options.anchor.has_value()) return absl::OkStatus();
  const AnchorSettings& settings = *options.anchor;
  absl::StatusOr<std::unique_ptr<ledger_anchor::Anchor>> anchor = ledger_anchor::MakeRfc3161Anchor(
      {.url = settings.url,
       .trust = {.ca_pem = settings.ca_pem, .policy = settings.policy},
       .clock = options.clock});
  if (!anchor.ok()) {
    return absl::Status(anchor.status().code(),
                        absl::StrCat("[anchor] of server.toml: ", anchor.status().message()));
  }
  HILUM_ASSIGN_OR_RETURN(ledger_anchor::AnchorFolder folder,
                         ledger_anchor::AnchorFolder::Open(AnchorFolder()));
  HILUM_RETURN_IF_ERROR(folder.PutAuthority(settings.ca_pem));
  HILUM_ASSIGN_OR_RETURN(ledger_anchor::VerifierKey log_key,
                         ledger_anchor::ParseVerifierKey(federation->identity.log_vkey));
  HILUM_ASSIGN_OR_RETURN(
      anchors, Anchors::Create(
                   federation->log.get(), std::move(log_key), *std::move(anchor), std::move(folder),
                   {.every = absl::Seconds(static_cast<int64_t>(settings.every_s)),
                    .retry = settings.retry,
                    .retry_limit = settings.retry_limit},
                   [this](const absl::Status& failure) { HandleAnchorOutage(failure); }));
  anchors->Start();
  return absl::OkStatus();
}

void ServerCore::HandleAnchorOutage(const absl::Status& last_failure) {
  std::string evidence = absl::StrCat(last_failure.message(), "\n");
  if (const auto reply = last_failure.GetPayload(ledger_anchor::kAnchorReplyPayload)) {
    absl::StrAppend(&evidence, std::string(*reply));
  }
  RecordIncident("anchor", "rfc3161", evidence);
}

void ServerCore::RecordIncident(const std::string& kind, const std::string& about,
                                absl::string_view evidence) {
  const auto record = [&]() -> absl::Status {
    HILUM_ASSIGN_OR_RETURN(const Digest kept, federation->store.Put(AsBytes(evidence).first(
                                                  std::min(evidence.size(), kEvidenceLimitBytes))));
    ledger_anchor::Entry entry;
    entry.by = std::string(kAggregatorName);
    entry.t = static_cast<uint64_t>(NowS());
    entry.body =
        ledger_anchor::Incident{.kind = kind, .round = 0, .about = about, .evidence = kept};
    HILUM_ASSIGN_OR_RETURN(const std::string text,
                           ledger_anchor::SignEntry(std::move(entry), federation->identity.origin,
                                                    federation->entry_key));
    return federation->Append(text).status();
  };
  if (const absl::Status status = record(); !status.ok()) {
    Log(LogLevel::kError, "incident not recorded",
        {{"kind", kind}, {"about", about}, {"reason", status}});
  }
}

}  // namespace hilum::aggregator
