// What every message of an attempt is bound to, and the frame it travels in
// (docs/secure_aggregation.md, section 2).
#ifndef HILUM_PRIVACY_SECAGG_CONTEXT_H_
#define HILUM_PRIVACY_SECAGG_CONTEXT_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/bytes.h"
#include "crypto/sign.h"
#include "privacy/reader.h"
#include "privacy/round_config.h"

namespace hilum::privacy::secagg {

inline constexpr uint8_t kMaxAttempts = 8;        // a round; attempts are 0..7
inline constexpr size_t kCompleteGraphMax = 100;  // members: up to here everyone is a neighbour

using Indices = std::vector<uint16_t>;  // members by index in the roster, strictly ascending
bool Holds(const Indices& indices, uint16_t index);

// One attempt at a masked round, the same for every site and the server. Immutable.
class Context {
 public:
  struct Options {
    RoundConfig config;
    uint8_t attempt = 0;
    crypto::PublicKey server_key;  // pinned: it signs the server's lists
  };
  // InvalidArgument: mode other than 1; no mask suite; an attempt above kMaxAttempts - 1; fewer
  // than 3 members; a quorum or u_min above the number of members, a quorum that c_max colluders
  // can give twice, u_min below c_max + 2; two members with one key. A site also runs CheckPolicy.
  static absl::StatusOr<std::shared_ptr<const Context>> Create(Options options);

  const RoundConfig& config() const { return options_.config; }
  const crypto::Rid& rid() const { return rid_; }
  const Digest& cfg_hash() const { return cfg_hash_; }
  uint16_t n() const { return static_cast<uint16_t>(config().roster.size()); }
  // The fewest members of U1, U2 and U3: max(Q, u_min).
  uint16_t min_count() const;

  // Sign(label, message) of section 2.
  crypto::Signature Sign(const crypto::SigningKey& key, absl::string_view label, uint16_t sender,
                         ByteView message) const;
  // DataLoss: `signature` is not the sender's (pinned roster or server key) over that message, or
  // there is no such member; the sentence says `what` and whose.
  absl::Status Verify(absl::string_view label, uint16_t sender, ByteView message,
                      const crypto::Signature& signature, absl::string_view what) const;

 private:
  explicit Context(Options options);
  Options options_;
  crypto::Rid rid_;
  Digest cfg_hash_;
};
using ContextPtr = std::shared_ptr<const Context>;

// A message on the wire: rid (25) || sender u16 || body. The body's bytes are those of section 5.
Bytes Frame(const Context& context, uint16_t sender, ByteView body);
struct Opened {
  uint16_t sender = 0;
  ByteView body;  // in the message
};
// InvalidArgument: too short. FailedPrecondition: of another round or attempt; nothing of it is
// looked at.
absl::StatusOr<Opened> OpenFrame(const Context& context, ByteView message);
// The same for a message of the server. PermissionDenied: of another sender.
absl::StatusOr<ByteView> OpenServerFrame(const Context& context, ByteView message);

// Reads `list`: u32 count, then elements with a field `index`, strictly ascending and below the
// largest roster. `read(in)` returns one element. Allocates as elements come, never from the count.
// InvalidArgument: more than `max` elements, or out of order.
struct ListName {
  absl::string_view what;  // "the key list"
  size_t max = kMaxRoster;
};
absl::Status CheckListCount(uint32_t count, const ListName& name);
absl::Status OutOfOrder(uint16_t index, uint16_t before, const ListName& name);
template <class Element, class Read>
absl::Status ReadList(Reader& in, const ListName& name, std::vector<Element>& out, Read read) {
  const uint32_t count = in.U32();
  if (absl::Status status = CheckListCount(count, name); !status.ok()) return status;
  for (uint32_t i = 0; i < count && !in.ended_early(); ++i) {
    Element element = read(in);
    if (in.ended_early()) break;
    if (i > 0 && element.index <= out.back().index) {
      return OutOfOrder(element.index, out.back().index, name);
    }
    out.push_back(std::move(element));
  }
  return absl::OkStatus();
}
absl::Status ReadIndices(Reader& in, const ListName& name, Indices& out);
void AppendIndices(Bytes& out, const Indices& indices);

}  // namespace hilum::privacy::secagg

#endif  // HILUM_PRIVACY_SECAGG_CONTEXT_H_
