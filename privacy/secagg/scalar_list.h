// Reads and writes lists of scalars and tags. For the .cc files of this folder only.
#ifndef HILUM_PRIVACY_SECAGG_SCALAR_LIST_H_
#define HILUM_PRIVACY_SECAGG_SCALAR_LIST_H_

#include "privacy/secagg/r4_messages.h"

namespace hilum::privacy::secagg {

void AppendScalars(Bytes& out, const IndexedScalars& scalars);
// InvalidArgument: as ReadList, or a scalar that is not below l.
absl::Status ReadScalars(Reader& in, const ListName& name, IndexedScalars& out);
// InvalidArgument: a value that is not below 2^61 - 1.
absl::Status ReadTag(Reader& in, SumTag& tag);

}  // namespace hilum::privacy::secagg

#endif  // HILUM_PRIVACY_SECAGG_SCALAR_LIST_H_
