#include "aggregator/advance.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "aggregator/cohort.h"
#include "privacy/secagg/context.h"

namespace hilum::aggregator {
namespace {

// "round 3 of job cxr-1": the start of most sentences.
std::string Name(const RoundFacts& facts) {
  return absl::StrCat("round ", facts.round.number, " of job ", facts.job.name);
}

template <class State>
absl::Status Refuse(const State& state, absl::string_view event) {
  return absl::FailedPreconditionError(absl::StrCat(
      Name(state.facts), " is ", StateName(Round(state)), " and takes no ", event, " now"));
}

// Ends Recruiting once all sites that are wanted are there, or, after the time to return, enough.
Round Settle(Recruiting state) {
  const size_t wanted = WantedSites(state.approved.size(), state.target);
  const bool enough = state.connected.size() >= static_cast<size_t>(state.facts.minimum);
  if (!enough || (state.connected.size() < wanted && !state.return_time_over)) return state;
  return Opening{.facts = state.facts, .cohort = ChooseCohort(state)};
}

// Ends Collecting once every site of the roster has answered or is dropped. A masked attempt with
// too few is ended by AttemptFailed, which says who may come back.
Round Settle(Collecting state) {
  if (state.accepted.size() + state.dropped.size() < state.roster.size()) return state;
  const bool enough = state.accepted.size() >= static_cast<size_t>(state.facts.minimum);
  if (state.masked && !enough) return state;
  std::vector<CountedUpdate> counted;
  for (auto& [index, update] : state.accepted) counted.push_back(update);
  if (state.masked) {
    return Confirming{.facts = std::move(state.facts),
                      .cfg_hash = state.cfg_hash,
                      .roster = std::move(state.roster),
                      .counted = std::move(counted),
                      .dropped = std::move(state.dropped),
                      .attempt = state.attempt};
  }
  if (enough) {
    return Closing{.facts = std::move(state.facts),
                   .cfg_hash = state.cfg_hash,
                   .roster = std::move(state.roster),
                   .counted = std::move(counted),
                   .dropped = std::move(state.dropped)};
  }
  std::string reason = absl::StrCat(state.accepted.size(), " of ", state.roster.size(),
                                    " sites sent an update, the minimum is ", state.facts.minimum);
  return Failed{.facts = std::move(state.facts),
                .roster = std::move(state.roster),
                .dropped = std::move(state.dropped),
                .reason = std::move(reason),
                .close_leaf = {}};
}

absl::StatusOr<Round> On(Recruiting state, const SiteConnected& event) {
  if (state.approved.contains(event.site)) state.connected.insert(event.site);
  return Settle(std::move(state));
}

absl::StatusOr<Round> On(Recruiting state, const SiteAway& event) {
  state.connected.erase(event.site);
  return state;
}

absl::StatusOr<Round> On(Recruiting state, const DeadlinePassed&) {
  state.return_time_over = true;
  return Settle(std::move(state));
}

absl::StatusOr<Round> On(Opening state, const RoundOpened& event) {
  const bool same =
      std::equal(state.cohort.begin(), state.cohort.end(), event.roster.begin(), event.roster.end(),
                 [](const SiteId& site, const RosterSite& member) { return site == member.site; });
  if (!same) {
    return absl::InvalidArgumentError(
        absl::StrCat(Name(state.facts), ": the roster is not the cohort that was fixed"));
  }
  return Collecting{.facts = std::move(state.facts),
                    .cfg_hash = event.cfg_hash,
                    .roster = event.roster,
                    .accepted = {},
                    .dropped = {},
                    .masked = event.masked};
}

absl::StatusOr<Round> On(Collecting state, const UpdateAccepted& event) {
  const CountedUpdate& update = event.update;
  if (update.site_index >= state.roster.size()) {
    return absl::InvalidArgumentError(absl::StrCat(Name(state.facts), " has no site ",
                                                   update.site_index, ", the roster has ",
                                                   state.roster.size()));
  }
  const std::string& site = state.roster[update.site_index].site.name;
  if (const auto known = state.accepted.find(update.site_index); known != state.accepted.end()) {
    if (known->second.root == update.root) return state;
    return absl::AlreadyExistsError(
        absl::StrCat("site ", site, " sent a second, different update for ", Name(state.facts)));
  }
  if (const auto gone = state.dropped.find(update.site_index); gone != state.dropped.end()) {
    return absl::FailedPreconditionError(
        absl::StrCat("site ", site, " was dropped from ", Name(state.facts), ": ", gone->second));
  }
  state.accepted.emplace(update.site_index, update);
  return Settle(std::move(state));
}

absl::StatusOr<Round> On(Collecting state, const SiteDropped& event) {
  const auto member = std::find_if(state.roster.begin(), state.roster.end(),
                                   [&](const RosterSite& m) { return m.site == event.site; });
  if (member == state.roster.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat("site ", event.site.name, " is not in the roster of ", Name(state.facts)));
  }
  const auto index = static_cast<uint16_t>(member - state.roster.begin());
  // What is durable counts: a site that goes away after its update is not dropped.
  if (!state.accepted.contains(index)) state.dropped.emplace(index, event.reason);
  return Settle(std::move(state));
}

absl::StatusOr<Round> On(Collecting state, const DeadlinePassed&) {
  for (size_t index = 0; index < state.roster.size(); ++index) {
    if (state.accepted.contains(static_cast<uint16_t>(index))) continue;
    state.dropped.emplace(static_cast<uint16_t>(index), "its update came after the deadline");
  }
  return Settle(std::move(state));
}

// The next attempt of a masked round: fresh keys, nothing accepted, and everybody but the barred.
template <class State>
Round NextAttempt(State state, const AttemptFailed& event) {
  const size_t n_left = state.roster.size() - event.barred.size();
  const bool may_repeat = state.attempt + 1 < privacy::secagg::kMaxAttempts &&
                          n_left >= static_cast<size_t>(state.facts.minimum);
  if (may_repeat) {
    return Collecting{.facts = std::move(state.facts),
                      .cfg_hash = state.cfg_hash,
                      .roster = std::move(state.roster),
                      .accepted = {},
                      .dropped = event.barred,
                      .masked = true,
                      .attempt = static_cast<uint8_t>(state.attempt + 1)};
  }
  return Failed{.facts = std::move(state.facts),
                .roster = std::move(state.roster),
                .dropped = std::move(state.dropped),
                .reason = event.reason,
                .close_leaf = {}};
}

absl::StatusOr<Round> On(Collecting state, const AttemptFailed& event) {
  if (!state.masked) return Refuse(state, "failed attempt");
  return NextAttempt(std::move(state), event);
}

absl::StatusOr<Round> On(Confirming state, const AttemptFailed& event) {
  return NextAttempt(std::move(state), event);
}

absl::StatusOr<Round> On(Confirming state, const TranscriptConfirmed&) {
  return Unmasking{.facts = std::move(state.facts),
                   .cfg_hash = state.cfg_hash,
                   .roster = std::move(state.roster),
                   .counted = std::move(state.counted),
                   .dropped = std::move(state.dropped)};
}

absl::StatusOr<Round> On(Unmasking state, const AttemptFailed& event) {
  return Failed{.facts = std::move(state.facts),
                .roster = std::move(state.roster),
                .dropped = std::move(state.dropped),
                .reason = event.reason,
                .close_leaf = {}};
}

absl::StatusOr<Round> On(Unmasking state, const SumOpened&) {
  return Closing{.facts = std::move(state.facts),
                 .cfg_hash = state.cfg_hash,
                 .roster = std::move(state.roster),
                 .counted = std::move(state.counted),
                 .dropped = std::move(state.dropped)};
}

template <class State>
constexpr bool kHasCounted = std::is_same_v<State, Confirming> ||
                             std::is_same_v<State, Unmasking> || std::is_same_v<State, Closing>;

template <class State>
requires(std::is_same_v<State, Collecting> ||
         kHasCounted<State>) absl::StatusOr<Round> On(State state, const RoundCancelled&) {
  return Failed{.facts = std::move(state.facts),
                .roster = std::move(state.roster),
                .dropped = std::move(state.dropped),
                .reason = "the job was cancelled",
                .close_leaf = {}};
}

// Who comes and goes does not concern a round that is being closed or is over.
template <class State>
requires(!std::is_same_v<State, Recruiting>) absl::StatusOr<Round> On(State state,
                                                                      const SiteConnected&) {
  return state;
}
template <class State>
requires(!std::is_same_v<State, Recruiting>) absl::StatusOr<Round> On(State state,
                                                                      const SiteAway&) {
  return state;
}

template <class State>
requires(kHasCounted<State>) absl::StatusOr<Round> On(State state, const UpdateAccepted& event) {
  for (const CountedUpdate& known : state.counted) {
    if (known.site_index == event.update.site_index && known.root == event.update.root) {
      return state;
    }
  }
  return Refuse(state, "further update");
}

absl::StatusOr<Round> On(Closing state, const RoundRecorded& event) {
  return Committed{
      .facts = std::move(state.facts), .close_leaf = event.close_leaf, .model = event.model};
}

absl::StatusOr<Round> On(Committed state, const RoundRecorded& event) {
  if (state.close_leaf == event.close_leaf && state.model == event.model) return state;
  return Refuse(state, "second record");
}

absl::StatusOr<Round> On(Failed state, const RoundRecorded& event) {
  if (state.close_leaf != Digest{} && state.close_leaf != event.close_leaf) {
    return Refuse(state, "second record");
  }
  state.close_leaf = event.close_leaf;
  return state;
}

// Every pair that is not above.
absl::string_view NameOf(const DeadlinePassed&) { return "deadline"; }
absl::string_view NameOf(const RoundOpened&) { return "second opening"; }
absl::string_view NameOf(const UpdateAccepted&) { return "update"; }
absl::string_view NameOf(const SiteDropped&) { return "drop of a site"; }
absl::string_view NameOf(const AttemptFailed&) { return "failed attempt"; }
absl::string_view NameOf(const TranscriptConfirmed&) { return "quorum of votes"; }
absl::string_view NameOf(const SumOpened&) { return "opened sum"; }
absl::string_view NameOf(const RoundCancelled&) { return "cancellation"; }
absl::string_view NameOf(const RoundRecorded&) { return "record"; }

template <class State, class Kind>
absl::StatusOr<Round> Step(State state, const Kind& event) {
  if constexpr (requires { On(state, event); }) {
    return On(std::move(state), event);
  } else {
    return Refuse(state, NameOf(event));
  }
}

}  // namespace

absl::StatusOr<Round> Advance(Round round, const Event& event) {
  return std::visit([](auto state, const auto& kind) { return Step(std::move(state), kind); },
                    std::move(round), event);
}

Round Resume(Collecting stored) { return Settle(std::move(stored)); }

absl::string_view StateName(const Round& round) {
  constexpr absl::string_view kNames[] = {"recruiting", "opening", "collecting", "confirming",
                                          "unmasking",  "closing", "committed",  "failed"};
  return kNames[round.index()];
}

const RoundFacts& Facts(const Round& round) {
  return std::visit([](const auto& state) -> const RoundFacts& { return state.facts; }, round);
}

}  // namespace hilum::aggregator
