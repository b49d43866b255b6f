#include <nlohmann/json.hpp>

#include "base/file.h"
#include "evaluation/card_evaluation.h"
#include "evaluation/model_card.h"
#include "tests/status_matchers.h"

namespace hilum::evaluation {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using Json = nlohmann::ordered_json;

// What `hilum model evaluate` (or compare) prints, of the model whose digest is all zeros.
Json Document(const std::string& name) {
  const absl::StatusOr<std::string> text = ReadTextFile(
      fs::path(HILUM_SOURCE_DIR) / "tests/fuzz/corpus/card_evaluation" / name, 1 << 20);
  EXPECT_THAT(text, IsOk());
  return Json::parse(*text);
}

TEST(CardEvaluation, ShowsFiguresWithTheirIntervalsSourcesAndAudit) {
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string card,
                             CardEvaluation(Document("evaluate.json").dump(), Digest{}));
  EXPECT_THAT(card, HasSubstr("**Status: `research`."));
  EXPECT_THAT(card, HasSubstr("- no site was kept out of training\n"));
  EXPECT_THAT(card, HasSubstr("On 122 labelled films (1 refused, 0 below the age range)."));
  EXPECT_THAT(card, HasSubstr("| balanced accuracy | 0.800 [0.750, 0.850] n=122 (bootstrap"));
  EXPECT_THAT(card, HasSubstr("| sensitivity, pneumonia | insufficient (bootstrap"));
  EXPECT_THAT(card, HasSubstr("| predictive value, normal | not available |"));
  EXPECT_THAT(card, HasSubstr("### Source nih"));
  EXPECT_THAT(card, HasSubstr("### Films by source and class"));
  EXPECT_THAT(card, HasSubstr("| gwcmc | normal 39, pneumonia 39 |"));
  EXPECT_THAT(card, HasSubstr("| border baseline | 0.600 [0.550, 0.650] n=122; the model is better "
                              "by 0.300 [0.250, 0.350] n=122 | 200 films | the model is better "
                              "with certainty | passes |"));
  EXPECT_THAT(card, HasSubstr("| split |  |  | no patient, film or near-duplicate on both sides | "
                              "not run |"));
}

TEST(CardEvaluation, OfAComparisonIsOfTheFederatedModel) {
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string card,
                             CardEvaluation(Document("compare.json").dump(), Digest{}));
  EXPECT_THAT(card, HasSubstr("no row of the leak audit speaks against it"));
  EXPECT_THAT(card, HasSubstr("On 122 labelled films.\n"));
  EXPECT_THAT(card, HasSubstr("### Training films by site and class"));
  EXPECT_THAT(card,
              HasSubstr("| never saw nih | 0.700 [0.610, 0.790] n=44 | 94 films, 1880 seen |"));
  EXPECT_THAT(card, HasSubstr("| never saw one  b  | not defined: no film of class 1  x  |"));
}

// The card's status follows from the rows: evaluate.json calls itself promoted, compare.json not.
TEST(CardEvaluation, DoesNotBelieveWhatADocumentSaysOfItself) {
  Json document = Document("evaluate.json");
  ASSERT_EQ(document["leak_audit"]["promoted"], true);
  HILUM_ASSERT_OK_AND_ASSIGN(std::string card, CardEvaluation(document.dump(), Digest{}));
  EXPECT_THAT(card, HasSubstr("- the row \"split\" was not run\n"));
  document = Document("compare.json");
  document["leak_audit"]["lungs_out_auroc"]["value"] = 0.6;
  document["leak_audit"]["promoted"] = true;
  HILUM_ASSERT_OK_AND_ASSIGN(card, CardEvaluation(document.dump(), Digest{}));
  EXPECT_THAT(card, HasSubstr("no row of the leak audit speaks against it"));
  document["leak_audit"]["lungs_out_auroc"]["ci95"][1] = 0.7;
  document["leak_audit"]["lungs_out_auroc"]["value"] = 0.61;
  HILUM_ASSERT_OK_AND_ASSIGN(card, CardEvaluation(document.dump(), Digest{}));
  EXPECT_THAT(card, HasSubstr("**Status: `research`."));
  EXPECT_THAT(card, HasSubstr("the AUROC is 0.610, at most 0.600 is allowed"));
}

TEST(CardEvaluation, RefusesFiguresWithoutAuditOrSources) {
  Json document = Document("evaluate.json");
  document["leak_audit"].erase("class_by_site");
  EXPECT_THAT(CardEvaluation(document.dump(), Digest{}),
              StatusIs(absl::StatusCode::kInvalidArgument, "of each source"));
  document.erase("leak_audit");
  EXPECT_THAT(CardEvaluation(document.dump(), Digest{}),
              StatusIs(absl::StatusCode::kInvalidArgument, "has no leak audit"));
}

TEST(CardEvaluation, RefusesAnotherModelAndWhatIsNoEvaluation) {
  Digest other{};
  other[0] = 1;
  EXPECT_THAT(CardEvaluation(Document("evaluate.json").dump(), other),
              StatusIs(absl::StatusCode::kDataLoss, "another model"));
  for (const char* text : {"", "{", "[]", "7", "{\"metrics\": {}}", "{\"metrics\": 3}"}) {
    EXPECT_THAT(CardEvaluation(text, Digest{}),
                StatusIs(absl::StatusCode::kInvalidArgument, "is not the output"))
        << text;
  }
}

TEST(CardEvaluation, ATextCannotLeaveItsCell) {
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string card,
                             CardEvaluation(Document("types.json").dump(), Digest{}));
  EXPECT_THAT(card, Not(HasSubstr("<")));
  EXPECT_THAT(card, HasSubstr("| a  b  |"));
  EXPECT_THAT(card, HasSubstr("| calibration error (ECE) | not available |"));
}

TEST(ModelCard, SaysWhatTheServerSaw) {
  proto::RoundPlan plan;
  const proto::ModelDescription model{.architecture = "covidnet-nano"};
  EXPECT_THAT(ModelCard(model, plan, {}), HasSubstr("no masks: the server saw each update"));
  EXPECT_THAT(ModelCard(model, plan, {}), HasSubstr("**Status: `research`.** No leak audit"));
  plan.aggregation.mode = "masked";
  EXPECT_THAT(ModelCard(model, plan, {}), HasSubstr("learned the sum of the updates only"));
  EXPECT_THAT(ModelCard(model, plan, {}), Not(HasSubstr("saw each update")));
}

TEST(ModelCard, SaysHowLongARoundWasAndWhatTheFileLacks) {
  proto::RoundPlan plan;
  const proto::ModelDescription model{.architecture = "covidnet-nano", .round = 3};
  EXPECT_THAT(ModelCard(model, plan, {}), HasSubstr("fedavg, 3 rounds, 1 epoch a round, adamw"));
  EXPECT_THAT(ModelCard(model, plan, {}), Not(HasSubstr("not in this file")));
  plan.training.local_steps = 40;
  plan.model.norm = "batch_local";
  plan.model.local_layers = {"head.*"};
  EXPECT_THAT(ModelCard(model, plan, {}), HasSubstr("3 rounds, 40 steps a round"));
  EXPECT_THAT(ModelCard(model, plan, {}),
              HasSubstr("| not in this file | what stays at each site: norm batch_local, layers "
                        "head.*; "));
}

}  // namespace
}  // namespace hilum::evaluation
