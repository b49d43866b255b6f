#include "client/consent.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <initializer_list>
#include <set>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"
#include "nlohmann/json.hpp"

namespace hilum::client {
namespace {

using Json = nlohmann::json;

constexpr int64_t kDay = 86400;

// Digits at text[at, at + n) as a number; -1 when they are not all digits.
int Digits(absl::string_view text, size_t at, size_t n) {
  if (text.size() < at + n) return -1;
  int value = 0;
  for (size_t i = at; i < at + n; ++i) {
    if (!absl::ascii_isdigit(text[i])) return -1;
    value = value * 10 + (text[i] - '0');
  }
  return value;
}

absl::Status BadTime(absl::string_view text) {
  return absl::InvalidArgumentError(
      absl::StrCat("\"", text.substr(0, 40), "\" is not a FHIR date or dateTime."));
}

// Seconds of the clock part "Thh:mm[:ss[.fff]](Z|+hh:mm|-hh:mm)" since its UTC midnight.
absl::StatusOr<int64_t> ParseClock(absl::string_view text, absl::string_view whole) {
  const int hour = Digits(text, 1, 2), minute = Digits(text, 4, 2);
  if (text[0] != 'T' || hour < 0 || hour > 23 || minute < 0 || minute > 59 || text[3] != ':') {
    return BadTime(whole);
  }
  text.remove_prefix(6);
  int second = 0;
  if (absl::ConsumePrefix(&text, ":")) {
    second = Digits(text, 0, 2);
    if (second < 0 || second > 60) return BadTime(whole);
    text.remove_prefix(2);
    if (absl::ConsumePrefix(&text, ".")) {
      if (text.empty() || !absl::ascii_isdigit(text[0])) return BadTime(whole);
      while (!text.empty() && absl::ascii_isdigit(text[0])) text.remove_prefix(1);
    }
  }
  const int64_t seconds = hour * 3600 + minute * 60 + second;
  if (text == "Z") return seconds;
  const int zone_hour = Digits(text, 1, 2), zone_minute = Digits(text, 4, 2);
  if (text.size() != 6 || (text[0] != '+' && text[0] != '-') || text[3] != ':' || zone_hour < 0 ||
      zone_hour > 14 || zone_minute < 0 || zone_minute > 59) {
    return BadTime(whole);
  }
  const int64_t zone = zone_hour * 3600 + zone_minute * 60;
  return text[0] == '+' ? seconds - zone : seconds + zone;
}

int64_t MidnightOf(std::chrono::year_month_day day) {
  return std::chrono::sys_days(day).time_since_epoch().count() * kDay;
}

// Parses, and refuses depth and doubled keys, of which nlohmann keeps the last without a word.
absl::StatusOr<Json> ParseBounded(absl::string_view text) {
  if (text.size() > kConsentLimitBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("the Consent has ", text.size(), " bytes, the limit is ", kConsentLimitBytes));
  }
  std::vector<std::set<std::string>> keys;
  std::string fault;
  const auto watch = [&](int depth, Json::parse_event_t event, Json& parsed) {
    if (depth > kConsentDepthLimit)
      fault = absl::StrCat("is nested deeper than ", kConsentDepthLimit);
    if (event == Json::parse_event_t::object_start) keys.emplace_back();
    if (event == Json::parse_event_t::object_end && !keys.empty()) keys.pop_back();
    if (event == Json::parse_event_t::key && !keys.empty() &&
        !keys.back().insert(parsed.get_ref<const std::string&>()).second) {
      fault = absl::StrCat("holds the key \"", parsed.get_ref<const std::string&>(), "\" twice");
    }
    return fault.empty();  // what follows a fault is skipped
  };
  Json json = Json::parse(text.begin(), text.end(), watch, /*allow_exceptions=*/false);
  if (!fault.empty()) return absl::InvalidArgumentError(absl::StrCat("the Consent ", fault));
  if (!json.is_object()) return absl::InvalidArgumentError("the file is not a JSON object");
  return json;
}

// The string at `key`; empty when it is absent or no string.
std::string Text(const Json& object, const char* key) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  if (!object.is_object() || found == object.end() || !found->is_string()) return "";
  return found->get<std::string>();
}

const Json& Member(const Json& object, const char* key) {
  static const Json* const kNone = new Json();
  if (!object.is_object()) return *kNone;
  const auto found = object.find(key);
  return found == object.end() ? *kNone : *found;
}

// The codes of a list of Codings, or of CodeableConcepts that hold them in `coding`.
std::vector<std::string> CodesOf(const Json& list) {
  std::vector<std::string> codes;
  const auto add = [&](const Json& coding) {
    const std::string code = Text(coding, "code");
    codes.push_back(code.empty() ? "?" : code);
  };
  if (!list.is_array()) return codes;
  for (const Json& item : list) {
    const Json& inner = Member(item, "coding");
    if (!inner.is_array()) {
      add(item);
      continue;
    }
    for (const Json& coding : inner) add(coding);
  }
  return codes;
}

bool Names(const std::vector<std::string>& codes, absl::string_view code) {
  return std::find(codes.begin(), codes.end(), code) != codes.end();
}

