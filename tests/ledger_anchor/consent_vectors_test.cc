// tests/vectors/ledger/consent.json, which was computed without Hilum, and the worked examples of
// docs/ledger.md, which are its entries.
#include <gtest/gtest.h>

#include <string>

#include "base/file.h"
#include "crypto/tree.h"
#include "ledger_anchor/admit.h"
#include "ledger_anchor/consent_audit.h"
#include "ledger_anchor/consent_receipt.h"
#include "nlohmann/json.hpp"
#include "tests/status_matchers.h"

namespace hilum::ledger_anchor {
namespace {

class ConsentVectors : public ::testing::Test {
 protected:
  void SetUp() override {
    HILUM_ASSERT_OK_AND_ASSIGN(
        const std::string text,
        ReadTextFile(HILUM_SOURCE_DIR "/tests/vectors/ledger/consent.json", 1 << 20));
    json_ = nlohmann::json::parse(text);
    for (const auto& entry : json_["entries"]) entries_.push_back(entry.get<std::string>());
    ASSERT_EQ(entries_.size(), 10u);
  }
  std::string Text(const char* key) const { return json_.at(key).get<std::string>(); }
  LedgerPins Pins() const {
    return {Text("origin"), Text("log_vkey"),
            crypto::PublicKeyFromBase64(Text("server_key")).value()};
  }
  GatePins Gate() const {
    GatePins pins;
    pins.policy = ParsePolicy(Text("policy")).value();
    pins.entry_key = Pins().entry_key;
    return pins;
  }
  LogView View() const {
    LogView view;
    for (const std::string& text : entries_) {
      view.entries.push_back(
          {view.entries.size(), crypto::LeafHash(AsBytes(text)), text, ParseEntry(text).value()});
    }
    return view;
  }
  absl::Status Audit(const LogView& view, const std::string& text) const {
    const absl::StatusOr<Disclosure> disclosure = ParseDisclosure(text);
    if (!disclosure.ok()) return disclosure.status();
    const ConsentReceipt receipt = ParseReceipt(Text("receipt")).value();
    return AuditConsent(view, *disclosure,
                        {Text("audit_seed"), json_.at("n_samples").get<uint64_t>(), {receipt}})
        .status();
  }
  absl::Status Check(const std::string& text) const {
    const absl::StatusOr<ConsentReceipt> receipt = ParseReceipt(text);
    return receipt.ok() ? CheckReceipt(*receipt, Gate(), 1).status() : receipt.status();
  }

  nlohmann::json json_;
  std::vector<std::string> entries_;
};

TEST_F(ConsentVectors, AreALogThatEveryReaderAdmits) {
  Admission state(Pins());
  for (size_t i = 0; i < entries_.size(); ++i) {
    const RootReader root_at = [&](uint64_t size) -> absl::StatusOr<Digest> {
      crypto::TreeHasher tree;
      for (uint64_t k = 0; k < size; ++k) tree.Add(AsBytes(entries_[k]));
      return tree.Root();
    };
    HILUM_ASSERT_OK_AND_ASSIGN(const Entry entry,
                               state.Admit(entries_[i], Trust::kVerify, root_at));
    EXPECT_EQ(EncodeEntry(entry).value(), entries_[i]);
    EXPECT_EQ(ToHex(crypto::LeafHash(AsBytes(entries_[i]))),
              json_["leaf_hashes"][i].get<std::string>());
  }
  EXPECT_TRUE(state.members().Find("hospital-a")->next_key.has_value());
}

TEST_F(ConsentVectors, HoldAReceiptThatVerifies) {
  HILUM_ASSERT_OK_AND_ASSIGN(const ConsentReceipt receipt, ParseReceipt(Text("receipt")));
  EXPECT_EQ(FormatReceipt(receipt).value(), Text("receipt"));
  HILUM_ASSERT_OK_AND_ASSIGN(const CheckedReceipt checked, CheckReceipt(receipt, Gate(), 1));
  EXPECT_EQ(checked.event.action, "revoke");
  EXPECT_EQ(checked.event.pid, json_["pids"]["c"].get<std::string>());
  EXPECT_EQ(checked.place.index, 3u);
  EXPECT_EQ(checked.site, "hospital-a");
}

TEST_F(ConsentVectors, NoByteOfTheReceiptCanBeChanged) {
  const std::string good = Text("receipt");
  for (size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 1);
    EXPECT_FALSE(Check(bad).ok()) << "byte " << i;
  }
}

TEST_F(ConsentVectors, HoldADisclosureThatVerifies) {
  HILUM_ASSERT_OK_AND_ASSIGN(const Disclosure disclosure, ParseDisclosure(Text("disclosure")));
  EXPECT_EQ(FormatDisclosure(disclosure).value(), Text("disclosure"));
  EXPECT_EQ(disclosure.revoked.size(), 1u);
  HILUM_EXPECT_OK(Audit(View(), Text("disclosure")));
}

TEST_F(ConsentVectors, NoByteOfTheDisclosureCanBeChanged) {
  const LogView view = View();
  const std::string good = Text("disclosure");
  for (size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 1);
    EXPECT_FALSE(Audit(view, bad).ok()) << "byte " << i;
  }
}

TEST_F(ConsentVectors, AreTheWorkedExamplesOfTheDocumentation) {
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string page,
                             ReadTextFile(HILUM_SOURCE_DIR "/docs/ledger.md", 1 << 20));
  for (const size_t i : {3u, 4u, 5u, 7u, 8u}) {
    EXPECT_NE(page.find("\n" + entries_[i] + "\n"), std::string::npos) << "entry " << i;
    EXPECT_NE(page.find(json_["leaf_hashes"][i].get<std::string>()), std::string::npos) << i;
  }
  EXPECT_NE(page.find(Text("receipt").substr(0, Text("receipt").find("\"proof\""))),
            std::string::npos);
}

}  // namespace
}  // namespace hilum::ledger_anchor
