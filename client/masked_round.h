// A site in one attempt at a masked round: the flights of privacy/secagg against one server
// (docs/secure_aggregation.md, section 5). What section 10 asks for is in the site's database
// before a message leaves. Secrets are in memory only: when this object goes, or a step fails, they
// are wiped and the site has dropped out of the attempt.
#ifndef HILUM_CLIENT_MASKED_ROUND_H_
#define HILUM_CLIENT_MASKED_ROUND_H_

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <variant>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "client/rpc.h"
#include "client/state.h"
#include "client/update.h"
#include "crypto/secret.h"
#include "crypto/sign.h"
#include "privacy/noise.h"
#include "privacy/policy.h"
#include "privacy/secagg/flight.h"
#include "privacy/secagg/site_r0.h"

namespace hilum::client {

// The longest message of the server: the shares for one site of the largest federation.
inline constexpr uint64_t kFlightLimitBytes = 16 << 20;

class MaskedRound {
 public:
  struct Options {
    privacy::secagg::ContextPtr context;
    UpdateFacts facts;
    privacy::SiteFloors floors;
    const crypto::SigningKey* key = nullptr;
    crypto::SecretKey site_secret;  // mixed into all randomness
    State* state = nullptr;
    fs::path outbox;
    // Charges the privacy budget; what it says comes before any byte of the vector. Empty: a round
    // without differential privacy.
    std::function<absl::Status()> charge{};
    // The edges to the server; Connection::SendFlight and FetchFlight.
    std::function<absl::Status(const FlightPlace&, ByteView)> send;
    std::function<absl::StatusOr<Bytes>(const FlightPlace&, uint64_t)> fetch;
  };
  explicit MaskedRound(Options options);

  // What the server says of the round now. From any thread, as is Cancel.
  void Update(const RoundNotice& notice);
  void Cancel();

  // R0 and R1, up to U2: while the site trains. Waits for the server's flights.
  // PermissionDenied: a floor of the site. FailedPrecondition: this site has started the attempt
  // before, or the round went on without it. DataLoss: a check of section 5 failed.
  // InvalidArgument: a message of the server is malformed. Cancelled: Cancel was called.
  absl::Status Prepare();
  // R2: hides `input`, and stores what will be sent; `record` gets its facts. PermissionDenied: the
  // privacy budget does not cover it; nothing is sent then.
  absl::StatusOr<SignedUpdate> Mask(privacy::NoisedDelta input, RoundRecord& record);
  // R3 and R4, once the vector is at the server. PermissionDenied: the cohort guard. Others as
  // Prepare.
  absl::Status Finish();
  // Whether the server has this site's vector, as it said last.
  bool IsAccepted();

 private:
  using Flight = privacy::secagg::Flight;
  absl::StatusOr<RoundNotice> WaitFor(Flight flight);
  absl::StatusOr<Bytes> Fetch(Flight flight);
  absl::Status Send(Flight flight, ByteView message);
  absl::Status Pause(uint32_t n_tries);
  FlightPlace PlaceOf(Flight flight) const;
  absl::StatusOr<privacy::secagg::SiteAdvertised> Advertise();
  absl::Status Keep(absl::string_view kind, ByteView record);
  absl::Status KeepVote(ByteView record);
  absl::Status Vote(privacy::secagg::SiteMasked masked);

  Options options_;
  std::variant<std::monostate, privacy::secagg::SiteReady, privacy::secagg::SiteMasked,
               privacy::secagg::SiteAnswered>
      state_;  // between the calls

  std::mutex mutex_;
  std::condition_variable changed_;
  RoundNotice notice_;  // the newest
  bool cancelled_ = false;
};

}  // namespace hilum::client

#endif  // HILUM_CLIENT_MASKED_ROUND_H_
