// A masked round for tests: its configuration, and a federation that runs flight by flight with
// every message in reach, so that a test can drop, change, repeat and reorder them.
#ifndef HILUM_TESTS_PRIVACY_SECAGG_FIXTURES_H_
#define HILUM_TESTS_PRIVACY_SECAGG_FIXTURES_H_

#include <algorithm>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "crypto/labels.h"
#include "privacy/secagg/server_r0.h"
#include "privacy/secagg/site_r0.h"
#include "privacy/secagg/verify_round.h"
#include "tests/privacy/fixtures.h"
#include "tests/status_matchers.h"

namespace hilum::privacy::secagg {

// The defaults of docs/secure_aggregation.md, section 3; below five members u_min is 2n/3 alone, as
// with the explicit waiver.
inline RoundConfig MaskedRound(uint16_t n, uint64_t n_params) {
  RoundConfig config = OpenRound(n, n_params, true);
  config.mode = RoundMode::kMaskedMean;
  config.suite = Suite::kChaCha20;
  config.c_max = n / 5;
  config.quorum = static_cast<uint16_t>(2 * n / 3 + 1);
  const int two_thirds = (2 * n + 2) / 3;
  config.u_min = static_cast<uint16_t>(std::max({n < 5 ? 2 : 5, two_thirds, config.c_max + 2}));
  config.drop_max =
      std::min<uint16_t>(n / 5, static_cast<uint16_t>(n - std::max(config.quorum, config.u_min)));
  config.share_proof = ShareProof::kFeldman;
  return config;
}

inline const crypto::SigningKey& ServerKey() {
  static const auto* key = new crypto::SigningKey(MemberKey(60000));
  return *key;
}

inline ContextPtr ContextOf(const RoundConfig& config, uint8_t attempt = 0) {
  auto context = Context::Create(
      {.config = config, .attempt = attempt, .server_key = ServerKey().public_key()});
  EXPECT_TRUE(context.ok()) << context.status();
  return *context;
}

inline SiteFloors FloorsOf(const RoundConfig& config) {
  SiteFloors floors{.architectures = {config.architecture_digest},
                    .n_params = config.n_params,
                    .model_hash = config.model_hash};
  for (const RosterEntry& entry : config.roster) floors.roster.push_back(entry.key);
  return floors;
}

// Fresh bytes for a seed, instead of the operating system's.
inline SiteEntropy EntropyOf(uint64_t seed) {
  Digest key{0x5e};
  for (size_t i = 0; i < 8; ++i) key[i + 1] = static_cast<uint8_t>(seed >> (8 * i));
  crypto::SeededStream stream(key);
  SiteEntropy entropy;
  for (auto* fresh :
       {&entropy.a, &entropy.b, &entropy.share, &entropy.c, &entropy.r, &entropy.nonce}) {
    stream.Fill(fresh->mutable_bytes());
  }
  return entropy;
}

// Applies a change to a message's body and signs the frame anew only as far as `change` does.
template <class Change>
Bytes Changed(const Context& context, const Bytes& message, Change change) {
  const auto opened = OpenFrame(context, message);
  EXPECT_TRUE(opened.ok()) << opened.status();
  Bytes body(opened->body.begin(), opened->body.end());
  change(body);
  return Frame(context, opened->sender, body);
}

inline ByteView BodyOf(const Context& context, const Bytes& message) {
  return OpenFrame(context, message)->body;
}

// The positions of a regular graph: members by Fisher-Yates from the last position down
// (docs/secure_aggregation.md, section 4).
inline Indices RingOf(Indices members, const Digest& seed) {
  crypto::SeededStream stream(seed);
  for (size_t last = members.size() - 1; last > 0; --last) {
    std::swap(members[last], members[stream.Below(last + 1)]);
  }
  return members;
}

struct FederationOptions {
  uint8_t attempt = 0;
  uint64_t seed = 1;
  Indices members;  // who starts; empty: all
};

// One attempt. The stages are named after the message that the server has just made.
class Federation {
 public:
  using Up = std::map<uint16_t, Bytes>;
  enum Stage { kStart, kKeyList, kU1, kDeliveries, kU2, kTranscript, kVoteList, kOpened };

