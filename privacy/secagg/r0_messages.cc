#include "privacy/secagg/r0_messages.h"

#include "base/status_macros.h"
#include "crypto/hash.h"
#include "crypto/labels.h"

namespace hilum::privacy::secagg {
namespace {

constexpr ListName kKeyList{.what = "the key list"};
constexpr ListName kU1{.what = "the list U1"};

KeyAdvertisement ReadAdvertisement(Reader& in) {
  KeyAdvertisement advertisement;
  advertisement.mask_key.bytes = in.Array<32>();
  advertisement.channel_key.bytes = in.Array<32>();
  advertisement.graph_commit = in.Array<32>();
  advertisement.b_commit = in.Array<32>();
  advertisement.signature.bytes = in.Array<64>();
  return advertisement;
}

Bytes EncodeEntries(const std::vector<KeyListEntry>& entries) {
  Bytes out;
  AppendU32(out, static_cast<uint32_t>(entries.size()));
  for (const KeyListEntry& entry : entries) {
    AppendU16(out, entry.index);
    AppendBytes(out, Encode(entry.advertisement));
  }
  return out;
}

}  // namespace

Bytes AdvertisementFields(const KeyAdvertisement& advertisement) {
  Bytes out;
  AppendBytes(out, advertisement.mask_key.bytes);
  AppendBytes(out, advertisement.channel_key.bytes);
  AppendBytes(out, advertisement.graph_commit);
  AppendBytes(out, advertisement.b_commit);
  return out;
}

Bytes Encode(const KeyAdvertisement& advertisement) {
  Bytes out = AdvertisementFields(advertisement);
  AppendBytes(out, advertisement.signature.bytes);
  return out;
}

absl::StatusOr<KeyAdvertisement> DecodeKeyAdvertisement(ByteView body) {
  Reader in(body);
  const KeyAdvertisement advertisement = ReadAdvertisement(in);
  HILUM_RETURN_IF_ERROR(in.Finish("the key advertisement"));
  return advertisement;
}

Digest HashKeyList(const std::vector<KeyListEntry>& entries) {
  return crypto::LabelledHash(crypto::kLabelR0List, EncodeEntries(entries));
}

Bytes Encode(const KeyList& list) {
  Bytes out = EncodeEntries(list.entries);
  AppendBytes(out, list.server_signature.bytes);
  return out;
}

absl::StatusOr<KeyList> DecodeKeyList(ByteView body) {
  Reader in(body);
  KeyList list;
  HILUM_RETURN_IF_ERROR(ReadList(in, kKeyList, list.entries, [](Reader& reader) {
    KeyListEntry entry;
    entry.index = reader.U16();
    entry.advertisement = ReadAdvertisement(reader);
    return entry;
  }));
  list.server_signature.bytes = in.Array<64>();
  HILUM_RETURN_IF_ERROR(in.Finish(kKeyList.what));
  return list;
}

Bytes RevealFields(const Digest& list_hash, const std::array<uint8_t, 32>& r) {
  Bytes out(list_hash.begin(), list_hash.end());
  AppendBytes(out, r);
  return out;
}

Bytes Encode(const GraphReveal& reveal) {
  Bytes out = RevealFields(reveal.list_hash, reveal.r);
  AppendBytes(out, reveal.signature.bytes);
  return out;
}

absl::StatusOr<GraphReveal> DecodeGraphReveal(ByteView body) {
  Reader in(body);
  GraphReveal reveal;
  reveal.list_hash = in.Array<32>();
  reveal.r = in.Array<32>();
  reveal.signature.bytes = in.Array<64>();
  HILUM_RETURN_IF_ERROR(in.Finish("the graph reveal"));
  return reveal;
}

Digest GraphSeed(const Digest& list_hash, const std::vector<U1Entry>& entries,
                 const Digest& ledger_head) {
  Bytes message(list_hash.begin(), list_hash.end());
  AppendU32(message, static_cast<uint32_t>(entries.size()));
  for (const U1Entry& entry : entries) {
    AppendU16(message, entry.index);
    AppendBytes(message, entry.r);
  }
  AppendBytes(message, ledger_head);
  return crypto::LabelledHash(crypto::kLabelGraph, message);
}

Digest HashU1(const Digest& graph_seed, const GraphParameters& graph) {
  Bytes message(graph_seed.begin(), graph_seed.end());
  AppendU16(message, graph.k);
  AppendU16(message, graph.t);
  return crypto::LabelledHash(crypto::kLabelU1, message);
}

Bytes Encode(const U1& u1) {
  Bytes out;
  AppendU32(out, static_cast<uint32_t>(u1.entries.size()));
  for (const U1Entry& entry : u1.entries) {
    AppendU16(out, entry.index);
    AppendBytes(out, entry.r);
    AppendBytes(out, entry.signature.bytes);
  }
  AppendU16(out, u1.graph.k);
  AppendU16(out, u1.graph.t);
  AppendBytes(out, u1.server_signature.bytes);
  return out;
}

absl::StatusOr<U1> DecodeU1(ByteView body) {
  Reader in(body);
  U1 u1;
  HILUM_RETURN_IF_ERROR(ReadList(in, kU1, u1.entries, [](Reader& reader) {
    U1Entry entry;
    entry.index = reader.U16();
    entry.r = reader.Array<32>();
    entry.signature.bytes = reader.Array<64>();
    return entry;
  }));
  u1.graph.k = in.U16();
  u1.graph.t = in.U16();
  u1.server_signature.bytes = in.Array<64>();
  HILUM_RETURN_IF_ERROR(in.Finish(kU1.what));
  return u1;
}

}  // namespace hilum::privacy::secagg
