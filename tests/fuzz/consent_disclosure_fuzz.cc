// Disclosures come from the site that an auditor doubts: up to the audit against a log that names
// the disclosed round.
#include <cstdint>

#include "absl/strings/string_view.h"
#include "base/check.h"
#include "ledger_anchor/consent_audit.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hilum;
  using namespace hilum::ledger_anchor;
  const absl::string_view text = AsText(ByteView(data, size));
  const absl::StatusOr<Disclosure> disclosure = ParseDisclosure(text);
  if (!disclosure.ok()) return 0;
  HILUM_CHECK(text.size() <= kDisclosureLimitBytes + 1);
  const absl::StatusOr<std::string> again = FormatDisclosure(*disclosure);
  HILUM_CHECK(again.ok() && *again == text);
  LogView view;
  const auto add = [&](EntryBody body) {
    ViewEntry one;
    one.index = view.entries.size();
    one.entry.by = disclosure->site;
    one.entry.study = disclosure->study;
    one.entry.body = std::move(body);
    view.entries.push_back(std::move(one));
  };
  add(ConsentBatch{.site = disclosure->site, .root = {}, .count = 16});
  RoundOpen open;
  open.round = disclosure->round;
  add(open);
  add(TrainManifest{
      .round = disclosure->round, .open = {}, .site = disclosure->site, .manifest_count = 16});
  const uint64_t n = disclosure->leaves.size();
  const auto report = AuditConsent(view, *disclosure, {disclosure->seed, n, {}});
  HILUM_CHECK(!report.ok() || report->n_leaves == 0);  // no leaf has a root of zeros
  return 0;
}
