#include "ledger_anchor/entry.h"

#include <gtest/gtest.h>

#include "crypto/age_keys.h"
#include "crypto/tree.h"
#include "ledger_anchor/tiles.h"
#include "nlohmann/json.hpp"
#include "proto/canonical_json.h"
#include "tests/ledger_anchor/federation.h"
#include "tests/status_matchers.h"

namespace hilum::ledger_anchor {
namespace {

using absl::StatusCode;
using Json = nlohmann::json;

// ledger.md 3.2.
TEST(Entry, EqualsTheWorkedExample) {
  std::array<uint8_t, 32> seed;
  seed.fill(0x21);
  const auto key = crypto::SigningKey::FromSeed(seed);
  Entry entry;
  entry.by = "site-a";
  entry.t = 1767000000;
  entry.study = "cxr-1";
  entry.body = Leave{.member = "site-a", .reason = "withdrawn", .round = 3};
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string text, SignEntry(entry, "fl.example/ledger", key));
  EXPECT_EQ(text, R"({"by":"site-a","key":)"
                  R"("48cca97f8993ffaebcac9728d7f94f7144f18090d329d9370a7dfc42db38d14d",)"
                  R"("member":"site-a","reason":"withdrawn","round":3,)"
                  R"("sig":"OUE4tRtfxD8Hphlj1qNphig3YoGTaGjK/d1084yZxicY)"
                  R"(b2iyE9/+5OBUW1nPeQ6/GizBf3AmPxc+qjh/ZD1KAA==",)"
                  R"("study":"cxr-1","t":1767000000,"type":"leave","v":1})");
  EXPECT_EQ(text.size(), 286u);
  EXPECT_EQ(ToHex(crypto::LeafHash(AsBytes(text))),
            "7804cdc39e8fa3d54995b5d248888edf14fe935c2a23b1909fce77b602b9b928");
  HILUM_ASSERT_OK_AND_ASSIGN(const Entry parsed, ParseEntry(text));
  HILUM_EXPECT_OK(VerifyEntrySignature(parsed, "fl.example/ledger", key.public_key()));
  EXPECT_THAT(VerifyEntrySignature(parsed, "other.example/ledger", key.public_key()),
              StatusIs(StatusCode::kDataLoss, "other.example"));
}

// What a site signs for itself, and a round-open with a pin. From index 8 on.
void AddSiteEntries(Federation& federation, std::vector<Entry>& entries) {
  const auto add = [&](const std::string& text) {
    entries.push_back(ParseEntry(federation.AddText(text)).value());
  };
  const std::string site = "hospital-a";
  add(federation.SignAs(federation.BatchDraft(site, "1"), site));
  Entry open = federation.PinnedOpenDraft(9);
  auto& body = std::get<RoundOpen>(open.body);
  body.cohort = {.n = 1, .items = {site}, .annex = {}};
  body.consent->sites.items.pop_back();
  body.consent->sites.n = 1;
  add(federation.Sign(open));
  add(federation.SignAs(federation.ManifestDraft(site), site));
  add(federation.SignAs(federation.EvaluationDraft(site, 1), site));
  add(federation.SignAs(
      federation.RotateDraft(site, federation.SiteKey(site), crypto::SigningKey::FromSeed({91})),
      site));
}

// One entry of each type, with every optional field somewhere.
std::vector<Entry> AllEntries(Federation& federation) {
  std::vector<Entry> entries;
  const auto add = [&](const Entry& entry) {
    entries.push_back(ParseEntry(federation.Add(entry)).value());
  };
  add(federation.GenesisDraft());
  Entry join = federation.JoinDraft("hospital-a");
  auto& body = std::get<Join>(join.body);
  body.cert = H("certificate");
  body.witness_vkey =
      FormatVerifierKey(MakeVerifierKey("hospital-a.example/witness", KeyType::kCosignature,
                                        crypto::SigningKey::FromSeed({77}).public_key()));
  body.age_recipient = crypto::FormatAgeRecipient(crypto::AgeIdentity::Generate().recipient());
  body.member_sig = SignJoin(join, Federation::kOrigin, federation.SiteKey("hospital-a")).value();
  add(join);
  add(federation.JoinDraft("hospital-b"));
  add(federation.OpenDraft());
  Entry close = federation.CloseDraft();
  std::get<RoundClose>(close.body).dp = RoundClose::Dp{"site", "skellam", "1.25", "0.00001", "rdp"};
  std::get<RoundClose>(close.body).object = H("sealed");
  add(close);
  Entry release =
      federation.ReleaseDraft(federation.state.chain().Study(Federation::kStudy).prev, 4);
  auto& model = std::get<ModelRelease>(release.body);
  model.bundle = H("bundle");
  model.objects = {.n = 1, .items = {H("object")}, .annex = {}};
  add(release);
  add(federation.Draft(Incident{"fork", 1, "hospital-a", H("notes")}));
  add(federation.Draft(Leave{"hospital-b", "withdrawn", 1}));
  AddSiteEntries(federation, entries);
  return entries;
}

