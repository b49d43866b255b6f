#include "cli/job_evaluation.h"

#include "tests/cli/finished_job.h"

namespace hilum::cli {
namespace {

using absl::StatusCode;
using nlohmann::ordered_json;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

// Of the model that `round` of Done() made.
ordered_json EvaluationOf(int round) {
  ordered_json evaluation = Evaluation();
  std::string model;
  for (int i = 0; i < 32; ++i) model += "0" + std::to_string(round);
  evaluation["model_sha256"] = model;
  return evaluation;
}

TEST(ReadEvaluation, RefusesWhatCompareDidNotPrint) {
  TestFolder folder;
  const fs::path file = folder.path() / "comparison.json";
  EXPECT_THAT(ReadEvaluation(file), StatusIs(StatusCode::kInvalidArgument, "comparison.json"));
  for (const char* text : {"", "[]", "{}", "{\"metrics\": 1}", "{"}) {
    HILUM_ASSERT_OK(WriteFileDurably(file, AsBytes(text)));
    EXPECT_THAT(ReadEvaluation(file), StatusIs(StatusCode::kInvalidArgument, "metrics")) << text;
  }
  HILUM_ASSERT_OK(WriteFileDurably(file, AsBytes(Evaluation().dump())));
  HILUM_EXPECT_OK(ReadEvaluation(file));
}

TEST(CheckEvaluationOf, RefusesTheFiguresOfAnotherModel) {
  nlohmann::ordered_json evaluation = Evaluation();
  HILUM_EXPECT_OK(CheckEvaluationOf(Done(), evaluation));  // it does not say of what it is
  evaluation["job"] = "another";
  EXPECT_THAT(CheckEvaluationOf(Done(), evaluation),
              StatusIs(StatusCode::kDataLoss, "of job another, not of cxr-demo"));
  std::string model;
  for (int i = 0; i < 32; ++i) model += "02";
  evaluation["model_sha256"] = model;  // of round 2: whatever the recipe's file was called
  HILUM_EXPECT_OK(CheckEvaluationOf(Done(), evaluation));
  model.back() = '3';
  evaluation["model_sha256"] = model;
  EXPECT_THAT(CheckEvaluationOf(Done(), evaluation),
              StatusIs(StatusCode::kDataLoss, "which no round of cxr-demo made"));
}

TEST(EvaluationSection, ShowsTheAuditRowByRowAndJudgesItself) {
  const std::string html = EvaluationSection(Evaluation());  // it calls itself promoted
  EXPECT_THAT(html, HasSubstr("The model is not promoted"));
  EXPECT_THAT(html, HasSubstr("<td>lungs out</td><td>0.700 [0.600, 0.800] n=126</td><td></td>"
                              "<td>AUROC of at most 0.600</td><td>refuses</td>"));
  EXPECT_THAT(html, HasSubstr("<td>border baseline</td><td></td><td></td>"
                              "<td>the model is better with certainty</td><td>not run</td>"));
  EXPECT_THAT(html, HasSubstr("<li>with the lungs blacked out the AUROC is 0.700, at most 0.600"));
  EXPECT_THAT(html, HasSubstr("<td>nih</td><td>normal 22, pneumonia 22</td>"));
  EXPECT_THAT(html, Not(HasSubstr("{")));  // no JSON
}

TEST(EvaluationSection, PrintsEachAurocWithItsInterval) {
  const std::string html = EvaluationSection(Evaluation());
  EXPECT_THAT(html, HasSubstr("<td>normal 0.900 [0.850, 0.950] n=126, pneumonia 0.900 [0.850"));
  // local_only says a bare 0.75: no n and no interval, no figure.
  EXPECT_THAT(html, Not(HasSubstr("0.75")));
  EXPECT_THAT(html, HasSubstr("<td>missing</td><td>40</td><td>800</td>"));  // films, samples seen
}

TEST(EvaluationSection, ShowsTheMatrixThePointAndTheSubgroups) {
  const std::string html = EvaluationSection(Evaluation());
  EXPECT_THAT(html, HasSubstr("<th>AUROC of pneumonia</th><th>films of &lt;nih&gt;</th>"
                              "<th>films of tiny</th>"));
  EXPECT_THAT(html, HasSubstr("<td>federated</td><td>0.800 [0.700, 0.900] n=44</td>"
                              "<td>insufficient</td>"));  // of 29 films
  EXPECT_THAT(html, HasSubstr("Chosen on &lt;i&gt;valid&lt;/i&gt;."));
  EXPECT_THAT(html, HasSubstr("<td>all</td><td>pneumonia</td><td>0.412</td>"
                              "<td>0.900 [0.800, 0.950] n=63</td><td>missing</td>"));
  EXPECT_THAT(html, HasSubstr("<td>sex female</td><td>61</td><td>pneumonia</td>"
                              "<td>0.850 [0.700, 0.950] n=61</td><td>insufficient</td>"));
  EXPECT_THAT(html, HasSubstr("<td>view AP</td><td>&lt; 10</td>"));
}

TEST(EvaluationSection, EscapesWhatADocumentSays) {
  const std::string html = EvaluationSection(Evaluation());
  for (const char* markup : {"<nih", "<i>", "<u>", "<s>", "<b>"}) {
    EXPECT_THAT(html, Not(HasSubstr(markup)));
  }
}

TEST(EvaluationSection, TakesWhatIsNoneOfIt) {
  for (const char* text :
       {R"({"metrics": {}})", R"({"metrics": {"local_only": 7, "pooled": [1]}})",
        R"({"metrics": {"balanced_accuracy": "x", "classes": 3, "by_source": [2]},
            "operating_point": {"rows": [1, {"films": 2}]}, "subgroups": {"a": 1},
            "leak_audit": {"class_by_site": 3, "one_class_sites": [{}], "left_out": [[]]}})"}) {
    const ordered_json document = ordered_json::parse(text);
    EXPECT_THAT(EvaluationSection(document), HasSubstr("On the common test films")) << text;
    EXPECT_THAT(EvaluationCsv(document), HasSubstr("model,films")) << text;
    EXPECT_THAT(HeldOutChart(Done(), {document}), IsEmpty()) << text;
    HeadlineFigures(document);
  }
}

TEST(EvaluationCsv, HasOneLineAnEstimate) {
  const std::string csv = EvaluationCsv(Evaluation());
  EXPECT_THAT(csv, HasSubstr("\"federated\",\"all\",\"auroc\",\"pneumonia\",0.9,0.85,0.95,126,"
                             "\"delong\"\n"));
  EXPECT_THAT(csv, HasSubstr("\"federated\",\"all\",\"brier\",\"\",0.2,0.1,0.3,126,"));
  EXPECT_THAT(csv, HasSubstr("\"federated\",\"<nih>\",\"auroc\",\"pneumonia\",0.8,"));
  EXPECT_THAT(csv, HasSubstr("\"federated\",\"sex female\",\"auroc\",\"pneumonia\",0.85,"));
  EXPECT_THAT(csv, HasSubstr("\"federated\",\"all\",\"sensitivity from 0.412\",\"pneumonia\","));
  EXPECT_THAT(csv, Not(HasSubstr("tiny")));  // 29 films
}

TEST(EvaluationCsv, ANameIsNoFormulaAndNoSecondField) {
  ordered_json evaluation = Evaluation();
  ordered_json& sources = evaluation["metrics"]["federated"]["by_source"];
  const ordered_json part = sources["<nih>"];
  sources["=1+1"] = part;
  sources["a\",\"b\nc"] = part;
  const std::string csv = EvaluationCsv(evaluation);
  EXPECT_THAT(csv, HasSubstr(",\"'=1+1\","));
  EXPECT_THAT(csv, HasSubstr(",\"a\"\",\"\"b c\","));
}

TEST(HeldOutChart, DrawsTheEvaluatedRoundsWithTheirIntervals) {
  ordered_json second = EvaluationOf(2);
  second["metrics"]["federated"]["estimates"]["auroc"]["pneumonia"]["value"] = 0.93;
  const std::string svg = HeldOutChart(Done(), {second, EvaluationOf(1)});
  EXPECT_THAT(svg, HasSubstr("<title>1: 0.9000</title>"));
  EXPECT_THAT(svg, HasSubstr("<title>2: 0.9300</title>"));
  EXPECT_THAT(svg, HasSubstr("class=\"range\""));
  EXPECT_THAT(svg, HasSubstr("AUROC of pneumonia"));
  EXPECT_THAT(HeldOutChart(Done(), {Evaluation()}), IsEmpty());  // it names no model
  EXPECT_THAT(HeldOutChart(Done(), {}), IsEmpty());
}

TEST(LatestEvaluation, IsTheOneOfTheLatestRound) {
  const std::vector<ordered_json> evaluations{EvaluationOf(2), EvaluationOf(1), Evaluation()};
  EXPECT_EQ(&LatestEvaluation(Done(), evaluations), &evaluations[0]);
  const std::vector<ordered_json> same{EvaluationOf(2), EvaluationOf(2)};
  EXPECT_EQ(&LatestEvaluation(Done(), same), &same[1]);
}

TEST(EvaluationSection, NamesTheOneModelOfAnEvaluation) {
  EXPECT_THAT(EvaluationSection(ordered_json::parse(R"({"metrics": {
                "balanced_accuracy": 0.7, "auroc": {}, "n": 126, "ci95": [0.6, 0.8]}})")),
              HasSubstr("<td>released model</td><td>0.700 [0.600, 0.800] n=126</td>"));
}

}  // namespace
}  // namespace hilum::cli
