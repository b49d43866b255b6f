#include "client/consent.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/file.h"
#include "nlohmann/json.hpp"
#include "tests/status_matchers.h"

namespace hilum::client {
namespace {

using Json = nlohmann::json;

// A Consent that permits; each test spoils one thing in it.
Json Permitting() {
  return Json::parse(R"json({
    "resourceType": "Consent", "status": "active",
    "scope": {"coding": [{"code": "research"}]},
    "patient": {"reference": "Patient/4711", "identifier": {"system": "urn:x", "value": "P-1"}},
    "dateTime": "2025-02-03T09:00:00Z",
    "provision": {
      "type": "permit",
      "period": {"start": "2025-02-03", "end": "2045-12-31"},
      "action": [{"coding": [{"code": "access"}]}, {"coding": [{"code": "use"}]}],
      "purpose": [{"code": "HRESCH"}]}})json");
}

Consent Read(const Json& json) {
  const absl::StatusOr<Consent> consent = ParseConsent(json.dump());
  EXPECT_TRUE(consent.ok()) << consent.status();
  return consent.value_or(Consent{});
}

TEST(Consent, PermitsWhatIsActiveForResearchAndUse) {
  const Consent consent = Read(Permitting());
  EXPECT_TRUE(consent.permits) << consent.reason;
  EXPECT_EQ(consent.patient, "P-1");
  EXPECT_EQ(consent.given_at_s, 1738573200);
  EXPECT_EQ(consent.given_until_s, 1738573201);
  EXPECT_EQ(consent.starts_s, 1738540800);
  EXPECT_EQ(consent.ends_s, 2398377600);  // 2046-01-01: the last day counts as a whole
}

TEST(Consent, TheDemosFilesAreUnderstood) {
  const std::string demo = std::string(HILUM_SOURCE_DIR) + "/demo/data/";
  HILUM_ASSERT_OK_AND_ASSIGN(
      const std::string granted,
      ReadTextFile(demo + "sites/hospital-b/consent/DEMO-B-0011.json", kConsentLimitBytes));
  HILUM_ASSERT_OK_AND_ASSIGN(const Consent before, ParseConsent(granted));
  EXPECT_TRUE(before.permits) << before.reason;
  HILUM_ASSERT_OK_AND_ASSIGN(
      const std::string revoked,
      ReadTextFile(demo + "revocation/hospital-b/consent/DEMO-B-0011.json", kConsentLimitBytes));
  HILUM_ASSERT_OK_AND_ASSIGN(const Consent after, ParseConsent(revoked));
  EXPECT_FALSE(after.permits);
  EXPECT_EQ(after.reason, "status inactive");
  EXPECT_EQ(after.patient, before.patient);
  EXPECT_GT(after.given_at_s, before.given_at_s);
}

TEST(Consent, EveryOtherStatusDenies) {
  for (const char* status : {"draft", "proposed", "rejected", "inactive", "entered-in-error", ""}) {
    Json json = Permitting();
    json["status"] = status;
    EXPECT_FALSE(Read(json).permits) << status;
  }
  Json json = Permitting();
  json.erase("status");
  EXPECT_EQ(Read(json).reason, "no status");
}

TEST(Consent, EachMissingOrOtherPartDenies) {
  struct Case {
    const char* pointer;
    Json value;
    const char* reason;
  };
  const Case cases[] = {
      {"/scope/coding/0/code", "patient-privacy", "scope is not research"},
      {"/scope", 3, "scope is not research"},
      {"/provision", "yes", "no provision"},
      {"/provision/type", "deny", "provision denies"},
      {"/provision/type", "maybe", "provision has no type"},
      {"/provision/purpose/0/code", "TREAT", "purpose does not name research (HRESCH)"},
      {"/provision/action/1/coding/0/code", "collect", "action does not name use"},
      {"/provision/period", "always", "provision.period is not understood"},
      {"/provision/period/end", "2045-13-01", "provision.period is not understood"},
      {"/provision/class", Json::array(), "provision.class is not understood"},
      {"/provision/actor", Json::array(), "provision.actor is not understood"},
      {"/provision/data", Json::array(), "provision.data is not understood"},
      {"/provision/dataPeriod", Json::object(), "provision.dataPeriod is not understood"},
      {"/provision/securityLabel", Json::array(), "provision.securityLabel is not understood"},
      {"/provision/modifierExtension", Json::array(),
       "provision.modifierExtension is not understood"},
      {"/modifierExtension", Json::array(), "modifierExtension is not understood"},
      {"/implicitRules", "urn:x", "implicitRules is not understood"},
      {"/provision/provision", Json::object(), "provision.provision is not a list"},
  };
  for (const Case& c : cases) {
    Json json = Permitting();
    json[Json::json_pointer(c.pointer)] = c.value;
    const Consent consent = Read(json);
    EXPECT_FALSE(consent.permits) << c.pointer;
    EXPECT_EQ(consent.reason, c.reason) << c.pointer;
  }
}

TEST(Consent, NestedDenialsCloseResearchUnlessTheyAreSurelyAboutOtherThings) {
  Json json = Permitting();
  json["provision"]["provision"] = Json::array({{{"type", "deny"}}});
  EXPECT_EQ(Read(json).reason, "a nested provision denies");
  json["provision"]["provision"][0]["purpose"] = Json::array({{{"code", "HMARKT"}}});
  EXPECT_TRUE(Read(json).permits) << Read(json).reason;
  json["provision"]["provision"][0]["purpose"].push_back({{"code", "HRESCH"}});
  EXPECT_FALSE(Read(json).permits);
  json["provision"]["provision"][0]["purpose"] = Json::array({{{"code", "NEWCODE"}}});
  EXPECT_FALSE(Read(json).permits);
  json["provision"]["provision"] = Json::array({{{"type", "permit"}}});
  EXPECT_TRUE(Read(json).permits);
  json["provision"]["provision"] = Json::array({{{"purpose", Json::array()}}});
  EXPECT_EQ(Read(json).reason, "a nested provision has no type");
}

TEST(Consent, ThePatientIsTheIdentifierElseTheReference) {
  Json json = Permitting();
  json["patient"].erase("identifier");
  EXPECT_EQ(Read(json).patient, "4711");
  json["patient"]["reference"] = "Practitioner/4711";
  EXPECT_THAT(ParseConsent(json.dump()),
              StatusIs(absl::StatusCode::kInvalidArgument, "names no patient"));
}

TEST(Consent, WhatIsNoConsentIsRefused) {
  EXPECT_THAT(ParseConsent("{"), StatusIs(absl::StatusCode::kInvalidArgument, "JSON"));
  EXPECT_THAT(ParseConsent("[]"), StatusIs(absl::StatusCode::kInvalidArgument, "JSON object"));
  EXPECT_THAT(ParseConsent(R"({"resourceType":"Patient"})"),
              StatusIs(absl::StatusCode::kInvalidArgument, "not a FHIR Consent"));
}

TEST(Consent, ADoubledKeyIsRefused) {
  std::string text = Permitting().dump();
  text = absl::StrReplaceAll(
      text, {{R"("status":"active")", R"("status":"inactive","status":"active")"}});
  EXPECT_THAT(ParseConsent(text),
              StatusIs(absl::StatusCode::kInvalidArgument, "the key \"status\" twice"));
}

TEST(Consent, DepthAndLengthAreLimited) {
  const std::string deep(100000, '[');
  EXPECT_THAT(ParseConsent(absl::StrCat(R"({"resourceType":"Consent","x":)", deep)),
              StatusIs(absl::StatusCode::kInvalidArgument, "nested deeper than 32"));
  EXPECT_THAT(ParseConsent(std::string(kConsentLimitBytes + 1, ' ')),
              StatusIs(absl::StatusCode::kInvalidArgument, "the limit is 262144"));
}

TEST(FhirTime, CoversItsWholePrecision) {
  struct Case {
    const char* text;
    int64_t first, end;
  };
  const Case cases[] = {
      {"1970", 0, 365 * 86400},
      {"1970-12", 334 * 86400, 365 * 86400},
      {"1970-01-02", 86400, 2 * 86400},
      {"2024-02-29", 1709164800, 1709251200},
      {"1970-01-01T00:00Z", 0, 1},
      {"1970-01-01T01:00:05+01:00", 5, 6},
      {"1969-12-31T23:30:00.123-00:30", 0, 1},
  };
  for (const Case& c : cases) {
    HILUM_ASSERT_OK_AND_ASSIGN(const FhirTime time, ParseFhirTime(c.text));
    EXPECT_EQ(time.first_s, c.first) << c.text;
    EXPECT_EQ(time.end_s, c.end) << c.text;
  }
}

TEST(FhirTime, RefusesWhatIsNoTime) {
  for (const char* text :
       {"", "70", "1970-", "1970-1", "1970-13", "1970-02-30", "1970-01-01T", "1970-01-01T00:00",
        "1970-01-01T24:00Z", "1970-01-01T00:00:00.Z", "1970-01-01T00:00:00Zx",
        "1970-01-01T00:00:00+15:00", "1970/01/01", "1970-01-01 00:00Z", "0000"}) {
    EXPECT_FALSE(ParseFhirTime(text).ok()) << text;
  }
}

}  // namespace
}  // namespace hilum::client
