// Attributes of a parsed data set as text, numbers and words. Only .cc files of dicom/ include it.
#ifndef HILUM_DICOM_ATTRIBUTES_H_
#define HILUM_DICOM_ATTRIBUTES_H_

#include "dicom/dcmtk_status.h"
//
#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "dcmtk/dcmdata/dcdatset.h"
#include "dicom/gate.h"

namespace hilum::dicom {

// Parses the data set up to the pixel data, from memory. DICOM: DCMTK cannot. Call it inside
// CatchDcmtk.
absl::Status ParseDataSet(const SafeFile& file, DcmDataset& data_set);

// At most 16 values, without padding; none when absent. Attributes that a writer marked as UN
// although the standard knows them are read too.
std::vector<std::string> Texts(DcmItem& item, const DcmTagKey& tag);
// Value `index`; "" when absent.
std::string Text(DcmItem& item, const DcmTagKey& tag, size_t index = 0);
// A decimal string. `bad` is set when there is text that is not a finite number.
std::optional<double> Decimal(DcmItem& item, const DcmTagKey& tag, bool* bad = nullptr,
                              size_t index = 0);
// n decimal strings, all of them there and finite.
std::optional<std::vector<double>> Decimals(DcmItem& item, const DcmTagKey& tag, size_t n);
// An integer string.
std::optional<int64_t> Integer(DcmItem& item, const DcmTagKey& tag);
// Two positive distances: between rows, between columns.
std::optional<std::array<double, 2>> Spacing(DcmItem& item, const DcmTagKey& tag);
// The 16-bit words of a US, SS or OW attribute; empty when absent or of another VR.
std::vector<uint16_t> Words(DcmItem& item, const DcmTagKey& tag);
// One word.
std::optional<int64_t> Word(DcmItem& item, const DcmTagKey& tag, bool is_signed);

}  // namespace hilum::dicom

#endif  // HILUM_DICOM_ATTRIBUTES_H_
