// hilum-site: what a hospital's IT types.
#include <csignal>
#include <functional>
#include <map>

#include "cli/cli11_status.h"
#include "cli/site_commands.h"
#include "cli/site_consent.h"
#include "cli/site_import.h"
#include "cli/site_report.h"
#include "cli/site_rounds.h"
#include "client/incident.h"

namespace hilum::cli {
namespace {

using Run = std::function<absl::Status(const SiteFlags&)>;

// Verbs about what the ledger holds of this site: consents, manifests, its key.
void AddConsentVerbs(App& app, SiteConsentFlags& flags, std::map<CLI::App*, Run>& verbs) {
  const auto add = [&](const char* name, const char* description,
                       absl::Status (*run)(const SiteConsentFlags&)) {
    CLI::App* verb = app.add_subcommand(name, description);
    verb->add_option("--dir", flags.dir, "The site's folder")->required();
    verb->add_flag("--json", flags.json, "One JSON document on standard output");
    verbs[verb] = [run, &flags](const SiteFlags&) { return run(flags); };
    return verb;
  };
  CLI::App* receipt =
      add("receipt", "Writes a patient's receipt of a logged consent, or verifies one", RunReceipt);
  receipt->add_option("PATIENT", flags.patient, "The patient's id; it stays in this house");
  receipt->add_option("--study", flags.study, "The job");
  receipt->add_option("--out", flags.out, "File to write");
  receipt->add_option("--verify", flags.verify, "Verifies this receipt instead, offline");
  CLI::App* disclose =
      add("disclose", "Answers an auditor's question about the patients of a round", RunDisclose);
  disclose->add_option("ROUND", flags.round, "The round")->check(WholeNumber())->required();
  disclose->add_option("--study", flags.study, "The job")->required();
  disclose->add_option("--seed", flags.seed, "What the auditor named")->required();
  disclose->add_option("--samples", flags.n_samples, "How many leaves the auditor asked for")
      ->check(WholeNumber())
      ->capture_default_str();
  disclose->add_option("--out", flags.out, "File to write")->required();
  add("rotate-key", "Gives this site another entry key, in the middle of a federation",
      RunRotateKey);
}

// Verbs about rounds that are over.
void AddRoundVerbs(App& app, SiteRoundFlags& flags, std::map<CLI::App*, Run>& verbs) {
  const auto add = [&](const char* name, const char* description,
                       absl::Status (*run)(const SiteRoundFlags&)) {
    CLI::App* verb = app.add_subcommand(name, description);
    verb->add_option("--dir", flags.dir, "The site's folder")->required();
    verb->add_flag("--json", flags.json, "One JSON document on standard output");
    verbs[verb] = [run, &flags](const SiteFlags&) { return run(flags); };
    return verb;
  };
  CLI::App* receipt =
      add("round-receipt", "Proves that a round counted this site's update", RunRoundReceipt);
  receipt->add_option("ROUND", flags.round, "The round")->check(WholeNumber());
  receipt->add_option("--study", flags.job, "The job");
  receipt->add_option("--out", flags.out, "File to write");
  receipt->add_option("--verify", flags.verify, "Verifies this receipt instead, offline");
  add("resume", "Goes on with a job although a round of it failed this site's check", RunResume)
      ->add_option("JOB", flags.job, "The job's name")
      ->required();
}

// Verbs by which a site says something in the ledger of its own accord.
void AddReportVerbs(App& app, SiteReportFlags& flags, std::map<CLI::App*, Run>& verbs) {
  const auto add = [&](const char* name, const char* description,
                       absl::Status (*run)(const SiteReportFlags&)) {
    CLI::App* verb = app.add_subcommand(name, description);
    verb->add_option("--dir", flags.dir, "The site's folder")->required();
    verb->add_flag("--json", flags.json, "One JSON document on standard output");
    verbs[verb] = [run, &flags](const SiteFlags&) { return run(flags); };
    return verb;
  };
  CLI::App* evaluate =
      add("evaluate", "Judges a released model on films of this site and logs the numbers",
          RunEvaluate);
  evaluate->add_option("--model", flags.model, "Released model folder (hilum job model)")
      ->required();
  evaluate->add_option("--data", flags.data, "Folder with films and labels.csv")->required();
  evaluate->add_flag("--dry-run", flags.dry_run, "Computes, and logs nothing");
  CLI::App* incident =
      add("incident", "Puts on record that something is wrong, with evidence", RunIncident);
  incident->add_option("KIND", flags.kind, "One of " + client::IncidentKinds())->required();
  incident->add_option("--about", flags.about, "Whom or what: a code, no free text")->required();
  incident->add_option("--evidence", flags.evidence, "File; it stays here, its hash is logged")
      ->required();
  incident->add_option("--study", flags.study, "The job");
  incident->add_option("--round", flags.round, "The round")->check(WholeNumber());
}

// Studies in, result objects out.
void AddImportVerbs(App& app, SiteImportFlags& flags, std::map<CLI::App*, Run>& verbs) {
  const auto add = [&](const char* name, const char* description,
                       absl::Status (*run)(const SiteImportFlags&)) {
    CLI::App* verb = app.add_subcommand(name, description);
    verb->add_option("--dir", flags.dir, "The site's folder")->required();
    verb->add_flag("--json", flags.json, "One JSON document on standard output");
    verbs[verb] = [run, &flags](const SiteFlags&) { return run(flags); };
    return verb;
  };
  CLI::App* import =
      add("import", "Takes up films and consents from a folder or a PACS", RunImport);
  import
      ->add_option("SOURCE", flags.source,
                   "Folder with films, labels.csv and consent/*.json, to import again after "
                   "changes; dicomweb, or dicomweb+https://HOST/PATH; scp to listen")
      ->required();
  CLI::Option* forget = import->add_flag(
      "--forget", flags.forget,
      "Drops a folder that was imported, there or not: its films and prepared images, and its "
      "Consents. Folders add up: a Consent that is missing in a new copy withdraws nothing");
  import->add_flag("--dry-run", flags.dry_run, "Judges everything, changes nothing");
  import
      ->add_option("--rules", flags.rules,
                   "dicomweb: which series to take (default: rules.toml of the site's folder)")
      ->excludes(forget);
  add("send", "Stores DICOM files in the PACS of [dicomweb] in site.toml (STOW-RS)", RunSend)
      ->add_option("FILE", flags.files, "DICOM files, such as results of hilum infer")
      ->required();
}

std::map<CLI::App*, Run> AddVerbs(App& app, SiteFlags& flags) {
  std::map<CLI::App*, Run> verbs;
  const auto add = [&](const char* name, const char* description, Run run) {
    CLI::App* verb = app.add_subcommand(name, description);
    verb->add_option("--dir", flags.dir, "The site's folder")->required();
    verb->add_flag("--json", flags.json, "One JSON document on standard output");
    verbs[verb] = std::move(run);
    return verb;
  };
  CLI::App* join = add("join", "Makes keys, gets the site's certificate, pins the ledger", RunJoin);
  join->add_option("--token", flags.token,
                   "The invitation, or @FILE with it (default: $HILUM_TOKEN)")
      ->envname("HILUM_TOKEN")
      ->required();
  join->add_option("--server", flags.server, "HOST:PORT of the server")->required();
  CLI::App* run = add("run", "The agent: takes part in approved jobs until Ctrl-C", RunAgent);
  run->add_flag("--print-config", flags.print_config, "Shows the effective configuration and ends");
  add("status", "Jobs, rounds, what has left the site, consents", RunStatus);
  for (const bool approve : {true, false}) {
    CLI::App* answer = approve ? add("approve", "Lets this site take part in a job", RunApprove)
                               : add("deny", "Refuses a job, or withdraws from it", RunDeny);
    answer->add_option("JOB", flags.job, "The job's name")->required();
    if (!approve) answer->add_option("--reason", flags.reason, "One sentence for the lead");
  }
  CLI::App* policy =
      add("policy", "Pins whose cosignatures this site asks for; without FILE shows it", RunPolicy);
  policy->add_option("FILE", flags.source, "A tlog-policy, as `hilum server policy` prints it");
  add("studies", "The films that were rejected or held back, with the reasons", RunStudies)
      ->add_flag("--all", flags.all, "The accepted ones too");
  CLI::App* release = add(
      "release", "Says that a person found no text in the pixels of a film held back as BURNED_IN",
      RunRelease);
  release->add_option("FILE", flags.source, "The film, as it lies in its source")->required();
  release->add_option("--by", flags.by, "Who looked at it; stays at the site")->required();
  add("doctor", "Probes files, network, TLS, clock and ledger; names the fault", RunDoctor);
  return verbs;
}

int Main(int argc, char** argv) {
  // A write beyond a file size limit then fails like a full disk, instead of ending the process.
  std::signal(SIGXFSZ, SIG_IGN);
  App app("hilum-site", "A hospital's side of a federation: films never leave it");
  app.require_subcommand(1);
  SiteFlags flags;
  SiteConsentFlags consent;
  SiteReportFlags report;
  std::map<CLI::App*, Run> verbs = AddVerbs(app, flags);
  SiteImportFlags imports;
  AddImportVerbs(app, imports, verbs);
  AddConsentVerbs(app, consent, verbs);
  SiteRoundFlags rounds;
  AddRoundVerbs(app, rounds, verbs);
  AddReportVerbs(app, report, verbs);
  return RunApp(app, argc, argv, [&] { return verbs.at(app.get_subcommands().front())(flags); });
}

}  // namespace
}  // namespace hilum::cli

int main(int argc, char** argv) { return hilum::cli::Main(argc, argv); }
