#include "cli/site_config.h"

#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/ids.h"
#include "base/status_macros.h"
#include "cli/address.h"
#include "cli/site_sources.h"
#include "cli/toml_reader.h"

namespace hilum::cli {
namespace {

using client::SiteOptions;

void ReadSite(TomlReader& reader, SiteOptions& options) {
  reader.Section("site");
  reader.Require("name");
  reader.Text("name", options.site);
  if (const absl::Status name = CheckName("site", options.site); !name.ok()) {
    reader.Refuse("name", name.message());
  }
  reader.Require("server");
  reader.Text("server", options.server);
  if (const absl::Status address = CheckAddress("it", options.server, 1); !address.ok()) {
    reader.Refuse("server", address.message());
  }
}

void ReadPolicy(TomlReader& reader, SiteOptions& options) {
  reader.Section("policy");
  std::string approve = "ask";
  reader.OneOf("approve", approve, {"ask", "auto"});
  options.auto_approve = approve == "auto";
  reader.Bool("allow_open", options.allow_open);
  reader.Integer("min_cohort", options.min_cohort, 2, 500);
  reader.Real("max_clip", options.max_clip_l2, {.min = 0, .max = 1e6, .above_min = true});
  reader.Integer("max_weight", options.max_weight, 1, int64_t{1} << 31);
  reader.Real("min_sigma", options.min_sigma, {.min = 0, .max = 1000});
  reader.Real("max_epsilon", options.max_epsilon, {.min = 0, .max = 1000});
  reader.Real("budget_delta", options.budget_delta, {.min = 1e-12, .max = 0.01});
  reader.Integer("min_films", options.min_films, 1, 1'000'000'000);
  reader.Texts("architectures", options.architectures);
  reader.OneOf("verify", options.verify, {"full", "sampled", "tags", "none"});
}

}  // namespace

absl::StatusOr<SiteOptions> ParseSiteConfig(const std::string& file, const std::string& text) {
  HILUM_ASSIGN_OR_RETURN(TomlReader reader, TomlReader::Parse(file, text));
  SiteOptions options;
  ReadSite(reader, options);
  ReadPolicy(reader, options);
  reader.Section("training");
  reader.Integer("threads", options.threads, 1, 256);
  reader.Integer("checkpoint_steps", options.checkpoint_steps, 0, 1'000'000);
  reader.Section("ledger");
  reader.Integer("faults", options.faults, 0, 512);
  reader.Integer("max_age", options.max_cosignature_age_s, 60, 365 * 86400);
  reader.Section("import");
  reader.OneOf("profile", options.profile, {"cxr96", "cxr128", "cxr224", "cxr480"});
  reader.Texts("issuers", options.issuers);
  int64_t inbox_gib = static_cast<int64_t>(options.sources.inbox_bytes >> 30);
  reader.Integer("inbox_gib", inbox_gib, 1, 1 << 20);
  options.sources.inbox_bytes = static_cast<uint64_t>(inbox_gib) << 30;
  ReadSources(reader, options.sources);
  HILUM_RETURN_IF_ERROR(reader.Finish());
  return options;
}

absl::StatusOr<SiteOptions> ReadSiteConfig(const client::SiteFolder& folder) {
  const absl::StatusOr<std::string> text = ReadTextFile(folder.config(), 1 << 20);
  if (absl::IsNotFound(text.status())) {
    return absl::NotFoundError(absl::StrCat(
        folder.root.string(), " holds no site.toml: join a federation first (hilum site join)."));
  }
  if (!text.ok()) return text.status();
  HILUM_ASSIGN_OR_RETURN(SiteOptions options, ParseSiteConfig(folder.config().string(), *text));
  if (const char* server = std::getenv("HILUM_SERVER")) options.server = server;
  return options;
}

std::string PrintSiteConfig(const SiteOptions& options) {
  const auto list = [](const std::vector<std::string>& values) {
    return absl::StrCat("[",
                        absl::StrJoin(values, ", ",
                                      [](std::string* out, const auto& value) {
                                        absl::StrAppend(out, "\"", value, "\"");
                                      }),
                        "]");
  };
  const auto truth = [](bool value) { return value ? "true" : "false"; };
  return absl::StrCat(
      "[site]\nname = \"", options.site, "\"\nserver = \"", options.server,
      "\"\n\n[policy]\napprove = \"", options.auto_approve ? "auto" : "ask",
      "\"\nallow_open = ", truth(options.allow_open), "\nmin_cohort = ", options.min_cohort,
      "\nmax_clip = ", options.max_clip_l2, "\nmax_weight = ", options.max_weight,
      "\nmin_sigma = ", options.min_sigma, "\nmax_epsilon = ", options.max_epsilon,
      "\nbudget_delta = ", options.budget_delta, "\nmin_films = ", options.min_films,
      "\narchitectures = ", list(options.architectures), "\nverify = \"", options.verify, "\"",
      "\n\n[training]\nthreads = ", options.threads,
      "\ncheckpoint_steps = ", options.checkpoint_steps, "\n\n[ledger]\nfaults = ", options.faults,
      "\nmax_age = ", options.max_cosignature_age_s, "\n\n[import]\nprofile = \"", options.profile,
      "\"\nissuers = ", list(options.issuers), "\ninbox_gib = ", options.sources.inbox_bytes >> 30,
      "\n", PrintSources(options.sources));
}

nlohmann::ordered_json SiteConfigJson(const SiteOptions& options) {
  return {
      {"site", {{"name", options.site}, {"server", options.server}}},
      {"policy",
       {{"approve", options.auto_approve ? "auto" : "ask"},
        {"allow_open", options.allow_open},
        {"min_cohort", options.min_cohort},
        {"max_clip", options.max_clip_l2},
        {"max_weight", options.max_weight},
        {"min_sigma", options.min_sigma},
        {"max_epsilon", options.max_epsilon},
        {"budget_delta", options.budget_delta},
        {"min_films", options.min_films},
        {"architectures", options.architectures},
        {"verify", options.verify}}},
      {"training", {{"threads", options.threads}, {"checkpoint_steps", options.checkpoint_steps}}},
      {"ledger", {{"faults", options.faults}, {"max_age", options.max_cosignature_age_s}}},
      {"import",
       {{"profile", options.profile},
        {"issuers", options.issuers},
        {"inbox_gib", options.sources.inbox_bytes >> 30}}},
      {"scp", ScpJson(options.sources.scp)},
      {"dicomweb", DicomwebJson(options.sources.dicomweb)}};
}

}  // namespace hilum::cli