TEST(Entry, OfEachTypeIsReadBackAsItWas) {
  Federation federation;
  const std::vector<Entry> entries = AllEntries(federation);
  std::set<std::string> types;
  for (const Entry& entry : entries) {
    HILUM_ASSERT_OK_AND_ASSIGN(const std::string text, EncodeEntry(entry));
    HILUM_ASSERT_OK_AND_ASSIGN(const Entry again, ParseEntry(text));
    EXPECT_EQ(again, entry);
    types.insert(std::string(EntryType(entry)));
  }
  EXPECT_EQ(types.size(), std::variant_size_v<EntryBody>);
}

// Every field of every type: missing, of another JSON type, or unknown.
TEST(Entry, RefusesMissingWrongAndUnknownFields) {
  Federation federation;
  AllEntries(federation);
  const std::set<std::string> optional = {"study", "cert",   "witness_vkey", "age_recipient",
                                          "dp",    "bundle", "object",       "consent"};
  for (const std::string& text : federation.texts) {
    const Json object = Json::parse(text);
    for (const auto& [key, value] : object.items()) {
      Json changed = object;
      changed.erase(key);
      const bool of_study = object.contains("prev") || object.contains("site");
      const bool may_miss = optional.count(key) > 0 && !(key == "study" && of_study);
      if (!may_miss) {
        EXPECT_THAT(ParseEntry(changed.dump()), StatusIs(StatusCode::kDataLoss, "")) << key << text;
      }
      changed[key] = Json::array({1});
      EXPECT_THAT(ParseEntry(changed.dump()), StatusIs(StatusCode::kDataLoss, "")) << key << text;
    }
    Json more = object;
    more["another"] = 1;
    EXPECT_THAT(ParseEntry(more.dump()), StatusIs(StatusCode::kDataLoss, "unknown field")) << text;
    more = object;
    more["v"] = 2;
    EXPECT_THAT(ParseEntry(more.dump()), StatusIs(StatusCode::kDataLoss, "v is 2"));
    more = object;
    more["type"] = "round-opem";
    EXPECT_THAT(ParseEntry(more.dump()), StatusIs(StatusCode::kDataLoss, "not known"));
  }
}

TEST(Entry, NamesAgeRecipientsThatHideSomethingAndCopiesOfModelsOnly) {
  Federation federation;
  Entry join = federation.JoinDraft("hospital-a");
  for (const std::string& text :
       {std::string("age1"), std::string(), crypto::FormatAgeRecipient(crypto::AgeRecipient())}) {
    std::get<Join>(join.body).age_recipient = text;
    EXPECT_THAT(EncodeEntry(join), StatusIs(StatusCode::kInvalidArgument, "age recipient"));
  }
  AllEntries(federation);
  Entry close = ParseEntry(federation.texts[4]).value();
  auto& body = std::get<RoundClose>(close.body);
  ASSERT_TRUE(body.object.has_value());
  body.status = "aborted";
  body.model = body.base_model;
  EXPECT_THAT(EncodeEntry(close), StatusIs(StatusCode::kInvalidArgument, "sealed copy"));
}

// Unknown fields inside objects and lists are refused too.
TEST(Entry, RefusesUnknownFieldsAtEachDepth) {
  Federation federation;
  AllEntries(federation);
  const Json object = Json::parse(federation.texts[4]);
  ASSERT_EQ(object.at("type"), "round-close");
  for (const char* path : {"/updates/x", "/rule/x", "/dp/x", "/secagg/x", "/cohort/x", "/metrics/x",
                           "/metrics/items/0/x"}) {
    Json changed = object;
    changed[Json::json_pointer(path)] = 1;
    EXPECT_THAT(ParseEntry(changed.dump()), StatusIs(StatusCode::kDataLoss, "unknown field"))
        << path;
  }
}

