// Policy files.
#include <cstdint>

#include "absl/strings/string_view.h"
#include "base/check.h"
#include "ledger_anchor/policy.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hilum;
  using namespace hilum::ledger_anchor;
  const absl::StatusOr<Policy> policy = ParsePolicy(AsText(ByteView(data, size)));
  if (!policy.ok()) return 0;
  for (size_t i = 0; i < policy->members.size(); ++i) {
    const PolicyMember& member = policy->members[i];
    HILUM_CHECK(member.key || (member.threshold >= 1 && member.threshold <= member.members.size()));
    for (const size_t inner : member.members) HILUM_CHECK(inner < i);
  }
  HILUM_CHECK(!policy->quorum || *policy->quorum < policy->members.size());
  (void)CheckFaults(*policy, 1);
  return 0;
}
