// Progress of long work on standard error: a bar with rate and time left on a terminal, a line
// every ten seconds otherwise.
#ifndef HILUM_CLI_PROGRESS_H_
#define HILUM_CLI_PROGRESS_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "base/clock.h"

namespace hilum::cli {

struct ProgressOptions {
  std::string what;    // what is done, for example "Importing studies"
  std::string unit;    // what is counted, for example "films"; "B" prints bytes
  uint64_t total = 0;  // 0: not known; then no bar and no time left
  bool on = true;      // false: prints nothing, for --quiet
};

// Thread-safe. Prints nothing before the first redraw or line is due: short work stays silent.
class Progress {
 public:
  explicit Progress(ProgressOptions options, const Clock& clock = SystemClock());
  ~Progress();  // ends the line of the bar
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void Add(uint64_t count = 1);
  void Set(uint64_t done);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// One state of the bar as text, without moving the cursor: "Importing studies  42 % [####....]
// 84 of 200 films, 12 a second, 10 s left". Pure, for tests.
std::string FormatProgress(const ProgressOptions& options, uint64_t done, double seconds);

}  // namespace hilum::cli

#endif  // HILUM_CLI_PROGRESS_H_
