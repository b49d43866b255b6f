#include "aggregator/seal.h"

#include <set>
#include <utility>

#include "base/status_macros.h"
#include "crypto/age.h"

namespace hilum::aggregator {

absl::StatusOr<std::vector<crypto::AgeRecipient>> SealRecipients(
    const ledger_anchor::Members& members, const std::vector<crypto::AgeRecipient>& configured) {
  std::set<crypto::AgeRecipient> recipients(configured.begin(), configured.end());
  for (const auto& [name, member] : members.all()) {
    if (!member.age_recipient.has_value() || !members.IsActive(name, "")) continue;
    HILUM_ASSIGN_OR_RETURN(const crypto::AgeRecipient recipient,
                           crypto::ParseAgeRecipient(*member.age_recipient));
    recipients.insert(recipient);
  }
  if (!recipients.empty()) return std::vector(recipients.begin(), recipients.end());
  return absl::FailedPreconditionError(
      "models are to be sealed and nobody could open them: no member's join names an age "
      "recipient, "
      "and [store] recipients in server.toml is empty");
}

absl::StatusOr<std::vector<crypto::AgeRecipient>> ParseRecipients(
    const std::vector<std::string>& texts) {
  std::vector<crypto::AgeRecipient> recipients;
  for (const std::string& text : texts) {
    HILUM_ASSIGN_OR_RETURN(const crypto::AgeRecipient recipient, crypto::ParseAgeRecipient(text));
    recipients.push_back(recipient);
  }
  return recipients;
}

absl::StatusOr<Digest> Seal(const ledger_anchor::Store& store,
                            const std::vector<crypto::AgeRecipient>& recipients, ByteView bytes) {
  HILUM_ASSIGN_OR_RETURN(ledger_anchor::StoreWriter object, store.NewObject());
  HILUM_ASSIGN_OR_RETURN(crypto::AgeWriter writer,
                         crypto::AgeWriter::Create(recipients, [&object](ByteView chunk) {
                           return object.Append(chunk);
                         }));
  HILUM_RETURN_IF_ERROR(writer.Append(bytes));
  HILUM_RETURN_IF_ERROR(writer.Finish());
  return object.Commit();
}

}  // namespace hilum::aggregator
