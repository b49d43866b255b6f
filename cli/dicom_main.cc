// hilum-dicom: what the reader sees in DICOM files.
#include "cli/cli11_status.h"
#include "cli/dicom_deidentify.h"
#include "cli/dicom_inspect.h"
#include "cli/dicom_report.h"
#include "cli/dicom_series.h"

namespace {

using namespace hilum::cli;  // NOLINT: a main program

CLI::App* AddInspect(App& app, InspectFlags& flags) {
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
  return inspect;
}

CLI::App* AddReport(App& app, ReportFlags& flags) {
  CLI::App* const report = app.add_subcommand(
      "report",
      "Says which files a profile takes, counts the others by reason with what to do about each, "
      "and lists those that wait for a person. Refused files do not fail it");
  report->add_option("FILE", flags.files, "DICOM files, or folders of them")->required();
  report->add_option("--profile", flags.profile, "The recipe of a model: cxr96 to cxr480");
  report->add_option("--list", flags.list, "Writes all refused files to this CSV file");
  report->add_option("--threads", flags.threads, "Files read at a time; 0: one a core")
      ->check(CLI::Range(0, 256));
  report->add_flag("--json", flags.json, "One JSON document");
  return report;
}

CLI::App* AddSeries(App& app, SeriesFlags& flags) {
  CLI::App* const series = app.add_subcommand("series",
                                              "Puts the CT slices of a folder in place by their "
                                              "positions: size, spacing, tilt and range in "
                                              "HU of each volume, or why it is none");
  series->add_option("FILE", flags.files, "DICOM files, or folders of them")->required();
  series->add_option("--thickness", flags.thickness_limit_mm, "The thickest slice taken, in mm")
      ->check(CLI::Range(0.1, 100.0));
  series->add_flag("--allow-gaps", flags.allow_gaps, "Takes series with missing slices");
  series->add_flag("--reviewed", flags.reviewed,
                   "A person has looked at all of these images and found no text in them");
  series->add_flag("--json", flags.json, "One JSON document");
  return series;
}

CLI::App* AddDeidentify(App& app, DeidentifyFlags& flags) {
  CLI::App* const deidentify = app.add_subcommand(
      "deidentify",
      "Writes copies that name nobody (PS3.15 annex E) as OUT/000001.dcm, ..., and says what was "
      "taken out, by attribute. Pixels stay as they are");
  deidentify->add_option("FILE", flags.files, "DICOM files, or folders of them")->required();
  deidentify->add_option("--out", flags.out, "The folder of the copies")->required();
  deidentify
      ->add_option("--key", flags.key,
                   "The site's key for identifiers and dates; made when it is not there. "
                   "Whoever has it can find the patients")
      ->required();
  deidentify->add_flag("--reviewed", flags.reviewed,
                       "A person has looked at all of these images and found no text in them");
  deidentify->add_flag("--json", flags.json, "One JSON document");
  return deidentify;
}

}  // namespace

int main(int argc, char** argv) {
  App app("hilum-dicom", "What Hilum's reader sees in DICOM files");
  app.require_subcommand(1);
  DeidentifyFlags deidentify_flags;
  InspectFlags inspect_flags;
  ReportFlags report_flags;
  SeriesFlags series_flags;
  const CLI::App* const deidentify = AddDeidentify(app, deidentify_flags);
  AddInspect(app, inspect_flags);
  const CLI::App* const report = AddReport(app, report_flags);
  const CLI::App* const series = AddSeries(app, series_flags);
  return RunApp(app, argc, argv, [&] {
    if (series->parsed()) return RunSeries(series_flags);
    if (deidentify->parsed()) return RunDeidentify(deidentify_flags);
    return report->parsed() ? RunReport(report_flags) : RunInspect(inspect_flags);
  });
}
