// hilum-ledger: what an auditor asks a federation's ledger, without asking anybody.
#include "cli/cli11_status.h"
#include "cli/ledger_anchors.h"
#include "cli/ledger_audit.h"
#include "cli/ledger_consent.h"
#include "cli/ledger_monitor.h"
#include "cli/ledger_objects.h"
#include "cli/ledger_show.h"
#include "cli/ledger_verify.h"
#include "cli/ledger_witness.h"

namespace {

using hilum::cli::LedgerFlags;

CLI::App* AddVerb(CLI::App& app, LedgerFlags& flags, const char* name, const char* description) {
  CLI::App* verb = app.add_subcommand(name, description);
  verb->add_option("--from", flags.from,
                   "A server's state folder, an export, the log's own folder, or http(s)://host")
      ->required();
  verb->add_option("--vkey", flags.vkey,
                   "The log's verifier key as you know it (name+id+key); without it the genesis "
                   "entry vouches for itself: trust on first use");
  verb->add_option("--policy", flags.policy,
                   "A tlog-policy file that the checkpoint must meet, else exit code 4");
  verb->add_option("--entry-key", flags.entry_key,
                   "The aggregator's entry key as you know it, base64");
  verb->add_flag("--json", flags.json, "One JSON document");
  return verb;
}

// A verb about one study: a job.
CLI::App* AddStudyVerb(CLI::App& app, LedgerFlags& flags, const char* name,
                       const char* description) {
  CLI::App* verb = AddVerb(app, flags, name, description);
  verb->add_option("--study", flags.study, "The study (job), where the log holds several");
  return verb;
}

CLI::App* AddWitness(CLI::App& app, hilum::cli::WitnessFlags& flags) {
  CLI::App* verb = app.add_subcommand(
      "witness", "Serves a C2SP witness over HTTP: cosigns checkpoints, and never two that differ");
  verb->add_option("--dir", flags.dir, "Folder of the witness: its key and its memory");
  verb->add_option("--create", flags.create, "Makes a new witness of this name; prints its key");
  verb->add_flag("--pipe", flags.pipe,
                 "Serves standard input and output instead: how a site's agent runs its witness");
  verb->add_option("--log", flags.logs, "Verifier key of a log to witness; may be repeated");
  verb->add_option("--listen", flags.listen, "HOST:PORT; port 0: any free one")
      ->capture_default_str();
  verb->add_flag("--evidence", flags.evidence,
                 "Prints what logs signed and it refused; forks first");
  verb->add_option("--check-policy", flags.check_policy,
                   "Judges a tlog-policy file instead: do two quorums share an honest witness?");
  verb->add_option("--faults", flags.faults, "Witnesses that may be dishonest")
      ->check(hilum::cli::WholeNumber());
  verb->add_flag("--json", flags.json, "JSON instead of text");
  return verb;
}

CLI::App* AddMonitor(CLI::App& app, hilum::cli::MonitorFlags& flags) {
  CLI::App* verb = app.add_subcommand(
      "monitor",
      "Follows a log and verifies each new checkpoint; exit code 3 on a fork or rollback");
  verb->add_option("URL", flags.from, "http(s)://host of a server, or a folder")->required();
  verb->add_option("--vkey", flags.vkey, "The log's verifier key as you know it (name+id+key)");
  verb->add_option(
      "--policy", flags.policy,
      "A tlog-policy file that every checkpoint must meet, fresh cosignatures included");
  verb->add_option("--state", flags.state,
                   "Folder of what was seen before, so that a restart notices a rollback; evidence "
                   "is kept there");
  verb->add_option("--interval", flags.interval_s, "Seconds between two looks, 1 to 86400")
      ->check(hilum::cli::WholeNumber())
      ->capture_default_str();
  verb->add_flag("--once", flags.once, "Looks once and ends");
  verb->add_flag("--json", flags.json, "One JSON object a line; with --once one document");
  return verb;
}

CLI::App* AddOpen(CLI::App& app, LedgerFlags& flags, hilum::cli::OpenFlags& open) {
  CLI::App* verb = AddVerb(app, flags, "open",
                           "Decrypts a sealed copy of a model and compares it with its entry");
  verb->add_option("OBJECT", open.object, "Its SHA-256: `object` of a round-close")->required();
  verb->add_option("--identity", open.identity,
                   "age identity file that may open it, for example keys/age.key of a site")
      ->required();
  verb->add_option("--out", open.out, "File to write")->required();
  return verb;
}

CLI::App* AddAuditConsent(CLI::App& app, LedgerFlags& flags, hilum::cli::AuditConsentFlags& audit) {
  CLI::App* verb = AddVerb(app, flags, "audit-consent",
                           "Checks what a site discloses of a round's patients against the ledger");
  verb->add_option("DISCLOSURE", audit.disclosure, "The file that `hilum site disclose` wrote")
      ->required();
  verb->add_option("--seed", audit.seed, "What you named to the site")->required();
  verb->add_option("--samples", audit.n_samples, "How many leaves you asked for")
      ->check(hilum::cli::WholeNumber())
      ->capture_default_str();
  verb->add_option("--receipt", audit.receipts,
                   "A patient's receipt of a revocation that must be honoured; may be repeated");
  return verb;
}

CLI::App* AddExport(CLI::App& app, LedgerFlags& flags, hilum::cli::ExportFlags& exported) {
  CLI::App* verb = AddStudyVerb(app, flags, "export",
                                "Writes the log, and what `audit` needs of a round, into a folder");
  verb->add_option("ROUND", exported.round, "The round; with --html it may be left out")
      ->check(hilum::cli::WholeNumber());
  verb->add_option("--out", exported.out, "New folder")->required();
  verb->add_flag("--html", exported.html,
                 "Also a page that shows and checks the log in a browser, and --policy beside it");
  return verb;
}

CLI::App* AddAudit(CLI::App& app, LedgerFlags& flags, hilum::cli::AuditFlags& audit) {
  CLI::App* verb =
      AddStudyVerb(app, flags, "audit", "Computes a round again and compares it, bit for bit");
  verb->add_option("ROUND", audit.round, "The round")->check(hilum::cli::WholeNumber())->required();
  verb->add_option("--device", audit.device,
                   "Where updates are added up: auto, cpu, cuda:N, or GPUs: cuda:0,cuda:1");
  verb->add_flag("--tags", audit.tags,
                 "The cheaper form of a masked round: the published sum against its tags, without "
                 "reading the updates");
  verb->add_flag("--quiet", audit.quiet, "No progress on standard error");
  return verb;
}

struct Verbs {
  CLI::App* anchors;
  CLI::App* audit_consent;
  CLI::App* monitor;
  CLI::App* verify;
  CLI::App* show;
  CLI::App* prove;
  CLI::App* audit;
  CLI::App* export_verb;
  CLI::App* open;
  CLI::App* witness;
};

struct Flags {
  LedgerFlags ledger;
  hilum::cli::ShowFlags show;
  hilum::cli::ProveFlags prove;
  hilum::cli::AnchorsFlags anchors;
  hilum::cli::MonitorFlags monitor;
  hilum::cli::WitnessFlags witness;
  hilum::cli::OpenFlags open;
  hilum::cli::AuditConsentFlags audit_consent;
  hilum::cli::AuditFlags audit;
  hilum::cli::ExportFlags export_flags;
  bool hashes_only = false;
  uint64_t round = 0;
};

absl::Status Run(const Verbs& verbs, Flags& all) {
  const LedgerFlags& flags = all.ledger;
  all.show.ledger = all.prove.ledger = all.anchors.ledger = all.open.ledger = flags;
  all.audit_consent.ledger = all.audit.ledger = all.export_flags.ledger = flags;
  if (verbs.verify->parsed()) return hilum::cli::RunVerify(flags, all.hashes_only);
  if (verbs.show->parsed()) return hilum::cli::RunShow(all.show);
  if (verbs.prove->parsed()) return hilum::cli::RunProve(all.prove);
  if (verbs.audit->parsed()) return hilum::cli::RunAudit(all.audit);
  if (verbs.audit_consent->parsed()) return hilum::cli::RunAuditConsent(all.audit_consent);
  if (verbs.export_verb->parsed()) return hilum::cli::RunExport(all.export_flags);
  if (verbs.open->parsed()) return hilum::cli::RunOpen(all.open);
  if (verbs.witness->parsed()) return hilum::cli::RunWitness(all.witness);
  if (verbs.anchors->parsed()) return hilum::cli::RunAnchors(all.anchors);
  if (verbs.monitor->parsed()) return hilum::cli::RunMonitor(all.monitor);
  return hilum::cli::RunFsck(flags);
}

}  // namespace

