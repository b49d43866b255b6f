// A number with its noun, as people read it.
#ifndef HILUM_BASE_COUNT_H_
#define HILUM_BASE_COUNT_H_

#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace hilum {

// "1 film", "2 films", "0 films": of nouns that take an s.
inline std::string Count(uint64_t n, absl::string_view noun) {
  return absl::StrCat(n, " ", noun, n == 1 ? "" : "s");
}

}  // namespace hilum

#endif  // HILUM_BASE_COUNT_H_
