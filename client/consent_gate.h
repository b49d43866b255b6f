// The consent gate: default deny. No type but ConsentedVolume reaches training.
#ifndef HILUM_CLIENT_CONSENT_GATE_H_
#define HILUM_CLIENT_CONSENT_GATE_H_

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/film_cache.h"
#include "client/state.h"

namespace hilum::client {

// Which patients permit training at one moment. A value; thread-safe to read.
class ActiveSet {
 public:
  // The newest of a patient's Consents (by dateTime) decides. Where that is not clear, because two
  // are equally new or one of several has no dateTime, all of them must permit.
  static ActiveSet Build(std::span<const ConsentRecord> consents, int64_t now_s);

  // PermissionDenied: no Consent, or why the deciding one does not permit.
  absl::Status Check(absl::string_view pid) const;

  // Every patient with a Consent: pid -> why not; an empty reason permits.
  const std::map<std::string, std::string, std::less<>>& patients() const { return patients_; }
  uint64_t n_granted() const;

 private:
  std::map<std::string, std::string, std::less<>> patients_;
};

// A film whose patient permits training. Only ConsentGate makes one.
class ConsentedVolume {
 public:
  const PreparedFilm& film() const { return film_; }

 private:
  friend absl::StatusOr<ConsentedVolume> ConsentGate(PreparedFilm film, const ActiveSet& active);
  explicit ConsentedVolume(PreparedFilm film) : film_(std::move(film)) {}
  PreparedFilm film_;
};

// PermissionDenied: the film names no patient, or as ActiveSet::Check.
absl::StatusOr<ConsentedVolume> ConsentGate(PreparedFilm film, const ActiveSet& active);

}  // namespace hilum::client

#endif  // HILUM_CLIENT_CONSENT_GATE_H_
