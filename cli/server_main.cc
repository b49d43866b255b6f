// hilum-server: the aggregator of a federation.
#include "cli/cli11_status.h"
#include "cli/server_commands.h"

namespace {

using hilum::cli::ServerFlags;

CLI::App* AddVerb(CLI::App& app, ServerFlags& flags, const char* name, const char* description) {
  CLI::App* verb = app.add_subcommand(name, description);
  verb->add_option("--dir", flags.dir, "The server's folder")->required();
  verb->add_flag("--json", flags.json, "Prints one JSON document");
  return verb;
}

}  // namespace

int main(int argc, char** argv) {
  hilum::cli::App app("hilum-server", "The aggregator: makes a federation and runs its rounds");
  app.require_subcommand(1);
  ServerFlags flags;

  CLI::App* init = AddVerb(app, flags, "init", "Makes CA, server identity and ledger");
  init->add_option("--federation", flags.federation, "Its name, best a domain")->required();
  init->add_option("--host", flags.hosts, "A further host name or address of this server");

  CLI::App* invite = AddVerb(app, flags, "invite", "Makes a one-time token for a hospital");
  invite->add_option("--site", flags.site, "The hospital's name as a member")->required();
  invite->add_option("--ttl", flags.ttl, "How long it is valid, for example 90m or 7d")
      ->capture_default_str();

  CLI::App* members = AddVerb(app, flags, "members", "Lists the members");

  CLI::App* status =
      AddVerb(app, flags, "status", "Shows the running server's ledger and each witness");

  CLI::App* policy = AddVerb(
      app, flags, "policy", "Prints a policy of which the sites' witnesses must cosign the ledger");
  policy
      ->add_option("--faults", flags.faults,
                   "Witnesses that may be dishonest; sets how many must cosign")
      ->check(hilum::cli::WholeNumber())
      ->capture_default_str();
  policy->add_flag("--install", flags.install,
                   "Also makes it this server's, from its next start, and the ML lead's");

  CLI::App* remove = AddVerb(app, flags, "remove", "Removes a site: a `leave` entry is logged");
  remove->add_option("SITE", flags.site, "The site")->required();

  CLI::App* gc = AddVerb(app, flags, "gc",
                         "Deletes stored objects that nothing names; the server must be stopped");
  gc->add_option("--grace", flags.grace, "What is younger is kept, for example 72h or 30d")
      ->capture_default_str();
  gc->add_flag(
      "--expired", flags.expired,
      "Also updates older than what their round promises to keep them: such a round cannot "
      "be replayed any more");
  gc->add_flag("--dry-run", flags.dry_run, "Counts and deletes nothing");

  CLI::App* run = AddVerb(app, flags, "run", "Serves sites and the ML lead until SIGTERM");
  run->add_option("--grpc", flags.overrides.grpc, "HOST:PORT for sites and lead; port 0: any");
  run->add_option("--http", flags.overrides.http, "HOST:PORT for ledger files and metrics");
  run->add_option("--log-file", flags.overrides.log_file, "Where the log goes besides stderr");
  run->add_option("--device", flags.overrides.device,
                  "Where updates are added up: auto, cpu, cuda:N, or GPUs: cuda:0,cuda:1");
  run->add_option("--threads", flags.overrides.threads,
                  "Of the CPU, at most 256; 0: the cores that it may use")
      ->check(hilum::cli::WholeNumber());
  run->add_flag("--print-config", flags.print_config, "Prints the effective configuration");

  return hilum::cli::RunApp(app, argc, argv, [&]() -> absl::Status {
    if (init->parsed()) return InitServer(flags);
    if (invite->parsed()) return InviteSite(flags);
    if (members->parsed()) return ListMembers(flags);
    if (status->parsed()) return ShowStatus(flags);
    if (policy->parsed()) return MakeServerPolicy(flags);
    if (remove->parsed()) return RemoveSite(flags);
    if (gc->parsed()) return CollectGarbage(flags);
    return RunServer(flags);
  });
}
