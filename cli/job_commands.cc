#include "cli/job_commands.h"

#include <cstdlib>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/status_macros.h"
#include "cli/job_config.h"
#include "cli/job_credentials.h"
#include "cli/job_model.h"
#include "cli/job_plan.h"
#include "cli/job_release.h"
#include "cli/job_report.h"
#include "cli/job_rpc.h"
#include "cli/job_view.h"
#include "cli/job_watch.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "proto/safetensors.h"

namespace hilum::cli {
namespace {

absl::StatusOr<LeadCredentials> Credentials(const JobFlags& flags) {
  std::string folder = flags.credentials;
  const char* from_environment = std::getenv("HILUM_CREDENTIALS");
  if (folder.empty() && from_environment != nullptr) folder = from_environment;
  if (folder.empty()) {
    return absl::InvalidArgumentError(
        "who are you? Give --as FOLDER or set HILUM_CREDENTIALS to the credential folder.");
  }
  return ReadCredentials(folder, flags.server);
}

absl::StatusOr<std::unique_ptr<JobClient>> Connect(const JobFlags& flags) {
  HILUM_ASSIGN_OR_RETURN(const LeadCredentials credentials, Credentials(flags));
  return std::make_unique<JobClient>(credentials);
}

void PrintStatus(const JobFlags& flags, const v1::JobStatus& status) {
  if (flags.json) {
    PrintJson(StatusToJson(status));
  } else {
    Print(StatusPage(status));
  }
}

absl::Status PrintReply(const JobFlags& flags, const absl::StatusOr<v1::JobStatus>& status) {
  HILUM_RETURN_IF_ERROR(status);
  PrintStatus(flags, *status);
  return absl::OkStatus();
}

// The last round that made a model.
absl::StatusOr<uint64_t> LastRound(const v1::JobStatus& status) {
  for (int i = status.history_size() - 1; i >= 0; --i) {
    if (status.history(i).status() == "ok") return status.history(i).round();
  }
  return absl::FailedPreconditionError(
      absl::StrCat("job ", status.job(), " has no closed round, so there is no model yet."));
}

fs::path CsvBeside(fs::path report, const char* extension = ".csv") {
  return report.replace_extension(extension);
}

absl::StatusOr<std::vector<nlohmann::ordered_json>> ReadEvaluations(const JobFlags& flags) {
  std::vector<nlohmann::ordered_json> evaluations;
  for (const std::string& file : flags.evaluations) {
    HILUM_ASSIGN_OR_RETURN(nlohmann::ordered_json evaluation, ReadEvaluation(file));
    evaluations.push_back(std::move(evaluation));
  }
  return evaluations;
}

// The job whose model it is of. DataLoss: of neither. InvalidArgument: that job has one already.
absl::StatusOr<ComparedJob*> JobOf(const nlohmann::ordered_json& evaluation, ComparedJob& a,
                                   ComparedJob& b) {
  for (ComparedJob* job : {&a, &b}) {
    if (!evaluation.contains("model_sha256") || !CheckEvaluationOf(job->status, evaluation).ok()) {
      continue;
    }
    if (!job->evaluation.has_value()) return job;
    return absl::InvalidArgumentError(
        absl::StrCat("two evaluations are of models of ", job->status.job(), ", one is compared."));
  }
  return absl::DataLossError(absl::StrCat("an evaluation is of no model that ", a.status.job(),
                                          " or ", b.status.job(), " made."));
}

}  // namespace

absl::Status RunLaunch(const JobFlags& flags) {
  HILUM_ASSIGN_OR_RETURN(const JobFile file, ReadJobFile(flags.file));
  HILUM_ASSIGN_OR_RETURN(const LaunchableJob job, LoadVersionZero(file));
  HILUM_ASSIGN_OR_RETURN(const std::unique_ptr<JobClient> client, Connect(flags));
  {
    Progress progress({.what = "Sending version 0", .unit = "B", .total = job.model.size()});
    HILUM_RETURN_IF_ERROR(
        client->PutModel(job.model, job.model_sha256, [&](uint64_t sent) { progress.Set(sent); }));
  }
  HILUM_ASSIGN_OR_RETURN(const v1::JobStatus status,
                         client->Launch(job.plan_bytes, job.model_sha256));
  if (flags.wait) {
    return Watch(*client, {.job = job.plan.job, .json = flags.json});
  }
  PrintStatus(flags, status);
  return absl::OkStatus();
}

absl::Status RunPlan(const JobFlags& flags) {
  HILUM_ASSIGN_OR_RETURN(const JobFile file, ReadJobFile(flags.file));
  HILUM_ASSIGN_OR_RETURN(const LaunchableJob job, LoadVersionZero(file));
  CostInput input;
  input.n_sites = flags.n_sites > 0            ? flags.n_sites
                  : job.plan.cohort.target > 0 ? job.plan.cohort.target
                                               : job.plan.cohort.minimum;
  input.model_bytes = job.model.size();
  if ((flags.films_per_second > 0) != (flags.films > 0)) {
    return absl::InvalidArgumentError(
        "--films N, the training films of the largest site, and --films-per-second R, what the "
        "slowest site trains, say how long a job takes only together.");
  }
  if (flags.films_per_second > 0) {
    input.films_per_second = flags.films_per_second;
    input.films = flags.films;
  }
  HILUM_ASSIGN_OR_RETURN(const JobCost cost, EstimateCost(job.plan, input));
  if (flags.json) {
    PrintJson(CostToJson(job.plan, input, cost));
  } else {
    Print(CostPage(job.plan, input, cost));
  }
  return absl::OkStatus();
}

absl::Status RunStatus(const JobFlags& flags) {
  HILUM_ASSIGN_OR_RETURN(const std::unique_ptr<JobClient> client, Connect(flags));
  if (!flags.job.empty()) return PrintReply(flags, client->Job(flags.job));
  HILUM_ASSIGN_OR_RETURN(const v1::JobList jobs, client->Jobs());
  if (!flags.json) {
    Print(jobs.jobs().empty() ? "no job was launched yet\n" : JobTable(jobs));
    return absl::OkStatus();
  }
  nlohmann::ordered_json json = nlohmann::ordered_json::array();
  for (const v1::JobStatus& job : jobs.jobs()) json.push_back(StatusToJson(job));
  PrintJson({{"jobs", json}});
  return absl::OkStatus();
}

absl::Status RunWatch(const JobFlags& flags) {
  HILUM_ASSIGN_OR_RETURN(const std::unique_ptr<JobClient> client, Connect(flags));
  return Watch(*client, {.job = flags.job, .json = flags.json});
}

absl::Status RunCancel(const JobFlags& flags) {
  HILUM_ASSIGN_OR_RETURN(const std::unique_ptr<JobClient> client, Connect(flags));
  return PrintReply(flags, client->Cancel(flags.job));
}

absl::Status RunResume(const JobFlags& flags) {
  HILUM_ASSIGN_OR_RETURN(const std::unique_ptr<JobClient> client, Connect(flags));
  return PrintReply(flags, client->Resume(flags.job, flags.rounds));
}

absl::Status RunReport(const JobFlags& flags) {
  HILUM_ASSIGN_OR_RETURN(const auto evaluations, ReadEvaluations(flags));
  HILUM_ASSIGN_OR_RETURN(const std::unique_ptr<JobClient> client, Connect(flags));
  HILUM_ASSIGN_OR_RETURN(const v1::JobStatus status, client->Job(flags.job));
  for (const nlohmann::ordered_json& evaluation : evaluations) {
    HILUM_RETURN_IF_ERROR(CheckEvaluationOf(status, evaluation));
  }
  const fs::path out = flags.out.empty() ? "report.html" : flags.out;
  nlohmann::ordered_json written = {{"report", out.string()}, {"csv", CsvBeside(out).string()}};
  HILUM_RETURN_IF_ERROR(WriteFileDurably(out, AsBytes(ReportPage(status, evaluations))));
  HILUM_RETURN_IF_ERROR(WriteFileDurably(CsvBeside(out), AsBytes(RoundsCsv(status))));
  std::string text = absl::StrCat("wrote ", out.string(), " and ", CsvBeside(out).string());
  if (!evaluations.empty()) {
    const fs::path figures = CsvBeside(out, ".evaluation.csv");
    HILUM_RETURN_IF_ERROR(
        WriteFileDurably(figures, AsBytes(EvaluationCsv(LatestEvaluation(status, evaluations)))));
    written["evaluation_csv"] = figures.string();
    absl::StrAppend(&text, " and ", figures.string());
  }
  if (flags.json) {
    PrintJson(written);
  } else {
    Print(absl::StrCat(text, "\n"));
  }
  return absl::OkStatus();
}

absl::Status RunCompare(const JobFlags& flags) {
  HILUM_ASSIGN_OR_RETURN(const auto evaluations, ReadEvaluations(flags));
  HILUM_ASSIGN_OR_RETURN(const std::unique_ptr<JobClient> client, Connect(flags));
  HILUM_ASSIGN_OR_RETURN(const v1::JobStatus a, client->Job(flags.job));
  HILUM_ASSIGN_OR_RETURN(const v1::JobStatus b, client->Job(flags.other_job));
  ComparedJob of_a{a, std::nullopt}, of_b{b, std::nullopt};
  for (const nlohmann::ordered_json& evaluation : evaluations) {
    HILUM_ASSIGN_OR_RETURN(ComparedJob * job, JobOf(evaluation, of_a, of_b));
    job->evaluation.emplace(evaluation);
  }
  if (flags.json) {
    PrintJson(CompareJobsJson(of_a, of_b));
  } else {
    Print(CompareJobs(of_a, of_b));
  }
  return absl::OkStatus();
}

namespace {

// What `hilum job model` says when the folder is written.
struct WrittenModel {
  proto::ModelDescription model;
  uint64_t entry_index = 0;
  bool quorum_none = false;
  bool has_bundle = false;  // model.sig
};

// The model of a round whose job goes on, or was released by an older server.
absl::StatusOr<WrittenModel> FetchRound(const JobFlags& flags, const LeadCredentials& credentials,
                                        JobClient& client, const proto::RoundPlan& plan,
                                        ModelClaim claim) {
  HILUM_ASSIGN_OR_RETURN(
      const v1::ProofReply reply,
      client.FetchProof({.job = claim.job, .round = claim.round, .type = "round-close"}));
  claim.proof = reply.proof();
  HILUM_ASSIGN_OR_RETURN(const ProvenModel proven, CheckModelProof(credentials, claim));
  Bytes file;
  {
    Progress progress({.what = "Fetching the model", .unit = "B"});
    HILUM_ASSIGN_OR_RETURN(
        file, client.FetchModel(proven.sha256, proto::SafetensorsLimitBytes(plan.spec.n_params()),
                                [&](uint64_t got) { progress.Set(got); }));
  }
  HILUM_ASSIGN_OR_RETURN(proto::ModelDescription model,
                         WriteModelFolder(flags.out, plan, proven, credentials, file));
  return WrittenModel{.model = std::move(model),
                      .entry_index = proven.index,
                      .quorum_none = proven.quorum_none,
                      .has_bundle = false};
}

// A released model. NotFound: its entry names no signature.
absl::StatusOr<WrittenModel> FetchRelease(const JobFlags& flags, const LeadCredentials& credentials,
                                          JobClient& client, const proto::RoundPlan& plan,
                                          ModelClaim claim) {
  HILUM_ASSIGN_OR_RETURN(
      const v1::ProofReply reply,
      client.FetchProof({.job = claim.job, .round = claim.round, .type = "model-release"}));
  claim.proof = reply.proof();
  HILUM_ASSIGN_OR_RETURN(const ProvenRelease proven, CheckReleaseProof(credentials, claim));
  Progress progress({.what = "Fetching the release", .unit = "B"});
  uint64_t before = 0;
  const FetchFile fetch = [&](const Digest& digest, uint64_t limit_bytes) {
    absl::StatusOr<Bytes> file =
        client.FetchModel(digest, limit_bytes, [&](uint64_t got) { progress.Set(before + got); });
    if (file.ok()) before += file->size();
    return file;
  };
  HILUM_ASSIGN_OR_RETURN(proto::ModelDescription model,
                         WriteReleaseFolder(flags.out, plan, proven, credentials, fetch));
  return WrittenModel{.model = std::move(model),
                      .entry_index = proven.index,
                      .quorum_none = proven.quorum_none,
                      .has_bundle = true};
}

absl::StatusOr<WrittenModel> FetchModelFolder(const JobFlags& flags) {
  HILUM_ASSIGN_OR_RETURN(const LeadCredentials credentials, Credentials(flags));
  JobClient client(credentials);
  HILUM_ASSIGN_OR_RETURN(const v1::JobStatus status, client.Job(flags.job));
  HILUM_ASSIGN_OR_RETURN(const proto::RoundPlan plan, proto::ParseRoundPlan(status.plan()));
  HILUM_ASSIGN_OR_RETURN(const uint64_t last_round, LastRound(status));
  const ModelClaim claim{.job = flags.job,
                         .round = flags.round == 0 ? last_round : flags.round,
                         .proof = "",
                         .now_s = static_cast<uint64_t>(SystemClock().NowSeconds())};
  if (status.state() == "done" && claim.round == last_round) {
    absl::StatusOr<WrittenModel> written = FetchRelease(flags, credentials, client, plan, claim);
    if (!absl::IsNotFound(written.status())) return written;
  }
  return FetchRound(flags, credentials, client, plan, claim);
}

}  // namespace

absl::Status RunModel(const JobFlags& flags) {
  HILUM_ASSIGN_OR_RETURN(const WrittenModel written, FetchModelFolder(flags));
  const proto::ModelDescription& model = written.model;
  if (flags.json) {
    PrintJson({{"job", model.job},
               {"round", model.round},
               {"out", flags.out},
               {"sha256", ToHex(model.sha256)},
               {"entry_index", written.entry_index},
               {"verified", true},
               {"bundle", written.has_bundle},
               {"quorum_none", written.quorum_none}});
    return absl::OkStatus();
  }
  Print(absl::StrCat("model of round ", model.round, " of ", model.job, " is in ", flags.out,
                     ": its SHA-256, ", ToHex(model.sha256),
                     written.has_bundle ? ", and that of model.sig stand in ledger entry "
                                        : ", stands in ledger entry ",
                     written.entry_index,
                     written.quorum_none ? " (no witness vouches for the log)" : "", "\n"));
  return absl::OkStatus();
}

}  // namespace hilum::cli
