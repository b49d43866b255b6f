// labels.csv: what a hospital says its films show.
#ifndef HILUM_CLIENT_LABELS_H_
#define HILUM_CLIENT_LABELS_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/file.h"

namespace hilum::client {

inline constexpr uint64_t kLabelsLimitBytes = 64 << 20;

struct Label {
  std::string label;
  std::string source;  // third column; may be empty
};

// labels.csv: a header line `file,label` or `file,label,source`, then one line a film. `file` is
// the path below the folder or below its films/, or the name of a film; it may hold commas. For
// films that came over the network it is their SOP Instance UID.
class Labels {
 public:
  // InvalidArgument: longer than 64 MiB, another header, a line with other columns, a file named
  // twice; the sentence names the line. An absent file: no labels.
  static absl::StatusOr<Labels> Read(const fs::path& file);
  static absl::StatusOr<Labels> Parse(absl::string_view text);
  // Null: the film has no label. `by_name` also takes a line that gives the file's name alone;
  // right only where no other film of the folder has that name.
  const Label* Find(const std::string& path, bool by_name) const;
  // Lets lines whose `file` is a SOP Instance UID name the file `name_of(uid)` too. Where a line
  // names that file itself, that one holds.
  void AlsoByUid(const std::function<std::string(absl::string_view sop_uid)>& name_of);

 private:
  std::map<std::string, Label> by_file_;
};

}  // namespace hilum::client

#endif  // HILUM_CLIENT_LABELS_H_