  explicit Federation(RoundConfig round, FederationOptions options = {})
      : config(std::move(round)),
        context(ContextOf(config, options.attempt)),
        seed(options.seed),
        advertising(ServerAdvertising(context, ServerKey())) {
    for (uint16_t i = 0; i < context->n(); ++i) {
      keys.push_back(MemberKey(i));
      if (options.members.empty() || Holds(options.members, i)) online.push_back(i);
      inputs.push_back({.delta = RandomDelta(config.n_params, static_cast<uint32_t>(seed + i)),
                        .weight = i + 1u,
                        .loss = 0.25 * i});
    }
  }

  void Drop(uint16_t member) { std::erase(online, member); }

  // x_i, as the site would send it in open mode.
  std::vector<uint32_t> PlainWords(uint16_t member) const {
    RoundConfig open = config;
    open.mode = RoundMode::kOpen;
    open.suite = Suite::kNone;
    const auto update = Prepare(inputs[member], open, Stream(member, seed));
    EXPECT_TRUE(update.ok()) << update.status();
    return {update->words().begin(), update->words().end()};
  }
  NoisedDelta Input(uint16_t member) const {
    ClippedDelta clipped =
        ClipToNorm(ModelDeltaTestPeer::Make(inputs[member].delta), config.clip_l2).value();
    WeightedDelta weighted = Weight(std::move(clipped), {.weight = inputs[member].weight,
                                                         .max_weight = config.max_weight})
                                 .value();
    QuantizedDelta quantized =
        Quantize(std::move(weighted), config, {.loss = inputs[member].loss}, Stream(member, seed))
            .value();
    return AddNoise(std::move(quantized), config).value();
  }
  std::vector<uint32_t> PlainSum(const Indices& members) const {
    std::vector<uint32_t> sum(config.n_coords());
    const uint32_t ring = config.ring_bits == 32 ? ~0u : (1u << config.ring_bits) - 1;
    for (const uint16_t member : members) {
      const std::vector<uint32_t> words = PlainWords(member);
      for (size_t j = 0; j < sum.size(); ++j) sum[j] = (sum[j] + words[j]) & ring;
    }
    return sum;
  }

  SiteAdvertised::Options StartOptions(uint16_t member) const {
    SiteAdvertised::Options options{.context = context,
                                    .index = member,
                                    .signing_key = &keys[member],
                                    .floors = FloorsOf(config),
                                    .entropy = EntropyOf(seed * 1000 + member)};
    options.site_secret.mutable_bytes()[0] = static_cast<uint8_t>(member);
    return options;
  }

  void SitesAdvertise() {
    for (const uint16_t i : online) {
      auto step = SiteAdvertised::Start(StartOptions(i));
      ASSERT_TRUE(step.ok()) << step.status();
      adverts[i] = std::move(step->out).ReleaseAfter(absl::OkStatus()).value();
      advertised.emplace(i, std::move(step->next));
    }
  }
  void SitesReveal() {
    Run(advertised, revealed, reveals,
        [this](uint16_t, auto site) { return std::move(site).TakeKeyList(key_list); });
  }
  void SitesShare() {
    Run(revealed, shared, bundles,
        [this](uint16_t, auto site) { return std::move(site).TakeU1(u1); });
  }
  void SitesAcknowledge() {
    Run(shared, acknowledged, acks,
        [this](uint16_t i, auto site) { return std::move(site).TakeDelivery(deliveries.at(i)); });
  }
  void SitesMask() {
    for (auto& [i, site] : acknowledged) {
      if (!Holds(online, i)) continue;
      auto ready = std::move(site).TakeU2(u2);
      ASSERT_TRUE(ready.ok()) << ready.status();
      auto step = std::move(*ready).MaskInput(Input(i), kernels::Device::kCpu);
      ASSERT_TRUE(step.ok()) << step.status();
      auto upload = std::move(step->upload).ReleaseAfter(absl::OkStatus());
      ASSERT_TRUE(upload.ok());
      uploads.emplace(i, *std::move(upload));
      masked.emplace(i, std::move(step->next));
    }
    acknowledged.clear();
  }
  void SitesVote() {
    RunDurable(masked, voted, votes, [this](uint16_t i, auto site) {
      return std::move(site).TakeTranscript(transcript, rows[i]);
    });
  }
  void SitesAnswer() {
    RunDurable(voted, answered, answers,
               [this](uint16_t, auto site) { return std::move(site).TakeVotes(vote_list); });
  }

