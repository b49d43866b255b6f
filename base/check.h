// HILUM_CHECK: our own broken invariants end the process; outside input is never CHECKed.
#ifndef HILUM_BASE_CHECK_H_
#define HILUM_BASE_CHECK_H_

#include <cstdio>
#include <cstdlib>

#define HILUM_CHECK(condition)                                                           \
  do {                                                                                   \
    if (!(condition)) {                                                                  \
      std::fprintf(stderr, "%s:%d: CHECK failed: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                      \
    }                                                                                    \
  } while (false)

#endif  // HILUM_BASE_CHECK_H_
