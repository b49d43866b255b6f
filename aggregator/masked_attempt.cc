#include "aggregator/masked_attempt.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "crypto/hash.h"
#include "privacy/secagg/complaint.h"
#include "privacy/secagg/r2_messages.h"

namespace hilum::aggregator {

namespace secagg = privacy::secagg;

namespace {

Bytes BodyOf(const secagg::Context& context, ByteView message) {
  const auto opened = secagg::OpenFrame(context, message);
  HILUM_CHECK(opened.ok());  // our own message
  return Bytes(opened->body.begin(), opened->body.end());
}

DownMessages ForAll(Bytes message) {
  DownMessages down;
  down.digests[DownMessages::kForAll] = crypto::Sha256(message);
  down.common = std::move(message);
  return down;
}

absl::Status WrongFlight(Flight flight, Flight open) {
  return absl::FailedPreconditionError(absl::StrCat("flight ", std::string(NameOf(flight)),
                                                    " is over or not on yet; the round is ", "at ",
                                                    std::string(NameOf(open))));
}

}  // namespace

const Bytes* DownMessages::For(uint16_t member) const {
  if (each.empty()) return common.empty() ? nullptr : &common;
  const auto found = each.find(member);
  return found == each.end() ? nullptr : &found->second;
}

Digest DownMessages::DigestFor(uint16_t member) const {
  const auto found = digests.find(each.empty() ? kForAll : member);
  return found == digests.end() ? Digest{} : found->second;
}

MaskedAttempt::MaskedAttempt(secagg::ContextPtr context, uint8_t attempt,
                             const crypto::SigningKey& key)
    : context_(std::move(context)),
      attempt_(attempt),
      state_(secagg::ServerAdvertising(context_, key)),
      down_(std::make_shared<DownMessages>()) {
  for (uint16_t member = 0; member < context_->n(); ++member) members_.push_back(member);
}

absl::StatusOr<std::unique_ptr<MaskedAttempt>> MaskedAttempt::Create(
    const privacy::RoundConfig& config, uint8_t attempt, const crypto::SigningKey& key) {
  HILUM_ASSIGN_OR_RETURN(
      secagg::ContextPtr context,
      secagg::Context::Create(
          {.config = config, .attempt = attempt, .server_key = key.public_key()}));
  return std::unique_ptr<MaskedAttempt>(new MaskedAttempt(std::move(context), attempt, key));
}

Indices MaskedAttempt::Missing() const {
  Indices missing;
  for (const uint16_t member : members_) {
    if (!answered_.contains(member)) missing.push_back(member);
  }
  return missing;
}

absl::StatusOr<bool> MaskedAttempt::Take(uint16_t peer, Flight flight, ByteView message) {
  if (!over_.ok()) return absl::FailedPreconditionError(over_.message());
  if (flight != flight_ || flight == Flight::kVector) return WrongFlight(flight, flight_);
  HILUM_ASSIGN_OR_RETURN(const secagg::Opened opened, secagg::OpenFrame(*context_, message));
  if (opened.sender != peer) {
    return absl::PermissionDeniedError(
        absl::StrCat("a message from member ", peer, " names member ", opened.sender));
  }
  const absl::StatusOr<secagg::Receipt> receipt = std::visit(
      [&](auto& state) -> absl::StatusOr<secagg::Receipt> {
        if constexpr (requires { state.Take(message); }) {
          return state.Take(message);
        } else {
          return absl::InternalError("this flight takes no message");
        }
      },
      state_);
  HILUM_RETURN_IF_ERROR(receipt.status());
  answered_.insert(peer);
  return receipt->is_new;
}

absl::StatusOr<bool> MaskedAttempt::TakeVector(const CountedUpdate& update) {
  auto* collecting = std::get_if<secagg::ServerCollecting>(&state_);
  if (collecting == nullptr) return WrongFlight(Flight::kVector, flight_);
  const secagg::MaskedInputClose close{.fields = {.u2_hash = u2_hash_,
                                                  .root = update.root,
                                                  .n_coords = context_->config().n_coords()},
                                       .signature = update.signature};
  HILUM_ASSIGN_OR_RETURN(
      const secagg::Receipt receipt,
      collecting->TakeSummed(secagg::Frame(*context_, update.site_index, Encode(close)),
                             update.root));
  answered_.insert(update.site_index);
  return receipt.is_new;
}

absl::Status MaskedAttempt::End(const absl::Status& why) {
  state_ = std::monostate();
  over_ = why;
  return why;
}

// The next flight: those who answered are its members.
void MaskedAttempt::Begin(Indices members, DownMessages down) {
  members_ = std::move(members);
  answered_.clear();
  down_ = std::make_shared<const DownMessages>(std::move(down));
  flight_ = After(flight_);
}

template <class Next>
void MaskedAttempt::Go(Next next, Bytes message, Bytes* evidence) {
  *evidence = BodyOf(*context_, message);
  state_ = std::move(next);
  Begin(Indices(answered_.begin(), answered_.end()), ForAll(std::move(message)));
}

absl::Status MaskedAttempt::CloseShares(secagg::ServerSharing state) {
  HILUM_ASSIGN_OR_RETURN(auto closed, std::move(state).Close());
  DownMessages down;
  Indices members;
  for (const auto& [member, message] : closed.messages) {
    members.push_back(member);
    down.digests[member] = crypto::Sha256(message);
  }
  down.each = std::move(closed.messages);
  state_ = std::move(closed.next);
  Begin(std::move(members), std::move(down));
  return absl::OkStatus();
}

absl::Status MaskedAttempt::CloseAcks(secagg::ServerAcknowledging state) {
  HILUM_ASSIGN_OR_RETURN(auto closed, std::move(state).Close());
  evidence_.complaints = secagg::EncodeComplaints(closed.evidence);
  evidence_.u2 = BodyOf(*context_, closed.message);
  u2_hash_ = closed.next.u2_hash();
  Indices members = closed.next.members();
  state_ = std::move(closed.next);
  Begin(std::move(members), ForAll(std::move(closed.message)));
  return absl::OkStatus();
}

absl::Status MaskedAttempt::CloseNow() {
  auto state = std::exchange(state_, std::monostate());
  if (auto* advertising = std::get_if<secagg::ServerAdvertising>(&state)) {
    HILUM_ASSIGN_OR_RETURN(auto step, std::move(*advertising).Close());
    Go(std::move(step.next), std::move(step.message), &evidence_.key_list);
  } else if (auto* revealing = std::get_if<secagg::ServerRevealing>(&state)) {
    HILUM_ASSIGN_OR_RETURN(auto step, std::move(*revealing).Close());
    Go(std::move(step.next), std::move(step.message), &evidence_.u1);
  } else if (auto* sharing = std::get_if<secagg::ServerSharing>(&state)) {
    return CloseShares(std::move(*sharing));
  } else if (auto* acknowledging = std::get_if<secagg::ServerAcknowledging>(&state)) {
    return CloseAcks(std::move(*acknowledging));
  } else if (auto* confirming = std::get_if<secagg::ServerConfirming>(&state)) {
    HILUM_ASSIGN_OR_RETURN(auto step, std::move(*confirming).Close());
    Go(std::move(step.next), std::move(step.message), &evidence_.votes);
  } else {
    return absl::InternalError("this flight is closed by another call");
  }
  return absl::OkStatus();
}

absl::Status MaskedAttempt::Close() {
  if (!over_.ok()) return over_;
  const absl::Status status = CloseNow();
  return status.ok() ? status : End(status);
}

absl::Status MaskedAttempt::CloseVectors(std::vector<uint64_t> sums) {
  if (!over_.ok()) return over_;
  auto state = std::exchange(state_, std::monostate());
  auto* collecting = std::get_if<secagg::ServerCollecting>(&state);
  if (collecting == nullptr) return End(WrongFlight(Flight::kVector, flight_));
  auto step = std::move(*collecting).CloseWith(std::move(sums));
  if (!step.ok()) return End(step.status());
  // What T is made of is durable by now: the vectors' closes, and S in the store.
  HILUM_ASSIGN_OR_RETURN(Bytes message, std::move(step->out).ReleaseAfter(absl::OkStatus()));
  Go(std::move(step->next), std::move(message), &evidence_.transcript);
  return absl::OkStatus();
}

absl::StatusOr<secagg::OpenedRound> MaskedAttempt::Open(kernels::Device device) {
  if (!over_.ok()) return over_;
  auto state = std::exchange(state_, std::monostate());
  auto* unmasking = std::get_if<secagg::ServerUnmasking>(&state);
  if (unmasking == nullptr) return End(WrongFlight(Flight::kAnswer, flight_));
  absl::StatusOr<secagg::OpenedRound> opened = std::move(*unmasking).Close(device);
  over_ = opened.ok() ? absl::FailedPreconditionError("the sum is open") : opened.status();
  return opened;
}

}  // namespace hilum::aggregator
