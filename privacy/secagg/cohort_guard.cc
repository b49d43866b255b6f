#include "privacy/secagg/cohort_guard.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kernels/tag_polynomial.h"

namespace hilum::privacy::secagg {
namespace {

using kernels::kTagPrime;
using Row = std::vector<uint64_t>;  // over F_p, one entry a member

uint64_t Negate(uint64_t a) { return a == 0 ? 0 : kTagPrime - a; }

uint64_t Invert(uint64_t a) {  // a^(p - 2)
  uint64_t result = 1;
  for (uint64_t exponent = kTagPrime - 2; exponent != 0; exponent >>= 1) {
    if ((exponent & 1) != 0) result = kernels::TagMultiply(result, a);
    a = kernels::TagMultiply(a, a);
  }
  return result;
}

// row -= factor * other.
void Subtract(Row& row, uint64_t factor, const Row& other) {
  const uint64_t minus = Negate(factor);
  for (size_t i = 0; i < row.size(); ++i) {
    row[i] = kernels::TagAdd(row[i], kernels::TagMultiply(minus, other[i]));
  }
}

// Reduced row-echelon form in place; rows of zeros are dropped.
void Reduce(std::vector<Row>& rows) {
  size_t rank = 0;
  const size_t n_columns = rows.empty() ? 0 : rows.front().size();
  for (size_t column = 0; column < n_columns && rank < rows.size(); ++column) {
    const auto pivot = std::find_if(rows.begin() + static_cast<ptrdiff_t>(rank), rows.end(),
                                    [column](const Row& row) { return row[column] != 0; });
    if (pivot == rows.end()) continue;
    std::iter_swap(rows.begin() + static_cast<ptrdiff_t>(rank), pivot);
    const uint64_t inverse = Invert(rows[rank][column]);
    for (uint64_t& value : rows[rank]) value = kernels::TagMultiply(value, inverse);
    for (size_t other = 0; other < rows.size(); ++other) {
      if (other != rank && rows[other][column] != 0) {
        Subtract(rows[other], rows[other][column], rows[rank]);
      }
    }
    ++rank;
  }
  rows.resize(rank);
}

// How many members are in one cohort only.
size_t Differences(const SumRow& a, const SumRow& b) {
  std::vector<crypto::PublicKey> different;
  std::set_symmetric_difference(a.cohort.begin(), a.cohort.end(), b.cohort.begin(), b.cohort.end(),
                                std::back_inserter(different));
  return different.size();
}

}  // namespace

SumRow RowOf(const RoundConfig& config, const Indices& u3) {
  SumRow row{.model_hash = config.model_hash, .cohort = {}};
  for (const uint16_t member : u3) row.cohort.push_back(config.roster[member].key);
  std::sort(row.cohort.begin(), row.cohort.end());
  return row;
}

// A unit vector is in the row space exactly if it is a row of the reduced form.
std::vector<crypto::PublicKey> ExposedMembers(std::span<const SumRow> rows) {
  std::vector<crypto::PublicKey> members;
  for (const SumRow& row : rows) {
    members.insert(members.end(), row.cohort.begin(), row.cohort.end());
  }
  std::sort(members.begin(), members.end());
  members.erase(std::unique(members.begin(), members.end()), members.end());
  std::vector<Row> matrix;
  for (const SumRow& row : rows) {
    Row values(members.size());
    for (size_t i = 0; i < members.size(); ++i) {
      values[i] = std::binary_search(row.cohort.begin(), row.cohort.end(), members[i]) ? 1 : 0;
    }
    matrix.push_back(std::move(values));
  }
  Reduce(matrix);
  std::vector<crypto::PublicKey> exposed;
  for (const Row& row : matrix) {
    const auto is_zero = [](uint64_t value) { return value == 0; };
    if (std::count_if(row.begin(), row.end(), is_zero) + 1 != std::ssize(row)) continue;
    const auto one = std::find_if_not(row.begin(), row.end(), is_zero);
    exposed.push_back(members[static_cast<size_t>(one - row.begin())]);
  }
  return exposed;
}

absl::Status CheckCohort(std::span<const SumRow> earlier, const SumRow& next, uint16_t u_min) {
  std::vector<SumRow> same_model;
  for (const SumRow& row : earlier) {
    if (row.model_hash != next.model_hash) continue;
    const size_t n_different = Differences(row, next);
    if (n_different > 0 && n_different < u_min) {
      return absl::PermissionDeniedError(
          absl::StrCat("a second sum on this model differs from an earlier one in ", n_different,
                       " members, it must be the same or differ in ", u_min));
    }
    same_model.push_back(row);
  }
  same_model.push_back(next);
  if (!ExposedMembers(same_model).empty()) {
    return absl::PermissionDeniedError(
        "this sum and earlier ones on the same model give one member's vector alone");
  }
  return absl::OkStatus();
}

}  // namespace hilum::privacy::secagg
