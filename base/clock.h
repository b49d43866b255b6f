// Time as an argument: code that decides takes `now`, code that waits takes a Clock.
#ifndef HILUM_BASE_CLOCK_H_
#define HILUM_BASE_CLOCK_H_

#include <cstdint>
#include <string>

namespace hilum {

class Clock {
 public:
  virtual ~Clock() = default;
  // Seconds since 1970-01-01 UTC.
  virtual int64_t NowSeconds() const = 0;
  // Milliseconds of a clock that never goes back; only differences mean something.
  virtual int64_t MonotonicMs() const = 0;
};

// The computer's clock. Thread-safe; lives for ever.
const Clock& SystemClock();

// "2026-11-24T14:07:03Z".
std::string FormatUtc(int64_t seconds);

}  // namespace hilum

#endif  // HILUM_BASE_CLOCK_H_