// Purposes that are surely no research: a denial for these leaves research open.
bool IsNoResearch(const std::string& purpose) {
  static constexpr std::array<const char*, 8> kCodes = {"TREAT",  "HPAYMT",   "HOPERAT", "HMARKT",
                                                        "ETREAT", "COVERAGE", "PATRQT",  "CAREMGT"};
  return std::find(kCodes.begin(), kCodes.end(), purpose) != kCodes.end();
}

// The first key of a provision that this reader does not know; empty: none.
std::string UnknownKey(const Json& provision) {
  static constexpr std::array<const char*, 7> kKnown = {"id",     "extension", "type",     "period",
                                                        "action", "purpose",   "provision"};
  for (const auto& [key, value] : provision.items()) {
    if (std::find(kKnown.begin(), kKnown.end(), key) == kKnown.end()) return key;
  }
  return "";
}

// Whether a nested denial leaves research use alone, as far as this reader can be sure.
bool LeavesResearchOpen(const Json& denial) {
  const std::vector<std::string> purposes = CodesOf(Member(denial, "purpose"));
  return !purposes.empty() && std::all_of(purposes.begin(), purposes.end(), IsNoResearch);
}

// Narrows `consent` to holder.period. False: not understood.
bool ReadPeriod(const Json& holder, Consent& consent) {
  if (!holder.contains("period")) return true;
  const Json& period = holder["period"];
  if (!period.is_object()) return false;
  if (period.contains("start")) {
    const absl::StatusOr<FhirTime> start = ParseFhirTime(Text(period, "start"));
    if (!start.ok()) return false;
    consent.starts_s = std::max(consent.starts_s, start->first_s);
  }
  if (period.contains("end")) {
    const absl::StatusOr<FhirTime> end = ParseFhirTime(Text(period, "end"));
    if (!end.ok()) return false;
    consent.ends_s = std::min(consent.ends_s, end->end_s);
  }
  return true;
}

// Why the nested provisions close research use; empty: they do not.
std::string NestedDenial(const Json& provision) {
  if (!provision.contains("provision")) return "";
  const Json& nested = provision["provision"];
  if (!nested.is_array()) return "provision.provision is not a list";
  for (const Json& exception : nested) {
    const std::string type = Text(exception, "type");
    if (type != "permit" && type != "deny") return "a nested provision has no type";
    if (type == "permit") continue;  // cannot take anything away
    if (!LeavesResearchOpen(exception)) return "a nested provision denies";
  }
  return "";
}

// Why the root provision does not permit research use; empty: it does.
std::string ProvisionDenial(const Json& provision, Consent& consent) {
  if (!provision.is_object()) return "no provision";
  const std::string type = Text(provision, "type");
  if (type != "permit") return type == "deny" ? "provision denies" : "provision has no type";
  if (const std::string key = UnknownKey(provision); !key.empty()) {
    return absl::StrCat("provision.", key.substr(0, 40), " is not understood");
  }
  if (!ReadPeriod(provision, consent)) return "provision.period is not understood";
  if (provision.contains("purpose") && !Names(CodesOf(provision["purpose"]), "HRESCH")) {
    return "purpose does not name research (HRESCH)";
  }
  if (provision.contains("action") && !Names(CodesOf(provision["action"]), "use")) {
    return "action does not name use";
  }
  return NestedDenial(provision);
}

// ---- R5: Consent.decision is the rule, each provision an exception to what stands above it.

// Why a list of exceptions to a permission closes research use; empty: it does not.
std::string ExceptionDenial(const Json& holder) {
  if (!holder.contains("provision")) return "";
  const Json& exceptions = holder["provision"];
  if (!exceptions.is_array()) return "provision is not a list";
  for (const Json& exception : exceptions) {
    // Its own exceptions could only permit again: a denial is judged without them.
    if (!LeavesResearchOpen(exception)) return "an exception to the permission may touch research";
  }
  return "";
}

// Why one exception to a denial does not permit research use by itself; empty: it does.
std::string PermissionDenial(const Json& exception, Consent& consent) {
  if (!exception.is_object()) return "provision is not a list of objects";
  if (const std::string key = UnknownKey(exception); !key.empty()) {
    return absl::StrCat("provision.", key.substr(0, 40), " is not understood");
  }
  if (exception.contains("type")) return "provision.type is not of R5";
  if (!Names(CodesOf(Member(exception, "purpose")), "HRESCH")) {
    return "no provision permits research (HRESCH)";
  }
  if (!Names(CodesOf(Member(exception, "action")), "use")) return "no provision permits use";
  if (!ReadPeriod(exception, consent)) return "provision.period is not understood";
  return ExceptionDenial(exception);
}

std::string DecisionDenial(const Json& json, Consent& consent) {
  const std::string decision = Text(json, "decision");
  if (decision == "permit") return ExceptionDenial(json);
  if (decision != "deny") return "no decision";
  const Json& exceptions = Member(json, "provision");
  if (!exceptions.is_array() || exceptions.empty()) return "decision denies";
  std::string first;
  for (const Json& exception : exceptions) {
    Consent narrowed = consent;
    const std::string reason = PermissionDenial(exception, narrowed);
    if (reason.empty()) {
      consent = narrowed;
      return "";
    }
    if (first.empty()) first = reason;
  }
  return first;
}

