// A small federation that makes ledger entries for the tests: fixed keys, one study, any rounds.
#ifndef HILUM_TESTS_LEDGER_ANCHOR_FEDERATION_H_
#define HILUM_TESTS_LEDGER_ANCHOR_FEDERATION_H_

#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/file.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "crypto/sign.h"
#include "crypto/tree.h"
#include "ledger_anchor/admit.h"
#include "ledger_anchor/consent_tree.h"
#include "ledger_anchor/entry.h"
#include "ledger_anchor/note.h"

namespace hilum::ledger_anchor {

inline Digest H(const std::string& text) { return crypto::Sha256(text); }

class Federation {
 public:
  static constexpr const char* kOrigin = "fl.example/ledger";
  static constexpr const char* kStudy = "cxr-1";

  Federation() : state(LedgerPins{}) {}

  crypto::SigningKey LogKey() const { return crypto::SigningKey::FromSeed({1}); }
  crypto::SigningKey ServerKey() const { return crypto::SigningKey::FromSeed({2}); }
  // The entry key of a site; a fixed one for each name.
  crypto::SigningKey SiteKey(const std::string& site) const {
    return crypto::SigningKey::FromSeed(H("entry key of " + site));
  }
  VerifierKey LogVkey() const {
    return MakeVerifierKey(kOrigin, KeyType::kEd25519, LogKey().public_key());
  }
  LedgerPins Pins() const {
    return {kOrigin, FormatVerifierKey(LogVkey()), ServerKey().public_key()};
  }

  Entry Draft(EntryBody body) const {
    Entry entry;
    entry.by = "server";
    entry.t = 1767000000 + state.size();
    entry.key = crypto::KeyDigest(ServerKey().public_key());
    entry.body = std::move(body);
    const bool is_federal =
        std::holds_alternative<Genesis>(entry.body) || std::holds_alternative<Join>(entry.body) ||
        std::holds_alternative<Leave>(entry.body) || std::holds_alternative<KeyRotate>(entry.body);
    if (!is_federal) entry.study = kStudy;
    return entry;
  }
  std::string Sign(const Entry& entry) const {
    return SignEntry(entry, kOrigin, ServerKey()).value();
  }

  Entry GenesisDraft() const {
    Genesis genesis;
    genesis.federation = "fl.example";
    genesis.origin = kOrigin;
    genesis.log_vkey = FormatVerifierKey(LogVkey());
    genesis.entry_key = ServerKey().public_key();
    genesis.policy = H("policy");
    genesis.rules = H("rules");
    genesis.participants = {.n = 2, .items = {"hospital-a", "hospital-b"}, .annex = {}};
    return Draft(genesis);
  }
  Entry JoinDraft(const std::string& site, const std::string& role = "site") const {
    Join join;
    join.member = site;
    join.role = role;
    join.entry_key = SiteKey(site).public_key();
    Entry entry = Draft(join);
    std::get<Join>(entry.body).member_sig = SignJoin(entry, kOrigin, SiteKey(site)).value();
    return entry;
  }
  Entry OpenDraft() const {
    const StudyState study = state.chain().Study(kStudy);
    RoundOpen open;
    open.round = study.round + 1;
    open.prev = study.prev;
    open.base_model = study.model.value_or(H("model 0"));
    open.cfg = H("cfg");
    open.build = H("build");
    open.cohort = {.n = 2, .items = {"hospital-a", "hospital-b"}, .annex = {}};
    open.deadline = 1767003600;
    return Draft(open);
  }
  Entry CloseDraft(const std::string& status = "ok") const {
    const StudyState study = state.chain().Study(kStudy);
    const RoundOpen& open = study.open.value().open;
    RoundClose close;
    close.round = open.round;
    close.prev = open.prev;
    close.open = study.open->place.leaf_hash;
    close.status = status;
    close.base_model = open.base_model;
    close.model = status == "ok" ? H("model " + std::to_string(open.round)) : open.base_model;
    if (status == "ok" && open.round == 1) close.object = sealed;
    (status == "ok" ? close.cohort : close.dropped) = open.cohort;
    close.updates = {close.cohort.n, H("updates")};
    close.rule = {"fedavg", H("rule")};
    if (status == "ok") close.secagg = {0, open.cfg, H("transcript"), H("record")};
    close.build = open.build;
    close.metrics = {.n = 1, .items = {{"loss", "0.693", 120}}, .annex = {}};
    return Draft(close);
  }
  Entry ReleaseDraft(const Digest& close, uint64_t close_index) const {
    ModelRelease release;
    release.name = "cxr-model";
    release.version = "1.0.0";
    release.close = close;
    release.close_index = close_index;
    release.files = H("files");
    release.licence = "Apache-2.0";
    return Draft(release);
  }

