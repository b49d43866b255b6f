#include "cli/dicom_deidentify.h"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <map>
#include <utility>

#include <nlohmann/json.hpp>
#include "absl/numeric/int128.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "cli/dicom_files.h"
#include "cli/output.h"
#include "crypto/mac.h"
#include "crypto/random.h"
#include "dicom/refusal.h"

namespace hilum::cli {
namespace {

using nlohmann::ordered_json;

constexpr uint64_t kKeyFileBytes = 65;  // 64 hexadecimal digits and a line end
constexpr int kMostDays = 365;

Digest Keyed(const Bytes& key, absl::string_view label, absl::string_view value) {
  Bytes message;
  AppendText(message, label);
  AppendU8(message, 0);
  AppendText(message, value);
  return crypto::HmacSha256(key, message);
}

// The first 128 bits, in decimal digits.
std::string Decimal128(const Digest& digest) {
  absl::uint128 number = 0;
  for (size_t i = 0; i < 16; ++i) number = number << 8 | digest[i];
  std::string digits;
  do {
    digits.push_back(static_cast<char>('0' + static_cast<int>(absl::Uint128Low64(number % 10))));
    number /= 10;
  } while (number != 0);
  std::reverse(digits.begin(), digits.end());
  return digits;
}

absl::StatusOr<Bytes> OpenKey(const fs::path& path) {
  std::error_code error;
  if (!fs::exists(path, error)) {
    const auto key = crypto::RandomArray<32>();
    const std::string text = ToHex(key) + "\n";
    HILUM_RETURN_IF_ERROR(WriteFileDurably(path, AsBytes(text), FileMode::kPrivate));
    return Bytes(key.begin(), key.end());
  }
  constexpr fs::perms kOthers = fs::perms::group_all | fs::perms::others_all;
  if ((fs::status(path, error).permissions() & kOthers) != fs::perms::none) {
    return absl::PermissionDeniedError(absl::StrCat("others than its owner may use the key ",
                                                    path.string(), "; set its mode to 0600."));
  }
  HILUM_ASSIGN_OR_RETURN(const std::string text, ReadTextFile(path, kKeyFileBytes));
  const absl::StatusOr<Digest> key = DigestFromHex(absl::string_view(text).substr(0, 64));
  if (key.ok() && text.size() == kKeyFileBytes && text.back() == '\n') {
    return Bytes(key->begin(), key->end());
  }
  return absl::DataLossError(
      absl::StrCat("the key ", path.string(), " is not 64 hexadecimal digits and a line end."));
}

// Sums over files.
struct Totals {
  std::map<std::string, std::map<std::string, int64_t>> by_action;
  int64_t n_private = 0;
  void Add(const dicom::DeidentifyReport& report) {
    const auto add = [&](const char* action, const std::map<std::string, int64_t>& counts) {
      for (const auto& [tag, n] : counts) by_action[action][tag] += n;
    };
    add("removed", report.removed);
    add("emptied", report.emptied);
    add("replaced", report.replaced);
    add("shifted", report.shifted);
    add("scrubbed", report.scrubbed);
    n_private += report.n_private;
  }
};

struct Copy {
  std::string file;
  std::string copy;  // "" when refused
  std::string reason;
  bool pixels_clean = false;
};

absl::StatusOr<Copy> CopyOne(const std::string& file, const fs::path& to,
                             const dicom::SiteKeys& keys, bool reviewed, Totals& totals) {
  Copy copy{.file = file, .copy = "", .reason = ""};
  const absl::StatusOr<Bytes> bytes = ReadFile(file, dicom::GateLimits{}.file_bytes);
  if (!bytes.ok()) {
    copy.reason = "FILE: the file cannot be read";
    return copy;
  }
  const absl::StatusOr<dicom::DeidentifiedFile> clean =
      dicom::Deidentify(*bytes, keys, {.reviewed_for_text = reviewed});
  if (!clean.ok()) {
    copy.reason = std::string(clean.status().message());
    return copy;
  }
  HILUM_RETURN_IF_ERROR(WriteFileDurably(to, clean->bytes, FileMode::kPrivate));
  totals.Add(clean->report);
  copy.copy = to.string();
  copy.pixels_clean = clean->report.pixels_clean;
  return copy;
}

ordered_json ToJson(const std::vector<Copy>& copies, const Totals& totals) {
  ordered_json files = ordered_json::array();
  for (const Copy& copy : copies) {
    const bool ok = !copy.copy.empty();
    files.push_back({{"file", copy.file},
                     {"copy", ok ? ordered_json(copy.copy) : ordered_json(nullptr)},
                     {"reason", ok ? ordered_json(nullptr) : ordered_json(copy.reason)},
                     {"pixels_clean", copy.pixels_clean}});
  }
  return {{"files", files}, {"actions", totals.by_action}, {"private_removed", totals.n_private}};
}

void PrintText(const std::vector<Copy>& copies, const Totals& totals, size_t n_refused) {
  Table table({"attribute", "done", "times"});
  for (const auto& [action, counts] : totals.by_action) {
    for (const auto& [tag, n] : counts) table.AddRow({tag, action, absl::StrCat(n)});
  }
  Print(table.ToString());
  for (const Copy& copy : copies) {
    if (copy.copy.empty()) Print(absl::StrCat(Printable(copy.file), ": ", copy.reason, "\n"));
  }
  Print(absl::StrCat(copies.size() - n_refused, " of ", copies.size(), " files copied, ",
                     totals.n_private, " private attributes removed\n"));
}

// A copy must not take the place of a file that is still to be read.
absl::Status CheckApart(const std::vector<std::string>& files, const fs::path& out) {
  for (const std::string& file : files) {
    std::error_code ignored;
    const fs::path folder = fs::absolute(file, ignored).parent_path();
    if (fs::equivalent(folder, out, ignored)) {
      return absl::InvalidArgumentError(absl::StrCat(
          Printable(out.string()), " holds files that are to be copied; name another folder."));
    }
  }
  return absl::OkStatus();
}

}  // namespace

dicom::SiteKeys KeysOf(const Bytes& key) {
  return {.pseudonym =
              [key](absl::string_view kind, absl::string_view value) {
                return ToHex(Keyed(key, absl::StrCat("hilum-dicom/", kind), value));
              },
          .uid =
              [key](absl::string_view uid) {
                return absl::StrCat("2.25.", Decimal128(Keyed(key, "hilum-dicom/uid", uid)));
              },
          .days =
              [key](absl::string_view patient) {
                const Digest digest = Keyed(key, "hilum-dicom/days", patient);
                const int number = int{digest[0]} << 16 | int{digest[1]} << 8 | int{digest[2]};
                return -(1 + number % kMostDays);
              }};
}

absl::Status RunDeidentify(const DeidentifyFlags& flags) {
  HILUM_ASSIGN_OR_RETURN(const std::vector<std::string> files, FilesOf(flags.files));
  HILUM_ASSIGN_OR_RETURN(const Bytes key, OpenKey(flags.key));
  HILUM_RETURN_IF_ERROR(MakeFolder(flags.out));
  HILUM_RETURN_IF_ERROR(CheckApart(files, flags.out));
  const dicom::SiteKeys keys = KeysOf(key);
  std::vector<Copy> copies;
  Totals totals;
  size_t n_refused = 0;
  for (const std::string& file : files) {
    const fs::path to = fs::path(flags.out) / absl::StrFormat("%06d.dcm", copies.size() + 1);
    HILUM_ASSIGN_OR_RETURN(Copy copy, CopyOne(file, to, keys, flags.reviewed, totals));
    n_refused += copy.copy.empty();
    copies.push_back(std::move(copy));
  }
  if (flags.json) {
    PrintJson(ToJson(copies, totals));
  } else {
    PrintText(copies, totals, n_refused);
  }
  if (n_refused == 0) return absl::OkStatus();
  return absl::AbortedError(
      absl::StrCat(n_refused, " of ", files.size(), " files refused; the reasons are above"));
}

}  // namespace hilum::cli
