// hilum-infer: a proven model on films.
#include "cli/cli11_status.h"
#include "cli/infer_run.h"
#include "cli/infer_trust.h"

int main(int argc, char** argv) {
  hilum::cli::App app(
      "hilum-infer",
      "Applies a released model to films, after checking its ledger proof:\n"
      "hilum infer FILM.dcm --model DIR --site SITE --out OUT\n"
      "A film that it does not take gets a result too, `abstained` with the reason, "
      "and exit code 0");
  hilum::cli::InferFlags flags;
  app.add_option("PATH", flags.paths, "DICOM films, or folders of them")->required();
  app.add_option("--model", flags.model, "Released model folder (hilum job model)")->required();
  app.add_option("--out", flags.out, "Folder for result.json and overlay.png of each film")
      ->required();
  app.add_option(
      "--reference", flags.reference,
      "Folder of the site's own frontal chest films, of 80 patients or more: images that "
      "are unlike them are refused");
  hilum::cli::AddTrust(&app, flags.trust);
  app.add_flag("--no-overlay", flags.no_overlay, "No pictures of where the network looked");
  app.add_flag("--json", flags.json, "One JSON document: an object for one film, else an array");
  return hilum::cli::RunApp(app, argc, argv, [&] { return hilum::cli::RunInfer(flags); });
}
