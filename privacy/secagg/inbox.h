// One message of each sender, once.
#ifndef HILUM_PRIVACY_SECAGG_INBOX_H_
#define HILUM_PRIVACY_SECAGG_INBOX_H_

#include <cstdint>
#include <map>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "crypto/sign.h"
#include "privacy/secagg/context.h"

namespace hilum::privacy::secagg {

// What the server does with a message that a Take accepted.
struct Receipt {
  uint16_t sender = 0;
  // false: these bytes were taken before, so they are acknowledged again and nothing else.
  bool is_new = true;
};

class Inbox {
 public:
  // Whether `message` of `sender` is the first of it. FailedPrecondition: a second one, of other
  // bytes.
  absl::StatusOr<Receipt> Look(uint16_t sender, ByteView message) const;
  void Put(uint16_t sender, ByteView message);
  bool Has(uint16_t sender) const { return seen_.count(sender) != 0; }
  size_t size() const { return seen_.size(); }

 private:
  std::map<uint16_t, Digest> seen_;
};

// What every state of the server has.
struct ServerSelf {
  const crypto::SigningKey* signing_key = nullptr;
  crypto::Signature Sign(const Context& context, absl::string_view label, ByteView message) const {
    return context.Sign(*signing_key, label, crypto::kServerSender, message);
  }
};

}  // namespace hilum::privacy::secagg

#endif  // HILUM_PRIVACY_SECAGG_INBOX_H_
