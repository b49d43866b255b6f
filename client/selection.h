// Which series of a PACS a site takes: the rules of site.toml against what the PACS says.
#ifndef HILUM_CLIENT_SELECTION_H_
#define HILUM_CLIENT_SELECTION_H_

#include <string>
#include <utility>
#include <vector>

#include "client/sources.h"
#include "dicom/dicom_json.h"

namespace hilum::client {

// The searches that find all series the rules may take: one a modality, since a search names one
// code at most (PS3.18 section 8.3.4.1); only what every server must match by.
std::vector<std::vector<std::pair<std::string, std::string>>> SearchesOf(
    const SelectionRules& rules);

// Why a series is not taken, in one sentence; empty: it is. Of a search result, and of the
// metadata of all instances, in which one that does not fit leaves out the whole series: a volume
// with a part missing is none.
std::string WhyNotSeries(const SelectionRules& rules, const dicom::JsonAttributes& series);
std::string WhyNotInstances(const SelectionRules& rules,
                            const std::vector<dicom::JsonAttributes>& instances);

// axial, coronal, sagittal where the normal of the slices is within 37 degrees (cosine 0.8, a
// project choice) of that axis of the patient, else oblique; "" without six numbers.
std::string OrientationOf(const dicom::JsonAttributes& instance);

}  // namespace hilum::client

#endif  // HILUM_CLIENT_SELECTION_H_
