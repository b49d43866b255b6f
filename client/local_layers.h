// The layers of a job's network that stay at this site (JOB.toml norm and local_layers), from one
// round to the next. They are never sent, and no release holds them (decision 030).
#ifndef HILUM_CLIENT_LOCAL_LAYERS_H_
#define HILUM_CLIENT_LOCAL_LAYERS_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/file.h"
#include "base/model_spec.h"
#include "client/ledger_gate.h"
#include "client/pseudonym.h"

namespace hilum::client {

// One job's layers under SITE/local/JOB, a sealed file a round; the last two are kept
// (round_files.h).
class LocalLayers {
 public:
  // `secret` must outlive this.
  LocalLayers(const fs::path& root, absl::string_view job, const SiteSecret& secret);

  // The values after the newest round before `round`, [spec.n_params()]; nothing: this site has
  // trained in none.
  //   spec  models::LocalSpecOf
  // DataLoss: the file is damaged, or of another site or network. It is set aside under the name
  // that the sentence says, so that the next call goes on without it.
  absl::StatusOr<std::optional<std::vector<float>>> Before(uint64_t round,
                                                           const ModelSpec& spec) const;

  // Stores the values after `round`, and deletes rounds before the last two and rounds after it.
  // ResourceExhausted: the disk is full. Unavailable: the folder cannot be written. DataLoss: a
  // value is not finite.
  absl::Status Keep(uint64_t round, const ModelSpec& spec, std::span<const float> values) const;

 private:
  std::string PurposeOf(uint64_t round) const;

  fs::path folder_;
  std::string job_;
  const SiteSecret& secret_;
};

// What the site of folder `site` adds to a released model; empty where the model is whole.
// FailedPrecondition: `site` is empty, or holds no layers of the release's round or before: it has
// trained in none, or the release is older than the rounds that are kept. DataLoss: as Before.
// NotFound, PermissionDenied: as LoadSiteSecret.
absl::StatusOr<std::vector<float>> LayersFor(const VerifiedModel& model, const fs::path& site);

}  // namespace hilum::client

#endif  // HILUM_CLIENT_LOCAL_LAYERS_H_
