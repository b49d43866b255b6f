// The messages' bytes against vectors that Python wrote, and what their readers refuse.
#include <functional>

#include "crypto/labels.h"
#include "tests/privacy/secagg/fixtures.h"
#include "tests/privacy/vectors.h"

namespace hilum::privacy::secagg {
namespace {

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

// One reader of bodies: OK only for exactly the bytes that its writer makes.
struct Codec {
  std::string name;
  std::function<absl::StatusOr<Bytes>(ByteView)> read_and_write;
};
template <class Decode>
Codec Of(std::string name, Decode decode) {
  return {std::move(name), [decode](ByteView body) -> absl::StatusOr<Bytes> {
            auto message = decode(body);
            if (!message.ok()) return message.status();
            return Encode(*message);
          }};
}
const std::vector<Codec>& Codecs() {
  static const auto* codecs = new std::vector<Codec>{
      Of("key_advertisement", DecodeKeyAdvertisement),
      Of("key_list", DecodeKeyList),
      Of("graph_reveal", DecodeGraphReveal),
      Of("u1", DecodeU1),
      Of("share_bundle", [](ByteView body) { return DecodeShareBundle(body, 2); }),
      Of("share_delivery", [](ByteView body) { return DecodeShareDelivery(body, 2); }),
      Of("share_ack", DecodeShareAck),
      Of("u2", DecodeU2),
      Of("masked_input_close", DecodeMaskedInputClose),
      Of("signed_transcript", DecodeSignedTranscript),
      Of("transcript_vote", DecodeTranscriptVote),
      Of("vote_list", DecodeVoteList),
      Of("unmasking", DecodeUnmasking),
      Of("round_opening", DecodeRoundOpening)};
  return *codecs;
}

const std::map<std::string, Bytes>& Vectors() {
  static const auto* vectors = new std::map<std::string, Bytes>(ReadVectors("secagg.txt"));
  return *vectors;
}

TEST(Messages, ReadAndWriteTheVectors) {
  for (const Codec& codec : Codecs()) {
    HILUM_ASSERT_OK_AND_ASSIGN(const Bytes written, codec.read_and_write(Vectors().at(codec.name)));
    EXPECT_EQ(ToHex(written), ToHex(Vectors().at(codec.name))) << codec.name;
  }
}

TEST(Messages, UnknownFieldRefused) {
  for (const Codec& codec : Codecs()) {
    Bytes longer = Vectors().at(codec.name);
    longer.push_back(0);
    EXPECT_THAT(codec.read_and_write(longer), StatusIs(kInvalid, "")) << codec.name;
  }
}

TEST(Messages, RefuseEveryShorterText) {
  for (const Codec& codec : Codecs()) {
    const Bytes& whole = Vectors().at(codec.name);
    for (size_t n = 0; n < whole.size(); ++n) {
      EXPECT_FALSE(codec.read_and_write(ByteView(whole).first(n)).ok()) << codec.name << " " << n;
    }
  }
}

// A changed byte gives another message or none, never the same: the encoding has one spelling.
TEST(Messages, HaveOneSpelling) {
  for (const Codec& codec : Codecs()) {
    Bytes bytes = Vectors().at(codec.name);
    for (uint8_t& byte : bytes) {
      byte ^= 0x80;
      const auto written = codec.read_and_write(bytes);
      if (written.ok()) {
        EXPECT_EQ(*written, bytes) << codec.name;
      }
      byte ^= 0x80;
    }
  }
}

TEST(Messages, AllocateNothingFromAPeersCount) {
  for (const char* name :
       {"key_list", "u1", "share_delivery", "share_ack", "u2", "vote_list", "round_opening"}) {
    for (const Codec& codec : Codecs()) {
      if (codec.name != name) continue;
      Bytes bytes = Vectors().at(name);
      std::fill_n(bytes.begin(), 4, 0xff);
      EXPECT_THAT(codec.read_and_write(bytes), StatusIs(kInvalid, "4294967295")) << name;
    }
  }
}

TEST(Messages, RefuseListsOutOfOrder) {
  const auto swapped = [](const std::string& name, size_t first, size_t size) {
    Bytes bytes = Vectors().at(name);
    const auto begin = bytes.begin() + static_cast<ptrdiff_t>(first);
    std::rotate(begin, begin + static_cast<ptrdiff_t>(size),
                begin + static_cast<ptrdiff_t>(2 * size));
    for (const Codec& codec : Codecs()) {
      if (codec.name == name) return codec.read_and_write(bytes).status();
    }
    return absl::OkStatus();
  };
  EXPECT_THAT(swapped("key_list", 4, 194), StatusIs(kInvalid, "lists member 0 after member 2"));
  EXPECT_THAT(swapped("u1", 4, 98), StatusIs(kInvalid, "lists member 0 after member 2"));
  EXPECT_THAT(swapped("share_bundle", 140, 86), StatusIs(kInvalid, "member 1 after member 3"));
  EXPECT_THAT(swapped("share_ack", 4, 2), StatusIs(kInvalid, "lists member 0 after member 4"));
  EXPECT_THAT(swapped("u2", 4, 2), StatusIs(kInvalid, "lists member 0 after member 2"));
  EXPECT_THAT(swapped("vote_list", 4, 98), StatusIs(kInvalid, "lists member 0 after member 2"));
  EXPECT_THAT(swapped("unmasking", 36, 34), StatusIs(kInvalid, "lists member 0 after member 2"));
}

TEST(Messages, HashesEqualTheVectors) {
  const auto is = [](const char* name, const Digest& digest) {
    EXPECT_EQ(ToHex(digest), ToHex(Vectors().at(name))) << name;
  };
  const KeyList list = DecodeKeyList(Vectors().at("key_list")).value();
  is("key_list_hash", HashKeyList(list.entries));
  const U1 u1 = DecodeU1(Vectors().at("u1")).value();
  Digest head;
  head.fill(0x22);
  const Digest seed = GraphSeed(HashKeyList(list.entries), u1.entries, head);
  is("graph_seed", seed);
  const Digest u1_hash = HashU1(seed, u1.graph);
  is("u1_hash", u1_hash);
  is("u2_hash", HashU2(u1_hash, DecodeU2(Vectors().at("u2"))->members));
  Digest transcript_hash;
  transcript_hash.fill(47);
  is("votes_hash", HashVotes(transcript_hash, DecodeVoteList(Vectors().at("vote_list")).value()));
  const ShareBundle bundle = DecodeShareBundle(Vectors().at("share_bundle"), 2).value();
  EXPECT_EQ(ToHex(BundleFields(bundle.commitments, DigestsOf(bundle.shares))),
            ToHex(Vectors().at("bundle_fields")));
}

TEST(Messages, TheNumberOfCommitmentsFollowsFromTheRound) {
  const Bytes& bundle = Vectors().at("share_bundle");
  for (const size_t n_points : {0, 1, 3, 1000}) {
    EXPECT_THAT(DecodeShareBundle(bundle, n_points),
                StatusIs(kInvalid, "a list of 2 commitments was sent"));
    EXPECT_THAT(DecodeShareDelivery(Vectors().at("share_delivery"), n_points),
                StatusIs(kInvalid, "a list of 2 commitments was sent"));
  }
}

TEST(DecodeShareAck, RefusesUnknownKindsAndKeysWithoutNeed) {
  Bytes ack = Vectors().at("share_ack");
  const size_t second_kind = ack.size() - 64 - 33;
  ack[second_kind] = 3;
  EXPECT_THAT(DecodeShareAck(ack), StatusIs(kInvalid, "of kind 3, there are 1 and 2"));
  ack[second_kind] = 0;
  EXPECT_THAT(DecodeShareAck(ack), StatusIs(kInvalid, "of kind 0, there are 1 and 2"));
  ack[second_kind] = 1;
  ack[second_kind + 5] = 1;
  EXPECT_THAT(DecodeShareAck(ack), StatusIs(kInvalid, "kind 1 reveals a key"));
}

TEST(DecodeUnmasking, RefusesValuesOutOfTheirRange) {
  const Bytes& whole = Vectors().at("unmasking");
  Bytes scalar = whole;
  std::fill_n(scalar.begin() + 38, 32, 0xff);
  EXPECT_THAT(DecodeUnmasking(scalar), StatusIs(kInvalid, "not below the order of the group"));
  Bytes tag = whole;
  const size_t at = whole.size() - 64 - 16;
  std::fill_n(tag.begin() + static_cast<ptrdiff_t>(at), 8, 0xff);
  tag[at] = 0x1f;  // 2^61 - 1
  EXPECT_THAT(DecodeUnmasking(tag), StatusIs(kInvalid, "is not below 2^61 - 1"));
  Bytes both = whole;
  both[36 + 2 * 34 + 4 + 1] = 2;  // the a-share is of member 2
  EXPECT_THAT(DecodeUnmasking(both), StatusIs(kInvalid, "both shares of member 2"));
}

TEST(DecodeChunk, TakesWholeChunksOfTheRingOnly) {
  RoundConfig config = MaskedRound(5, kChunkCoords);  // one full chunk and one of 3 words
  config.ring_bits = 25;
  EXPECT_EQ(CountChunks(config), 2u);
  const std::vector<uint32_t> words = {1, 2, 0x1ffffff};
  Bytes chunk = EncodeChunk(1, words, config);
  EXPECT_EQ(ToHex(chunk),  // 75 bits, each word from its lowest on
            "00000001"
            "01000004"
            "0000fcff"
            "ff07");
  HILUM_ASSERT_OK_AND_ASSIGN(const ChunkView view, DecodeChunk(chunk, config));
  EXPECT_EQ(view.index, 1u);
  EXPECT_EQ(view.words, words);
  EXPECT_THAT(DecodeChunk(EncodeChunk(0, words, config), config), StatusIs(kInvalid, "not 819200"));
  EXPECT_THAT(DecodeChunk(EncodeChunk(2, words, config), config),
              StatusIs(kInvalid, "a vector has 2"));
  EXPECT_THAT(DecodeChunk(ByteView(chunk).first(13), config), StatusIs(kInvalid, "not 10"));
  EXPECT_THAT(DecodeChunk({}, config), StatusIs(kInvalid, "a vector has 2"));
  chunk.back() |= 0x80;
  EXPECT_THAT(DecodeChunk(chunk, config), StatusIs(kInvalid, "belong to no word"));
}

}  // namespace
}  // namespace hilum::privacy::secagg
