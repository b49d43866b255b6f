// FHIR R5 Consents: decision and exceptions. Each test spoils one thing of a document that permits.
#include <gtest/gtest.h>

#include "client/consent.h"
#include "nlohmann/json.hpp"
#include "tests/status_matchers.h"

namespace hilum::client {
namespace {

using Json = nlohmann::json;

// Permits by its decision.
Json Permitting() {
  return Json::parse(R"json({
    "resourceType": "Consent", "status": "active",
    "category": [{"coding": [{"code": "research"}]}],
    "subject": {"reference": "Patient/4711", "identifier": {"system": "urn:x", "value": "P-1"}},
    "date": "2025-02-03",
    "period": {"start": "2025-02-03", "end": "2045-12-31"},
    "decision": "permit"})json");
}

// Denies, but for research use.
Json PermittingByException() {
  Json json = Permitting();
  json["decision"] = "deny";
  json["provision"] = Json::parse(R"json([{
    "period": {"end": "2030-12-31"},
    "action": [{"coding": [{"code": "access"}]}, {"coding": [{"code": "use"}]}],
    "purpose": [{"code": "HRESCH"}]}])json");
  return json;
}

Consent Read(const Json& json) {
  const absl::StatusOr<Consent> consent = ParseConsent(json.dump());
  EXPECT_TRUE(consent.ok()) << consent.status();
  return consent.value_or(Consent{});
}

TEST(ConsentR5, PermitsByDecision) {
  const Consent consent = Read(Permitting());
  EXPECT_TRUE(consent.permits) << consent.reason;
  EXPECT_EQ(consent.patient, "P-1");
  EXPECT_EQ(consent.given_at_s, 1738540800);
  EXPECT_EQ(consent.starts_s, 1738540800);
  EXPECT_EQ(consent.ends_s, 2398377600);
}

TEST(ConsentR5, PermitsByOneExceptionWithinItsPeriod) {
  const Consent consent = Read(PermittingByException());
  EXPECT_TRUE(consent.permits) << consent.reason;
  EXPECT_EQ(consent.starts_s, 1738540800);
  EXPECT_EQ(consent.ends_s, 1924992000);  // 2031-01-01: the narrower end
}

TEST(ConsentR5, EachMissingOrOtherPartDenies) {
  struct Case {
    const char* pointer;
    Json value;
    const char* reason;
  };
  const Case cases[] = {
      {"/status", "draft", "status draft"},
      {"/category/0/coding/0/code", "acd", "category is not research"},
      {"/category", 3, "category is not research"},
      {"/decision", "deny", "decision denies"},
      {"/decision", "maybe", "no decision"},
      {"/decision", 1, "no decision"},
      {"/period", "always", "period is not understood"},
      {"/period/end", "2045-13-01", "period is not understood"},
      {"/grantee", Json::array(), "grantee is not understood"},
      {"/modifierExtension", Json::array(), "modifierExtension is not understood"},
      {"/implicitRules", "urn:x", "implicitRules is not understood"},
  };
  for (const Case& c : cases) {
    Json json = Permitting();
    json[Json::json_pointer(c.pointer)] = c.value;
    const Consent consent = Read(json);
    EXPECT_FALSE(consent.permits) << c.pointer;
    EXPECT_EQ(consent.reason, c.reason) << c.pointer;
  }
  Json json = Permitting();
  json.erase("decision");
  EXPECT_EQ(Read(json).reason, "no decision");
}

