#include "client/dataset.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "client/consent_book.h"
#include "client/manifest.h"

namespace hilum::client {
namespace {

// The index of `label` in the job's classes; -1: none of them.
int32_t ClassOf(const proto::RoundPlan& plan, const std::string& label) {
  const auto& classes = plan.model.classes;
  const auto found = std::find(classes.begin(), classes.end(), label);
  return found == classes.end() ? -1 : static_cast<int32_t>(found - classes.begin());
}

absl::Status CheckProfile(const proto::ModelPlan& model) {
  HILUM_ASSIGN_OR_RETURN(const dicom::Profile profile, dicom::FindProfile(model.profile));
  const Digest digest = ProfileDigest(profile);
  if (digest == model.profile_digest) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("the job's profile ", model.profile, " has digest ",
                   ToHex(model.profile_digest).substr(0, 16), ", this program's has ",
                   ToHex(digest).substr(0, 16), "; both sides need the same release."));
}

// Films that may be looked at for training: readable, or held back by their consent only.
bool IsCandidate(const FilmRecord& film) { return film.code.empty() || film.code == "CONSENT"; }

}  // namespace

Sample ToSample(ConsentedVolume volume, int32_t label) {
  return Sample(volume.film().pixels(), label);
}

absl::StatusOr<LocalDataset> BuildDataset(State& state, const FilmCache& cache,
                                          const DatasetOptions& options) {
  const proto::RoundPlan& plan = options.plan;
  HILUM_RETURN_IF_ERROR(CheckProfile(plan.model));
  HILUM_ASSIGN_OR_RETURN(const std::vector<ConsentRecord> consents, state.Consents());
  HILUM_ASSIGN_OR_RETURN(const std::vector<FilmRecord> films, state.Films());
  const ActiveSet active = ActiveSet::Build(consents, options.now_s);
  Manifest manifest(options.secret, options.round_context);
  Manifest lasting(options.secret, "films");
  std::set<std::string> left_out;
  LocalDataset dataset;
  for (const FilmRecord& film : films) {
    if (!IsCandidate(film)) continue;
    const std::string pid = StudyPid(options.secret, plan.job, film.pid);
    const bool is_pinned = options.pinned == nullptr || options.pinned->count(pid) > 0;
    // A film that an import held back is used only after another import has read it again.
    if (!film.code.empty() || !active.Check(film.pid).ok() || !is_pinned) {
      left_out.insert(film.pid);
      continue;
    }
    const int32_t label = ClassOf(plan, film.label);
    if (label < 0) {
      ++dataset.n_other_labels;
      continue;
    }
    if (film.age_years.has_value() && *film.age_years < plan.model.min_age_years) {
      ++dataset.n_outside_age;
      continue;
    }
    if (film.profile_digest != plan.model.profile_digest || film.cache_digest == Digest{}) {
      return absl::FailedPreconditionError(
          absl::StrCat("film ", film.file.path, " is not prepared for profile ", plan.model.profile,
                       "; run `hilum site import` again with that profile."));
    }
    HILUM_ASSIGN_OR_RETURN(
        PreparedFilm prepared,
        cache.Load({film.pid, film.sop, film.profile_digest, film.cache_digest}));
    dataset.height = prepared.height();
    dataset.width = prepared.width();
    HILUM_ASSIGN_OR_RETURN(ConsentedVolume consented, ConsentGate(std::move(prepared), active));
    dataset.samples.push_back(ToSample(std::move(consented), label));
    manifest.Add(pid, film.sop, film.cache_digest);
    lasting.Add(film.pid, film.sop, film.cache_digest);
  }
  dataset.n_patients = manifest.n_patients();
  dataset.n_left_out = left_out.size();
  HILUM_ASSIGN_OR_RETURN(dataset.manifest, manifest.Leaves());
  HILUM_ASSIGN_OR_RETURN(const ledger_anchor::ManifestTree tree,
                         ledger_anchor::ManifestTree::Create(dataset.manifest));
  dataset.manifest_root = tree.claim().root;
  dataset.films = lasting.Root();
  if (dataset.samples.empty()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "no film of this site may be used for job ", plan.job, ": ", left_out.size(),
        " patients lack consent, ", dataset.n_other_labels, " films have other labels, ",
        dataset.n_outside_age, " are outside the age range."));
  }
  return dataset;
}

}  // namespace hilum::client
