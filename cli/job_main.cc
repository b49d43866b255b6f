// hilum-job: what the ML lead types.
#include <functional>
#include <map>

#include "cli/cli11_status.h"
#include "cli/job_commands.h"

namespace hilum::cli {
namespace {

using Run = std::function<absl::Status(const JobFlags&)>;

CLI::App* AddVerb(App& app, JobFlags& flags, const char* name, const char* description) {
  CLI::App* verb = app.add_subcommand(name, description);
  verb->add_flag("--json", flags.json, "One JSON document on standard output");
  return verb;
}

// A verb that asks the server.
CLI::App* AddCall(App& app, JobFlags& flags, const char* name, const char* description) {
  CLI::App* verb = AddVerb(app, flags, name, description);
  verb->add_option("--as", flags.credentials,
                   "Credential folder: ca.pem, cert.pem, key.pem, federation.json "
                   "(default: $HILUM_CREDENTIALS)");
  verb->add_option("--server", flags.server, "HOST:PORT instead of the credentials' address");
  return verb;
}

std::map<CLI::App*, Run> AddVerbs(App& app, JobFlags& flags) {
  std::map<CLI::App*, Run> verbs;
  CLI::App* plan = AddVerb(app, flags, "plan", "Says what a job will cost; asks no server");
  plan->add_option("FILE", flags.file, "JOB.toml")->required();
  plan->add_option("--sites", flags.n_sites, "Sites in each round (default: [cohort] target)")
      ->check(CLI::Range(1, 500));
  plan->add_option("--films", flags.films, "Training films of the largest site")
      ->check(WholeNumber());
  plan->add_option("--films-per-second", flags.films_per_second,
                   "What the slowest site trains in a second")
      ->check(NumberAboveZero());
  verbs[plan] = RunPlan;

  CLI::App* launch = AddCall(app, flags, "launch", "Sends version 0 and starts a job");
  launch->add_option("FILE", flags.file, "JOB.toml")->required();
  launch->add_flag("--wait", flags.wait,
                   "Watch until the job is done, paused, failed or cancelled");
  verbs[launch] = RunLaunch;

  CLI::App* status = AddCall(app, flags, "status", "Shows a job, or all of them");
  status->add_option("JOB", flags.job, "The job's name");
  verbs[status] = RunStatus;

  const auto add_job_verb = [&](const char* name, const char* description, Run run) {
    CLI::App* verb = AddCall(app, flags, name, description);
    verb->add_option("JOB", flags.job, "The job's name")->required();
    verbs[verb] = std::move(run);
    return verb;
  };
  add_job_verb("watch", "Shows a job live; Ctrl-C stops the watching, not the job", RunWatch);
  add_job_verb("cancel", "Ends a job; closed rounds and their models stay", RunCancel);
  add_job_verb("resume", "Goes on with a paused job, or adds rounds", RunResume)
      ->add_option("--rounds", flags.rounds, "The new total of rounds")
      ->check(CLI::Range(1, 100'000));
  const auto add_evaluations = [&](CLI::App* verb, const char* help) {
    // One file an option: a list would swallow the names of the jobs.
    verb->add_option("--evaluation", flags.evaluations, help)->allow_extra_args(false);
  };
  CLI::App* report = add_job_verb("report", "Writes an HTML page and CSV beside it", RunReport);
  report->add_option("--out", flags.out, "The page (default: report.html)");
  add_evaluations(report,
                  "Output of `hilum model compare --json` or `evaluate --json`; repeat for a curve "
                  "over the rounds, the latest is shown in full");
  CLI::App* compare = add_job_verb("compare", "Shows two jobs side by side", RunCompare);
  compare->add_option("OTHER", flags.other_job, "The other job's name")->required();
  add_evaluations(compare,
                  "Output of `hilum model evaluate --json` for a model of one of them; repeat for "
                  "the other");
  CLI::App* model = add_job_verb("model", "Fetches a round's model and verifies it", RunModel);
  model->add_option("--round", flags.round, "Default: the last closed one")
      ->check(CLI::Range(1, 100'000));
  model->add_option("--out", flags.out, "Folder for model, proof and card")->required();
  return verbs;
}

int Main(int argc, char** argv) {
  App app("hilum-job", "Plans, launches, watches and reports federated training jobs");
  app.require_subcommand(1);
  JobFlags flags;
  const std::map<CLI::App*, Run> verbs = AddVerbs(app, flags);
  return RunApp(app, argc, argv, [&] { return verbs.at(app.get_subcommands().front())(flags); });
}

}  // namespace
}  // namespace hilum::cli

int main(int argc, char** argv) { return hilum::cli::Main(argc, argv); }
