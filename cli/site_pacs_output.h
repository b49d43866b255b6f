// What hilum site import says of a PACS and of the peers that send to this site.
#ifndef HILUM_CLI_SITE_PACS_OUTPUT_H_
#define HILUM_CLI_SITE_PACS_OUTPUT_H_

#include <string>

#include <nlohmann/json.hpp>
#include "client/pacs_import.h"
#include "client/receiver.h"

namespace hilum::cli {

nlohmann::ordered_json PacsJson(const client::PacsReport& report);
std::string PacsText(const client::PacsReport& report, bool dry_run);
nlohmann::ordered_json ReceiverJson(const client::ReceiverEvent& event);
std::string ReceiverText(const client::ReceiverEvent& event);

}  // namespace hilum::cli

#endif  // HILUM_CLI_SITE_PACS_OUTPUT_H_
