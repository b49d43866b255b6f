#!/usr/bin/env python3
"""Computes a round of a federation again, from the folder that `hilum ledger export` wrote.

Usage: audit.py ROUND --from DIR [--study JOB] [--vkey KEY] [--json] [--quiet]

It was written from docs/wire.md, needs numpy and cryptography and nothing of Hilum. Exit codes:
0 the round is what its ledger says; 1 a fault of this program or machine; 2 the command line is
wrong; 3 something does not verify, and one sentence on standard error says what.
"""
import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np

import evidence
import masked
import model
import wire
from evidence import CHUNK, EXTRAS, MAX_LOSS, Objects, differs
from ledger import Log
from wire import Wrong, require


class Usage(Exception):
    """The command line asks for what is not there: exit code 2."""


class Unknown(Exception):
    """The round is of a kind that this program does not compute: exit code 1, no verdict."""


class Progress:
    def __init__(self, quiet):
        self.quiet = quiet

    def __call__(self, text):
        if not self.quiet:
            print(f"audit: {text}", file=sys.stderr, flush=True)


def locate(folder):
    """The log's folder and the store's: of an export, or of a server's state."""
    for name in ("log", "ledger/log"):
        if (folder / name / "checkpoint").is_file():
            if not (folder / "objects" / "sha256").is_dir():
                raise Usage(f"{folder} has a log and no objects/ beside it; `hilum ledger export` "
                            "writes both")
            return folder / name, folder / "objects"
    raise Usage(f"there is no log in {folder}: an export has the folders log/ and objects/")


def find_round(log, number, job):
    if job is None:
        jobs = sorted(name for name, study in log.studies.items() if study.pairs)
        if len(jobs) > 1:
            raise Usage(f"the log holds {len(jobs)} jobs, name one with --study: "
                        f"{', '.join(jobs)}")
        job = jobs[0] if jobs else None
    pair = log.studies[job].pairs.get(number) if job in log.studies else None
    if pair is None:
        raise Usage(f"the log holds no round {number}" + (f" of {job}" if job else ""))
    if pair[1] is None:
        raise Usage(f"round {number} is open; there is something to audit once it is closed")
    return pair