  void ServerTakesKeys() { Serve(advertising, adverts, revealing, key_list); }
  void ServerTakesReveals() { Serve(revealing, reveals, sharing, u1); }
  void ServerTakesShares() {
    for (const auto& [i, message] : bundles) HILUM_ASSERT_OK(sharing->Take(message));
    auto closed = std::move(*sharing).Close();
    ASSERT_TRUE(closed.ok()) << closed.status();
    deliveries = std::move(closed->messages);
    acknowledging.emplace(std::move(closed->next));
  }
  void ServerTakesAcks() {
    for (const auto& [i, message] : acks) HILUM_ASSERT_OK(acknowledging->Take(message));
    CloseAcks();
  }
  void CloseAcks() {
    auto closed = std::move(*acknowledging).Close();
    ASSERT_TRUE(closed.ok()) << closed.status();
    u2 = std::move(closed->message);
    evidence = std::move(closed->evidence);
    collecting.emplace(std::move(closed->next));
  }
  void TakeVector(uint16_t member, const Upload& upload) {
    for (uint32_t c = 0; c < upload.n_chunks(); ++c) {
      HILUM_ASSERT_OK(collecting->TakeChunk(member, upload.Chunk(c)));
    }
    HILUM_ASSERT_OK(collecting->TakeClose(upload.Close()));
  }
  void ServerTakesVectors() {
    for (const auto& [i, upload] : uploads) TakeVector(i, upload);
    CloseVectors();
  }
  void CloseVectors() {
    auto step = std::move(*collecting).Close();
    ASSERT_TRUE(step.ok()) << step.status();
    transcript = std::move(step->out).ReleaseAfter(absl::OkStatus()).value();
    confirming.emplace(std::move(step->next));
  }
  void ServerTakesVotes() { Serve(confirming, votes, unmasking, vote_list); }
  void ServerTakesAnswers() {
    for (const auto& [i, message] : answers) HILUM_ASSERT_OK(unmasking->Take(message));
    CloseAnswers();
  }
  void CloseAnswers() {
    auto result = std::move(*unmasking).Close(kernels::Device::kCpu);
    ASSERT_TRUE(result.ok()) << result.status();
    opened.emplace(*std::move(result));
  }

  // Runs whole stages up to `stage`.
  void RunTo(Stage wanted) {
    for (; stage < wanted && !::testing::Test::HasFatalFailure();
         stage = static_cast<Stage>(stage + 1)) {
      switch (stage) {
        case kStart:
          SitesAdvertise();
          ServerTakesKeys();
          break;
        case kKeyList:
          SitesReveal();
          ServerTakesReveals();
          break;
        case kU1:
          SitesShare();
          ServerTakesShares();
          break;
        case kDeliveries:
          SitesAcknowledge();
          ServerTakesAcks();
          break;
        case kU2:
          SitesMask();
          ServerTakesVectors();
          break;
        case kTranscript:
          SitesVote();
          ServerTakesVotes();
          break;
        case kVoteList:
          SitesAnswer();
          ServerTakesAnswers();
          break;
        case kOpened:
          break;
      }
    }
  }

  // The opened round as a site or an auditor gets it.
  PublishedRound Published() const {
    return {.facts = opened->facts,
            .transcript = opened->transcript,
            .votes = opened->votes,
            .opening = opened->opening,
            .sums = opened->sums,
            .ring_root = RingRoot(opened->total.words(), config.chunk_coords),
            .untagged = {}};
  }

  // What everybody knows once the graph is fixed.
  Facts FactsAfterU1() const {
    Facts facts = AcceptKeyList(context, DecodeKeyList(BodyOf(*context, key_list)).value()).value();
    const absl::Status status = AcceptU1(DecodeU1(BodyOf(*context, u1)).value(), facts);
    EXPECT_TRUE(status.ok()) << status;
    return facts;
  }