TEST(Entry, RefusesUnknownFieldsInsideAPin) {
  Federation federation;
  AllEntries(federation);
  const Json object = Json::parse(federation.texts[9]);
  ASSERT_TRUE(object.contains("consent"));
  for (const char* path : {"/consent/x", "/consent/sites/x", "/consent/sites/items/0/x"}) {
    Json changed = object;
    changed[Json::json_pointer(path)] = 1;
    EXPECT_THAT(ParseEntry(changed.dump()), StatusIs(StatusCode::kDataLoss, "unknown field"))
        << path;
  }
}

// What a site logs says nothing about how many patients it has, and no word that is not a code.
TEST(Entry, OfASiteIsPaddedAndHoldsNoText) {
  Federation federation;
  AllEntries(federation);
  const auto refused = [&](size_t index, const char* path, const Json& value) {
    Json changed = Json::parse(federation.texts[index]);
    changed[Json::json_pointer(path)] = value;
    return ParseEntry(changed.dump()).status();
  };
  for (const uint64_t count : {0ull, 1ull, 8ull, 17ull, 63ull, 2097152ull}) {
    EXPECT_THAT(refused(8, "/count", count), StatusIs(StatusCode::kDataLoss, "power of two"));
    EXPECT_THAT(refused(10, "/manifest_count", count),
                StatusIs(StatusCode::kDataLoss, "power of two"));
  }
  EXPECT_THAT(refused(8, "/count", 1048576), IsOk());
  EXPECT_THAT(refused(8, "/site", "Jane Doe"), StatusIs(StatusCode::kDataLoss, "site"));
  EXPECT_THAT(refused(8, "/study", ""), StatusIs(StatusCode::kDataLoss, "study"));
  EXPECT_THAT(refused(9, "/consent/size", 0), StatusIs(StatusCode::kDataLoss, "size is 0"));
  EXPECT_THAT(refused(9, "/consent/sites/items/0/site", "hospital-b"),
              StatusIs(StatusCode::kDataLoss, "not the 1 of its cohort"));
  EXPECT_THAT(refused(9, "/consent/sites", Json{{"n", 65}, {"annex", std::string(64, 'a')}}),
              StatusIs(StatusCode::kDataLoss, "the limit is 64"));
  EXPECT_THAT(refused(10, "/round", 0), StatusIs(StatusCode::kDataLoss, "round"));
  EXPECT_THAT(refused(11, "/operating_point", "0.50"), StatusIs(StatusCode::kDataLoss, "decimal"));
  EXPECT_THAT(refused(11, "/metrics", Json{{"n", 0}, {"items", Json::array()}}),
              StatusIs(StatusCode::kDataLoss, "metrics are empty"));
  EXPECT_THAT(refused(12, "/use", "tls"), StatusIs(StatusCode::kDataLoss, "use"));
  EXPECT_THAT(refused(12, "/study", "cxr-1"), StatusIs(StatusCode::kDataLoss, "whole federation"));
  EXPECT_THAT(refused(12, "/new", std::string(43, 'A') + "="),
              StatusIs(StatusCode::kDataLoss, "key"));
}

