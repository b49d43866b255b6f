#include "cli/dicom_series.h"

#include <algorithm>
#include <map>
#include <utility>

#include <nlohmann/json.hpp>
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "cli/dicom_files.h"
#include "cli/output.h"
#include "dicom/ct.h"
#include "dicom/refusal.h"

namespace hilum::cli {
namespace {

using nlohmann::ordered_json;

struct Slices {
  std::vector<dicom::CtFile> files;
  std::map<std::string, int64_t> refused;  // by code
};

absl::StatusOr<Slices> ReadSlices(const std::vector<std::string>& files, bool reviewed) {
  Slices slices;
  int64_t n_voxels = 0;
  size_t n_slices = 0;
  for (const std::string& file : files) {
    const absl::StatusOr<Bytes> bytes = ReadFile(file, dicom::GateLimits{}.file_bytes);
    if (!bytes.ok()) {
      ++slices.refused["FILE"];
      continue;
    }
    absl::StatusOr<dicom::CtFile> ct = dicom::ReadCtFile(*bytes, {.reviewed_for_text = reviewed});
    if (!ct.ok()) {
      const std::string code(dicom::CodeOf(ct.status()));
      ++slices.refused[code.empty() ? "FILE" : code];
      continue;
    }
    n_slices += ct->slices.size();
    for (const dicom::CtSlice& slice : ct->slices) {
      n_voxels += static_cast<int64_t>(slice.hu.size());
    }
    // Slices are compared pair by pair when they are put in place.
    if (n_voxels > dicom::kVoxelLimit || n_slices > dicom::kSliceLimit) {
      return absl::ResourceExhaustedError(
          absl::StrCat("the files hold more than ", dicom::kVoxelLimit, " voxels or ",
                       dicom::kSliceLimit, " slices; name fewer of them, for example one study."));
    }
    slices.files.push_back(*std::move(ct));
  }
  return slices;
}

ordered_json ToJson(const absl::StatusOr<dicom::CtVolume>& volume) {
  if (!volume.ok()) {
    return {{"status", "refused"}, {"reason", std::string(volume.status().message())}};
  }
  const dicom::SeriesGeometry& geometry = volume->geometry();
  const auto [low, high] = std::minmax_element(volume->values().begin(), volume->values().end());
  return {{"status", "ok"},
          {"slices", volume->shape()[0]},
          {"rows", volume->shape()[1]},
          {"columns", volume->shape()[2]},
          {"spacing_mm", geometry.spacing_mm},
          {"regular", geometry.is_regular},
          {"gaps", geometry.n_gaps},
          {"copies", geometry.n_copies},
          {"tilt_deg", geometry.tilt_deg},
          {"affine", geometry.affine},
          {"min_hu", *low},
          {"max_hu", *high},
          {"lossy", volume->is_lossy()}};
}

void PrintText(const dicom::CtSet& set, const Slices& slices) {
  Table table({"series", "slices", "rows", "columns", "step mm", "tilt deg", "HU", "notes"});
  std::string reasons;
  for (size_t i = 0; i < set.volumes.size(); ++i) {
    const absl::StatusOr<dicom::CtVolume>& volume = set.volumes[i];
    const std::string number = absl::StrCat(i + 1);
    if (!volume.ok()) {
      absl::StrAppend(&reasons, "series ", number, ": ", volume.status().message(), "\n");
      continue;
    }
    const dicom::SeriesGeometry& geometry = volume->geometry();
    const auto [low, high] = std::minmax_element(volume->values().begin(), volume->values().end());
    const std::string notes =
        absl::StrCat(geometry.is_regular ? "" : "uneven ", geometry.n_gaps > 0 ? "gaps " : "",
                     geometry.n_copies > 0 ? "copies " : "", volume->is_lossy() ? "lossy" : "");
    table.AddRow({number, absl::StrCat(volume->shape()[0]), absl::StrCat(volume->shape()[1]),
                  absl::StrCat(volume->shape()[2]), absl::StrFormat("%.4g", geometry.spacing_mm),
                  absl::StrFormat("%.2f", geometry.tilt_deg),
                  absl::StrFormat("%.6g to %.6g", *low, *high), notes});
  }
  if (!set.volumes.empty()) Print(table.ToString() + reasons);
  if (set.n_localizers > 0) Print(absl::StrCat(set.n_localizers, " localizers left out\n"));
  for (const auto& [code, n] : slices.refused) {
    Print(absl::StrCat(n, " files refused as ", code, ": ", dicom::AdviceOn(code), "\n"));
  }
}

absl::Status Verdict(const dicom::CtSet& set) {
  if (set.volumes.empty()) return absl::AbortedError("no file is a CT slice");
  const auto n = std::count_if(set.volumes.begin(), set.volumes.end(),
                               [](const auto& volume) { return !volume.ok(); });
  if (n == 0) return absl::OkStatus();
  return absl::AbortedError(
      absl::StrCat(n, " of ", set.volumes.size(), " series are no volumes; the reasons are above"));
}

}  // namespace

absl::Status RunSeries(const SeriesFlags& flags) {
  HILUM_ASSIGN_OR_RETURN(const std::vector<std::string> files, FilesOf(flags.files));
  HILUM_ASSIGN_OR_RETURN(Slices slices, ReadSlices(files, flags.reviewed));
  const dicom::Pseudonym nobody = [](absl::string_view, absl::string_view) { return "-"; };
  const dicom::CtSet set = dicom::AssembleCt(
      std::exchange(slices.files, {}), nobody,
      {.allow_gaps = flags.allow_gaps, .thickness_limit_mm = flags.thickness_limit_mm});
  if (flags.json) {
    ordered_json volumes = ordered_json::array();
    for (const auto& volume : set.volumes) volumes.push_back(ToJson(volume));
    PrintJson({{"volumes", volumes},
               {"localizers", set.n_localizers},
               {"refused_files", slices.refused}});
  } else {
    PrintText(set, slices);
  }
  return Verdict(set);
}

}  // namespace hilum::cli
