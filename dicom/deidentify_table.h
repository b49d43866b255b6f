// What becomes of each attribute: PS3.15 annex E, Basic Profile with the options Clean Descriptors,
// Clean Graphics, Retain Longitudinal Temporal Information with Modified Dates, and Retain Patient
// Characteristics.
//
// The table names what stays. Everything else goes: private tags, overlays, curves, icons, all
// text that people type, and attributes that a later edition of the standard will add.
#ifndef HILUM_DICOM_DEIDENTIFY_TABLE_H_
#define HILUM_DICOM_DEIDENTIFY_TABLE_H_

#include <cstdint>

namespace hilum::dicom {

enum class TagAction {
  kRemove,     // X
  kKeep,       // K: numbers and terms, whose form is checked
  kRecurse,    // K: a sequence, whose items are treated by this table
  kUid,        // U: the site's keyed UID instead, unless it is an atlas of the standard
  kShiftDate,  // C: moved by the patient's days; a time of day in it is dropped
  kEmpty,      // Z: present without a value, as the image modules ask
  kPseudonym,  // D
};

// `tag` is group << 16 | element.
TagAction ActionFor(uint32_t tag);

}  // namespace hilum::dicom

#endif  // HILUM_DICOM_DEIDENTIFY_TABLE_H_
