#include "cli/toml_reader.h"

#include "tests/status_matchers.h"

namespace hilum::cli {
namespace {

using absl::StatusCode;

struct Config {
  std::string name = "none";
  int threads = 1;
  double rate = 0.5;
  bool on = false;
  std::vector<std::string> classes;
  std::string address = "127.0.0.1:1";
};

absl::StatusOr<Config> Read(absl::string_view text) {
  HILUM_ASSIGN_OR_RETURN(TomlReader reader, TomlReader::Parse("site.toml", text));
  Config config;
  reader.OneOf("name", config.name, {"none", "group"});
  reader.Integer("threads", config.threads, 1, 64);
  reader.Real("rate", config.rate, {.min = 0, .max = 10, .above_min = true});
  reader.Bool("on", config.on);
  reader.Texts("classes", config.classes);
  reader.Section("listen");
  reader.Text("grpc", config.address);
  HILUM_RETURN_IF_ERROR(reader.Finish());
  return config;
}

TEST(TomlReader, ReadsWhatIsThereAndKeepsDefaults) {
  HILUM_ASSERT_OK_AND_ASSIGN(const Config config, Read("threads = 4\n"
                                                       "rate = 2\n"
                                                       "classes = ['normal', \"pneumonia\"]\n"
                                                       "[listen]\n"
                                                       "grpc = \"[::1]:7443\"\n"));
  EXPECT_EQ(config.threads, 4);
  EXPECT_EQ(config.rate, 2.0);  // a whole number is a number
  EXPECT_THAT(config.classes, testing::ElementsAre("normal", "pneumonia"));
  EXPECT_EQ(config.address, "[::1]:7443");
  EXPECT_EQ(config.name, "none");
}

TEST(TomlReader, RefusesUnknownKeysAndSectionsWithTheirLine) {
  EXPECT_THAT(Read("threads = 4\nthread = 5\n"),
              StatusIs(StatusCode::kInvalidArgument, "site.toml:2: thread is not a known key"));
  EXPECT_THAT(Read("[listen]\n\nhttp = 1\n"),
              StatusIs(StatusCode::kInvalidArgument, "site.toml:3: [listen] http is not a known"));
  EXPECT_THAT(Read("[lissten]\n"),
              StatusIs(StatusCode::kInvalidArgument, "lissten is not a known section"));
  EXPECT_THAT(Read("listen = 1\n"),
              StatusIs(StatusCode::kInvalidArgument, "listen must be a section"));
}

TEST(TomlReader, RefusesWrongTypesWithValueAndNeed) {
  EXPECT_THAT(Read("threads = \"four\"\n"),
              StatusIs(StatusCode::kInvalidArgument,
                       "site.toml:1: threads = 'four', but a whole number from 1 to 64"));
  EXPECT_THAT(Read("threads = 4.0\n"), StatusIs(StatusCode::kInvalidArgument, "threads = 4.0"));
  EXPECT_THAT(Read("on = 1\n"), StatusIs(StatusCode::kInvalidArgument, "true or false"));
  EXPECT_THAT(Read("classes = [1]\n"), StatusIs(StatusCode::kInvalidArgument, "a list of texts"));
  EXPECT_THAT(Read("[listen]\ngrpc = 7443\n"),
              StatusIs(StatusCode::kInvalidArgument, "site.toml:2: [listen] grpc = 7443"));
}

TEST(TomlReader, RefusesValuesOutOfRange) {
  EXPECT_THAT(Read("threads = 65\n"), StatusIs(StatusCode::kInvalidArgument, "threads = 65"));
  EXPECT_THAT(Read("rate = 0\n"), StatusIs(StatusCode::kInvalidArgument, "above 0 up to 10"));
  EXPECT_THAT(Read("rate = nan\n"), StatusIs(StatusCode::kInvalidArgument, "rate = nan"));
  EXPECT_THAT(Read("rate = 10.1\n"), StatusIs(StatusCode::kInvalidArgument, "rate = 10.1, but"));
  EXPECT_THAT(Read("rate = inf\n"), StatusIs(StatusCode::kInvalidArgument, "rate = inf"));
  EXPECT_THAT(Read("name = \"batch\"\n"),
              StatusIs(StatusCode::kInvalidArgument, "one of \"none\", \"group\""));
}

TEST(TomlReader, TheFirstErrorStays) {
  EXPECT_THAT(Read("rate = 11\nthreads = 65\nunknown = 1\n"),
              StatusIs(StatusCode::kInvalidArgument, "threads = 65"));
}

TEST(TomlReader, SaysWhereTheTextIsNotToml) {
  EXPECT_THAT(Read("threads = 1\nthreads = 2\n"),
              StatusIs(StatusCode::kInvalidArgument, "site.toml:2: "));
  EXPECT_THAT(Read("= 1\n"), StatusIs(StatusCode::kInvalidArgument, "site.toml:1: "));
}

TEST(TomlReader, RequiresAndRefusesForItsCaller) {
  HILUM_ASSERT_OK_AND_ASSIGN(TomlReader reader, TomlReader::Parse("a.toml", "\nb = \"x\"\n"));
  std::string b;
  reader.Text("b", b);
  reader.Refuse("b", "is taken.");
  EXPECT_THAT(reader.Finish(),
              StatusIs(StatusCode::kInvalidArgument, "a.toml:2: b = 'x': is taken."));
  HILUM_ASSERT_OK_AND_ASSIGN(TomlReader other, TomlReader::Parse("a.toml", ""));
  other.Section("model");
  other.Require("init");
  EXPECT_THAT(other.Finish(),
              StatusIs(StatusCode::kInvalidArgument, "a.toml: [model] init is missing."));
}

// A misspelt key is why another is missing: it is what the sentence must be about.
TEST(TomlReader, AnUnknownKeyIsNamedBeforeAMissingOne) {
  HILUM_ASSERT_OK_AND_ASSIGN(TomlReader reader, TomlReader::Parse("a.toml", "\nroundz = 3\n"));
  int rounds = 0;
  reader.Require("rounds");
  reader.Integer("rounds", rounds, 1, 9);
  EXPECT_THAT(reader.Finish(), StatusIs(StatusCode::kInvalidArgument,
                                        "a.toml:2: roundz is not a known key; known are rounds"));
}

TEST(TomlReader, OpenNamesTheFileThatIsMissing) {
  EXPECT_THAT(TomlReader::Open("no/such.toml"), StatusIs(StatusCode::kNotFound, "no/such.toml"));
}

}  // namespace
}  // namespace hilum::cli
