// 1,000 seeded histories of one round: late, doubled and reordered messages, broken uploads, sites
// that drop, deadlines, and a restart of the server after any step. The pure round and the sum are
// the real ones; store and network are lists in memory.
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <set>
#include <vector>

#include "absl/strings/str_cat.h"
#include "aggregator/advance.h"
#include "crypto/random.h"
#include "kernels/integer_sum.h"
#include "tests/status_matchers.h"

namespace hilum::aggregator {
namespace {

using kernels::Device;

constexpr size_t kChunks = 3;
constexpr size_t kWords = 4;  // of a chunk
constexpr int kSeeds = 1000;

using Vector = std::vector<uint32_t>;

// What can come in, in any order.
struct Message {
  enum Kind { kChunk, kClose, kBreak, kAway, kRefuse, kDeadline, kRestart, kCommit };
  Kind kind = kChunk;
  uint16_t site = 0;
  int upload = 0;  // which attempt of the site
};

class World {
 public:
  explicit World(uint64_t seed) : random_(KeyOf(seed)) {
    n_sites_ = 2 + random_.Below(6);
    minimum_ = 2 + static_cast<int>(random_.Below(2));
    for (uint16_t site = 0; site < n_sites_; ++site) {
      roster_.push_back({.site = {absl::StrCat("site-", site)}});
      Vector vector(kChunks * kWords);
      random_.Fill(vector);
      vectors_.push_back(vector);
    }
    facts_.job.name = "sim";
    facts_.round.number = 1;
    facts_.minimum = minimum_;
    round_ = Stored();
    sums_.resize(kChunks * kWords);
    MakeHistory();
  }

  void Run() {
    while (!history_.empty()) {
      const size_t next = random_.Below(std::min<size_t>(history_.size(), 4));  // reordered
      const Message message = history_[next];
      history_.erase(history_.begin() + static_cast<long>(next));
      Handle(message);
      CheckInvariants();
    }
    // Time passes in every world: the deadline ends what is still open.
    Handle({.kind = Message::kDeadline});
    Handle({.kind = Message::kCommit});
    CheckInvariants();
    CheckEnd();
  }

 private:
  static std::array<uint8_t, 32> KeyOf(uint64_t seed) {
    std::array<uint8_t, 32> key{};
    for (int i = 0; i < 8; ++i) key[i] = static_cast<uint8_t>(seed >> (8 * i));
    return key;
  }

  // What a server finds when it starts.
  Collecting Stored() const {
    Collecting stored;
    stored.facts = facts_;
    stored.roster = roster_;
    stored.accepted = accepted_;
    stored.dropped = dropped_;
    return stored;
  }

  void MakeHistory() {
    for (uint16_t site = 0; site < n_sites_; ++site) {
      const int n_uploads = static_cast<int>(random_.Below(4));  // none, one, doubled, ...
      for (int upload = 0; upload < n_uploads; ++upload) {
        const size_t n_sent = random_.Below(3) == 0 ? random_.Below(kChunks) : kChunks;
        for (size_t chunk = 0; chunk < n_sent; ++chunk) {
          history_.push_back({Message::kChunk, site, upload});
        }
        history_.push_back({n_sent == kChunks ? Message::kClose : Message::kBreak, site, upload});
      }
      if (random_.Below(5) == 0) history_.push_back({Message::kAway, site});
      if (random_.Below(8) == 0) history_.push_back({Message::kRefuse, site});
    }
    for (uint64_t i = random_.Below(4); i > 0; --i) Insert({.kind = Message::kRestart});
    if (random_.Below(3) == 0) Insert({.kind = Message::kDeadline});
    for (uint64_t i = random_.Below(3); i > 0; --i) Insert({.kind = Message::kCommit});
  }
  void Insert(const Message& message) {
    const size_t place = random_.Below(history_.size() + 1);
    history_.insert(history_.begin() + static_cast<long>(place), message);
  }

  std::span<const uint32_t> ChunkOf(uint16_t site, size_t chunk) const {
    return std::span(vectors_[site]).subspan(chunk * kWords, kWords);
  }
  std::span<uint64_t> SumsOf(size_t chunk) {
    return std::span(sums_).subspan(chunk * kWords, kWords);
  }
  void Withdraw(const std::pair<uint16_t, int>& id) {
    for (size_t chunk = 0; chunk < uploads_[id]; ++chunk) {
      HILUM_ASSERT_OK(
          kernels::SubtractWords(ChunkOf(id.first, chunk), SumsOf(chunk), Device::kCpu));
    }
    uploads_.erase(id);
  }
  // An event whose refusal changes nothing.
  bool Apply(const Event& event) {
    absl::StatusOr<Round> next = Advance(round_, event);
    if (!next.ok()) return false;
    round_ = *std::move(next);
    // The set is fixed: uploads in flight are taken out.
    if (!std::holds_alternative<Collecting>(round_)) {
      while (!uploads_.empty()) Withdraw(uploads_.begin()->first);
    }
    return true;
  }

