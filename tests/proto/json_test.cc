// model.json, the join token, and reading fields of foreign JSON.
#include <gtest/gtest.h>

#include "proto/join_token.h"
#include "proto/json_fields.h"
#include "proto/model_json.h"
#include "tests/status_matchers.h"

namespace hilum::proto {
namespace {

using absl::StatusCode;

ModelDescription Description() {
  ModelDescription description{.architecture = "covidnet-nano",
                               .classes = {"normal", "pneumonia"},
                               .profile = "cxr128",
                               .input_size = {3, 128, 128},
                               .n_params = 12345,
                               .round = 4,
                               .job = "cxr-1",
                               .origin = "fl.example/ledger",
                               .min_age_years = 1};
  description.sha256[1] = 7;
  description.profile_digest[2] = 8;
  return description;
}

TEST(ModelJson, ReadsWhatItWritesAndSaysWhatItIsFor) {
  const std::string text = ModelDescriptionToJson(Description());
  EXPECT_THAT(text, testing::HasSubstr("\"research_use_only\": \"Research use only."));
  EXPECT_EQ(text.back(), '\n');
  HILUM_ASSERT_OK_AND_ASSIGN(const ModelDescription read, ModelDescriptionFromJson(text));
  EXPECT_EQ(read, Description());
  EXPECT_EQ(ModelDescriptionToJson(read), text);
  EXPECT_EQ(text.find("local_layers"), std::string::npos) << "all of it is shared";
  ModelDescription kept = Description();
  kept.local_layers = {"head.*", "stem.*"};
  HILUM_ASSERT_OK_AND_ASSIGN(const ModelDescription again,
                             ModelDescriptionFromJson(ModelDescriptionToJson(kept)));
  EXPECT_EQ(again, kept);
}

TEST(ModelJson, NamesWhatIsWrong) {
  const std::string text = ModelDescriptionToJson(Description());
  const auto change = [&](absl::string_view from, absl::string_view to) {
    std::string other = text;
    other.replace(other.find(std::string(from)), from.size(), std::string(to));
    return ModelDescriptionFromJson(other).status();
  };
  EXPECT_THAT(change("\"round\": 4", "\"round\": -4"),
              StatusIs(StatusCode::kInvalidArgument, "model.json.round"));
  EXPECT_THAT(change("\"norm\"", "\"norn\""),
              StatusIs(StatusCode::kInvalidArgument, "model.json.norm is missing"));
  EXPECT_THAT(change("\"job\"", "\"extra\": 1, \"job\""),
              StatusIs(StatusCode::kInvalidArgument, "unknown field extra"));
  EXPECT_THAT(change("covidnet-nano", "Covid Net"), StatusIs(StatusCode::kInvalidArgument, ""));
  EXPECT_THAT(change("12345", "0"),
              StatusIs(StatusCode::kInvalidArgument, "n_params is 0, the range is 1"));
  EXPECT_THAT(ModelDescriptionFromJson("{"), StatusIs(StatusCode::kInvalidArgument, "not JSON"));
  EXPECT_THAT(ModelDescriptionFromJson("[]"),
              StatusIs(StatusCode::kInvalidArgument, "is not a JSON object"));
  EXPECT_THAT(ModelDescriptionFromJson(std::string(70'000, ' ')),
              StatusIs(StatusCode::kResourceExhausted, "the limit is 65536"));
}

TEST(JoinToken, ReadsWhatItWrites) {
  const JoinToken token{.member = "hospital-a",
                        .role = "site",
                        .secret = {1, 2, 3},
                        .ca = "TUk=",
                        .expires_s = 1'800'000'000,
                        .aggregator = "aggregator",
                        .entry_key = "AAAA",
                        .origin = "fl.example/ledger",
                        .log_vkey = "fl.example/ledger+00000000+AAAA"};
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string text, EncodeJoinToken(token));
  HILUM_ASSERT_OK_AND_ASSIGN(const JoinToken read, ParseJoinToken(text));
  EXPECT_EQ(read, token);
  EXPECT_THAT(ParseJoinToken(text + "\n"), StatusIs(StatusCode::kInvalidArgument, "join token:"));
  std::string other = text;
  other.replace(other.find("\"site\",\"secret"), 6, "\"lead\"");
  EXPECT_THAT(ParseJoinToken(other), StatusIs(StatusCode::kInvalidArgument, "role is lead"));
  JoinToken bad = token;
  bad.member = "../x";
  EXPECT_THAT(EncodeJoinToken(bad), StatusIs(StatusCode::kInvalidArgument, "../x"));
}

TEST(JsonFields, KeepsTheFirstFailure) {
  const auto json = nlohmann::json::parse(R"({"a":1,"b":"x","c":[1,"y"],"d":true})");
  JsonFields fields(json, "thing");
  EXPECT_EQ(fields.Integer("a"), 1u);
  EXPECT_EQ(fields.Text("b"), "x");
  fields.Integers("c", 4);
  fields.Text("missing");
  EXPECT_THAT(fields.Finish(), StatusIs(StatusCode::kInvalidArgument, "thing.c holds something"));
  JsonFields partial(json, "thing");
  partial.Integer("a");
  EXPECT_THAT(partial.Finish(), StatusIs(StatusCode::kInvalidArgument, "unknown field b"));
  JsonFields listed(json, "thing");
  EXPECT_TRUE(listed.Integers("c", 1).empty());
  EXPECT_THAT(listed.Finish(), StatusIs(StatusCode::kInvalidArgument, "at most 1 integers"));
}

}  // namespace
}  // namespace hilum::proto