class Round:
    """One closed round: its entries, documents, and what is computed from them."""

    def __init__(self, log, objects, pair, progress):
        self.log, self.objects, self.progress = log, objects, progress
        self.opened, self.close = pair[0], pair[1].body
        self.server_key = log.members[pair[1].by].key

    def read_documents(self):
        close, opened, objects = self.close, self.opened.body, self.objects
        self.record = evidence.read_record(
            objects.get("the round record", close["secagg"]["evidence"], evidence.RECORD_LIMIT),
            self.opened.study, close["round"])
        fields = self.record.fields
        differs("the base model", close["base_model"], fields["base_model"])
        differs("the model", close["model"], fields["model"])
        self.names = objects.names("the cohort", opened["cohort"])
        place = {"round": opened["round"], "base_model": opened["base_model"],
                 "federation_id": wire.sha256(
                     f"{self.log.origin}\n{self.log.log_vkey}".encode())[:16],
                 "keys": [self._key_of(name) for name in self.names]}
        stored = objects.get("the configuration", fields["cfg_object"], evidence.CONFIG_LIMIT)
        differs("H(cfg)", wire.labelled_hash("cfg", stored), opened["cfg"])
        differs("H(cfg)", fields["cfg"], opened["cfg"])
        plan_digest = stored[24:56]
        self.plan = evidence.read_plan(
            objects.get("the round plan", plan_digest, evidence.PLAN_LIMIT))
        if "rule" in self.plan["strategy"]:
            raise Unknown(f"the round's updates are combined by {self.plan['strategy']['rule']}, "
                          "which this program does not compute: use `hilum ledger audit`")
        self.config = evidence.expected_config(self.plan, plan_digest, stored, place)
        require(self.config.bytes == stored and self.plan["job"] == self.opened.study,
                "the configuration is not what its plan, roster and federation make")
        differs("the plan", fields["plan"], plan_digest)
        evidence.check_headroom(self.config)
        require(close["secagg"]["suite"] == self.config.suite,
                "the ledger names another mask suite than the configuration")

    def _key_of(self, name):
        require(name in self.log.members, f"site {name} of the cohort is not a member")
        return self.log.members[name].key_at(self.opened.index)

    def check_counted(self):
        """Cohort and dropped sites of the close, updates.root, and T with its signatures."""
        record, close, config = self.record, self.close, self.config
        counted = [update.index for update in record.updates]
        require(sorted(counted + record.dropped) == list(range(config.n)),
                "the record does not account for each site of the roster once")
        require([self.names[i] for i in counted] ==
                self.objects.names("the counted cohort", close["cohort"]) and
                [self.names[i] for i in record.dropped] ==
                self.objects.names("the dropped sites", close["dropped"]),
                "the record counts other sites than the ledger's cohort")
        leaves = [wire.leaf_hash(wire.u16(u.index) + u.root + u.signature) for u in record.updates]
        differs("updates.root", wire.tree_root(leaves), close["updates"][1])
        self.transcript = evidence.read_transcript(record.transcript)
        self.transcript_hash = self.transcript.hash(config, record.attempt)
        differs("H(T)", self.transcript_hash, record.fields["transcript_hash"])
        differs("H(T)", self.transcript_hash, close["secagg"]["transcript"])
        message = config.signed("transcript", record.attempt, wire.SERVER, self.transcript_hash)
        require(wire.is_signed(self.server_key, message, record.signature),
                "the transcript's signature is not the aggregator's")
        require({u.index: (u.root, u.signature) for u in record.updates} ==
                self.transcript.members, "the record's updates are not the transcript's")
        differs("root(S)", self.transcript.sum_root, record.fields["sum_root"])

    def check_open_transcript(self):
        t, config = self.transcript, self.config
        require(self.record.masked is None, "the record of an open round has masks")
        require(t.u1_hash == t.u2_hash == wire.ZERO, "an open round's transcript names U1 or U2")
        require(t.model_hash == config.model_hash and t.n_coords == config.n_coords,
                "the transcript is of another model or length than the configuration")
        for index, fields in t.members.items():
            evidence.check_member_signature(config, self.record.attempt, index, fields, wire.ZERO)

    def check_masked_evidence(self):
        """Every signature, vote, tag and opened secret."""
        record, config, attempt = self.record, self.config, self.record.attempt
        parts = record.masked
        require(parts is not None, "the record has no masks' evidence")
        self.facts = masked.read_key_list(parts["key_list"], config, attempt, self.server_key)
        masked.read_u1(parts["u1"], self.facts, config, attempt, self.server_key)
        masked.read_u2(parts["u2"], self.facts, config, attempt, self.server_key)
        masked.check_transcript(self.transcript, self.facts, config, attempt)
        votes = masked.read_votes(parts["votes"], self.transcript_hash, config, attempt)
        self.opening = masked.read_opening(parts["opening"])
        masked.check_tag_signatures(self.opening, self.transcript, self.transcript_hash, votes,
                                    config, attempt)
        self.tags = masked.Tags(masked.challenge(config, attempt, votes),
                                min(CHUNK, config.n_coords))
        self.keys = masked.mask_keys(self.opening, self.transcript, self.facts, config, attempt)
        self.progress(f"{len(self.transcript.members)} members, a quorum of votes, "
                      f"{len(self.keys)} mask keys opened")

    # ---- vectors

    def add_vectors(self):
        """S from every stored vector; each against its root and, if masked, its tag."""
        config, total = self.config, np.zeros(self.config.n_coords, np.uint64)
        self.tag_sum = [0, 0, 0]
        for at, update in enumerate(self.record.updates):
            what = f"the update of {self.names[update.index]}"
            self.progress(f"{what} ({at + 1} of {len(self.record.updates)})")
            tree, first = wire.ChunkTree("r2-chunk"), 0
            tags = self.tags.fresh() if config.mode else None
            for piece in self.objects.chunks(what, update.object, config.vector_bytes,
                                             config.packed_bytes(CHUNK)):
                tree.add(piece)
                words = evidence.unpack(piece, min(CHUNK, config.n_coords - first), config.b, what)
                total[first:first + len(words)] += words
                first += len(words)
                if tags:
                    tags.add(words)
            differs(f"{what}: its root", tree.root(), update.root)
            if tags:
                self._take_tag(what, update.index, tags.value)
        return total

    def _take_tag(self, what, index, values):
        published = self.opening.tags.get(index)
        require(published is None or published[0] == values,
                f"{what}: its tag is not of this vector")
        self.tag_sum = [(a + b) % masked.PRIME for a, b in zip(self.tag_sum, values)]

    def check_sum(self, total):
        """Range and root of S; in a masked round also the published S, and S against the tags."""
        config, width = self.config, self.config.sum_width
        largest = len(self.record.updates) * ((1 << config.b) - 1)
        require(int(total.max()) <= largest, "a coordinate of the sum is beyond its vectors' reach")
        tree = wire.ChunkTree("sum-chunk")
        for first in range(0, len(total), CHUNK):
            part = total[first:first + CHUNK].astype("<u8").view(np.uint8)
            tree.add(part.reshape(-1, 8)[:, :width].tobytes())
        differs("root(S)", tree.root(), self.record.fields["sum_root"])
        if not config.mode:
            return
        first, what = 0, "the published sum"
        for piece in self.objects.chunks(what, self.record.masked["sum_object"],
                                         width * config.n_coords, width * CHUNK):
            words = np.zeros((len(piece) // width, 8), np.uint8)
            words[:, :width] = np.frombuffer(piece, np.uint8).reshape(-1, width)
            same = (words.reshape(-1).view("<u8") == total[first:first + len(words)]).all()
            require(bool(same), "the published sum is not that of the stored vectors")
            first += len(words)
        require(masked.tags_of_sum(total, self.tags) == self.tag_sum,
                "the published sum does not fit the tags of its members")

    def unmask(self, total):
        """z and root(z)."""
        config, tree = self.config, wire.ChunkTree("z-chunk")
        ring = np.empty(config.n_coords, np.uint32)
        for first in range(0, config.n_coords, CHUNK):
            part = total[first:first + CHUNK]
            keys = self.keys if config.mode else []
            part = masked.remove_masks(part, first, keys, config).astype("<u4")
            ring[first:first + len(part)] = part
            tree.add(part.tobytes())
            if config.mode:
                self.progress(f"masks out of {first + len(part)} of {config.n_coords} coordinates")
        differs("root(z)", tree.root(), self.record.fields["ring_root"])
        return ring

    # ---- the model

    def check_privacy(self):
        """What the entry claims; that epsilon follows from the noise is not computed."""
        claim, config = self.close["dp"], self.config
        require((claim is not None) == config.is_private,
                "the entry claims differential privacy and the plan has none, or the reverse")
        if claim is None:
            return
        require(claim["unit"] == self.plan["privacy"]["unit"] and
                claim["mechanism"] == "discrete-gaussian" and claim["accountant"] == "rdp" and
                claim["delta"] == self.plan["real"]["delta"],
                "the entry's unit, mechanism, delta or accountant is not the plan's")
        require(claim["epsilon"] + 2e-6 >= config.epsilon_before,
                "the entry claims less epsilon than was spent before the round")
        told = check_spending(self.log.studies[self.opened.study].pairs, self.close)
        require(config.epsilon_before + 2e-6 >= told,
                "the configuration counts less epsilon than the round before had told")

    def read_moments(self):
        """The server's moments that the round starts from; None: the strategy keeps none."""
        record, adapts = self.record, self.plan["strategy"]["name"] in evidence.MOMENTS
        require((record.moments is not None) == adapts and
                (adapts or self.config.moments == wire.ZERO),
                "the record or configuration names an optimizer's state that the plan has not, "
                "or none")
        if not adapts:
            return None
        left = self._moments_left()
        differs("the optimizer's state before the round", left, self.config.moments)
        differs("the optimizer's state in the record", self.config.moments, record.moments[0])
        if left == wire.ZERO:
            return model.first_moments(self.plan)
        size = 8 * self.plan["n_params"]
        data = self.objects.get("the optimizer's state", left, size)
        require(len(data) == size, "the optimizer's state has another length than the model")
        return np.frombuffer(data, "<f4").astype(np.float32)

    def _moments_left(self):
        """What the study's last round with a result before this one left."""
        rounds = self.log.studies[self.opened.study].pairs
        for number in range(self.close["round"] - 1, 0, -1):
            close = rounds[number][1].body
            if close["status"] == "ok":
                record = evidence.read_record(
                    self.objects.get("the record of the round before", close["secagg"]["evidence"],
                                     evidence.RECORD_LIMIT), self.opened.study, number)
                return record.moments[1] if record.moments else wire.ZERO
        return wire.ZERO

    def derive(self, ring):
        config, close, n = self.config, self.close, len(self.record.updates)
        weight, count, loss = (int(v) for v in ring[config.n_params:config.n_params + EXTRAS])
        require(count == n, f"the count coordinate is {count}, the sum is of {n} updates")
        require(n <= weight <= n * config.max_weight and loss <= n * MAX_LOSS,
                "the weights or losses sum to what these members cannot send")
        require(not config.is_private or (weight == n * config.max_weight and loss == 0),
                "with differential privacy each update has the weight W and tells no loss")
        require(close["rule"][0] == evidence.rule_name(self.plan), "the rule is not the plan's")
        differs("the rule's parameters", evidence.rule_digest(self.plan), close["rule"][1])
        mean_loss = loss / (1 << 16) / n
        metrics = [{"name": "train_loss", "value": evidence.shortest_decimal(mean_loss),
                    "n": weight}]
        metrics = [] if config.is_private else metrics
        require(close["metrics"].items == metrics and close["metrics"].n == len(metrics),
                "the metrics differ")
        base = self.objects.get("the base model", close["base_model"], evidence.MODEL_LIMIT)
        metadata, flat = model.read_safetensors(base, self.plan)
        metadata |= {"round": str(close["round"]), "job": self.opened.study,
                     "origin": self.log.origin}
        head = model.safetensors_head(metadata, self.plan)
        mean = model.mean_of(ring[:config.n_params], config, weight)
        new, moments = model.server_step(flat, mean, self.plan, self.read_moments())
        if moments is not None:
            differs("the optimizer's state after the round",
                    wire.sha256(moments.astype("<f4").tobytes()), self.record.moments[1])
        differs("the new model", wire.sha256(head + new.astype("<f4").tobytes()), close["model"])
        self.objects.get("the model", close["model"], evidence.MODEL_LIMIT)
        return {"films": 0 if config.is_private else weight, "mean_loss": mean_loss}


def check_spending(pairs, close):
    """Epsilon does not shrink from one close of the job to the next, aborted ones too; what the
    round before told."""
    told = 0.0
    for number in range(1, close["round"] + 1):
        dp = pairs[number][1].body["dp"]
        require((dp is None) == (close["dp"] is None),
                f"one of the rounds {number} and {close['round']} tells an epsilon, the other none")
        if dp is None or number == close["round"]:
            continue
        require(all(dp[key] == close["dp"][key]
                    for key in ("unit", "mechanism", "delta", "accountant")),
                f"round {number} tells another unit, mechanism, delta or accountant")
        require(dp["epsilon"] + 2e-6 >= told, f"round {number} tells less epsilon than before it")
        told = max(told, dp["epsilon"])
    require(close["dp"] is None or close["dp"]["epsilon"] + 2e-6 >= told,
            "the entry claims less epsilon than an earlier round")
    return told


def audit(folder, number, job, vkey, progress):
    log_folder, store = locate(folder)
    log = Log(log_folder, vkey)
    progress(f"{log.size} entries of {log.origin} verified")
    opened, closed = find_round(log, number, job)
    objects = Objects(store)
    result = {"verified": True, "job": opened.study, "round": number,
              "status": closed.body["status"], "model": closed.body["model"].hex(), "updates": 0}
    check_spending(log.studies[opened.study].pairs, closed.body)
    if closed.body["status"] == "ok":
        one = Round(log, objects, (opened, closed), progress)
        one.read_documents()
        one.check_privacy()
        one.check_counted()
        one.check_masked_evidence() if one.config.mode else one.check_open_transcript()
        total = one.add_vectors()
        one.check_sum(total)
        result |= one.derive(one.unmask(total))
        result |= {"mode": "masked" if one.config.mode else "open",
                   "updates": len(one.record.updates)}
    result |= {"read_bytes": objects.read_bytes, "origin": log.origin, "size": log.size,
               "log_vkey": log.log_vkey, "cosigned_by": log.cosigned_by,
               "trust": "pinned" if vkey else "trust on first use"}
    return result


def report(result, seconds):
    if result["status"] == "aborted":
        text = "aborted; the model stayed what it was"
    else:
        read_mb = result["read_bytes"] / 1e6
        text = (f"{result['updates']} updates added up again ({result['mode']}, {read_mb:.1f} MB, "
                f"{seconds:.1f} s); the model has the same bits")
    print(f"round {result['round']} of {result['job']}: {text}\nmodel  {result['model']}\n"
          f"log    {result['origin']}, {result['size']} entries; {result['trust']}")


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Computes a round again and compares it.")
    parser.add_argument("round", type=int)
    parser.add_argument("--from", dest="folder", type=Path, required=True,
                        help="the folder that `hilum ledger export` wrote")
    parser.add_argument("--study", help="the job, where the log holds several")
    parser.add_argument("--vkey", help="the log's verifier key as you know it")
    parser.add_argument("--json", action="store_true", help="one JSON document")
    parser.add_argument("--quiet", action="store_true", help="no progress on standard error")
    options = parser.parse_args(arguments)
    begun = time.monotonic()
    try:
        result = audit(options.folder, options.round, options.study, options.vkey,
                       Progress(options.quiet))
    except Usage as error:
        print(f"audit: {error}", file=sys.stderr)
        return 2
    except Wrong as error:
        print(f"audit: does not verify: {error}", file=sys.stderr)
        return 3
    except Unknown as error:
        print(f"audit: no verdict: {error}", file=sys.stderr)
        return 1
    except (OSError, MemoryError) as error:
        print(f"audit: cannot go on: {error or 'out of memory'}", file=sys.stderr)
        return 1
    seconds = time.monotonic() - begun
    if options.json:
        print(json.dumps(result | {"seconds": seconds}))
    else:
        report(result, seconds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
