// The worked example of docs/wire.md is what the code computes.
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "aggregator/accumulate.h"
#include "aggregator/outcome.h"
#include "base/file.h"
#include "crypto/hash.h"
#include "crypto/labels.h"
#include "ledger_anchor/note.h"
#include "ledger_anchor/updates.h"
#include "proto/safetensors.h"
#include "tests/status_matchers.h"

namespace hilum::aggregator {
namespace {

constexpr char kPlan[] =
    R"({"aggregation":{"clip_l2":"1","max_weight":100,"mode":"open","range":"0","ring_bits":32,)"
    R"("value_bits":0},"cohort":{"deadline_s":3600,"grace_s":30,"minimum":2,"recruit_s":3600,)"
    R"("return_wait_s":60,"target":0},"job":"cxr-1","model":{"architecture":"test-net",)"
    R"("classes":["normal","pneumonia"],"min_age_years":18,"norm":"group","profile":"cxr128",)"
    R"("profile_digest":"abababababababababababababababababababababababababababababababab"},)"
    R"("rounds":1,"seed":7,"spec":{"architecture":"test-net",)"
    R"("tensors":[{"name":"a","shape":[2,3]},)"
    R"({"name":"b","shape":[]}]},"strategy":{"name":"fedavg","server_learning_rate":"1"},)"
    R"("training":{"augment":"1","balance_classes":true,"batch_size":8,"keep_optimizer":false,)"
    R"("learning_rate":"0.001",)"
    R"("local_epochs":1,"max_gradient_norm":"0","momentum":"0.9","optimizer":"adamw",)"
    R"("prox_mu":"0","schedule":"constant","schedule_rounds":0,"weight_decay":"0"},"v":1})";

crypto::SigningKey KeyOf(uint8_t byte) {
  std::array<uint8_t, 32> seed;
  seed.fill(byte);
  return crypto::SigningKey::FromSeed(seed);
}

class Example {
 public:
  void Line(absl::string_view name, absl::string_view value) {
    absl::StrAppend(&text_, std::string(name), std::string(22 - name.size(), ' '),
                    std::string(value), "\n");
  }
  void Hex(absl::string_view name, ByteView bytes) { Line(name, ToHex(bytes)); }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

// y: seven parameters, then weight, count and loss.
std::vector<uint32_t> WordsOf(uint16_t site) {
  std::vector<uint32_t> words;
  for (int j = 1; j <= 7; ++j) {
    words.push_back(static_cast<uint32_t>((site == 0 ? 1 : -2) * j * 1'000'000));
  }
  words.insert(words.end(), {10U + 20U * site, 1U, 0x8000U});
  return words;
}

CountedUpdate Sign(Example& example, const privacy::RoundConfig& config,
                   const crypto::SigningKey& key, uint16_t site,
                   const std::vector<uint32_t>& words) {
  const std::string who = site == 0 ? "a" : "b";
  example.Hex("y of site-" + who,
              {reinterpret_cast<const uint8_t*>(words.data()), words.size() * 4});
  CountedUpdate update{.site_index = site};
  update.root = privacy::UpdateRoot(words, privacy::LayoutOf(config));
  const Bytes fields = privacy::UpdateMessage({.root = update.root, .n_coords = config.n_coords()});
  const crypto::LabelledFields signed_fields{.label = crypto::kLabelR2Root,
                                             .rid = privacy::RidOf(config, 0),
                                             .sender = site,
                                             .cfg_hash = privacy::HashConfig(config),
                                             .message = fields};
  update.signature = crypto::SignLabelled(key, signed_fields);
  example.Hex("R of site-" + who, update.root);
  if (site == 0) example.Hex("signed by site-a", crypto::LabelledMessage(signed_fields));
  example.Hex("signature of site-" + who, update.signature.bytes);
  return update;
}

absl::StatusOr<std::string> ComputeExample() {
  Example example;
  const std::string origin = "fl.example/ledger";
  const std::string vkey = ledger_anchor::FormatVerifierKey(ledger_anchor::MakeVerifierKey(
      origin, ledger_anchor::KeyType::kEd25519, KeyOf(0x11).public_key()));
  example.Line("log_vkey", vkey);
  const auto federation_id = privacy::FederationId(origin, vkey);
  example.Hex("federation_id", federation_id);
  HILUM_ASSIGN_OR_RETURN(const proto::RoundPlan plan, proto::ParseRoundPlan(kPlan));
  example.Hex("plan SHA-256", crypto::Sha256(absl::string_view(kPlan)));
  HILUM_ASSIGN_OR_RETURN(
      const Bytes base,
      proto::EncodeSafetensors(plan.spec, std::vector<float>(7, 0.25F), {{"round", "0"}}));
  example.Hex("base model SHA-256", crypto::Sha256(base));

  const std::vector<crypto::SigningKey> keys = [] {
    std::vector<crypto::SigningKey> made;
    made.push_back(KeyOf(0x21));
    made.push_back(KeyOf(0x22));
    return made;
  }();
  const std::vector<RosterSite> roster = {{{"site-a"}, keys[0].public_key()},
                                          {{"site-b"}, keys[1].public_key()}};
  HILUM_ASSIGN_OR_RETURN(const privacy::RoundConfig config,
                         MakeRoundConfig({.plan = plan,
                                          .plan_bytes = kPlan,
                                          .round = {1},
                                          .base_model = crypto::Sha256(base),
                                          .roster = roster,
                                          .federation_id = federation_id,
                                          .ledger_head = {},
                                          .audit_days = 365}));
  example.Hex("architecture_digest", config.architecture_digest);
  example.Hex("H(model)", config.model_hash);
  example.Hex("optimiser parameters", config.optimiser_parameters);
  example.Hex("cfg", privacy::EncodeRoundConfig(config));
  example.Hex("H(cfg)", privacy::HashConfig(config));
  example.Hex("rid", privacy::RidOf(config, 0));

  Accumulator sum(nullptr, {.n_coords = config.n_coords(), .max_weight = config.max_weight});
  std::vector<CountedUpdate> counted;
  std::vector<ledger_anchor::UpdateLeaf> leaves;
  for (uint16_t site = 0; site < 2; ++site) {
    const std::vector<uint32_t> words = WordsOf(site);
    const CountedUpdate update = Sign(example, config, keys[site], site, words);
    const ByteView bytes(reinterpret_cast<const uint8_t*>(words.data()), words.size() * 4);
    HILUM_RETURN_IF_ERROR(sum.AddVector(bytes, update.root));
    counted.push_back(update);
    leaves.push_back({.site_index = site, .root = update.root, .signature = update.signature});
  }
  HILUM_ASSIGN_OR_RETURN(const Digest updates_root, ledger_anchor::UpdatesRoot(leaves));
  example.Hex("updates.root", updates_root);
  sum.Close();
  HILUM_ASSIGN_OR_RETURN(privacy::MaskedTotal total, std::move(sum).Total());
  HILUM_ASSIGN_OR_RETURN(proto::SafetensorsFile base_file, proto::ParseSafetensors(base));
  HILUM_ASSIGN_OR_RETURN(
      const RoundOutcome outcome,
      ComputeOutcome(
          {.config = config, .attempt = 0, .counted = counted}, std::move(total),
          std::move(base_file),
          {.strategy = plan.strategy, .job = {"cxr-1"}, .round = {1}, .origin = origin}));
  example.Hex("root(S)", outcome.transcript.sum_root);
  example.Hex("root(z)", outcome.ring_root);
  example.Hex("H(T)", outcome.transcript_hash);
  example.Hex("new model SHA-256", outcome.model.sha256());
  return example.text();
}

TEST(WireDoc, TheWorkedExampleIsWhatTheCodeComputes) {
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string expected, ComputeExample());
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string page,
                             ReadTextFile(fs::path(HILUM_SOURCE_DIR) / "docs/wire.md", 1 << 20));
  const std::string fence = "```example\n";
  const size_t begin = page.find(fence);
  ASSERT_NE(begin, std::string::npos);
  const size_t end = page.find("```", begin + fence.size());
  EXPECT_EQ(page.substr(begin + fence.size(), end - begin - fence.size()), expected);
  EXPECT_NE(page.find(kPlan), std::string::npos) << "the plan's bytes stand in the page";
}

}  // namespace
}  // namespace hilum::aggregator