  // The key list, changed and signed as the server would.
  template <class Change>
  Bytes ForgeKeyList(Change change) const {
    KeyList list = DecodeKeyList(BodyOf(*context, key_list)).value();
    change(list);
    list.server_signature = context->Sign(ServerKey(), crypto::kLabelR0List, crypto::kServerSender,
                                          HashKeyList(list.entries));
    return Frame(*context, crypto::kServerSender, Encode(list));
  }

  // Signs a changed transcript as the server would.
  Bytes SignTranscript(const Transcript& changed) const {
    SignedTranscript shown{.transcript = changed, .server_signature = {}};
    shown.server_signature = context->Sign(ServerKey(), crypto::kLabelTranscript,
                                           crypto::kServerSender, HashOf(*context, changed));
    return Frame(*context, crypto::kServerSender, Encode(shown));
  }

  RoundConfig config;
  ContextPtr context;
  uint64_t seed;
  Stage stage = kStart;
  Indices online;
  std::vector<crypto::SigningKey> keys;
  std::vector<SiteInput> inputs;
  std::map<uint16_t, std::vector<SumRow>> rows;  // of each site's cohort guard

  std::map<uint16_t, SiteAdvertised> advertised;
  std::map<uint16_t, SiteRevealed> revealed;
  std::map<uint16_t, SiteShared> shared;
  std::map<uint16_t, SiteAcknowledged> acknowledged;
  std::map<uint16_t, SiteMasked> masked;
  std::map<uint16_t, SiteVoted> voted;
  std::map<uint16_t, SiteAnswered> answered;
  std::map<uint16_t, Upload> uploads;
  Up adverts, reveals, bundles, acks, votes, answers;
  std::map<uint16_t, Bytes> records;  // the last durable record of each site

  std::optional<ServerAdvertising> advertising;
  std::optional<ServerRevealing> revealing;
  std::optional<ServerSharing> sharing;
  std::optional<ServerAcknowledging> acknowledging;
  std::optional<ServerCollecting> collecting;
  std::optional<ServerConfirming> confirming;
  std::optional<ServerUnmasking> unmasking;
  std::optional<OpenedRound> opened;
  std::vector<UpheldComplaint> evidence;
  Bytes key_list, u1, u2, transcript, vote_list;
  std::map<uint16_t, Bytes> deliveries;

 private:
  template <class From, class To, class Take>
  void Run(std::map<uint16_t, From>& from, std::map<uint16_t, To>& to, Up& out, Take take) {
    for (auto& [i, site] : from) {
      if (!Holds(online, i)) continue;
      auto step = take(i, std::move(site));
      ASSERT_TRUE(step.ok()) << "site " << i << ": " << step.status();
      out[i] = std::move(step->message);
      to.emplace(i, std::move(step->next));
    }
    from.clear();
  }
  template <class From, class To, class Take>
  void RunDurable(std::map<uint16_t, From>& from, std::map<uint16_t, To>& to, Up& out, Take take) {
    for (auto& [i, site] : from) {
      if (!Holds(online, i)) continue;
      auto step = take(i, std::move(site));
      ASSERT_TRUE(step.ok()) << "site " << i << ": " << step.status();
      records[i] = step->out.durable();
      out[i] = std::move(step->out).ReleaseAfter(absl::OkStatus()).value();
      to.emplace(i, std::move(step->next));
    }
    from.clear();
  }
  template <class State, class Next>
  void Serve(std::optional<State>& state, const Up& up, std::optional<Next>& next, Bytes& down) {
    for (const auto& [i, message] : up) HILUM_ASSERT_OK(state->Take(message));
    auto step = std::move(*state).Close();
    ASSERT_TRUE(step.ok()) << step.status();
    down = std::move(step->message);
    next.emplace(std::move(step->next));
  }
};

}  // namespace hilum::privacy::secagg

#endif  // HILUM_TESTS_PRIVACY_SECAGG_FIXTURES_H_
