// The masked worked example of docs/wire.md is what the code computes. wire_masked_doc_test.py
// makes the same lines without it.
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "aggregator/outcome.h"
#include "base/file.h"
#include "crypto/hash.h"
#include "crypto/labels.h"
#include "ledger_anchor/note.h"
#include "privacy/secagg/facts.h"
#include "privacy/secagg/masks.h"
#include "privacy/secagg/r1_messages.h"
#include "privacy/secagg/r5_messages.h"
#include "privacy/secagg/tags.h"
#include "privacy/secagg/verify_round.h"
#include "privacy/sum_object.h"
#include "proto/safetensors.h"
#include "tests/status_matchers.h"

namespace hilum::aggregator {
namespace {

namespace secagg = privacy::secagg;
using crypto::kServerSender;

constexpr uint16_t kSites = 6;
constexpr uint16_t kDropped = 5;  // site-f, after U2
constexpr char kOrigin[] = "fl.example/ledger";

template <size_t N = 32>
std::array<uint8_t, N> Filled(uint8_t byte) {
  std::array<uint8_t, N> bytes;
  bytes.fill(byte);
  return bytes;
}
crypto::SigningKey KeyOf(uint8_t byte) { return crypto::SigningKey::FromSeed(Filled(byte)); }
ByteView BytesOf(std::span<const uint32_t> words) {
  return {reinterpret_cast<const uint8_t*>(words.data()), words.size() * 4};
}

// x: seven parameters, then weight, count and loss.
std::vector<uint32_t> InputOf(uint16_t site) {
  std::vector<uint32_t> words;
  for (int j = 1; j <= 7; ++j) {
    words.push_back(static_cast<uint32_t>((site % 2 == 0 ? 1 : -1) * (site + 1) * 100'000 * j));
  }
  words.insert(words.end(), {10U + site, 1U, 0x8000U});
  return words;
}

class MaskedExample {
 public:
  absl::StatusOr<std::string> Compute(absl::string_view plan) {
    HILUM_RETURN_IF_ERROR(Configure(plan));
    HILUM_RETURN_IF_ERROR(Flights());
    HILUM_RETURN_IF_ERROR(MaskInputs());
    HILUM_RETURN_IF_ERROR(Transcribe());
    HILUM_RETURN_IF_ERROR(Derive());
    return text_;
  }

 private:
  void Hex(absl::string_view name, ByteView bytes) {
    absl::StrAppend(&text_, std::string(name), std::string(22 - name.size(), ' '), ToHex(bytes),
                    "\n");
  }
  crypto::Signature Sign(uint16_t sender, absl::string_view label, ByteView message) const {
    const crypto::SigningKey& key = sender == kServerSender ? server_ : keys_[sender];
    return context_->Sign(key, label, sender, message);
  }

  absl::Status Configure(absl::string_view plan) {
    HILUM_ASSIGN_OR_RETURN(plan_, proto::ParseRoundPlan(plan));
    const std::string vkey = ledger_anchor::FormatVerifierKey(ledger_anchor::MakeVerifierKey(
        kOrigin, ledger_anchor::KeyType::kEd25519, KeyOf(0x11).public_key()));
    HILUM_ASSIGN_OR_RETURN(base_, proto::EncodeSafetensors(plan_.spec, std::vector<float>(7, 0.25F),
                                                           {{"round", "0"}}));
    std::vector<RosterSite> roster;
    for (uint16_t i = 0; i < kSites; ++i) {
      keys_.push_back(KeyOf(static_cast<uint8_t>(0x21 + i)));
      roster.push_back({{absl::StrCat("site-", std::string(1, static_cast<char>('a' + i)))},
                        keys_.back().public_key()});
    }
    HILUM_ASSIGN_OR_RETURN(config_,
                           MakeRoundConfig({.plan = plan_,
                                            .plan_bytes = plan,
                                            .round = {1},
                                            .base_model = crypto::Sha256(base_),
                                            .roster = roster,
                                            .federation_id = privacy::FederationId(kOrigin, vkey),
                                            .ledger_head = {},
                                            .audit_days = 365}));
    HILUM_ASSIGN_OR_RETURN(
        context_, secagg::Context::Create({.config = config_, .server_key = server_.public_key()}));
    Hex("plan SHA-256", crypto::Sha256(plan));
    Hex("cfg", privacy::EncodeRoundConfig(config_));
    Hex("H(cfg)", context_->cfg_hash());
    Hex("rid", context_->rid());
    return absl::OkStatus();
  }

  secagg::KeyAdvertisement Advertise(uint16_t i) {
    a_.push_back(crypto::Scalar::FromInteger(0xA00 + uint64_t{i}));
    b_.push_back(crypto::Scalar::FromInteger(0xB00 + uint64_t{i}));
    s_.push_back(secagg::MaskPrivateKey(*context_, i, a_[i]));
    crypto::SecretKey channel;
    std::fill_n(channel.data(), 32, static_cast<uint8_t>(0x40 + i));
    secagg::KeyAdvertisement keys{
        .mask_key = crypto::AgreementKeyOf(s_[i]),
        .channel_key = crypto::AgreementKeyOf(channel),
        .graph_commit = secagg::GraphCommitment(Filled(static_cast<uint8_t>(0x60 + i))),
        .b_commit = secagg::SelfCommitment(*context_, i, b_[i])};
    keys.signature = Sign(i, crypto::kLabelR0Key, AdvertisementFields(keys));
    return keys;
  }

  // The neighbours of member 0 in a ring of 120 members of degree 6.
  static Bytes RingOf(const Digest& seed) {
    secagg::Indices members;
    for (uint16_t i = 0; i < 120; ++i) members.push_back(i);
    Bytes bytes;
    const secagg::Graph graph(members, {.k = 6, .t = 4}, seed);
    for (const uint16_t neighbour : graph.NeighboursOf(0)) AppendU16(bytes, neighbour);
    return bytes;
  }

  absl::Status Flights() {
    secagg::KeyList list;
    for (uint16_t i = 0; i < kSites; ++i) list.entries.push_back({i, Advertise(i)});
    const Digest list_hash = secagg::HashKeyList(list.entries);
    list.server_signature = Sign(kServerSender, crypto::kLabelR0List, list_hash);
    secagg::U1 u1{.graph = {.k = 5, .t = 5}};
    secagg::U2 u2;
    for (uint16_t i = 0; i < kSites; ++i) {
      const auto r = Filled(static_cast<uint8_t>(0x60 + i));
      u1.entries.push_back(
          {i, r, Sign(i, crypto::kLabelR0Reveal, secagg::RevealFields(list_hash, r))});
      u2.members.push_back(i);
    }
    const Digest seed = secagg::GraphSeed(list_hash, u1.entries, config_.ledger_head);
    const Digest u1_hash = secagg::HashU1(seed, u1.graph);
    u1.server_signature = Sign(kServerSender, crypto::kLabelU1, u1_hash);
    u2.server_signature =
        Sign(kServerSender, crypto::kLabelU2, secagg::HashU2(u1_hash, u2.members));
    HILUM_ASSIGN_OR_RETURN(facts_, secagg::AcceptKeyList(context_, list));
    HILUM_RETURN_IF_ERROR(secagg::AcceptU1(u1, facts_));
    HILUM_RETURN_IF_ERROR(secagg::AcceptU2(u2.members, u2.server_signature, facts_));
    Hex("advertised by site-a", Encode(list.entries[0].advertisement));
    Hex("B", facts_.list_hash);
    Hex("graph seed", seed);
    Hex("ring of 120", RingOf(seed));
    Hex("H(U1)", facts_.u1_hash);
    Hex("H(U2)", facts_.u2_hash);
    return absl::OkStatus();
  }

  absl::Status MaskInputs() {
    for (uint16_t i = 0; i < kSites; ++i) {
      secagg::SignedKeys masks;
      crypto::SecretKey own = secagg::SelfMaskKey(*context_, i, b_[i], facts_.u2_hash);
      if (i == 0) Hex("m of site-a", own.bytes());
      masks.Add(std::move(own), 1);
      for (const uint16_t j : facts_.NeighboursInU2(i)) {
        HILUM_ASSIGN_OR_RETURN(crypto::SecretKey pair,
                               secagg::PairMaskKey(*context_, {.mask_private = s_[i],
                                                               .peer = facts_.keys.at(j).mask_key,
                                                               .i = i,
                                                               .j = j,
                                                               .u2_hash = facts_.u2_hash}));
        if (i == 0 && j == kDropped) Hex("s of site-a, site-f", pair.bytes());
        masks.Add(std::move(pair), secagg::PairSign(i, j));
      }
      HILUM_ASSIGN_OR_RETURN(const kernels::MaskKeys schedule, masks.Schedule(config_));
      std::vector<uint32_t> y = InputOf(i);
      HILUM_RETURN_IF_ERROR(kernels::KeystreamAdd(y, schedule, 0, kernels::Device::kCpu));
      if (i == 0) Hex("y of site-a", BytesOf(y));
      if (i != kDropped) y_.push_back(std::move(y));
    }
    return absl::OkStatus();
  }

  absl::Status Transcribe() {
    sums_.assign(static_cast<size_t>(config_.n_coords()), 0);
    transcript_ = {.u1_hash = facts_.u1_hash,
                   .u2_hash = facts_.u2_hash,
                   .model_hash = config_.model_hash,
                   .n_coords = config_.n_coords()};
    for (uint16_t i = 0; i < kDropped; ++i) {
      for (size_t j = 0; j < sums_.size(); ++j) sums_[j] += y_[i][j];
      const Digest root = privacy::UpdateRoot(y_[i], privacy::LayoutOf(config_));
      const Bytes fields = privacy::UpdateMessage(
          {.u2_hash = facts_.u2_hash, .root = root, .n_coords = config_.n_coords()});
      transcript_.members.push_back({i, root, Sign(i, crypto::kLabelR2Root, fields)});
    }
    transcript_.sum_root = privacy::SumRoot(sums_, config_);
    const Digest hash = secagg::HashOf(*context_, transcript_);
    for (uint16_t i = 0; i < kDropped; ++i) {
      const auto nonce = Filled(static_cast<uint8_t>(0x70 + i));
      votes_.push_back({i, nonce, Sign(i, crypto::kLabelR3Vote, secagg::VoteFields(hash, nonce))});
    }
    Hex("R of site-a", transcript_.members[0].root);
    Hex("sum object", PackSum(sums_, config_));
    Hex("root(S)", transcript_.sum_root);
    Hex("H(T)", hash);
    return Open(hash);
  }

  absl::Status Open(const Digest& transcript_hash) {
    const Digest votes_hash = secagg::HashVotes(transcript_hash, votes_);
    const kernels::TagValues points = secagg::ChallengeOf(*context_, votes_hash);
    for (uint16_t i = 0; i < kDropped; ++i) {
      opening_.secrets.b.push_back({i, b_[i].Copy()});
      HILUM_ASSIGN_OR_RETURN(const kernels::TagValues tag,
                             kernels::EvaluateTags(y_[i], points, kernels::Device::kCpu));
      const Bytes fields = secagg::TagFields(transcript_hash, votes_hash, tag);
      opening_.tags.push_back({i, {tag, Sign(i, crypto::kLabelTag, fields)}});
    }
    opening_.secrets.a.push_back({kDropped, a_[kDropped].Copy()});
    Hex("V", votes_hash);
    Hex("rho", Values(points));
    Hex("tag of site-a", Values(opening_.tags[0].tag.values));
    Hex("opening", Encode(opening_));
    return absl::OkStatus();
  }
  static Bytes Values(const kernels::TagValues& values) {
    Bytes bytes;
    for (const uint64_t value : values) AppendU64(bytes, value);
    return bytes;
  }

  // As an auditor does: from what is published.
  absl::Status Derive() {
    std::vector<uint32_t> ring(sums_.size());
    for (uint16_t i = 0; i < kDropped; ++i) {
      for (size_t j = 0; j < ring.size(); ++j) ring[j] += InputOf(i)[j];
    }
    HILUM_ASSIGN_OR_RETURN(
        privacy::RingTotal total,
        secagg::VerifyRound({.facts = facts_,
                             .transcript = transcript_,
                             .votes = votes_,
                             .opening = opening_,
                             .sums = sums_,
                             .ring_root = privacy::RingRoot(ring, config_.chunk_coords),
                             .untagged = {}},
                            kernels::Device::kCpu));
    Hex("z", BytesOf(total.words()));
    HILUM_ASSIGN_OR_RETURN(proto::SafetensorsFile base, proto::ParseSafetensors(base_));
    HILUM_ASSIGN_OR_RETURN(
        const RoundOutcome outcome,
        OutcomeOfRing(
            {.config = config_, .attempt = 0, .transcript = transcript_}, std::move(total),
            std::move(base),
            {.strategy = plan_.strategy, .job = {plan_.job}, .round = {1}, .origin = kOrigin}));
    Hex("root(z)", outcome.ring_root);
    Hex("new model SHA-256", outcome.model.sha256());
    return absl::OkStatus();
  }

  std::string text_;
  proto::RoundPlan plan_;
  Bytes base_;
  const crypto::SigningKey server_ = KeyOf(0x12);
  std::vector<crypto::SigningKey> keys_;
  privacy::RoundConfig config_;
  secagg::ContextPtr context_;
  std::vector<crypto::Scalar> a_, b_;
  std::vector<crypto::SecretKey> s_;
  secagg::Facts facts_;
  std::vector<std::vector<uint32_t>> y_;  // of those who did not drop out
  std::vector<uint64_t> sums_;
  privacy::Transcript transcript_;
  secagg::VoteList votes_;
  secagg::RoundOpening opening_;
};

std::string BlockOf(const std::string& page, const std::string& fence) {
  const size_t begin = page.find(fence);
  if (begin == std::string::npos) return "";
  const size_t first = begin + fence.size();
  return page.substr(first, page.find("```", first) - first);
}

TEST(WireDoc, TheMaskedExampleIsWhatTheCodeComputes) {
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string page,
                             ReadTextFile(fs::path(HILUM_SOURCE_DIR) / "docs/wire.md", 1 << 20));
  std::string plan = BlockOf(page, "```masked-plan\n");
  ASSERT_FALSE(plan.empty());
  plan.pop_back();  // the line end
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string expected, MaskedExample().Compute(plan));
  EXPECT_EQ(BlockOf(page, "```masked-example\n"), expected);
}

}  // namespace
}  // namespace hilum::aggregator