// An exception to a permission takes something away, and only what is surely not research may go.
TEST(ConsentR5, APermissionWithExceptionsPermitsOnlyWhenTheyAreAboutOtherThings) {
  Json json = Permitting();
  json["provision"] = Json::array({{{"purpose", Json::array({{{"code", "HMARKT"}}})}}});
  EXPECT_TRUE(Read(json).permits) << Read(json).reason;
  for (const Json& exception :
       {Json::object(), Json{{"purpose", Json::array({{{"code", "HRESCH"}}})}},
        Json{{"actor", Json::array()}}, Json{{"action", Json::array()}},
        Json{{"purpose", Json::array({{{"code", "HMARKT"}}, {{"code", "NEWCODE"}}})}},
        Json{{"dataPeriod", Json::object()}}, Json("text")}) {
    json["provision"] = Json::array({exception});
    EXPECT_FALSE(Read(json).permits) << exception.dump();
  }
  json["provision"] = "none";
  EXPECT_FALSE(Read(json).permits);
}

TEST(ConsentR5, ADenialWithAnExceptionThatPermitsOnlyInPartDenies) {
  struct Case {
    const char* pointer;
    Json value;
    const char* reason;
  };
  const Case cases[] = {
      {"/provision/0/purpose/0/code", "TREAT", "no provision permits research (HRESCH)"},
      {"/provision/0/action/1/coding/0/code", "collect", "no provision permits use"},
      {"/provision/0/actor", Json::array(), "provision.actor is not understood"},
      {"/provision/0/documentType", Json::array(), "provision.documentType is not understood"},
      {"/provision/0/resourceType", Json::array(), "provision.resourceType is not understood"},
      {"/provision/0/securityLabel", Json::array(), "provision.securityLabel is not understood"},
      {"/provision/0/dataPeriod", Json::object(), "provision.dataPeriod is not understood"},
      {"/provision/0/data", Json::array(), "provision.data is not understood"},
      {"/provision/0/expression", Json::object(), "provision.expression is not understood"},
      {"/provision/0/type", "permit", "provision.type is not of R5"},
      {"/provision/0/period", 7, "provision.period is not understood"},
      {"/provision/0/provision", Json::array({Json::object()}),
       "an exception to the permission may touch research"},
  };
  for (const Case& c : cases) {
    Json json = PermittingByException();
    json[Json::json_pointer(c.pointer)] = c.value;
    EXPECT_FALSE(Read(json).permits) << c.pointer;
    EXPECT_EQ(Read(json).reason, c.reason) << c.pointer;
  }
  for (const char* gone : {"purpose", "action"}) {
    Json json = PermittingByException();
    json["provision"][0].erase(gone);
    EXPECT_FALSE(Read(json).permits) << gone;
  }
  // Two halves are no whole.
  Json json = PermittingByException();
  Json use = json["provision"][0];
  use["purpose"] = Json::array({{{"code", "TREAT"}}});
  Json research = json["provision"][0];
  research["action"] = Json::array({{{"coding", Json::array({{{"code", "collect"}}})}}});
  json["provision"] = Json::array({use, research});
  EXPECT_FALSE(Read(json).permits);
}

TEST(ConsentR5, ElementsOfBothVersionsDeny) {
  const Json r4 = Json::parse(R"json({
    "scope": {"coding": [{"code": "research"}]},
    "dateTime": "2025-02-03",
    "patient": {"reference": "Patient/4711", "identifier": {"value": "P-1"}},
    "policyRule": {}})json");
  for (const auto& [key, value] : r4.items()) {
    Json json = Permitting();
    json[key] = value;
    EXPECT_EQ(Read(json).reason, "elements of FHIR R4 and R5 are mixed") << key;
  }
}

TEST(ConsentR5, TheSubjectIsThePatient) {
  Json json = Permitting();
  json["subject"].erase("identifier");
  EXPECT_EQ(Read(json).patient, "4711");
  json["subject"]["reference"] = "Group/4711";
  EXPECT_THAT(ParseConsent(json.dump()),
              StatusIs(absl::StatusCode::kInvalidArgument, "names no patient"));
  json = Permitting();
  json["patient"] = {{"reference", "Patient/other"}};
  EXPECT_THAT(ParseConsent(json.dump()),
              StatusIs(absl::StatusCode::kInvalidArgument, "two patients"));
}

}  // namespace
}  // namespace hilum::client
