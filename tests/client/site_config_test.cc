#include "cli/site_config.h"

#include "absl/strings/str_replace.h"
#include "client/join.h"
#include "tests/client/films.h"
#include "tests/status_matchers.h"

namespace hilum::cli {
namespace {

using absl::StatusCode;

std::string Default() { return client::DefaultSiteToml("hospital-a", "localhost:7443"); }

TEST(SiteConfig, TheFileThatJoinWritesIsReadAsTheDefaults) {
  HILUM_ASSERT_OK_AND_ASSIGN(const client::SiteOptions options,
                             ParseSiteConfig("site.toml", Default()));
  const client::SiteOptions defaults;
  EXPECT_EQ(options.site, "hospital-a");
  EXPECT_EQ(options.server, "localhost:7443");
  EXPECT_FALSE(options.allow_open);
  EXPECT_FALSE(options.auto_approve);
  EXPECT_EQ(options.min_cohort, defaults.min_cohort);
  EXPECT_EQ(options.max_clip_l2, defaults.max_clip_l2);
  EXPECT_EQ(options.max_weight, defaults.max_weight);
  EXPECT_EQ(options.min_films, defaults.min_films);
  EXPECT_EQ(options.threads, defaults.threads);
  EXPECT_EQ(options.profile, defaults.profile);
  EXPECT_EQ(options.max_cosignature_age_s, defaults.max_cosignature_age_s);
  EXPECT_TRUE(options.issuers.empty());
}

TEST(SiteConfig, EachMistakeIsNamedWithItsLine) {
  struct Case {
    const char* from;
    const char* to;
    const char* reason;
  };
  const Case cases[] = {
      {"allow_open = false", "allow_opn = false", "allow_opn"},
      {"allow_open = false", "allow_open = 1", "allow_open"},
      {"approve = \"ask\"", "approve = \"yes\"", "approve"},
      {"min_cohort = 2", "min_cohort = 1", "min_cohort"},
      {"max_clip = 100.0", "max_clip = 0", "max_clip"},
      {"threads = 1", "threads = 0", "threads"},
      {"threads = 1", "threads = 1\ncheckpoint_steps = -1", "checkpoint_steps"},
      {"localhost:7443", "localhost", "HOST:PORT"},
      {"hospital-a", "Hospital A", "name"},
      {"profile = \"cxr128\"", "profile = \"cxr1\"", "profile"},
      {"[training]", "[trainig]", "trainig"},
      {"[site]", "[site", "site.toml"},
  };
  for (const Case& c : cases) {
    const std::string text = absl::StrReplaceAll(Default(), {{c.from, c.to}});
    ASSERT_NE(text, Default()) << c.from;
    EXPECT_THAT(ParseSiteConfig("site.toml", text),
                StatusIs(StatusCode::kInvalidArgument, c.reason));
  }
}

TEST(SiteConfig, AFolderThatHasNotJoinedIsNamed) {
  EXPECT_THAT(ReadSiteConfig({client::NewFolder("empty")}),
              StatusIs(StatusCode::kNotFound, "join a federation first"));
}

TEST(SiteConfig, PrintsWhatItReads) {
  HILUM_ASSERT_OK_AND_ASSIGN(client::SiteOptions options, ParseSiteConfig("site.toml", Default()));
  options.allow_open = true;
  options.architectures = {"covidnet-nano", "covidnet-s"};
  options.issuers = {"A"};
  options.max_clip_l2 = 0.5;
  HILUM_ASSERT_OK_AND_ASSIGN(const client::SiteOptions again,
                             ParseSiteConfig("printed", PrintSiteConfig(options)));
  EXPECT_TRUE(again.allow_open);
  EXPECT_EQ(again.architectures, options.architectures);
  EXPECT_EQ(again.issuers, options.issuers);
  EXPECT_EQ(again.max_clip_l2, 0.5);
}

}  // namespace
}  // namespace hilum::cli