int main(int argc, char** argv) {
  hilum::cli::App app("hilum-ledger", "Verifies, shows and replays a federation's ledger");
  app.require_subcommand(1);
  Flags all;
  LedgerFlags& flags = all.ledger;
  hilum::cli::ShowFlags& show = all.show;
  hilum::cli::ProveFlags& prove = all.prove;
  Verbs verbs{};
  verbs.verify = AddVerb(app, flags, "verify", "Checks the whole log; exit code 3 when it fails");
  verbs.verify->add_flag("--hashes", all.hashes_only, "Tree, tiles and encoding only");
  verbs.show = AddStudyVerb(app, flags, "show", "Prints the entries of a verified log");
  verbs.show->add_option("ROUND", show.round, "Only entries of this round")
      ->check(hilum::cli::WholeNumber());
  verbs.show->add_option("--type", show.type, "Only this type, for example round-close");
  verbs.show->add_option("--site", show.site, "Only entries by, about or with this member");
  verbs.show->add_option("--since", show.since, "Only from 2026-11-24, or seconds since 1970");
  verbs.show->add_flag(
      "--cid", show.cid,
      "Also the IPFS alias (CIDv1) of each object that an entry names; reads them");
  verbs.prove = AddStudyVerb(app, flags, "prove", "Emits the .tlog-proof of one entry");
  verbs.prove->add_option("ROUND", prove.round, "The round whose round-close is proven")
      ->check(hilum::cli::WholeNumber());
  verbs.prove->add_option("--index", prove.index, "The entry with this index instead")
      ->check(hilum::cli::WholeNumber());
  verbs.prove->add_flag("--open", prove.open, "The round-open of ROUND instead");
  verbs.prove->add_option("--out", prove.out, "File to write instead of standard output");
  verbs.audit = AddAudit(app, flags, all.audit);
  verbs.export_verb = AddExport(app, flags, all.export_flags);
  verbs.audit_consent = AddAuditConsent(app, flags, all.audit_consent);
  verbs.open = AddOpen(app, flags, all.open);
  AddVerb(app, flags, "fsck", "Compares every served file and stored object; lists all damage");
  verbs.anchors =
      AddVerb(app, flags, "anchors", "Lists the receipts of outside authorities and verifies each");
  verbs.anchors->add_option("--ca", all.anchors.ca,
                            "The authority's certificates as you know them, PEM; without it the "
                            "copy beside the receipts: trust on first use");
  verbs.anchors->add_option("--tsa-policy", all.anchors.policy, "OID that every receipt must name");
  verbs.monitor = AddMonitor(app, all.monitor);
  verbs.witness = AddWitness(app, all.witness);
  return hilum::cli::RunApp(app, argc, argv, [&] { return Run(verbs, all); });
}