TEST(Entry, RefusesValuesOutOfTheirRules) {
  Federation federation;
  AllEntries(federation);
  const auto refused = [&](size_t index, const char* path, const Json& value) {
    Json changed = Json::parse(federation.texts[index]);
    changed[Json::json_pointer(path)] = value;
    return ParseEntry(changed.dump()).status();
  };
  EXPECT_THAT(refused(0, "/by", "Server"), StatusIs(StatusCode::kDataLoss, "signing member"));
  EXPECT_THAT(refused(0, "/study", "cxr-1"), StatusIs(StatusCode::kDataLoss, "whole federation"));
  EXPECT_THAT(refused(0, "/origin", "a b"), StatusIs(StatusCode::kDataLoss, "key name"));
  EXPECT_THAT(refused(0, "/origin", "x.example/ledger"),
              StatusIs(StatusCode::kDataLoss, "log_vkey"));
  EXPECT_THAT(refused(1, "/role", "owner"), StatusIs(StatusCode::kDataLoss, "role"));
  EXPECT_THAT(refused(1, "/cert", "AB"), StatusIs(StatusCode::kDataLoss, "cert"));
  EXPECT_THAT(refused(3, "/round", 0), StatusIs(StatusCode::kDataLoss, "round"));
  EXPECT_THAT(refused(3, "/cohort", Json{{"n", 0}, {"items", Json::array()}}),
              StatusIs(StatusCode::kDataLoss, "empty"));
  EXPECT_THAT(refused(3, "/cohort/n", 3), StatusIs(StatusCode::kDataLoss, "items"));
  EXPECT_THAT(refused(3, "/cohort/items", Json::array({"a", "a"})),
              StatusIs(StatusCode::kDataLoss, "named once"));
  EXPECT_THAT(refused(3, "/cohort/items", Json::array({"a", "../b"})),
              StatusIs(StatusCode::kDataLoss, "cohort"));
  EXPECT_THAT(refused(3, "/study", ""), StatusIs(StatusCode::kDataLoss, "study"));
  EXPECT_THAT(refused(4, "/status", "fine"), StatusIs(StatusCode::kDataLoss, "status"));
  EXPECT_THAT(refused(4, "/status", "aborted"), StatusIs(StatusCode::kDataLoss, "aborted"));
  EXPECT_THAT(refused(4, "/updates/n", 1), StatusIs(StatusCode::kDataLoss, "counts 1"));
  EXPECT_THAT(refused(4, "/dp/epsilon", "1.0"), StatusIs(StatusCode::kDataLoss, "decimal"));
  EXPECT_THAT(refused(4, "/metrics/items/0/value", "1e3"),
              StatusIs(StatusCode::kDataLoss, "decimal"));
  EXPECT_THAT(refused(4, "/metrics/items/0/name", "a patient"),
              StatusIs(StatusCode::kDataLoss, "metric"));
  EXPECT_THAT(refused(5, "/licence", "see the file"), StatusIs(StatusCode::kDataLoss, "licence"));
  EXPECT_THAT(refused(6, "/kind", "theft"), StatusIs(StatusCode::kDataLoss, "kind"));
  EXPECT_THAT(refused(6, "/about", "Jane Doe"), StatusIs(StatusCode::kDataLoss, "about"));
  EXPECT_THAT(refused(7, "/reason", "no more"), StatusIs(StatusCode::kDataLoss, "reason"));
}

TEST(Entry, IsRefusedInAnyOtherSpelling) {
  Federation federation;
  const std::string text = federation.Add(federation.GenesisDraft());
  for (const std::string& other : std::vector<std::string>{
           text + " ", text + "\n", " " + text, Json::parse(text).dump(1),
           text.substr(0, text.size() - 1), std::string("{\"v\":1,") + text.substr(1)}) {
    EXPECT_THAT(ParseEntry(other), StatusIs(StatusCode::kDataLoss, ""));
  }
}

// 65,535 bytes are accepted, one more is not.
TEST(Entry, HasAtMost65535Bytes) {
  Federation federation;
  federation.Start();
  Entry entry = federation.GenesisDraft();
  auto& genesis = std::get<Genesis>(entry.body);
  genesis.participants = {};
  for (int i = 0; i < 64; ++i) {
    genesis.participants.items.push_back(std::string(62, 'a') + static_cast<char>('0' + i % 10));
    genesis.participants.items.back()[i / 10] = 'b';
  }
  genesis.participants.n = 64;
  // No entry of valid fields gets near the limit, so the limit is tested on the text itself.
  HILUM_EXPECT_OK(SignEntry(entry, Federation::kOrigin, federation.ServerKey()));
  const std::string head = "{\"a\":\"";
  const std::string tail = "\"}";
  const std::string fits = head + std::string(kEntryLimitBytes - 8, 'x') + tail;
  ASSERT_EQ(fits.size(), kEntryLimitBytes);
  EXPECT_THAT(ParseEntry(fits), StatusIs(StatusCode::kDataLoss, "entry"));
  EXPECT_THAT(ParseEntry(head + std::string(kEntryLimitBytes - 7, 'x') + tail),
              StatusIs(StatusCode::kDataLoss, "limit is 65535"));
}

