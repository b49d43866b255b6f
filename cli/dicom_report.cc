#include "cli/dicom_report.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include <nlohmann/json.hpp>
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/bytes.h"
#include "base/cores.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "cli/dicom_files.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "dicom/profile.h"
#include "dicom/refusal.h"
#include "dicom/worker.h"

namespace hilum::cli {
namespace {

using nlohmann::ordered_json;

// Rows of a list that a person reads; all stand in the JSON and in --list.
constexpr size_t kRowLimit = 40;

struct Judged {
  std::string code;      // "" when the profile takes the file
  std::string reason;    // of a refusal
  std::string branches;  // of a film that was taken
};

struct Summary {
  size_t n_taken = 0;
  size_t n_quarantined = 0;
  std::map<std::string, size_t> by_code;
  std::map<std::string, size_t> by_branch;  // "voi=window" and flags that are set, as "lossy=1"
};

Judged JudgeOne(dicom::WorkerPool& pool, const std::string& file, const dicom::Profile& profile,
                absl::Status& trouble) {
  // Nothing that names the patient is kept.
  const dicom::Pseudonym nobody = [](absl::string_view, absl::string_view) { return "-"; };
  const absl::StatusOr<dicom::PixelVolume> volume = pool.Read(file, profile, nobody);
  if (volume.ok()) return {.code = "", .reason = "", .branches = volume->branches().ToText()};
  if (absl::IsUnavailable(volume.status())) trouble = volume.status();
  Judged judged{.code = std::string(dicom::CodeOf(volume.status())), .reason = "", .branches = ""};
  absl::string_view reason = volume.status().message();
  absl::ConsumePrefix(&reason, absl::StrCat(judged.code, ": "));
  judged.reason = std::string(reason);
  if (judged.code.empty()) judged.code = "FILE";
  return judged;
}

// In the order of `files`. Stops at the first trouble that is no fault of a file.
absl::StatusOr<std::vector<Judged>> JudgeAll(const std::vector<std::string>& files,
                                             const dicom::Profile& profile, int n_threads) {
  dicom::WorkerPool pool;
  std::vector<Judged> judged(files.size());
  Progress bar(ProgressOptions{"Reading files", "files", files.size()});
  std::atomic<size_t> next = 0;
  std::mutex mutex;
  size_t n_done = 0;
  absl::Status trouble;
  const auto work = [&] {
    for (size_t i = next++; i < files.size(); i = next++) {
      absl::Status of_file;
      judged[i] = JudgeOne(pool, files[i], profile, of_file);
      const std::lock_guard lock(mutex);
      trouble.Update(of_file);
      if (!trouble.ok()) next = files.size();
      bar.Set(++n_done);
    }
  };
  std::vector<std::thread> threads;
  for (int i = 1; i < n_threads; ++i) threads.emplace_back(work);
  work();
  for (std::thread& thread : threads) thread.join();
  HILUM_RETURN_IF_ERROR(trouble);
  return judged;
}

Summary Summarise(const std::vector<Judged>& judged) {
  Summary summary;
  for (const Judged& one : judged) {
    summary.n_taken += one.code.empty();
    summary.n_quarantined += dicom::IsQuarantine(one.code);
    if (!one.code.empty()) ++summary.by_code[one.code];
    for (const absl::string_view branch : absl::StrSplit(one.branches, ' ', absl::SkipEmpty())) {
      if (!absl::EndsWith(branch, "=0")) ++summary.by_branch[std::string(branch)];
    }
  }
  return summary;
}

ordered_json ToJson(const std::vector<std::string>& files, const std::vector<Judged>& judged,
                    const Summary& summary, const std::string& profile) {
  ordered_json refused = ordered_json::array();
  for (size_t i = 0; i < files.size(); ++i) {
    if (judged[i].code.empty()) continue;
    refused.push_back({{"file", files[i]},
                       {"code", judged[i].code},
                       {"reason", judged[i].reason},
                       {"quarantined", dicom::IsQuarantine(judged[i].code)}});
  }
  ordered_json codes = ordered_json::object();
  for (const auto& [code, n] : summary.by_code) {
    codes[code] = {{"files", n}, {"advice", std::string(dicom::AdviceOn(code))}};
  }
  return {{"profile", profile},
          {"files", files.size()},
          {"taken", summary.n_taken},
          {"refused", files.size() - summary.n_taken},
          {"quarantined", summary.n_quarantined},
          {"codes", codes},
          {"branches", summary.by_branch},
          {"refused_files", refused}};
}

std::string Share(size_t n, size_t of) {
  return absl::StrFormat("%.1f %%",
                         of == 0 ? 0.0 : 100.0 * static_cast<double>(n) / static_cast<double>(of));
}

void PrintText(const std::vector<std::string>& files, const std::vector<Judged>& judged,
               const Summary& summary) {
  if (!summary.by_code.empty()) {
    Table codes({"code", "files", "share", "what to do"});
    for (const auto& [code, n] : summary.by_code) {
      codes.AddRow(
          {code, absl::StrCat(n), Share(n, files.size()), std::string(dicom::AdviceOn(code))});
    }
    Print(codes.ToString() + "\n");
  }
  if (summary.n_quarantined > 0) {
    Table quarantine({"quarantined file", "code", "reason"});
    size_t n_shown = 0;
    for (size_t i = 0; i < files.size() && n_shown < kRowLimit; ++i) {
      if (!dicom::IsQuarantine(judged[i].code)) continue;
      ++n_shown;
      quarantine.AddRow({files[i], judged[i].code, judged[i].reason});
    }
    Print(quarantine.ToString());
    if (summary.n_quarantined > n_shown) {
      Print(absl::StrCat("... and ", summary.n_quarantined - n_shown,
                         " more; --list and --json name all\n"));
    }
    Print("\n");
  }
  if (!summary.by_branch.empty()) {
    Table branches({"choice that headers forced", "films", "share of the taken"});
    for (const auto& [branch, n] : summary.by_branch) {
      branches.AddRow({branch, absl::StrCat(n), Share(n, summary.n_taken)});
    }
    Print(branches.ToString() + "\n");
  }
  Print(absl::StrCat(summary.n_taken, " of ", files.size(), " files taken, ",
                     files.size() - summary.n_taken, " refused, of these ", summary.n_quarantined,
                     " quarantined\n"));
}

// A cell of RFC 4180. A spreadsheet must not take a file's name for a formula.
std::string Cell(const std::string& text) {
  const bool formula = !text.empty() && absl::StrContains("=+-@\t\r", text.substr(0, 1));
  return absl::StrCat("\"", formula ? "'" : "", absl::StrReplaceAll(text, {{"\"", "\"\""}}), "\"");
}

absl::Status WriteList(const std::string& path, const std::vector<std::string>& files,
                       const std::vector<Judged>& judged) {
  std::string csv = "file,code,quarantined,reason,advice\n";
  for (size_t i = 0; i < files.size(); ++i) {
    const Judged& one = judged[i];
    if (one.code.empty()) continue;
    absl::StrAppend(&csv, Cell(files[i]), ",", one.code, ",",
                    dicom::IsQuarantine(one.code) ? "yes" : "no", ",", Cell(one.reason), ",",
                    Cell(std::string(dicom::AdviceOn(one.code))), "\n");
  }
  return WriteFileDurably(path, AsBytes(csv), FileMode::kPrivate);
}

}  // namespace

absl::Status RunReport(const ReportFlags& flags) {
  HILUM_ASSIGN_OR_RETURN(const dicom::Profile profile, dicom::FindProfile(flags.profile));
  HILUM_ASSIGN_OR_RETURN(const std::vector<std::string> files, FilesOf(flags.files));
  const int n_threads = flags.threads > 0 ? flags.threads : UsableCores();
  HILUM_ASSIGN_OR_RETURN(const std::vector<Judged> judged, JudgeAll(files, profile, n_threads));
  const Summary summary = Summarise(judged);
  if (!flags.list.empty()) HILUM_RETURN_IF_ERROR(WriteList(flags.list, files, judged));
  if (flags.json) {
    PrintJson(ToJson(files, judged, summary, profile.name));
  } else {
    PrintText(files, judged, summary);
  }
  return absl::OkStatus();
}

}  // namespace hilum::cli
