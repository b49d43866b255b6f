// hilum-infer: a proven model on films.
#include "cli/cli11_status.h"
#include "cli/infer_run.h"

int main(int argc, char** argv) {
  hilum::cli::App app("hilum-infer",
                      "Applies a released model to films, after checking its ledger proof");
  hilum::cli::InferFlags flags;
  app.add_option("PATH", flags.paths, "DICOM films, or folders of them")->required();
  app.add_option("--model", flags.model, "Released model folder (hilum job model)")->required();
  app.add_option("--out", flags.out, "Folder for result.json and overlay.png of each film")
      ->required();
  app.add_option("--site", flags.trust.site,
                 "Believe the ledger that this site's folder has pinned");
  app.add_option("--policy", flags.trust.policy,
                 "Believe this tlog-policy file (default: $HILUM_POLICY)")
      ->envname("HILUM_POLICY");
  app.add_option("--trust-log", flags.trust.trust_log, "Believe the log of this vkey");
  app.add_option("--entry-key", flags.trust.entry_key,
                 "The aggregator's entry key, base64; with --policy or --trust-log");
  app.add_flag("--no-overlay", flags.no_overlay, "No pictures of where the network looked");
  app.add_flag("--json", flags.json, "One JSON document: an object for one film, else an array");
  return hilum::cli::RunApp(app, argc, argv, [&] { return hilum::cli::RunInfer(flags); });
}
