// hilum-ledger: what an auditor asks a federation's ledger, without asking anybody.
#include "cli/cli11_status.h"
#include "cli/ledger_audit.h"
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

struct Verbs {
  CLI::App* verify;
  CLI::App* show;
  CLI::App* prove;
  CLI::App* audit;
  CLI::App* export_verb;
  CLI::App* open;
  CLI::App* witness;
};

absl::Status Run(const Verbs& verbs, LedgerFlags& flags, hilum::cli::ShowFlags& show,
                 hilum::cli::ProveFlags& prove, const hilum::cli::WitnessFlags& witness,
                 hilum::cli::OpenFlags& open, bool hashes_only, uint64_t round,
                 const std::string& out) {
  show.ledger = prove.ledger = open.ledger = flags;
  if (verbs.verify->parsed()) return hilum::cli::RunVerify(flags, hashes_only);
  if (verbs.show->parsed()) return hilum::cli::RunShow(show);
  if (verbs.prove->parsed()) return hilum::cli::RunProve(prove);
  if (verbs.audit->parsed()) return hilum::cli::RunAudit(flags, round);
  if (verbs.export_verb->parsed()) return hilum::cli::RunExport(flags, round, out);
  if (verbs.open->parsed()) return hilum::cli::RunOpen(open);
  if (verbs.witness->parsed()) return hilum::cli::RunWitness(witness);
  return hilum::cli::RunFsck(flags);
}

}  // namespace

int main(int argc, char** argv) {
  hilum::cli::App app("hilum-ledger", "Verifies, shows and replays a federation's ledger");
  app.require_subcommand(1);
  LedgerFlags flags;
  hilum::cli::ShowFlags show;
  hilum::cli::ProveFlags prove;
  hilum::cli::WitnessFlags witness;
  hilum::cli::OpenFlags open;
  bool hashes_only = false;
  uint64_t round = 0;
  std::string out;
  Verbs verbs{};
  verbs.verify = AddVerb(app, flags, "verify", "Checks the whole log; exit code 3 when it fails");
  verbs.verify->add_flag("--hashes", hashes_only, "Tree, tiles and encoding only");
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
  verbs.audit =
      AddStudyVerb(app, flags, "audit", "Computes a round again and compares it, bit for bit");
  verbs.audit->add_option("ROUND", round, "The round")
      ->check(hilum::cli::WholeNumber())
      ->required();
  verbs.export_verb = AddStudyVerb(app, flags, "export",
                                   "Writes all that `audit` needs of a round into one folder");
  verbs.export_verb->add_option("ROUND", round, "The round")
      ->check(hilum::cli::WholeNumber())
      ->required();
  verbs.export_verb->add_option("--out", out, "New folder")->required();
  verbs.open = AddOpen(app, flags, open);
  AddVerb(app, flags, "fsck", "Compares every served file and stored object; lists all damage");
  verbs.witness = AddWitness(app, witness);
  return hilum::cli::RunApp(app, argc, argv, [&] {
    return Run(verbs, flags, show, prove, witness, open, hashes_only, round, out);
  });
}