TEST(NameList, GoesIntoAnAnnexAbove64) {
  std::vector<std::string> names;
  for (int i = 0; i < 65; ++i) names.push_back("site-" + std::to_string(i));
  std::string annex;
  HILUM_ASSERT_OK_AND_ASSIGN(const NameList large, MakeNameList(names, &annex));
  EXPECT_EQ(large.n, 65u);
  EXPECT_TRUE(large.items.empty());
  EXPECT_EQ(*large.annex, crypto::Sha256(annex));
  EXPECT_EQ(Json::parse(annex).get<std::vector<std::string>>(), names);
  names.pop_back();
  HILUM_ASSERT_OK_AND_ASSIGN(const NameList small, MakeNameList(names, &annex));
  EXPECT_TRUE(annex.empty());
  EXPECT_EQ(small.items, names);
  EXPECT_THAT(MakeNameList({"A"}, &annex), StatusIs(StatusCode::kInvalidArgument, ""));

  Federation federation;
  federation.Start();
  Entry entry = federation.OpenDraft();
  std::get<RoundOpen>(entry.body).cohort = large;
  HILUM_ASSERT_OK_AND_ASSIGN(const Entry again, ParseEntry(federation.Sign(entry)));
  EXPECT_EQ(std::get<RoundOpen>(again.body).cohort, large);
  // A short list must stand in the entry.
  std::get<RoundOpen>(entry.body).cohort.n = 64;
  EXPECT_THAT(SignEntry(entry, Federation::kOrigin, federation.ServerKey()),
              StatusIs(StatusCode::kInvalidArgument, "cohort"));
}

TEST(Join, IsSignedByTheKeyThatJoins) {
  Federation federation;
  Entry join = federation.JoinDraft("hospital-a");
  HILUM_EXPECT_OK(VerifyJoinSignature(join, Federation::kOrigin));
  EXPECT_FALSE(VerifyJoinSignature(join, "other.example/ledger").ok());
  Entry changed = join;
  std::get<Join>(changed.body).role = "auditor";
  EXPECT_THAT(VerifyJoinSignature(changed, Federation::kOrigin),
              StatusIs(StatusCode::kDataLoss, "not signed by the key that joins"));
  changed = join;
  std::get<Join>(changed.body).entry_key = federation.SiteKey("hospital-b").public_key();
  EXPECT_FALSE(VerifyJoinSignature(changed, Federation::kOrigin).ok());
  EXPECT_THAT(VerifyJoinSignature(federation.GenesisDraft(), Federation::kOrigin),
              StatusIs(StatusCode::kDataLoss, "not a join"));
}

TEST(KeyRotate, IsSignedByTheNewKeyToo) {
  Federation federation;
  const auto next = crypto::SigningKey::FromSeed({91});
  const Entry rotate = federation.RotateDraft("hospital-a", federation.SiteKey("hospital-a"), next);
  HILUM_EXPECT_OK(VerifyRotateSignature(rotate, Federation::kOrigin));
  EXPECT_FALSE(VerifyRotateSignature(rotate, "other.example/ledger").ok());
  Entry changed = rotate;
  std::get<KeyRotate>(changed.body).new_key = federation.SiteKey("hospital-b").public_key();
  EXPECT_THAT(VerifyRotateSignature(changed, Federation::kOrigin),
              StatusIs(StatusCode::kDataLoss, "not signed by its new key"));
  changed = rotate;
  changed.by = "hospital-b";
  EXPECT_FALSE(VerifyRotateSignature(changed, Federation::kOrigin).ok());
  EXPECT_THAT(VerifyRotateSignature(federation.GenesisDraft(), Federation::kOrigin),
              StatusIs(StatusCode::kDataLoss, "not a key-rotate"));
}

TEST(FederationId, IsTheStartOfTheHash) {
  const auto id = FederationId("fl.example/ledger", "key");
  const Digest digest = crypto::Sha256("fl.example/ledger\nkey");
  EXPECT_TRUE(std::equal(id.begin(), id.end(), digest.begin()));
}

}  // namespace
}  // namespace hilum::ledger_anchor
