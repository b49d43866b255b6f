#include "cli/dicom_inspect.h"

#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include <nlohmann/json.hpp>
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/bytes.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "cli/dicom_files.h"
#include "cli/output.h"
#include "crypto/hash.h"
#include "dicom/inspect.h"
#include "dicom/png.h"

namespace hilum::cli {
namespace {

using nlohmann::ordered_json;

struct Result {
  std::string file;
  dicom::InspectReport report;
  std::string stored_sha256;
};

Result InspectOne(const std::string& file, bool picture) {
  crypto::Sha256Stream hash;
  dicom::InspectOptions options;
  options.picture = picture;
  options.stored = [&](ByteView frame) { hash.Update(frame); };
  Result result{.file = file, .report = dicom::Inspect(file, options), .stored_sha256 = {}};
  if (result.report.status.ok()) result.stored_sha256 = ToHex(hash.Finish());
  return result;
}

template <class T>
ordered_json OrNull(const std::optional<T>& value) {
  return value ? ordered_json(*value) : ordered_json(nullptr);
}

ordered_json TextOrNull(const std::string& text) {
  return text.empty() ? ordered_json(nullptr) : ordered_json(text);
}

// Stored integers as integers, floats as they are.
ordered_json Number(const std::optional<double>& value) {
  if (!value) return nullptr;
  const int64_t whole = static_cast<int64_t>(*value);
  if (static_cast<double>(whole) == *value) return whole;
  return *value;
}

ordered_json ToJson(const Result& result) {
  const dicom::InspectReport& report = result.report;
  const bool ok = report.status.ok();
  ordered_json json;
  json["file"] = result.file;
  json["status"] = ok ? "ok" : "refused";
  json["reason"] = ok ? ordered_json(nullptr) : ordered_json(std::string(report.status.message()));
  json["transfer_syntax"] = TextOrNull(report.transfer_syntax);
  json["modality"] = TextOrNull(report.modality);
  json["rows"] = OrNull(report.rows);
  json["columns"] = OrNull(report.columns);
  json["frames"] = OrNull(report.frames);
  json["bits_stored"] = OrNull(report.bits_stored);
  json["signed"] = OrNull(report.is_signed);
  json["min"] = Number(report.min);
  json["max"] = Number(report.max);
  json["mean"] = OrNull(report.mean);
  json["stored_sha256"] = TextOrNull(result.stored_sha256);
  json["unit"] = TextOrNull(report.unit);
  json["spacing_mm"] = OrNull(report.spacing_mm);
  if (!report.warnings.empty()) json["warnings"] = report.warnings;
  return json;
}

std::string OrDash(const std::optional<double>& value) {
  return value ? absl::StrFormat("%.6g", *value) : "-";
}

void PrintTable(const std::vector<Result>& results) {
  Table table({"file", "status", "modality", "columns", "rows", "frames", "bits", "min", "max",
               "mean", "unit", "syntax"});
  for (const auto& [file, report, hash] : results) {
    const auto count = [](const auto& value) { return value ? absl::StrCat(*value) : "-"; };
    table.AddRow({std::filesystem::path(file).filename(), report.status.ok() ? "ok" : "refused",
                  report.modality, count(report.columns), count(report.rows), count(report.frames),
                  count(report.bits_stored), OrDash(report.min), OrDash(report.max),
                  OrDash(report.mean), report.unit, report.transfer_syntax});
  }
  Print(table.ToString());
  for (const auto& [file, report, hash] : results) {
    if (!report.status.ok()) {
      Print(absl::StrCat(Printable(file), ": ", report.status.message(), "\n"));
    }
    for (const std::string& warning : report.warnings) {
      Print(absl::StrCat(Printable(file), ": note: ", warning, "\n"));
    }
  }
}

// Writes the picture of a file that has one. InvalidArgument: it has none.
absl::Status WritePicture(const Result& result, const std::filesystem::path& path) {
  if (!result.report.picture) return result.report.picture_status;
  return dicom::WritePng(path, *result.report.picture);
}

// Names the pictures of one run; files of the same name get NAME.png, NAME-2.png, NAME-3.png.
class PictureNames {
 public:
  std::filesystem::path Next(const std::filesystem::path& file) {
    std::string name = absl::StrCat(file.filename().string(), ".png");
    for (int n = 2; !taken_.insert(name).second; ++n) {
      name = absl::StrCat(file.filename().string(), "-", n, ".png");
    }
    return name;
  }

 private:
  std::set<std::string> taken_;
};

absl::Status Verdict(int n_refused, int n_without_picture, size_t n_files) {
  if (n_refused > 0) {
    return absl::AbortedError(
        absl::StrCat(n_refused, " of ", n_files, " files refused; the reasons are above"));
  }
  if (n_without_picture > 0) {
    return absl::AbortedError(absl::StrCat(n_without_picture, " of ", n_files,
                                           " files gave no picture; the reasons are above"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status RunInspect(const InspectFlags& flags) {
  HILUM_ASSIGN_OR_RETURN(const std::vector<std::string> files, FilesOf(flags.files));
  const bool several = files.size() > 1;
  if (several && !flags.png.empty()) HILUM_RETURN_IF_ERROR(MakeFolder(flags.png));
  std::vector<Result> results;
  ordered_json documents = ordered_json::array();
  PictureNames pictures;
  int n_refused = 0;
  int n_without_picture = 0;
  for (const std::string& file : files) {
    Result result = InspectOne(file, !flags.png.empty());
    if (!result.report.status.ok()) ++n_refused;
    if (!flags.png.empty() && result.report.status.ok()) {
      const std::filesystem::path path(flags.png);
      const absl::Status written =
          WritePicture(result, several ? path / pictures.Next(file) : path);
      if (!written.ok()) {
        ++n_without_picture;
        Fail(absl::Status(written.code(), absl::StrCat(Printable(file), ": ", written.message())));
      }
    }
    result.report.picture.reset();  // many large films must not stay in memory
    documents.push_back(ToJson(result));
    results.push_back(std::move(result));
  }
  if (flags.json) {
    PrintJson(several ? documents : documents[0]);
  } else {
    PrintTable(results);
  }
  return Verdict(n_refused, n_without_picture, files.size());
}

}  // namespace hilum::cli
