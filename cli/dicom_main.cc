// hilum-dicom: what the reader sees in DICOM files.
#include "cli/cli11_status.h"
#include "cli/dicom_inspect.h"

int main(int argc, char** argv) {
  hilum::cli::App app("hilum-dicom", "What Hilum's reader sees in DICOM files");
  app.require_subcommand(1);
  hilum::cli::InspectFlags flags;
  CLI::App* const inspect = app.add_subcommand(
      "inspect",
      "Prints size, depth, stored values and their SHA-256 of each file, or why it is refused. "
      "A refused file does not end the run; it makes the exit code 1");
  inspect->add_option("FILE", flags.files, "DICOM files, or folders of them")->required();
  inspect->add_option("--png", flags.png,
                      "Writes the 8-bit image after modality and VOI stages; with several files "
                      "this is a folder for NAME.png, NAME-2.png where names repeat");
  inspect->add_flag("--json", flags.json,
                    "One JSON document: an object for one file, else an array");
  return hilum::cli::RunApp(app, argc, argv, [&] { return hilum::cli::RunInspect(flags); });
}
