#include "cli/infer_run.h"

#include <algorithm>
#include <cstdio>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "base/version.h"
#include "cli/infer_trust.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "client/infer.h"
#include "client/local_layers.h"

namespace hilum::cli {
namespace {

// Folders become the files below them.
absl::StatusOr<std::vector<fs::path>> FilmsOf(const std::vector<std::string>& paths) {
  std::vector<fs::path> films;
  for (const std::string& path : paths) {
    std::error_code error;
    if (!fs::exists(path, error)) {
      return absl::NotFoundError(absl::StrCat("there is no file or folder ", path));
    }
    if (!fs::is_directory(path, error)) {
      films.emplace_back(path);
      continue;
    }
    std::vector<fs::path> found;
    for (const auto& item : fs::recursive_directory_iterator(path, error)) {
      if (item.is_regular_file(error)) found.push_back(item.path());
    }
    std::sort(found.begin(), found.end());
    if (found.empty()) {
      return absl::NotFoundError(absl::StrCat("the folder ", path, " holds no file"));
    }
    films.insert(films.end(), found.begin(), found.end());
  }
  return films;
}

// A folder name for each film: its own, and a number where two films share one.
class Names {
 public:
  std::string Of(const fs::path& film) {
    const std::string stem = film.stem().string();
    const int n = ++seen_[stem];
    return n == 1 ? stem : absl::StrCat(stem, "-", n);
  }

 private:
  std::map<std::string, int> seen_;
};

void AddRow(const client::Finding& finding, Table& table) {
  std::vector<std::string> parts;
  for (const auto& [name, value] : finding.probabilities) {
    char text[80];
    std::snprintf(text, sizeof text, "%s %.3f", name.substr(0, 60).c_str(), value);
    parts.push_back(text);
  }
  table.AddRow(
      {fs::path(finding.file).filename().string(),
       finding.abstained ? absl::StrCat("abstains: ", finding.code) : absl::StrJoin(parts, ", "),
       finding.abstained ? finding.reason : absl::StrJoin(finding.flags, " ")});
}

}  // namespace

absl::Status RunInfer(const InferFlags& flags) {
  std::error_code error;
  if (fs::exists(flags.out, error) && !fs::is_directory(flags.out, error)) {
    return absl::InvalidArgumentError(
        absl::StrCat("--out ", flags.out, " is a file; name a folder for the results"));
  }
  HILUM_ASSIGN_OR_RETURN(const client::VerifiedModel model, ReadRelease(flags.model, flags.trust));
  HILUM_ASSIGN_OR_RETURN(const std::vector<float> layers,
                         client::LayersFor(model, flags.trust.site));
  HILUM_ASSIGN_OR_RETURN(client::Clinic clinic, client::Clinic::Open(model, layers));
  HILUM_ASSIGN_OR_RETURN(const std::vector<fs::path> films, FilmsOf(flags.paths));
  if (!flags.reference.empty()) HILUM_RETURN_IF_ERROR(clinic.UseReference(flags.reference));
  nlohmann::ordered_json results = nlohmann::ordered_json::array();
  Table table({"film", "finding", "notes"});
  Names names;
  Progress progress({"Inference", "films", films.size()});
  for (const fs::path& film : films) {
    HILUM_ASSIGN_OR_RETURN(const client::Finding finding, clinic.Infer(film, !flags.no_overlay));
    HILUM_ASSIGN_OR_RETURN(
        const std::string json,
        client::WriteResult(finding, model, flags.model, fs::path(flags.out) / names.Of(film)));
    results.push_back(nlohmann::ordered_json::parse(json));
    AddRow(finding, table);
    progress.Add();
  }
  if (flags.json) {
    PrintJson(results.size() == 1 ? results[0] : results);
    return absl::OkStatus();
  }
  Print(absl::StrCat(table.ToString(), "model ", model.job(), ", round ", model.round(),
                     ", proven by entry ", model.entry_index(), " of ", model.origin(), "\n",
                     flags.reference.empty()
                         ? "No gate: anything that claims to be a chest film gets probabilities; "
                           "--reference DIR makes one of the site's own films.\n"
                         : "",
                     "results in ", flags.out, "\n", kResearchUseOnly, "\n"));
  return absl::OkStatus();
}

}  // namespace hilum::cli