std::string DenialR5(const Json& json, Consent& consent) {
  if (!Names(CodesOf(Member(json, "category")), "research")) return "category is not research";
  if (json.contains("grantee")) return "grantee is not understood";
  if (!ReadPeriod(json, consent)) return "period is not understood";
  return DecisionDenial(json, consent);
}

std::string DenialR4(const Json& json, Consent& consent) {
  const std::vector<std::string> scope = CodesOf(Member(Member(json, "scope"), "coding"));
  if (!Names(scope, "research")) return "scope is not research";
  return ProvisionDenial(Member(json, "provision"), consent);
}

bool HasOneOf(const Json& json, std::initializer_list<const char*> keys) {
  return std::any_of(keys.begin(), keys.end(), [&](const char* key) { return json.contains(key); });
}

bool IsR5(const Json& json) {
  return HasOneOf(json, {"decision", "subject", "date", "period", "grantor", "grantee"}) ||
         Member(json, "provision").is_array();
}

bool IsR4(const Json& json) {
  return HasOneOf(json,
                  {"scope", "patient", "dateTime", "performer", "organization", "policyRule"}) ||
         Member(json, "provision").is_object();
}

// Why the document does not permit; empty: it does.
std::string Denial(const Json& json, Consent& consent) {
  for (const char* key : {"modifierExtension", "implicitRules"}) {
    if (json.contains(key)) return absl::StrCat(key, " is not understood");
  }
  const std::string status = Text(json, "status");
  if (status != "active") {
    return status.empty() ? "no status" : absl::StrCat("status ", status.substr(0, 40));
  }
  if (IsR4(json) && IsR5(json)) return "elements of FHIR R4 and R5 are mixed";
  return IsR5(json) ? DenialR5(json, consent) : DenialR4(json, consent);
}

// The patient that `key` refers to; empty: none.
std::string PatientAt(const Json& json, const char* key) {
  const Json& patient = Member(json, key);
  std::string id = Text(Member(patient, "identifier"), "value");
  if (id.empty()) {
    const std::string reference = Text(patient, "reference");
    if (absl::StartsWith(reference, "Patient/")) id = reference.substr(8);
  }
  return std::string(absl::StripAsciiWhitespace(id));
}

}  // namespace

absl::StatusOr<FhirTime> ParseFhirTime(absl::string_view text) {
  using namespace std::chrono;  // NOLINT: calendar types only
  const int y = Digits(text, 0, 4);
  if (y < 1) return BadTime(text);
  if (text.size() == 4) {
    return FhirTime{MidnightOf(year(y) / 1 / 1), MidnightOf(year(y + 1) / 1 / 1)};
  }
  const int m = Digits(text, 5, 2);
  if (text[4] != '-' || m < 1 || m > 12) return BadTime(text);
  if (text.size() == 7) {
    const year_month next = year(y) / m + months(1);
    return FhirTime{MidnightOf(year(y) / m / 1), MidnightOf(next / 1)};
  }
  const int d = Digits(text, 8, 2);
  const year_month_day date = year(y) / m / (d < 0 ? 0 : d);
  if (text[7] != '-' || !date.ok()) return BadTime(text);
  const int64_t midnight = MidnightOf(date);
  if (text.size() == 10) return FhirTime{midnight, midnight + kDay};
  if (text.size() < 17) return BadTime(text);
  HILUM_ASSIGN_OR_RETURN(const int64_t clock, ParseClock(text.substr(10), text));
  return FhirTime{midnight + clock, midnight + clock + 1};
}

absl::StatusOr<Consent> ParseConsent(absl::string_view text) {
  HILUM_ASSIGN_OR_RETURN(const Json json, ParseBounded(text));
  if (Text(json, "resourceType") != "Consent") {
    return absl::InvalidArgumentError("the file is not a FHIR Consent");
  }
  Consent consent;
  const std::string r4 = PatientAt(json, "patient");
  const std::string r5 = PatientAt(json, "subject");
  if (!r4.empty() && !r5.empty() && r4 != r5) {
    return absl::InvalidArgumentError("the Consent names two patients, as patient and as subject");
  }
  consent.patient = r4.empty() ? r5 : r4;
  if (consent.patient.empty() || consent.patient.size() > 256) {
    return absl::InvalidArgumentError("the Consent names no patient of 1 to 256 bytes");
  }
  const char* given_key = IsR5(json) && !IsR4(json) ? "date" : "dateTime";
  if (const absl::StatusOr<FhirTime> given = ParseFhirTime(Text(json, given_key)); given.ok()) {
    consent.given_at_s = given->first_s;
    consent.given_until_s = given->end_s;
  }
  consent.reason = Denial(json, consent);
  consent.permits = consent.reason.empty();
  return consent;
}

}  // namespace hilum::client
