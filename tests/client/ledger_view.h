// What anybody reads in a test server's ledger: verified in full, from its folder.
#ifndef HILUM_TESTS_CLIENT_LEDGER_VIEW_H_
#define HILUM_TESTS_CLIENT_LEDGER_VIEW_H_

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "ledger_anchor/fetch.h"
#include "ledger_anchor/reader.h"
#include "tests/client/server.h"

namespace hilum::client {

// The log grows meanwhile: a reader that sees a checkpoint before its tiles looks again.
inline ledger_anchor::LogView ReadLedger(const TestServer& server) {
  absl::StatusOr<ledger_anchor::LogView> view = absl::UnknownError("not read");
  WaitUntil(
      [&] {
        const auto place = ledger_anchor::LocateLedger(server.folder().string());
        if (!place.ok()) return false;
        view = ledger_anchor::VerifyLog(place->fetch, {});
        return view.ok();
      },
      10);
  EXPECT_TRUE(view.ok()) << view.status();
  return view.ok() ? *std::move(view) : ledger_anchor::LogView{};
}

// The entries with this kind of body, signed by `by` or by anybody, in order.
template <class Body>
std::vector<const ledger_anchor::ViewEntry*> EntriesOf(const ledger_anchor::LogView& view,
                                                       const std::string& by = "") {
  std::vector<const ledger_anchor::ViewEntry*> found;
  for (const ledger_anchor::ViewEntry& one : view.entries) {
    if (std::holds_alternative<Body>(one.entry.body) && (by.empty() || one.entry.by == by)) {
      found.push_back(&one);
    }
  }
  return found;
}

}  // namespace hilum::client

#endif  // HILUM_TESTS_CLIENT_LEDGER_VIEW_H_
