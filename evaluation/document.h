// Reads the documents that `hilum model evaluate --json` and `compare --json` print. They may come
// from anywhere: nothing here throws, and what is not as printed counts as missing.
#ifndef HILUM_EVALUATION_DOCUMENT_H_
#define HILUM_EVALUATION_DOCUMENT_H_

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>

#include "evaluation/intervals.h"
#include "evaluation/leak_audit.h"

namespace hilum::evaluation {

inline constexpr uint64_t kEvaluationLimitBytes = 16 << 20;

// The most sources, classes, rows or reasons of a document that a page shows.
inline constexpr size_t kMaxDocumentRows = 64;

// The value of `key`, or null where `json` is no object or lacks it.
const nlohmann::ordered_json& FieldOf(const nlohmann::ordered_json& json, const char* key);

// {"value", "ci95", "n", "method"}; nullopt: anything else, or not IsComplete.
std::optional<Estimate> ReadEstimate(const nlohmann::ordered_json& json);

// The rows of a "leak_audit" as ToJson wrote them. A row that is missing, or no such row, stays
// empty, so that Judge does not promote. Its own "promoted" and "table" are not read: a document
// does not judge itself.
AuditRows ReadAuditRows(const nlohmann::ordered_json& audit);

}  // namespace hilum::evaluation

#endif  // HILUM_EVALUATION_DOCUMENT_H_
