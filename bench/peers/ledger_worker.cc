// Hilum's side of the ledger's comparisons (bench/peers/ledger_peer.py).
//
//   ledger_worker notes N FILE       writes N signed checkpoints, each after its length (u32, big
//                                    endian), and prints the log's verifier key
//   ledger_worker log_root N         the root of N entries of 300 bytes
//   ledger_worker checkpoint_open FILE VKEY   opens each of FILE's notes
// The last two answer "run 0" with the seconds of one run, and "result" with what it found.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/parallel.h"
#include "crypto/hash.h"
#include "crypto/sign.h"
#include "crypto/tree.h"
#include "ledger_anchor/checkpoint.h"
#include "ledger_anchor/merkle.h"
#include "ledger_anchor/note.h"

namespace hilum::bench {
namespace {

namespace la = ledger_anchor;

constexpr char kOrigin[] = "fl.example/ledger";
constexpr size_t kEntryBytes = 300;
constexpr size_t kGroup = 256;  // entries that a thread takes at once

[[noreturn]] void Die(const std::string& why) {
  std::cerr << "ledger_worker: " << why << "\n";
  std::exit(1);
}

int WriteNotes(uint64_t n, const char* file) {
  const auto key = crypto::SigningKey::FromSeed({1});
  std::ofstream out(file, std::ios::binary);
  for (uint64_t i = 1; i <= n; ++i) {
    const std::string note = la::SignCheckpoint(
        {.origin = kOrigin, .size = i, .root = crypto::Sha256(std::to_string(i)), .extensions = {}},
        key);
    for (int shift = 24; shift >= 0; shift -= 8) out.put(static_cast<char>(note.size() >> shift));
    out << note;
  }
  std::puts(
      la::FormatVerifierKey(la::MakeVerifierKey(kOrigin, la::KeyType::kEd25519, key.public_key()))
          .c_str());
  return out.flush() ? 0 : 1;
}

std::vector<std::string> ReadNotes(const char* file) {
  std::ifstream in(file, std::ios::binary);
  const std::string all{std::istreambuf_iterator<char>(in), {}};
  std::vector<std::string> notes;
  for (size_t at = 0; at + 4 <= all.size();) {
    size_t length = 0;
    for (size_t i = 0; i < 4; ++i) length = length << 8 | static_cast<uint8_t>(all[at + i]);
    notes.push_back(all.substr(at + 4, length));
    at += 4 + length;
  }
  return notes;
}

// Entry i: its number, then x up to 300 bytes; the peer makes the same.
std::vector<std::string> MakeEntries(size_t n) {
  std::vector<std::string> entries(n, std::string(kEntryBytes, 'x'));
  for (size_t i = 0; i < n; ++i) {
    const std::string number = std::to_string(i);
    entries[i].replace(0, number.size(), number);
  }
  return entries;
}

std::string LogRoot(const std::vector<std::string>& entries) {
  la::HashList leaves(entries.size());
  ForEachOnCores((entries.size() + kGroup - 1) / kGroup, 0, [&](size_t group) {
    const size_t end = std::min(entries.size(), (group + 1) * kGroup);
    for (size_t i = group * kGroup; i < end; ++i) leaves[i] = crypto::LeafHash(AsBytes(entries[i]));
  });
  la::TreeHashes tree;
  for (const Digest& leaf : leaves) tree.Add(leaf);
  return ToHex(tree.Root());
}

std::string OpenAll(const std::vector<std::string>& notes, const la::VerifierKey& key) {
  std::atomic<size_t> n_good{0};
  ForEachOnCores(notes.size(), 0, [&](size_t i) {
    if (la::OpenCheckpoint(notes[i], key).ok()) ++n_good;
  });
  return std::to_string(n_good) + " opened";
}

int Serve(const std::function<std::string()>& work) {
  std::puts("ready");
  std::fflush(stdout);
  std::string result;
  for (std::string line; std::getline(std::cin, line);) {
    if (line == "result") {
      std::puts(result.c_str());
    } else {
      const auto start = std::chrono::steady_clock::now();
      result = work();
      const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
      std::printf("%.9f\n", took.count());
    }
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace
}  // namespace hilum::bench

int main(int argc, char** argv) {
  using namespace hilum::bench;  // NOLINT: main is outside
  const std::string operation = argc > 2 ? argv[1] : "";
  if (operation == "notes" && argc == 4) return WriteNotes(std::stoull(argv[2]), argv[3]);
  if (operation == "log_root" && argc == 3) {
    return Serve([entries = MakeEntries(std::stoull(argv[2]))] { return LogRoot(entries); });
  }
  if (operation == "checkpoint_open" && argc == 4) {
    const auto key = hilum::ledger_anchor::ParseVerifierKey(argv[3]);
    if (!key.ok()) Die(std::string(key.status().message()));
    return Serve([notes = ReadNotes(argv[2]), &key] { return OpenAll(notes, *key); });
  }
  Die("usage: ledger_worker notes N FILE | log_root N | checkpoint_open FILE VKEY");
}