  void Handle(const Message& message) {
    const std::pair<uint16_t, int> id{message.site, message.upload};
    switch (message.kind) {
      case Message::kChunk: {
        if (!std::holds_alternative<Collecting>(round_)) return;
        if (dead_.contains(id) || uploads_[id] == kChunks) return;
        size_t& n_added = uploads_[id];
        HILUM_ASSERT_OK(
            kernels::AddWords(ChunkOf(message.site, n_added), SumsOf(n_added), Device::kCpu));
        ++n_added;
        return;
      }
      case Message::kBreak:
        dead_.insert(id);
        if (uploads_.contains(id)) Withdraw(id);
        return;
      case Message::kClose:
        return HandleClose(id);
      case Message::kAway:
      case Message::kRefuse:
        if (Apply(SiteDropped{roster_[message.site].site, "gone"})) {
          if (!accepted_.contains(message.site)) dropped_.emplace(message.site, "gone");
        }
        return;
      case Message::kDeadline:
        Apply(DeadlinePassed{});
        return;
      case Message::kCommit:
        return HandleCommit();
      case Message::kRestart:
        return Restart();
    }
  }

  void HandleClose(const std::pair<uint16_t, int>& id) {
    if (dead_.contains(id) || !uploads_.contains(id) || uploads_[id] != kChunks) return;
    dead_.insert(id);
    const bool first = !accepted_.contains(id.first);
    CountedUpdate update{.site_index = id.first};
    update.root[0] = static_cast<uint8_t>(id.first + 1);
    if (!first) return Withdraw(id);  // a repeat is compared, never added twice
    absl::StatusOr<Round> next = Advance(round_, UpdateAccepted{update});
    if (!next.ok()) return Withdraw(id);
    accepted_.emplace(id.first, update);  // durable first
    uploads_.erase(id);                   // counted: stays in the sum
    Apply(UpdateAccepted{update});
  }

  // The close is made from what the state says, recorded, and never made a second time.
  void HandleCommit() {
    if (std::holds_alternative<Closing>(round_)) {
      const RoundRecorded record{.close_leaf = {1}, .model = {2}};
      ASSERT_TRUE(Apply(record));
      ++n_commits_;
      committed_sums_ = sums_;
      EXPECT_TRUE(Apply(record)) << "the same record again changes nothing";
      EXPECT_FALSE(Apply(RoundRecorded{.close_leaf = {9}, .model = {9}}));
    } else if (std::holds_alternative<Failed>(round_)) {
      EXPECT_TRUE(Apply(RoundRecorded{.close_leaf = {3}}));
    }
  }

  // All of memory is gone; what was durable comes back, uploads in flight do not.
  void Restart() {
    if (n_commits_ > 0) return;  // the close is in the ledger: nothing of this round is left
    if (std::holds_alternative<Failed>(round_)) return;
    for (const auto& [id, n_chunks] : uploads_) dead_.insert(id);
    uploads_.clear();
    round_ = Resume(Stored());
    std::fill(sums_.begin(), sums_.end(), 0);
    for (const auto& [site, update] : accepted_) AddWhole(site, sums_);
  }

  void AddWhole(uint16_t site, std::vector<uint64_t>& sums) const {
    kernels::AddWordsReference(vectors_[site], sums);
  }

  std::vector<uint64_t> Reference(const std::set<uint16_t>& sites) const {
    std::vector<uint64_t> sums(kChunks * kWords);
    for (const uint16_t site : sites) AddWhole(site, sums);
    return sums;
  }

  void CheckInvariants() {
    EXPECT_LE(n_commits_, 1);
    // Once the set is fixed the sum is that of exactly its members.
    if (const auto* closing = std::get_if<Closing>(&round_)) {
      std::set<uint16_t> counted;
      for (const CountedUpdate& update : closing->counted) counted.insert(update.site_index);
      EXPECT_GE(counted.size(), static_cast<size_t>(minimum_));
      EXPECT_EQ(sums_, Reference(counted));
      for (const auto& [site, reason] : closing->dropped) EXPECT_FALSE(counted.contains(site));
      EXPECT_EQ(counted.size() + closing->dropped.size(), roster_.size());
      // Nobody who was acknowledged is missing.
      for (const auto& [site, update] : accepted_) EXPECT_TRUE(counted.contains(site));
    }
    if (const auto* collecting = std::get_if<Collecting>(&round_)) {
      EXPECT_EQ(collecting->accepted.size(), accepted_.size());
    }
  }

  void CheckEnd() {
    const bool enough = accepted_.size() >= static_cast<size_t>(minimum_);
    EXPECT_EQ(std::holds_alternative<Committed>(round_), enough) << StateName(round_);
    EXPECT_EQ(std::holds_alternative<Failed>(round_), !enough);
    if (!enough) return;
    std::set<uint16_t> counted;
    for (const auto& [site, update] : accepted_) counted.insert(site);
    EXPECT_EQ(committed_sums_, Reference(counted));
  }

  crypto::SeededStream random_;
  uint64_t n_sites_ = 0;
  int minimum_ = 2;
  RoundFacts facts_;
  std::vector<RosterSite> roster_;
  std::vector<Vector> vectors_;
  std::vector<Message> history_;

  // Memory.
  Round round_;
  std::vector<uint64_t> sums_;
  std::map<std::pair<uint16_t, int>, size_t> uploads_;  // chunks added by each upload in flight
  std::set<std::pair<uint16_t, int>> dead_;             // uploads whose connection is gone
  // Durable.
  std::map<uint16_t, CountedUpdate> accepted_;
  std::map<uint16_t, std::string> dropped_;
  // What was published.
  int n_commits_ = 0;
  std::vector<uint64_t> committed_sums_;
};

TEST(Simulation, EveryHistoryEndsWithTheSumOfExactlyItsAcknowledgedUpdates) {
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    World world(seed);
    world.Run();
    ASSERT_FALSE(HasFailure());
  }
}

}  // namespace
}  // namespace hilum::aggregator
