#include "client/dataset.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/count.h"
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

absl::StatusOr<FilmChoice> ChooseFilms(State& state, const proto::RoundPlan& plan, int64_t now_s,
                                       const std::function<bool(const std::string&)>& is_pinned) {
  HILUM_ASSIGN_OR_RETURN(const std::vector<ConsentRecord> consents, state.Consents());
  HILUM_ASSIGN_OR_RETURN(std::vector<FilmRecord> films, state.Films());
  FilmChoice choice;
  choice.active = ActiveSet::Build(consents, now_s);
  std::set<std::string> left_out;
  for (FilmRecord& film : films) {
    if (!IsCandidate(film)) continue;
    // A film that an import held back is used only after another import has read it again.
    if (!film.code.empty() || !choice.active.Check(film.pid).ok() ||
        (is_pinned && !is_pinned(film.pid))) {
      left_out.insert(film.pid);
      continue;
    }
    const int32_t label = ClassOf(plan, film.label);
    if (label < 0) {
      ++choice.n_other_labels;
      continue;
    }
    if (film.age_years.has_value() && *film.age_years < plan.model.min_age_years) {
      ++choice.n_outside_age;
      continue;
    }
    if (film.profile_digest != plan.model.profile_digest || film.cache_digest == Digest{}) {
      return absl::FailedPreconditionError(
          absl::StrCat("film ", film.file.path, " is not prepared for profile ", plan.model.profile,
                       "; run `hilum site import` again with that profile."));
    }
    choice.films.push_back({std::move(film), label});
  }
  choice.n_left_out = left_out.size();
  return choice;
}

absl::Status RequireFilms(const FilmChoice& choice, const std::string& job, uint64_t min_films) {
  const uint64_t n = choice.films.size();
  if (n > 0 && n >= min_films) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "job ", job, " could use ", Count(n, "film"), " of this site, its policy asks for at least ",
      std::max<uint64_t>(min_films, 1), " ([policy] min_films): ", choice.n_left_out,
      " patients lack consent, ", choice.n_other_labels, " films have other labels, ",
      choice.n_outside_age, " are outside the age range."));
}

absl::StatusOr<LocalDataset> BuildDataset(State& state, const FilmCache& cache,
                                          const DatasetOptions& options) {
  const proto::RoundPlan& plan = options.plan;
  HILUM_RETURN_IF_ERROR(CheckProfile(plan.model));
  const auto study_pid = [&](const std::string& pid) {
    return StudyPid(options.secret, plan.job, pid);
  };
  HILUM_ASSIGN_OR_RETURN(
      const FilmChoice choice, ChooseFilms(state, plan, options.now_s, [&](const std::string& pid) {
        return options.pinned == nullptr || options.pinned->count(study_pid(pid)) > 0;
      }));
  HILUM_RETURN_IF_ERROR(RequireFilms(choice, plan.job, options.min_films));
  Manifest manifest(options.secret, options.round_context);
  Manifest lasting(options.secret, "films");
  LocalDataset dataset;
  for (const auto& [film, label] : choice.films) {
    HILUM_ASSIGN_OR_RETURN(
        PreparedFilm prepared,
        cache.Load({film.pid, film.sop, film.profile_digest, film.cache_digest}));
    dataset.height = prepared.height();
    dataset.width = prepared.width();
    HILUM_ASSIGN_OR_RETURN(ConsentedVolume consented,
                           ConsentGate(std::move(prepared), choice.active));
    dataset.samples.push_back(ToSample(std::move(consented), label));
    manifest.Add(study_pid(film.pid), film.sop, film.cache_digest);
    lasting.Add(film.pid, film.sop, film.cache_digest);
  }
  dataset.n_patients = manifest.n_patients();
  dataset.n_left_out = choice.n_left_out;
  dataset.n_other_labels = choice.n_other_labels;
  dataset.n_outside_age = choice.n_outside_age;
  HILUM_ASSIGN_OR_RETURN(dataset.manifest, manifest.Leaves());
  HILUM_ASSIGN_OR_RETURN(const ledger_anchor::ManifestTree tree,
                         ledger_anchor::ManifestTree::Create(dataset.manifest));
  dataset.manifest_root = tree.claim().root;
  dataset.films = lasting.Root();
  return dataset;
}

}  // namespace hilum::client
