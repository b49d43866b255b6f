#include "tests/privacy/secagg/simulation.h"

#include "privacy/secagg/journal.h"

namespace hilum::privacy::secagg {
namespace {

std::vector<uint32_t> WordsOfChunk(const Simulation& simulation, const Bytes& message) {
  const auto chunk = DecodeChunk(BodyOf(*simulation.context, message), simulation.config);
  EXPECT_TRUE(chunk.ok()) << chunk.status();
  return chunk->words;
}

}  // namespace

std::ostream& operator<<(std::ostream& out, const Planned& planned) {
  static constexpr const char* kNames[] = {"site gone",       "down changed",  "up lost",
                                           "up changed",      "up repeated",   "server restart",
                                           "half vector",     "chunk changed", "bad shares",
                                           "false complaint", "undecidable",   "bad answer"};
  static_assert(std::size(kNames) == static_cast<size_t>(Fault::kFaults));
  return out << kNames[static_cast<size_t>(planned.fault)] << " at flight " << planned.flight
             << " of member " << planned.member << "; ";
}

bool Simulation::Hit(Fault fault, Flight flight, uint16_t member) {
  return std::any_of(plan_.begin(), plan_.end(), [&](const Planned& planned) {
    return planned.fault == fault && planned.flight == flight && planned.member == member;
  });
}

Bytes Simulation::Flipped(Bytes message, size_t first_byte) {
  const uint64_t bit = 8 * first_byte + random_.Below(8 * (message.size() - first_byte));
  message[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
  return message;
}

template <class T>
std::vector<uint16_t> Simulation::Shuffled(const std::map<uint16_t, T>& up) {
  std::vector<uint16_t> order;
  for (const auto& [member, message] : up) order.push_back(member);
  random_.Shuffle(std::span(order));
  return order;
}

// Remembers why the attempt ends; false, for the caller to pass on.
bool Simulation::Closed(const absl::Status& status) {
  reason_ = status;
  EXPECT_FALSE(status.message().empty());
  EXPECT_TRUE(absl::IsUnavailable(status) || absl::IsAborted(status)) << status;
  EXPECT_FALSE(hurt_.empty()) << "without a fault: " << status;
  if (absl::IsUnavailable(status)) {
    EXPECT_GT(hurt_.size() + context->min_count(), online.size())
        << "too few faults to end an attempt: " << status;
  }
  return false;
}

// Those that live take the server's message; `take` gets it unless a bit was changed on the way.
template <class From, class To, class Take>
void Simulation::SiteFlight(Flight flight, std::map<uint16_t, From>& from,
                            std::map<uint16_t, To>& to, Up& up, Take take) {
  for (auto& [i, site] : from) {
    if (Hit(Fault::kSiteGone, flight, i)) {
      hurt_.insert(i);
      continue;
    }
    const bool changed = Hit(Fault::kDownChanged, flight, i);
    auto step = take(i, std::move(site), changed);
    if (!step.ok()) {  // it has aborted
      if (changed) hurt_.insert(i);
      EXPECT_TRUE(hurt_.count(i) != 0) << "member " << i << ": " << step.status();
      continue;
    }
    EXPECT_FALSE(changed) << "member " << i << " took a changed message";
    if constexpr (requires { step->out; }) {
      records[i] = step->out.durable();
      up[i] = std::move(step->out).ReleaseAfter(absl::OkStatus()).value();
    } else {
      up[i] = std::move(step->message);
    }
    to.emplace(i, std::move(step->next));
  }
  from.clear();
}

template <class State>
void Simulation::ServerFlight(Flight flight, std::optional<State>& state, const Up& up) {
  for (const uint16_t i : Shuffled(up)) {
    if (Hit(Fault::kUpLost, flight, i)) {
      if (flight != kAnswer) {
        hurt_.insert(i);
        continue;
      }
      if (cheating_.count(i) == 0) {
        EXPECT_EQ(DecodeAnswerRecord(records.at(i))->message, up.at(i));
      }
    }
    if (Hit(Fault::kUpChanged, flight, i)) {
      EXPECT_FALSE(state->Take(Flipped(up.at(i))).ok());
    }
    const auto receipt = state->Take(up.at(i));
    EXPECT_EQ(receipt.ok(), cheating_.count(i) == 0) << "member " << i << receipt.status();
    if (!receipt.ok()) continue;
    EXPECT_TRUE(receipt->is_new);
    log_[flight].push_back(up.at(i));
    if (Hit(Fault::kUpRepeated, flight, i)) {
      const auto again = state->Take(up.at(i));
      EXPECT_TRUE(again.ok() && !again->is_new);
    }
    if (Hit(Fault::kServerRestart, flight, i)) Restart(flight);
  }
  cheating_.clear();
}

template <class State, class Next>
bool Simulation::Close(std::optional<State>& state, std::optional<Next>& next, Bytes& down) {
  auto step = std::move(*state).Close();
  if (!step.ok()) return Closed(step.status());
  down = std::move(step->message);
  next.emplace(std::move(step->next));
  return true;
}

// --- A server that is rebuilt
// ---------------------------------------------------------------------

template <class State>
State Simulation::Replayed(Flight flight, State state) {
  std::vector<Bytes> stored = log_[flight];
  random_.Shuffle(std::span(stored));
  for (const Bytes& message : stored) HILUM_EXPECT_OK(state.Take(message));
  return state;
}

void Simulation::Replay(ServerCollecting& server, const VectorEvent& event) const {
  if (!event.chunk.empty()) {
    HILUM_EXPECT_OK(server.TakeChunk(event.peer, event.chunk));
  } else if (!event.close.empty()) {
    HILUM_EXPECT_OK(server.TakeClose(event.close));
  } else {
    HILUM_EXPECT_OK(server.Withdraw(event.peer, [&](uint32_t) -> absl::StatusOr<Bytes> {
      for (const VectorEvent& other : vector_log_) {
        if (other.peer != event.peer || other.chunk.empty()) continue;
        const ByteView bytes = DecodeChunk(BodyOf(*context, other.chunk), config)->bytes;
        return Bytes(bytes.begin(), bytes.end());
      }
      return absl::NotFoundError("no chunk is stored");
    }));
  }
}

void Simulation::Restart(Flight flight) {
  ServerAdvertising keys_state = Replayed(kAdvertise, ServerAdvertising(context, ServerKey()));
  if (flight == kAdvertise) {
    advertising.emplace(std::move(keys_state));
    return;
  }
  auto list = std::move(keys_state).Close();
  ASSERT_TRUE(list.ok()) << list.status();
  EXPECT_EQ(list->message, key_list);
  ServerRevealing reveal_state = Replayed(kReveal, std::move(list->next));
  if (flight == kReveal) {
    revealing.emplace(std::move(reveal_state));
    return;
  }
  auto set = std::move(reveal_state).Close();
  ASSERT_TRUE(set.ok()) << set.status();
  EXPECT_EQ(set->message, u1);
  ServerSharing share_state = Replayed(kShare, std::move(set->next));
  if (flight == kShare) {
    sharing.emplace(std::move(share_state));
    return;
  }
  auto shares = std::move(share_state).Close();
  ASSERT_TRUE(shares.ok()) << shares.status();
  EXPECT_EQ(shares->messages, deliveries);
  acknowledging.emplace(Replayed(kAcknowledge, std::move(shares->next)));
  if (flight != kAcknowledge) RestartFromVectors(flight);
}

void Simulation::RestartFromVectors(Flight flight) {
  auto set = std::move(*acknowledging).Close();
  ASSERT_TRUE(set.ok()) << set.status();
  EXPECT_EQ(set->message, u2);
  collecting.emplace(std::move(set->next));
  for (const VectorEvent& event : vector_log_) Replay(*collecting, event);
  if (flight == kVector) return;
  auto shown = std::move(*collecting).Close();
  ASSERT_TRUE(shown.ok()) << shown.status();
  EXPECT_EQ(std::move(shown->out).ReleaseAfter(absl::OkStatus()).value(), transcript);
  confirming.emplace(Replayed(kVote, std::move(shown->next)));
  if (flight == kVote) return;
  auto list = std::move(*confirming).Close();
  ASSERT_TRUE(list.ok()) << list.status();
  EXPECT_EQ(list->message, vote_list);
  unmasking.emplace(Replayed(kAnswer, std::move(list->next)));
}

// --- Members that cheat
// ---------------------------------------------------------------------------

void Simulation::CheatInShares() {
  for (auto& [i, message] : bundles) {
    if (!Hit(Fault::kBadShares, kShare, i)) continue;
    const Facts facts = FactsAfterU1();
    ShareBundle bundle =
        DecodeShareBundle(BodyOf(*context, message), PointsPerList(*context, *facts.graph)).value();
    bundle.commitments.b.back() = crypto::MultiplyBase(Scalar::FromInteger(3));
    bundle.signature = context->Sign(keys[i], crypto::kLabelR1Share, i,
                                     BundleFields(bundle.commitments, DigestsOf(bundle.shares)));
    message = Frame(*context, i, Encode(bundle));
    hurt_.insert(i);
  }
}

void Simulation::CheatInAcks() {
  for (auto& [i, message] : acks) {
    const bool is_false = Hit(Fault::kFalseComplaint, kAcknowledge, i);
    if (!is_false && !Hit(Fault::kUndecidable, kAcknowledge, i)) continue;
    ShareAck ack = DecodeShareAck(BodyOf(*context, message)).value();
    if (ack.accepted.empty()) continue;
    Complaint complaint{.index = ack.accepted.front(), .kind = ComplaintKind::kDoesNotOpen};
    if (is_false) {
      complaint.kind = ComplaintKind::kBadShare;
      complaint.channel_key[0] = 1;
      cheating_.insert(i);
    } else {
      hurt_.insert(complaint.index);
    }
    hurt_.insert(i);
    ack.accepted.erase(ack.accepted.begin());
    ack.complaints.push_back(complaint);
    std::sort(ack.complaints.begin(), ack.complaints.end(),
              [](const Complaint& a, const Complaint& b) { return a.index < b.index; });
    ack.signature = context->Sign(keys[i], crypto::kLabelR1Ack, i, AckFields(ack));
    message = Frame(*context, i, Encode(ack));
  }
}

void Simulation::CheatInAnswers() {
  for (auto& [i, message] : answers) {
    if (!Hit(Fault::kBadAnswer, kAnswer, i)) continue;
    Unmasking unmasking = DecodeUnmasking(BodyOf(*context, message)).value();
    IndexedScalar& share = unmasking.b_shares[random_.Below(unmasking.b_shares.size())];
    share.value = share.value + Scalar::FromInteger(1);
    unmasking.signature =
        context->Sign(keys[i], crypto::kLabelR4Unmask, i, UnmaskingFields(unmasking));
    message = Frame(*context, i, Encode(unmasking));
    hurt_.insert(i);
    cheating_.insert(i);
  }
}

// --- The flights
// ----------------------------------------------------------------------------------

void Simulation::Advertise() {
  for (const uint16_t i : online) {
    if (Hit(Fault::kSiteGone, kAdvertise, i)) {
      hurt_.insert(i);
      continue;
    }
    auto step = SiteAdvertised::Start(StartOptions(i));
    ASSERT_TRUE(step.ok()) << step.status();
    adverts[i] = std::move(step->out).ReleaseAfter(absl::OkStatus()).value();
    advertised.emplace(i, std::move(step->next));
  }
}

bool Simulation::RunKeys() {
  Advertise();
  ServerFlight(kAdvertise, advertising, adverts);
  if (!Close(advertising, revealing, key_list)) return false;
  SiteFlight(kReveal, advertised, revealed, reveals, [&](uint16_t, auto site, bool changed) {
    return std::move(site).TakeKeyList(changed ? Flipped(key_list) : key_list);
  });
  ServerFlight(kReveal, revealing, reveals);
  return Close(revealing, sharing, u1);
}

bool Simulation::RunShares() {
  SiteFlight(kShare, revealed, shared, bundles, [&](uint16_t, auto site, bool changed) {
    return std::move(site).TakeU1(changed ? Flipped(u1) : u1);
  });
  CheatInShares();
  ServerFlight(kShare, sharing, bundles);
  auto closed = std::move(*sharing).Close();
  if (!closed.ok()) return Closed(closed.status());
  deliveries = std::move(closed->messages);
  acknowledging.emplace(std::move(closed->next));
  std::erase_if(shared, [this](const auto& site) { return deliveries.count(site.first) == 0; });
  SiteFlight(kAcknowledge, shared, acknowledged, acks, [&](uint16_t i, auto site, bool changed) {
    return std::move(site).TakeDelivery(changed ? Flipped(deliveries.at(i)) : deliveries.at(i));
  });
  CheatInAcks();
  ServerFlight(kAcknowledge, acknowledging, acks);
  auto set = std::move(*acknowledging).Close();
  if (!set.ok()) return Closed(set.status());
  for (const auto& proof : set->evidence) EXPECT_TRUE(hurt_.count(proof.accused) != 0);
  u2 = std::move(set->message);
  collecting.emplace(std::move(set->next));
  return true;
}

void Simulation::Withdraw(uint16_t member) {
  hurt_.insert(member);
  vector_log_.push_back({.peer = member, .chunk = {}, .close = {}});
  Replay(*collecting, vector_log_.back());
}

void Simulation::SendVector(uint16_t member) {
  const Upload& upload = uploads.at(member);
  if (Hit(Fault::kUpLost, kVector, member)) {
    hurt_.insert(member);
    return;
  }
  const Bytes chunk = upload.Chunk(0);
  if (Hit(Fault::kChunkChanged, kVector, member)) {
    const Bytes changed = Flipped(chunk, 31);  // behind frame and index
    if (collecting->TakeChunk(member, changed).ok()) {
      vector_log_.push_back({.peer = member, .chunk = changed, .close = {}});
      EXPECT_FALSE(collecting->TakeChunk(member, chunk).ok());
      EXPECT_FALSE(collecting->TakeClose(upload.Close()).ok());
      Withdraw(member);
      return;
    }
  }
  HILUM_EXPECT_OK(collecting->TakeChunk(member, chunk));
  vector_log_.push_back({.peer = member, .chunk = chunk, .close = {}});
  if (Hit(Fault::kHalfVector, kVector, member)) {
    Withdraw(member);
    return;
  }
  if (Hit(Fault::kUpChanged, kVector, member)) {
    EXPECT_FALSE(collecting->TakeClose(Flipped(upload.Close())).ok());
  }
  if (Hit(Fault::kUpRepeated, kVector, member)) {
    EXPECT_FALSE(collecting->TakeChunk(member, upload.Chunk(0))->is_new);
  }
  HILUM_EXPECT_OK(collecting->TakeClose(upload.Close()));
  vector_log_.push_back({.peer = member, .chunk = {}, .close = upload.Close()});
  if (Hit(Fault::kServerRestart, kVector, member)) Restart(kVector);
}

bool Simulation::RunVectors() {
  for (auto& [i, site] : acknowledged) {
    if (Hit(Fault::kSiteGone, kVector, i)) {
      hurt_.insert(i);
      continue;
    }
    const bool changed = Hit(Fault::kDownChanged, kVector, i);
    auto ready = std::move(site).TakeU2(changed ? Flipped(u2) : u2);
    if (!ready.ok()) {
      if (changed) hurt_.insert(i);
      EXPECT_TRUE(hurt_.count(i) != 0) << "member " << i << ": " << ready.status();
      continue;
    }
    EXPECT_FALSE(changed);
    auto step = std::move(*ready).MaskInput(Input(i), kernels::Device::kCpu);
    EXPECT_TRUE(step.ok()) << step.status();
    uploads.emplace(i, std::move(step->upload).ReleaseAfter(absl::OkStatus()).value());
    masked.emplace(i, std::move(step->next));
  }
  for (const uint16_t i : Shuffled(uploads)) SendVector(i);
  auto step = std::move(*collecting).Close();
  if (!step.ok()) return Closed(step.status());
  transcript = std::move(step->out).ReleaseAfter(absl::OkStatus()).value();
  confirming.emplace(std::move(step->next));
  return true;
}

bool Simulation::RunAnswers() {
  SiteFlight(kVote, masked, voted, votes, [&](uint16_t i, auto site, bool changed) {
    return std::move(site).TakeTranscript(changed ? Flipped(transcript) : transcript, rows[i]);
  });
  ServerFlight(kVote, confirming, votes);
  if (!Close(confirming, unmasking, vote_list)) return false;
  SiteFlight(kAnswer, voted, answered, answers, [&](uint16_t, auto site, bool changed) {
    return std::move(site).TakeVotes(changed ? Flipped(vote_list) : vote_list);
  });
  CheckAnswers();
  CheatInAnswers();
  ServerFlight(kAnswer, unmasking, answers);
  auto result = std::move(*unmasking).Close(kernels::Device::kCpu);
  if (!result.ok()) return Closed(result.status());
  opened.emplace(*std::move(result));
  return true;
}

// --- What must hold
// -------------------------------------------------------------------------------

// No member's a and b are ever both asked for: over all honest answers.
void Simulation::CheckAnswers() const {
  std::set<uint16_t> with_a, with_b;
  for (const auto& [i, message] : answers) {
    const Unmasking unmasking = DecodeUnmasking(BodyOf(*context, message)).value();
    for (const IndexedScalar& share : unmasking.a_shares) with_a.insert(share.index);
    for (const IndexedScalar& share : unmasking.b_shares) with_b.insert(share.index);
  }
  for (const uint16_t member : with_a) EXPECT_EQ(with_b.count(member), 0u);
}

void Simulation::Judge() const {
  const std::vector<uint32_t> sum = PlainSum(MembersOf(opened->transcript));
  EXPECT_TRUE(std::equal(sum.begin(), sum.end(), opened->total.words().begin(),
                         opened->total.words().end()))
      << "the sum is not exact";
  ASSERT_FALSE(answered.empty());
  const SiteAnswered& site = answered.begin()->second;
  EXPECT_EQ(HashOf(*context, opened->transcript), site.transcript_hash());
  const PublishedRound published{.facts = site.facts(),
                                 .transcript = opened->transcript,
                                 .votes = opened->votes,
                                 .opening = opened->opening,
                                 .sums = opened->sums,
                                 .ring_root = RingRoot(opened->total.words(), config.chunk_coords),
                                 .untagged = [this](uint16_t member) {
                                   return absl::StatusOr<std::vector<uint32_t>>(
                                       WordsOfChunk(*this, uploads.at(member).Chunk(0)));
                                 }};
  HILUM_EXPECT_OK(VerifyRound(published, kernels::Device::kCpu));
}

void Simulation::Run() {
  if (RunKeys() && RunShares() && RunVectors() && RunAnswers()) Judge();
}

Indices Simulation::NextMembers() const {
  Indices members;
  for (const auto& [member, message] : adverts) {
    if (reveals.count(member) != 0 && hurt_.count(member) == 0) members.push_back(member);
  }
  return members;
}

}  // namespace hilum::privacy::secagg