  // Entries that a site signs for itself: give them to SignAs.
  std::string SignAs(Entry entry, const std::string& site, const crypto::SigningKey& key) const {
    entry.by = site;
    return SignEntry(entry, kOrigin, key).value();
  }
  std::string SignAs(const Entry& entry, const std::string& site) const {
    return SignAs(entry, site, SiteKey(site));
  }
  Entry BatchDraft(const std::string& site, const std::string& what) const {
    return Draft(ConsentBatch{site, H("batch " + what), 16, H("active set of " + site)});
  }
  Entry ManifestDraft(const std::string& site) const {
    const OpenRound round = state.chain().Study(kStudy).open.value();
    return Draft(TrainManifest{.round = round.open.round,
                               .open = round.place.leaf_hash,
                               .site = site,
                               .active_root = H("active set of " + site),
                               .manifest_root = H("manifest of " + site),
                               .manifest_count = 64});
  }
  Entry EvaluationDraft(const std::string& site, uint64_t round) const {
    return Draft(Evaluation{.model = H("model " + std::to_string(round)),
                            .round = round,
                            .site = site,
                            .dataset = H("data set"),
                            .metrics = {.n = 1, .items = {{"auroc", "0.875", 40}}, .annex = {}},
                            .operating_point = "0.5"});
  }
  // `next` is the key that shall count; the entry is to be signed by the key of now.
  Entry RotateDraft(const std::string& site, const crypto::SigningKey& now,
                    const crypto::SigningKey& next) const {
    Entry entry = Draft(KeyRotate{.member = site,
                                  .use = "entry",
                                  .old = crypto::KeyDigest(now.public_key()),
                                  .new_key = next.public_key(),
                                  .new_sig = {}});
    entry.by = site;
    entry.key = crypto::KeyDigest(now.public_key());
    std::get<KeyRotate>(entry.body).new_sig = SignRotate(entry, kOrigin, next).value();
    return entry;
  }
  // A round-open that pins the first `size` entries and each site's newest consent-batch.
  Entry PinnedOpenDraft(uint64_t size) const {
    Entry entry = OpenDraft();
    auto& open = std::get<RoundOpen>(entry.body);
    ConsentPin& pin = open.consent.emplace();
    pin.size = size;
    pin.root = RootAt(size);
    const StudyState study = state.chain().Study(kStudy);
    for (const std::string& site : open.cohort.items) {
      PinnedRoot one{site, EmptyActiveRoot(), std::nullopt};
      if (const auto newest = study.batches.find(site); newest != study.batches.end()) {
        one = {site, newest->second.active_root, newest->second.place.leaf_hash};
      }
      pin.sites.items.push_back(one);
    }
    pin.sites.n = pin.sites.items.size();
    return entry;
  }
  Digest RootAt(uint64_t size) const {
    crypto::TreeHasher tree;
    for (uint64_t i = 0; i < size; ++i) tree.Add(AsBytes(texts[i]));
    return tree.Root();
  }

  // Signs, admits and keeps the entry; a test of it fails when it is not admitted.
  const std::string& Add(const Entry& entry) { return AddText(Sign(entry)); }
  const std::string& AddText(const std::string& text) {
    const auto admitted = state.Admit(text);
    EXPECT_TRUE(admitted.ok()) << admitted.status();
    texts.push_back(text);
    return texts.back();
  }
  // Genesis and two sites.
  void Start() {
    Add(GenesisDraft());
    Add(JoinDraft("hospital-a"));
    Add(JoinDraft("hospital-b"));
  }
  void AddRound(const std::string& status = "ok") {
    Add(OpenDraft());
    Add(CloseDraft(status));
  }
  // Two entries a round, until there are n.
  void FillTo(size_t n) {
    if (texts.empty()) Start();
    while (texts.size() < n) {
      Add(state.chain().Study(kStudy).open ? CloseDraft() : OpenDraft());
    }
  }

  Admission state;
  std::optional<Digest> sealed;  // what the close of round 1 names as the model's sealed copy
  std::vector<std::string> texts;
};

// A folder of its own for each test, removed at the end. In memory where there is such a place: the
// crash tests sync some ten thousand times.
class TemporaryFolder {
 public:
  TemporaryFolder() : path_(Parent() / ("hilum_ledger_" + ToHex(crypto::RandomArray<8>()))) {
    fs::create_directories(path_);
  }
  ~TemporaryFolder() {
    std::error_code error;
    fs::remove_all(path_, error);
  }
  const fs::path& path() const { return path_; }

 private:
  static fs::path Parent() {
    std::error_code error;
    const fs::path memory = "/dev/shm";
    return fs::is_directory(memory, error) ? memory : fs::path(::testing::TempDir());
  }
  fs::path path_;
};

}  // namespace hilum::ledger_anchor

#endif  // HILUM_TESTS_LEDGER_ANCHOR_FEDERATION_H_
