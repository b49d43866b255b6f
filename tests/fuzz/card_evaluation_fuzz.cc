// Evaluation documents: whatever the bytes, a card's section or a sentence, and never a cell that
// breaks out of its table.
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "evaluation/card_evaluation.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  hilum::Digest model{};  // the corpus is of this model
  const auto card =
      hilum::evaluation::CardEvaluation({reinterpret_cast<const char*>(data), size}, model);
  if (card.ok()) {
    HILUM_CHECK(card->find('<') == std::string::npos);
    HILUM_CHECK(card->find("Status: ") != std::string::npos);
  } else {
    HILUM_CHECK(!card.status().message().empty());
  }
  return 0;
}
