// The verdict of the leak audit, row by row. A model is promoted where no row speaks against it;
// until then its card says `research`. Rules and evidence: docs/models.md, docs/decisions/020, 031.
#ifndef HILUM_EVALUATION_AUDIT_VERDICT_H_
#define HILUM_EVALUATION_AUDIT_VERDICT_H_

#include <string>
#include <vector>

#include "evaluation/leak_audit.h"

namespace hilum::evaluation {

// Proposed in docs/models.md; a job may set another.
inline constexpr double kMaxLungsOutAuroc = 0.6;

// One row of the audit as people read it.
struct AuditLine {
  std::string row;    // "border baseline", "never saw nih"
  std::string found;  // "0.610 [0.520, 0.700] n=122"; empty: not run
  std::string
      learned_from;     // "200 films", "94 films, 1880 seen"; empty: nothing was trained for it
  std::string rule;     // what must hold; empty: shown, without a threshold
  std::string verdict;  // "passes", "refuses", "not run" or "shown"
  std::string reason;   // one sentence where the row speaks against the model, else empty
};

// Every row of the audit, those that were not run included. A figure without n or interval, or with
// a value outside of it, counts as not run.
// They speak against the model: an overlap; a missing row; source-only at least as good as the
// model; lungs-out AUROC above the limit; a model that is not better than the border baseline with
// certainty (lower end of the paired interval above 0); no site left out; a network that does not
// tell the classes of a site which it never saw with certainty (lower end above 0.5).
std::vector<AuditLine> AuditLines(const AuditRows& rows,
                                  double max_lungs_out_auroc = kMaxLungsOutAuroc);

struct Verdict {
  bool promoted = false;
  std::vector<std::string> reasons;  // why not, one sentence each
};

// Promoted: no line of AuditLines has a reason.
Verdict Judge(const AuditRows& rows, double max_lungs_out_auroc = kMaxLungsOutAuroc);

}  // namespace hilum::evaluation

#endif  // HILUM_EVALUATION_AUDIT_VERDICT_H_
