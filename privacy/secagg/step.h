// What a step of the protocol gives its caller.
#ifndef HILUM_PRIVACY_SECAGG_STEP_H_
#define HILUM_PRIVACY_SECAGG_STEP_H_

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "crypto/secret.h"

namespace hilum::privacy::secagg {

// A message that may leave only when something else is on disk. The only way to the message is to
// show the outcome of that write. Movable only.
class Outgoing {
 public:
  Outgoing(Bytes durable, Bytes message)
      : durable_(std::move(durable)), message_(std::move(message)) {}
  Outgoing(Outgoing&&) = default;
  Outgoing& operator=(Outgoing&&) = default;
  ~Outgoing() { Erase(); }

  // Write this and fsync it.
  const Bytes& durable() const { return durable_; }

  // `written`: what writing durable() came to. OK: the message. Else `written`, and the message is
  // gone: the attempt ends here for this member.
  absl::StatusOr<Bytes> ReleaseAfter(const absl::Status& written) && {
    if (!written.ok()) {
      Erase();
      return written;
    }
    return std::move(message_);
  }

 private:
  // An answer holds shares, in its message and in its record.
  void Erase() {
    for (Bytes* bytes : {&durable_, &message_}) {
      crypto::Wipe(*bytes);
      bytes->clear();
    }
  }

  Bytes durable_;
  Bytes message_;
};

// The next state, and a message that may leave at once.
template <class Next>
struct Step {
  Next next;
  Bytes message;
};

// The next state, and a message that has to wait for the disk.
template <class Next>
struct DurableStep {
  Next next;
  Outgoing out;
};

}  // namespace hilum::privacy::secagg

#endif  // HILUM_PRIVACY_SECAGG_STEP_H_
