// What hilum-site prints, for people and as JSON.
#ifndef HILUM_CLI_SITE_OUTPUT_H_
#define HILUM_CLI_SITE_OUTPUT_H_

#include <string>
#include <vector>

#include <nlohmann/json.hpp>
#include "absl/strings/string_view.h"
#include "client/agent.h"
#include "client/doctor.h"
#include "client/import.h"
#include "client/overview.h"
#include "client/policy.h"
#include "client/state.h"

namespace hilum::cli {

nlohmann::ordered_json ImportJson(const client::ImportReport& report);
std::string ImportText(const client::ImportReport& report);

// The first 16 digits of an update's root, by which status, receipt and ledger are compared by eye.
std::string ShortRoot(absl::string_view root_hex);

nlohmann::ordered_json EventJson(const client::AgentEvent& event);
std::string EventText(const client::AgentEvent& event);

nlohmann::ordered_json OverviewJson(const client::Overview& overview);
std::string OverviewText(const client::Overview& overview);

nlohmann::ordered_json PolicyJson(const client::PolicyReport& report);
std::string PolicyText(const client::PolicyReport& report);

nlohmann::ordered_json StudiesJson(const std::vector<client::FilmRecord>& films);
std::string StudiesText(const std::vector<client::FilmRecord>& films);

nlohmann::ordered_json FindingsJson(const std::vector<client::ProbeResult>& findings);
std::string FindingsText(const std::vector<client::ProbeResult>& findings);

}  // namespace hilum::cli

#endif  // HILUM_CLI_SITE_OUTPUT_H_
