#include "cli/site_sources.h"

#include "absl/strings/str_cat.h"
#include "cli/site_config.h"
#include "client/join.h"
#include "tests/client/films.h"
#include "tests/status_matchers.h"

namespace hilum::cli {
namespace {

using absl::StatusCode;

std::string WithSources(const std::string& text) {
  return absl::StrCat(client::DefaultSiteToml("hospital-a", "localhost:7443"), "\n", text);
}

TEST(SiteSources, AreReadAndPrinted) {
  HILUM_ASSERT_OK_AND_ASSIGN(
      const client::SiteOptions options,
      ParseSiteConfig("site.toml",
                      WithSources("[scp]\nlisten = \"0.0.0.0:104\"\nae_title = \"A\"\n"
                                  "callers = [\"CT1\", \"CT 2\"]\npeers = [\"10.0.0.5\"]\n"
                                  "pacs = \"P@h:1\"\nassociations = 3\n"
                                  "[dicomweb]\nurl = \"https://pacs/x\"\nuser = \"u\"\n"
                                  "password_file = \"p\"\n")));
  EXPECT_EQ(options.sources.scp.callers, (std::vector<std::string>{"CT1", "CT 2"}));
  EXPECT_EQ(options.sources.scp.associations, 3);
  EXPECT_EQ(options.sources.dicomweb.url, "https://pacs/x");
  HILUM_ASSERT_OK_AND_ASSIGN(const client::SiteOptions same,
                             ParseSiteConfig("printed", PrintSiteConfig(options)));
  EXPECT_EQ(PrintSiteConfig(same), PrintSiteConfig(options));
  EXPECT_EQ(SiteConfigJson(same)["scp"]["pacs"], "P@h:1");
}

TEST(SiteSources, MistakesAreNamed) {
  struct Case {
    const char* text;
    const char* reason;
  };
  const Case cases[] = {{"[scp]\nlisten = \"104\"\n", "listen"},
                        {"[scp]\nassociations = 0\n", "associations"},
                        {"[scp]\ncaller = [\"A\"]\n", "caller"},
                        {"[dicomweb]\npassword = \"x\"\n", "password"}};
  for (const Case& c : cases) {
    EXPECT_THAT(ParseSiteConfig("site.toml", WithSources(c.text)),
                StatusIs(StatusCode::kInvalidArgument, c.reason));
  }
}

TEST(SiteSources, RulesAreRead) {
  HILUM_ASSERT_OK_AND_ASSIGN(
      const client::SelectionRules rules,
      ParseRules("rules.toml",
                 "modalities = [\"CT\"]\nbody_parts = [\"CHEST\"]\norientations = [\"axial\"]\n"
                 "min_thickness_mm = 0.5\nmax_thickness_mm = 3\nmin_images = 20\n"
                 "from = \"2024-01-01\"\nto = \"2024-12-31\"\nbody_part_unknown = false\n"));
  EXPECT_EQ(rules.modalities, std::vector<std::string>{"CT"});
  EXPECT_EQ(rules.max_thickness_mm, 3.0);
  EXPECT_EQ(rules.min_images, 20);
  EXPECT_EQ(rules.from, "20240101");
  EXPECT_EQ(rules.to, "20241231");
  EXPECT_FALSE(rules.body_part_unknown);
}

TEST(SiteSources, RulesWithoutModalitiesTakeWhatTheModelsRead) {
  HILUM_ASSERT_OK_AND_ASSIGN(const client::SelectionRules rules, ParseRules("rules.toml", ""));
  EXPECT_EQ(rules.modalities, (std::vector<std::string>{"CR", "DX"}));
}

TEST(SiteSources, MistakesInRulesAreNamed) {
  for (const char* text :
       {"modalities = [\"ct\"]", "modalities = [\"CT&limit=9\"]", "views = [\"\"]",
        "orientations = [\"up\"]", "min_thickness_mm = 3\nmax_thickness_mm = 2",
        "min_images = 5\nmax_images = 4", "min_images = 0", "from = \"20240101\"",
        "from = \"2024-1-1\"", "to = \"2024-01-0x\"", "from = \"2024-02-01\"\nto = \"2024-01-01\"",
        "thickness = 3"}) {
    EXPECT_THAT(ParseRules("rules.toml", text),
                StatusIs(StatusCode::kInvalidArgument, "rules.toml"))
        << text;
  }
  EXPECT_THAT(ReadRules(client::NewFolder("rules") / "none.toml"),
              StatusIs(StatusCode::kNotFound, ""));
}

}  // namespace
}  // namespace hilum::cli
