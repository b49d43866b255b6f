#include "client/consent_gate.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace hilum::client {
namespace {

// Why one Consent does not permit at `now_s`; empty: it does.
std::string DenialAt(const Consent& consent, int64_t now_s) {
  if (!consent.permits) return consent.reason.empty() ? "does not permit" : consent.reason;
  if (now_s < consent.starts_s) return "period has not begun";
  if (now_s >= consent.ends_s) return "period is over";
  return "";
}

constexpr int64_t kClocksDifferS = 86400;

// The Consents that decide for one patient: the newest, or all where that is not clear, so that one
// denial among them wins. It is not clear where one has no date or a date that is yet to come, and
// among those whose spans reach into the newest one's: "2026-11-30" may be before or after
// "2026-11-30T09:00:00Z".
std::vector<const Consent*> Deciding(std::vector<const Consent*> consents, int64_t now_s) {
  const bool all_dated = std::all_of(consents.begin(), consents.end(), [now_s](const Consent* c) {
    return c->given_at_s != 0 && c->given_at_s <= now_s + kClocksDifferS;
  });
  if (!all_dated) return consents;
  const int64_t newest_s =
      (*std::max_element(consents.begin(), consents.end(), [](const Consent* a, const Consent* b) {
        return a->given_at_s < b->given_at_s;
      }))->given_at_s;
  std::erase_if(consents, [newest_s](const Consent* c) {
    return c->given_at_s < newest_s && c->given_until_s <= newest_s;
  });
  return consents;
}

}  // namespace

ActiveSet ActiveSet::Build(std::span<const ConsentRecord> records, int64_t now_s) {
  std::map<std::string, std::vector<const Consent*>> by_patient;
  for (const ConsentRecord& record : records) {
    if (!record.pid.empty()) by_patient[record.pid].push_back(&record.consent);
  }
  ActiveSet active;
  for (const auto& [pid, consents] : by_patient) {
    std::string reason;
    for (const Consent* consent : Deciding(consents, now_s)) {
      if (reason.empty()) reason = DenialAt(*consent, now_s);
    }
    active.patients_.emplace(pid, reason);
  }
  return active;
}

absl::Status ActiveSet::Check(absl::string_view pid) const {
  const auto found = patients_.find(pid);
  if (found == patients_.end()) return absl::PermissionDeniedError("no Consent on file");
  if (found->second.empty()) return absl::OkStatus();
  return absl::PermissionDeniedError(absl::StrCat("Consent: ", found->second));
}

uint64_t ActiveSet::n_granted() const {
  return static_cast<uint64_t>(std::count_if(patients_.begin(), patients_.end(),
                                             [](const auto& p) { return p.second.empty(); }));
}

absl::StatusOr<ConsentedVolume> ConsentGate(PreparedFilm film, const ActiveSet& active) {
  if (film.patient().empty()) {
    return absl::PermissionDeniedError("the film names no patient, so no Consent can be found");
  }
  HILUM_RETURN_IF_ERROR(active.Check(film.patient()));
  return ConsentedVolume(std::move(film));
}

}  // namespace hilum::client
