#include "client/overview.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "client/consent_gate.h"
#include "client/ledger_gate.h"
#include "client/participate.h"
#include "client/round_check.h"
#include "privacy/packed_vector.h"
#include "privacy/quantize.h"
#include "proto/round_plan.h"

namespace hilum::client {
namespace {

// Films that the consent gate lets through now.
std::vector<FilmRecord> Usable(const std::vector<FilmRecord>& films, const ActiveSet& active) {
  std::vector<FilmRecord> usable;
  std::copy_if(films.begin(), films.end(), std::back_inserter(usable), [&](const FilmRecord& film) {
    return film.code.empty() && active.Check(film.pid).ok();
  });
  return usable;
}

JobOverview OfJob(const JobRecord& record, const SiteOptions& options,
                  const std::vector<FilmRecord>& usable) {
  JobOverview job;
  job.record = record;
  job.policy = std::string(CheckPlan(record.plan, options).status().message());
  const absl::StatusOr<proto::RoundPlan> plan = proto::ParseRoundPlan(record.plan);
  if (!plan.ok()) return job;
  job.plan_is_readable = true;
  job.architecture = plan->model.architecture;
  job.classes = plan->model.classes;
  job.profile = plan->model.profile;
  job.rounds = plan->rounds;
  job.minimum = plan->cohort.minimum;
  job.min_age_years = plan->model.min_age_years;
  job.training = proto::RoundLength(*plan);
  job.keeps_layers = proto::KeepsLayers(plan->model);
  job.mode = plan->aggregation.mode;
  job.privacy = plan->privacy.unit == "none"
                    ? "none"
                    : absl::StrCat("unit ", plan->privacy.unit, ", sigma ", plan->privacy.sigma,
                                   ", delta ", plan->privacy.delta);
  job.max_norm_l2 = plan->aggregation.clip_l2;
  job.bytes_a_round =
      privacy::VectorLayout{
          .n_coords = static_cast<uint64_t>(plan->spec.n_params()) + privacy::kMinExtras,
          .ring_bits = plan->aggregation.ring_bits}
          .size_bytes();
  for (const FilmRecord& film : usable) {
    const bool known =
        std::find(job.classes.begin(), job.classes.end(), film.label) != job.classes.end();
    const bool young = film.age_years.has_value() && *film.age_years < job.min_age_years;
    job.films += known && !young ? 1 : 0;
  }
  return job;
}

}  // namespace

absl::StatusOr<Overview> MakeOverview(const SiteFolder& folder, const SiteOptions& options,
                                      State& state, int64_t now_s) {
  HILUM_ASSIGN_OR_RETURN(const LedgerGate gate, LedgerGate::Open(folder.ledger(), {}));
  HILUM_ASSIGN_OR_RETURN(const std::vector<ConsentRecord> consents, state.Consents());
  HILUM_ASSIGN_OR_RETURN(const std::vector<FilmRecord> films, state.Films());
  HILUM_ASSIGN_OR_RETURN(const std::vector<PatientRecord> patients, state.Patients());
  HILUM_ASSIGN_OR_RETURN(const std::vector<JobRecord> jobs, state.Jobs());
  const ActiveSet active = ActiveSet::Build(consents, now_s);
  const std::vector<FilmRecord> usable = Usable(films, active);
  Overview overview;
  overview.site = options.site;
  overview.server = options.server;
  overview.ledger_origin = gate.origin();
  overview.ledger_size = gate.accepted_size();
  HILUM_ASSIGN_OR_RETURN(overview.rounds, state.Rounds());
  HILUM_ASSIGN_OR_RETURN(overview.checks, state.Checks());
  HILUM_ASSIGN_OR_RETURN(overview.spending, SpentAtSite(state, options));
  overview.max_epsilon = options.max_epsilon;
  overview.budget_delta = options.budget_delta;
  std::set<std::string> used, left_out;
  for (const FilmRecord& film : usable) used.insert(film.pid);
  for (const FilmRecord& film : films) {
    if (film.code != "CONSENT" && !film.code.empty()) continue;
    if (used.count(film.pid) == 0) left_out.insert(film.pid);
  }
  overview.films = usable.size();
  overview.films_rejected = films.size() - usable.size();
  overview.patients = used.size();
  overview.patients_left_out = left_out.size();
  overview.patients_granted = active.n_granted();
  for (const PatientRecord& patient : patients) {
    const bool granted = active.Check(patient.pid).ok();
    overview.patients_denied += granted ? 0 : 1;
    overview.patients_revoked += !granted && (patient.revoked || patient.granted) ? 1 : 0;
  }
  for (const JobRecord& job : jobs) {
    JobOverview& one = overview.jobs.emplace_back(OfJob(job, options, usable));
    HILUM_ASSIGN_OR_RETURN(one.halted, HaltReason(state, job.job));
  }
  return overview;
}

}  // namespace hilum::client
