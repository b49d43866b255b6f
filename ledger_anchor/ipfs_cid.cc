#include "ledger_anchor/ipfs_cid.h"

#include <algorithm>
#include <utility>

namespace hilum::ledger_anchor {
namespace {

constexpr uint8_t kRaw = 0x55;
constexpr uint8_t kDagPb = 0x70;

// Version 1, the codec, and a multihash: SHA-256 with 32 bytes.
std::array<uint8_t, 36> MakeCid(uint8_t codec, const Digest& sha256) {
  std::array<uint8_t, 36> cid{1, codec, 0x12, 32};
  std::copy(sha256.begin(), sha256.end(), cid.begin() + 4);
  return cid;
}

// RFC 4648, section 6, lowercase and without padding; "b" says so (multibase).
std::string ToText(const std::array<uint8_t, 36>& cid) {
  static constexpr char kAlphabet[] = "abcdefghijklmnopqrstuvwxyz234567";
  std::string text = "b";
  uint32_t bits = 0;
  int n_bits = 0;
  for (const uint8_t byte : cid) {
    bits = bits << 8 | byte;
    for (n_bits += 8; n_bits >= 5; n_bits -= 5) text += kAlphabet[bits >> (n_bits - 5) & 31];
  }
  if (n_bits > 0) text += kAlphabet[bits << (5 - n_bits) & 31];
  return text;
}

// Protocol buffers: a varint, and a field of bytes.
void AppendVarint(Bytes& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) AppendU8(out, static_cast<uint8_t>(value | 0x80));
  AppendU8(out, static_cast<uint8_t>(value));
}

void AppendField(Bytes& out, uint8_t key, uint64_t value) {
  AppendU8(out, key);
  AppendVarint(out, value);
}

void AppendField(Bytes& out, uint8_t key, ByteView bytes) {
  AppendField(out, key, uint64_t{bytes.size()});
  AppendBytes(out, bytes);
}

}  // namespace

std::string IpfsCidOfBlock(const Digest& sha256) { return ToText(MakeCid(kRaw, sha256)); }

void IpfsCid::EndChunk() {
  links_.push_back({.cid = MakeCid(kRaw, chunk_.Finish()),
                    .file_bytes = chunk_bytes_,
                    .tree_bytes = chunk_bytes_});
  chunk_bytes_ = 0;
}

void IpfsCid::Update(ByteView bytes) {
  while (!bytes.empty()) {
    if (chunk_bytes_ == kIpfsChunkBytes) EndChunk();
    const size_t n = std::min<uint64_t>(bytes.size(), kIpfsChunkBytes - chunk_bytes_);
    chunk_.Update(bytes.first(n));
    chunk_bytes_ += n;
    bytes = bytes.subspan(n);
  }
}

// A dag-pb node: its links, then the UnixFS message {type file, size, size of each block}.
IpfsCid::Link IpfsCid::NodeOf(const Link* first, size_t n_links) {
  Link node;
  Bytes encoded;
  Bytes sizes;
  for (size_t i = 0; i < n_links; ++i) {
    Bytes link;
    AppendField(link, 0x0A, ByteView(first[i].cid));
    AppendField(link, 0x12, ByteView());  // no name
    AppendField(link, 0x18, first[i].tree_bytes);
    AppendField(encoded, 0x12, link);
    AppendField(sizes, 0x20, first[i].file_bytes);
    node.file_bytes += first[i].file_bytes;
    node.tree_bytes += first[i].tree_bytes;
  }
  Bytes file;
  AppendField(file, 0x08, uint64_t{2});
  AppendField(file, 0x18, node.file_bytes);
  AppendBytes(file, sizes);
  AppendField(encoded, 0x0A, file);
  node.tree_bytes += encoded.size();
  node.cid = MakeCid(kDagPb, crypto::Sha256(encoded));
  return node;
}

std::string IpfsCid::Finish() {
  EndChunk();  // an empty object is one empty chunk
  while (links_.size() > 1) {
    std::vector<Link> above;
    for (size_t at = 0; at < links_.size(); at += kIpfsLinks) {
      above.push_back(NodeOf(&links_[at], std::min(kIpfsLinks, links_.size() - at)));
    }
    links_ = std::move(above);
  }
  return ToText(links_[0].cid);
}

}  // namespace hilum::ledger_anchor
