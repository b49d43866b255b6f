// A job of two rounds that is done, and what was found about its model.
#ifndef HILUM_TESTS_CLI_FINISHED_JOB_H_
#define HILUM_TESTS_CLI_FINISHED_JOB_H_

#include <string>

#include <nlohmann/json.hpp>
#include "proto/hilum/v1/job.pb.h"
#include "tests/cli/job_fixture.h"

namespace hilum::cli {

inline v1::JobStatus Done(const std::string& job = "cxr-demo") {
  proto::RoundPlan plan = SmallPlan();
  plan.job = job;
  v1::JobStatus status;
  status.set_job(job);
  status.set_state("done");
  status.set_rounds(2);
  status.set_plan(*proto::EncodeRoundPlan(plan));
  for (const char* name : {"hospital-a", "hospital-b"}) {
    v1::SiteStatus* site = status.add_sites();
    site->set_site(name);
    site->set_has_statistics(true);
    site->set_weight(34);
  }
  for (uint64_t number = 1; number <= 2; ++number) {
    v1::RoundSummary* round = status.add_history();
    round->set_round(number);
    round->set_status("ok");
    round->add_cohort("hospital-a");
    (number == 1 ? round->add_cohort() : round->add_dropped())->assign("hospital-b");
    round->set_total_weight(number == 1 ? 68 : 34);
    round->set_mean_loss(0.5 / number);
    round->set_seconds(2.5);
    round->set_received_bytes(88);
    round->set_model_sha256(std::string(32, static_cast<char>(number)));
  }
  return status;
}

// What `hilum model compare --json` prints, in short.
inline nlohmann::ordered_json Evaluation() {
  return nlohmann::ordered_json::parse(R"({"metrics": {
    "local_only": {"hospital-a": {"balanced_accuracy": 0.7, "auroc": {"normal": 0.75},
                                  "n": 126, "ci95": [0.6, 0.8], "n_train": 40,
                                  "n_samples_seen": 800}},
    "federated": {"balanced_accuracy": 0.873, "n": 126, "ci95": [0.801, 0.921],
      "classes": ["normal", "pneumonia"],
      "estimates": {
        "auroc": {"normal": {"value": 0.9, "ci95": [0.85, 0.95], "n": 126, "method": "delong"},
                  "pneumonia": {"value": 0.9, "ci95": [0.85, 0.95], "n": 126, "method": "delong"}},
        "brier": {"value": 0.2, "ci95": [0.1, 0.3], "n": 126, "method": "bootstrap by patient"}},
      "by_source": {
        "<nih>": {"estimates": {"auroc": {"pneumonia":
            {"value": 0.8, "ci95": [0.7, 0.9], "n": 44, "method": "delong"}}}},
        "tiny": {"estimates": {"auroc": {"pneumonia":
            {"value": 1, "ci95": [1, 1], "n": 29, "method": "delong"}}}}}},
    "pooled": {"balanced_accuracy": 0.9, "auroc": {"normal": 0.95}, "n": 126}},
    "operating_point": {"chosen_on": "<i>valid</i>", "n_validation": 40, "rows": [
      {"films": "all", "class": "pneumonia", "threshold": 0.4122, "prevalence": 0.5,
       "sensitivity": {"value": 0.9, "ci95": [0.8, 0.95], "n": 63, "method": "wilson"},
       "specificity": null, "positive_predictive_value": null,
       "negative_predictive_value": null}]},
    "subgroups": [
      {"by": "sex", "group": "female", "n": 61,
       "auroc": {"pneumonia": {"value": 0.85, "ci95": [0.7, 0.95], "n": 61, "method": "delong"}},
       "sensitivity": {"pneumonia": null}, "predictive_value": {"pneumonia": null}},
      {"by": "view", "group": "AP", "n": null, "auroc": {"pneumonia": null},
       "sensitivity": {}, "predictive_value": {}}],
    "leak_audit": {"promoted": true, "reasons": ["<b>not run</b>"],
      "lungs_out_auroc": {"value": 0.7, "ci95": [0.6, 0.8], "n": 126, "method": "delong"},
      "left_out": [{"site": "<u>", "n_train": 40, "n_samples_seen": 800, "auroc": null,
                    "reason": "=x"}],
      "class_by_site": {"nih": {"normal": 22, "pneumonia": 22}}, "one_class_sites": ["<s>"]}})");
}

}  // namespace hilum::cli

#endif  // HILUM_TESTS_CLI_FINISHED_JOB_H_
