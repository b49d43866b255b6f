// One seeded attempt of secure aggregation with faults: real keys, shares and masks, a network that
// loses, repeats, reorders and changes messages, members that vanish or cheat, and a server that is
// rebuilt from its stored messages.
#ifndef HILUM_TESTS_PRIVACY_SECAGG_SIMULATION_H_
#define HILUM_TESTS_PRIVACY_SECAGG_SIMULATION_H_

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <ostream>
#include <set>
#include <string>
#include <vector>

#include "base/seeded_random.h"
#include "tests/privacy/secagg/fixtures.h"

namespace hilum::privacy::secagg {

// Which message of a site a fault hits.
enum Flight { kAdvertise, kReveal, kShare, kAcknowledge, kVector, kVote, kAnswer, kFlights };

enum class Fault {
  kSiteGone,        // before it sends; a restart too, since secrets are never stored
  kDownChanged,     // one bit of the server's message to it: it must abort
  kUpLost,          // its message never arrives; an answer is sent again from the site's record
  kUpChanged,       // one bit, then the right bytes: costs nothing
  kUpRepeated,      // costs nothing
  kServerRestart,   // the state is rebuilt from the stored messages: costs nothing
  kHalfVector,      // chunks, but no close
  kChunkChanged,    // one bit of a chunk, which only the close can show
  kBadShares,       // colluding: commitments to another polynomial
  kFalseComplaint,  // colluding: kind 2 about a good share
  kUndecidable,     // colluding: kind 1
  kBadAnswer,       // colluding: a wrong share at the end
  kFaults
};

struct Planned {
  Fault fault = Fault::kUpRepeated;
  Flight flight = kAdvertise;
  uint16_t member = 0;
};
std::ostream& operator<<(std::ostream& out, const Planned& planned);

class Simulation : public Federation {
 public:
  Simulation(const RoundConfig& round, const FederationOptions& options, std::vector<Planned> plan,
             SeededRandom& random)
      : Federation(round, options), plan_(std::move(plan)), random_(random) {}

  // Runs the attempt. Every check is a GoogleTest expectation: the sum is exact and verifies, or
  // the attempt fails closed with a reason, and only when faults cost more members than it bears.
  void Run();

  bool is_open() const { return opened.has_value(); }
  const absl::Status& reason() const { return reason_; }  // why it failed closed
  // Of a void attempt: the members of the next one.
  Indices NextMembers() const;

 private:
  struct VectorEvent {
    uint16_t peer = 0;
    Bytes chunk, close;  // one of them, or neither: a withdrawal
  };

  bool Hit(Fault fault, Flight flight, uint16_t member);
  Bytes Flipped(Bytes message, size_t first_byte = 0);
  template <class T>
  std::vector<uint16_t> Shuffled(const std::map<uint16_t, T>& up);
  bool Closed(const absl::Status& status);

  template <class From, class To, class Take>
  void SiteFlight(Flight flight, std::map<uint16_t, From>& from, std::map<uint16_t, To>& to, Up& up,
                  Take take);
  template <class State>
  void ServerFlight(Flight flight, std::optional<State>& state, const Up& up);
  template <class State, class Next>
  bool Close(std::optional<State>& state, std::optional<Next>& next, Bytes& down);

  void Restart(Flight flight);
  void RestartFromVectors(Flight flight);
  template <class State>
  State Replayed(Flight flight, State state);
  void Replay(ServerCollecting& server, const VectorEvent& event) const;

  void Advertise();
  bool RunKeys();
  bool RunShares();
  bool RunVectors();
  bool RunAnswers();
  void SendVector(uint16_t member);
  void Withdraw(uint16_t member);
  void CheatInShares();
  void CheatInAcks();
  void CheatInAnswers();
  void CheckAnswers() const;
  void Judge() const;

  std::vector<Planned> plan_;
  SeededRandom& random_;
  std::array<std::vector<Bytes>, kFlights> log_;
  std::vector<VectorEvent> vector_log_;
  std::set<uint16_t> hurt_;      // members that a fault may have cost the attempt
  std::set<uint16_t> cheating_;  // whose message of this flight must be refused
  absl::Status reason_;
};

}  // namespace hilum::privacy::secagg

#endif  // HILUM_TESTS_PRIVACY_SECAGG_SIMULATION_H_
