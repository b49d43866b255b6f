// The site's training set for one job: consented films as samples.
#ifndef HILUM_CLIENT_DATASET_H_
#define HILUM_CLIENT_DATASET_H_

#include <cstdint>
#include <functional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "client/consent_gate.h"
#include "client/film_cache.h"
#include "client/pseudonym.h"
#include "client/state.h"
#include "ledger_anchor/consent_tree.h"
#include "proto/round_plan.h"

namespace hilum::client {

// One image and its class. Only ToSample makes one.
class Sample {
 public:
  const std::vector<float>& pixels() const { return pixels_; }  // [height, width] in [0, 1]
  int32_t label() const { return label_; }

 private:
  friend Sample ToSample(ConsentedVolume volume, int32_t label);
  Sample(std::vector<float> pixels, int32_t label) : pixels_(std::move(pixels)), label_(label) {}
  std::vector<float> pixels_;
  int32_t label_;
};

// Geometry is done by dicom/, augmentation by models/: this only joins image and label.
Sample ToSample(ConsentedVolume volume, int32_t label);

// The films that a job may use at one moment, and what keeps the others out.
struct FilmChoice {
  struct Film {
    FilmRecord record;
    int32_t label = 0;  // index into the job's classes
  };
  std::vector<Film> films;  // in the order of the site's database
  ActiveSet active;
  uint64_t n_left_out = 0;  // as LocalDataset has them
  uint64_t n_other_labels = 0;
  uint64_t n_outside_age = 0;
};
// Reads no pixels. `is_pinned`: as DatasetOptions::pinned, for a patient of the site; empty: all.
// FailedPrecondition: a film is not prepared for the plan's profile.
absl::StatusOr<FilmChoice> ChooseFilms(
    State& state, const proto::RoundPlan& plan, int64_t now_s,
    const std::function<bool(const std::string& pid)>& is_pinned);
// FailedPrecondition: fewer films than `min_films` of the site's policy, or none; the sentence says
// how many there are and what keeps the others out.
absl::Status RequireFilms(const FilmChoice& choice, const std::string& job, uint64_t min_films);

// What one round trains on, and whom it leaves out.
struct LocalDataset {
  std::vector<Sample> samples;  // in the order of the site's database
  int height = 0;               // pixels
  int width = 0;
  uint64_t n_patients = 0;
  uint64_t n_left_out = 0;      // patients with films here whose consent is absent, revoked, or
                                // not in the ledger's active set
  uint64_t n_other_labels = 0;  // films whose label is none of the job's classes
  uint64_t n_outside_age = 0;   // films of patients below the job's age range
  std::vector<ledger_anchor::ManifestLeaf> manifest;  // padded; pids of the study
  Digest manifest_root{};
  Digest films{};  // the same commitment without the round: equal while the films are the same
};

struct DatasetOptions {
  const proto::RoundPlan& plan;
  const SiteSecret& secret;
  std::string round_context;  // names job, round and attempt
  int64_t now_s = 0;          // consents are judged at this moment
  // Pids of the study that the ledger's active set of this round holds; a patient must be in it as
  // well. Null: nothing is pinned, as when the site only counts its films.
  const std::set<std::string>* pinned = nullptr;
  uint64_t min_films = 1;  // of the site's policy
};

// Reads what is cached, passes each film through the consent gate and counts the rest. Takes
// 4 bytes a pixel and film of memory.
// FailedPrecondition: as RequireFilms, or a film is not prepared for the plan's profile (import
// with that profile first). InvalidArgument: the plan's profile is unknown here or has another
// digest. DataLoss: a cached image is damaged.
absl::StatusOr<LocalDataset> BuildDataset(State& state, const FilmCache& cache,
                                          const DatasetOptions& options);

}  // namespace hilum::client

#endif  // HILUM_CLIENT_DATASET_H_
