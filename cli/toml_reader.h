// Reads a TOML configuration file strictly: an unknown key, a wrong type or a value out of its
// range is an error with file, line, key, value and what is allowed. Nothing is silently
// replaced by a default.
//
//   HILUM_ASSIGN_OR_RETURN(TomlReader reader, TomlReader::Open("site.toml"));
//   reader.Integer("threads", config.threads, 1, 64);
//   reader.Section("listen");
//   reader.Text("grpc", config.grpc);
//   HILUM_RETURN_IF_ERROR(reader.Finish());
#ifndef HILUM_CLI_TOML_READER_H_
#define HILUM_CLI_TOML_READER_H_

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/file.h"

namespace hilum::cli {

inline constexpr uint64_t kTomlLimitBytes = 1 << 20;

struct RealRange {
  double min = -std::numeric_limits<double>::max();
  double max = std::numeric_limits<double>::max();
  bool above_min = false;  // `min` itself is out of range
};

// Each read leaves its target as it is when the key is absent. The first error stays and later
// reads do nothing; Finish returns it. Not thread-safe.
class TomlReader {
 public:
  // NotFound: no such file. InvalidArgument: longer than 1 MiB, or not TOML (file, line, reason).
  static absl::StatusOr<TomlReader> Open(const fs::path& path);
  // `file` is the name for messages.
  static absl::StatusOr<TomlReader> Parse(absl::string_view file, absl::string_view text);

  TomlReader(TomlReader&&) noexcept;
  TomlReader& operator=(TomlReader&&) noexcept;
  ~TomlReader();

  // The keys that follow are in [name]; "" is the top of the file. True when the file has it.
  bool Section(absl::string_view name);

  // Whether the section has the key.
  bool Has(absl::string_view key) const;
  // An error when the key is absent from the section.
  void Require(absl::string_view key);

  void Text(absl::string_view key, std::string& value);
  void OneOf(absl::string_view key, std::string& value, const std::vector<std::string>& allowed);
  void Texts(absl::string_view key, std::vector<std::string>& value);
  void Bool(absl::string_view key, bool& value);
  // An integer or a real number; NaN and infinity are refused.
  void Real(absl::string_view key, double& value, const RealRange& range = {});
  template <class Number>
  void Integer(absl::string_view key, Number& value, int64_t min, int64_t max) {
    if (const std::optional<int64_t> read = ReadInteger(key, min, max)) {
      value = static_cast<Number>(*read);
    }
  }

  // Where the key of this section stands and what it says, to begin a sentence with:
  // "job.toml:12: [model] profile = 'cxr128'", or "job.toml: [model] norm" when it is absent.
  std::string Place(absl::string_view key);

  // An error of the caller about a key of this section: its place, ": " and the reason.
  void Refuse(absl::string_view key, absl::string_view reason);

  // InvalidArgument: the first error, or a key or section that no call asked for, which comes
  // before a key that is missing.
  absl::Status Finish();

 private:
  struct Impl;
  explicit TomlReader(std::unique_ptr<Impl> impl);
  std::optional<int64_t> ReadInteger(absl::string_view key, int64_t min, int64_t max);
  std::unique_ptr<Impl> impl_;
};

}  // namespace hilum::cli

#endif  // HILUM_CLI_TOML_READER_H_
