"""What a server could do to an exported round: damage to its files, and forgeries that are valid in
form, hashed and signed again with the server's own keys. Each says what docs/audit answers, and
`hilum-ledger audit` where its words are others.
"""
import base64
import json
import struct

from forger import base64_of, canonical, named, sha256, vector_root

MASKED, OPEN = "masked", "open"
CHUNK = 1 << 20  # bytes of a chunk of a vector

FORGERIES = []  # (name, mode, function, two sentences); hashed and signed again
DAMAGES = []  # the same; nothing is signed again


class Elsewhere(Exception):
    """This round does not have what the forgery needs."""


def forged(mode, sentence, ours=None):
    def take(function):
        FORGERIES.append((function.__name__, mode, function, (sentence, ours or sentence)))
        return function
    return take


def damaged(mode, sentence, ours=None):
    def take(function):
        DAMAGES.append((function.__name__, mode, function, (sentence, ours or sentence)))
        return function
    return take


def flip(path, at=None):
    data = bytearray(path.read_bytes())
    data[len(data) // 2 if at is None else at] ^= 1
    path.write_bytes(data)


def file_of(export, pattern):
    return next(path for path in sorted((export.folder / "log").glob(pattern)) if path.is_file())


@damaged(OPEN, "entr")
def a_byte_of_an_entry(e):
    flip(file_of(e, "tile/entries/**/*"))


@damaged(OPEN, "another hash")
def a_byte_of_a_tile(e):
    flip(file_of(e, "tile/0/**/*"))


@damaged(OPEN, "does not verify|has no signature|base64")
def a_byte_of_the_checkpoints_signature(e):
    flip(e.folder / "log/checkpoint", -20)


@damaged(OPEN, "whole entries|missing", r"does not hold \d+ entries")
def a_cut_bundle(e):
    path = file_of(e, "tile/entries/**/*")
    path.write_bytes(path.read_bytes()[:-1])


@damaged(OPEN, "round record: the object .* hashes otherwise",
         "round record: the stored object .* hash otherwise")
def a_byte_of_the_record(e):
    flip(e.path(e.close["secagg"]["evidence"]))


@damaged(OPEN, "configuration: the object .* hashes otherwise",
         "configuration: the stored object .* hash otherwise")
def a_byte_of_the_configuration(e):
    flip(e.path(e.record()["cfg_object"]))


@damaged(OPEN, "plan: the object .* hashes otherwise", "plan: the stored object .* hash otherwise")
def a_byte_of_the_plan(e):
    flip(e.path(e.record()["plan"]))


@damaged(OPEN, "base model: the object .* hashes otherwise",
         "base model: the stored object .* hash otherwise")
def a_byte_of_the_base_model(e):
    flip(e.path(e.close["base_model"]))


@damaged(OPEN, "model: the object .* hashes otherwise",
         "ledger: model: the stored object .* hash otherwise")
def a_byte_of_the_new_model(e):
    flip(e.path(e.close["model"]))


@damaged(MASKED, "update of site-.*: the object .* hashes otherwise",
         "update of site-.*: the stored object .* hash otherwise")
def a_byte_of_a_vector(e):
    flip(e.path(e.record()["updates"][1]["object"]))


@damaged(MASKED, "update of site-.*: the object has",
         "update of site-.*: the stored object .* hash otherwise")
def a_cut_vector(e):
    path = e.path(e.record()["updates"][1]["object"])
    path.write_bytes(path.read_bytes()[:-4])


@damaged(MASKED, "update of site-.*: the object .* is missing",
         "update of site-.*: the store has no object")
def a_missing_vector(e):
    e.path(e.record()["updates"][3]["object"]).unlink()


@damaged(MASKED, "published sum", "sum: the stored object .* hash otherwise")
def a_byte_of_the_sum(e):
    flip(e.path(e.record()["secagg"]["sum_object"]))


# -- valid in form, hashed and signed again with the server's keys


def edit_record(e, change):
    record = e.record()
    change(record)
    e.put_record(record)
    return record


def message(record, name):
    return bytearray(base64.b64decode(record["secagg"][name]))


def counts_of(opening):
    n_b = struct.unpack_from(">I", opening)[0]
    return n_b, struct.unpack_from(">I", opening, 4 + n_b * 34)[0]


def set_message(record, name, data):
    record["secagg"][name] = base64_of(bytes(data))


@forged(MASKED, "new model is .* when computed again")
def another_model(e):
    data = bytearray(e.get(e.close["model"]))
    data[-1] ^= 1
    digest = e.put(bytes(data))
    edit_record(e, lambda r: r.update(model=digest))
    e.close["model"] = digest
    for entry in e.entries:  # the next round begins with it
        if entry.get("study") == e.study and entry.get("round") == e.number + 1:
            entry["base_model"] = digest
            if entry.get("status") == "aborted":
                entry["model"] = digest


@forged(OPEN, "new model is .* when computed again")
def another_model_of_an_open_round(e):
    another_model(e)


@forged(MASKED, "published sum is not that of the stored vectors")
def another_sum(e):
    def change(record):
        data = bytearray(e.get(record["secagg"]["sum_object"]))
        data[0] ^= 1
        record["secagg"]["sum_object"] = e.put(bytes(data))
    edit_record(e, change)


@forged(MASKED, "vote of member 0 is not signed on this transcript",
        "a vote on this transcript is not signed by member 0")
def another_sum_with_its_root_and_transcript(e):
    def change(record):
        data = bytearray(e.get(record["secagg"]["sum_object"]))
        data[0] ^= 1
        record["secagg"]["sum_object"] = e.put(bytes(data))
        width = e.config()["width"]
        record["sum_root"] = vector_root("sum-chunk", bytes(data), width << 18).hex()
        e.remake_transcript(record)
    edit_record(e, change)


@forged(MASKED, "update of site-.*: its root is", "update of site-.*: a vector has the root")
def another_vector_under_its_old_root(e):
    def change(record):
        data = bytearray(e.get(record["updates"][1]["object"]))
        data[0] ^= 1
        record["updates"][1]["object"] = e.put(bytes(data))
    edit_record(e, change)


def with_its_own_root(e, record):
    data = bytearray(e.get(record["updates"][1]["object"]))
    data[0] ^= 1
    record["updates"][1]["object"] = e.put(bytes(data))
    record["updates"][1]["root"] = vector_root("r2-chunk", bytes(data), CHUNK).hex()
    e.remake_transcript(record)


@forged(MASKED, r"member \d did not sign the root",
        r"a root of the transcript is not signed by member \d")
def another_vector_with_its_root(e):
    edit_record(e, lambda r: with_its_own_root(e, r))


@forged(OPEN, r"member \d did not sign the root")
def another_vector_and_all_that_follows(e):
    def change(record):
        with_its_own_root(e, record)
        sums = e.sums(record)
        record["sum_root"] = vector_root("sum-chunk", e.pack_sum(sums),
                                         e.config()["width"] << 18).hex()
        e.remake_transcript(record)
    edit_record(e, change)


@forged(OPEN, "member 0 did not sign the root")
def two_vectors_change_places(e):
    def change(record):
        a, b = record["updates"][:2]
        for key in ("root", "sig", "object"):
            a[key], b[key] = b[key], a[key]
        e.remake_transcript(record)
    edit_record(e, change)


@forged(MASKED, "members, the round needs 5|vote of member 0 is not signed on this transcript",
        "members, the round needs 5|a vote on this transcript is not signed by member 0")
def a_site_left_out_after_the_votes(e):
    def change(record):
        gone = record["updates"].pop()
        record["dropped"] = sorted(record["dropped"] + [gone["index"]])
        e.remake_transcript(record)
        name = e.close["cohort"]["items"].pop()
        e.close["cohort"]["n"] -= 1
        e.close["dropped"]["items"] = sorted(e.close["dropped"]["items"] + [name])
        e.close["dropped"]["n"] += 1
    edit_record(e, change)


@forged(MASKED, "4 votes, the quorum is 5")
def a_vote_too_few(e):
    def change(record):
        votes = message(record, "votes")
        set_message(record, "votes", struct.pack(">I", 4) + votes[4:4 + 4 * 98])
    edit_record(e, change)


@forged(MASKED, "opened secret of member 0 does not open its commitment")
def another_opened_self_secret(e):
    def change(record):
        opening = message(record, "opening")
        opening[4 + 2] ^= 1  # b_0, its lowest byte
        set_message(record, "opening", opening)
    edit_record(e, change)


@forged(MASKED, r"opened secret of member \d does not give its advertised key")
def another_opened_mask_secret(e):
    def change(record):
        opening = message(record, "opening")
        n_b, n_a = counts_of(opening)
        if n_a == 0:
            raise Elsewhere
        opening[4 + n_b * 34 + 4 + 2] ^= 1  # its lowest byte
        set_message(record, "opening", opening)
    edit_record(e, change)


@forged(MASKED, r"tag of member \d is not signed", r"a tag is not signed by member \d")
def another_tag(e):
    def change(record):
        opening = message(record, "opening")
        n_b, n_a = counts_of(opening)
        opening[4 + n_b * 34 + 4 + n_a * 34 + 4 + 2 + 7] ^= 1
        set_message(record, "opening", opening)
    edit_record(e, change)


@forged(MASKED, "advertised key of member 0 is not signed by it",
        "an advertised key is not signed by member 0")
def a_mask_key_of_the_servers(e):
    def change(record):
        keys = message(record, "key_list")
        keys[4 + 2] ^= 1
        entries = bytes(keys[:-64])
        signature = e.server_sign("r0-list", named("r0-list", entries))
        set_message(record, "key_list", entries + signature)
    edit_record(e, change)


@forged(MASKED, "k = 5 and t = 2 is below the bounds")
def a_threshold_of_two(e):
    def change(record):
        u1 = message(record, "u1")
        u1[-66:-64] = struct.pack(">H", 2)
        set_message(record, "u1", u1)
    edit_record(e, change)


@forged(MASKED, "transcript is of other sets U1 or U2")
def another_u2(e):
    def change(record):
        h_u1 = base64.b64decode(record["transcript"])[:32]
        members = struct.pack(">I5H", 5, 0, 2, 3, 4, 5)
        signature = e.server_sign("u2", named("u2", h_u1 + members))
        set_message(record, "u2", members + signature)
    edit_record(e, change)


@forged(MASKED, r"root\(z\) is", "published result is not the sum without its masks")
def another_ring_root(e):
    edit_record(e, lambda r: r.update(ring_root="00" * 32))


@forged(OPEN, r"root\(z\) is")
def another_ring_root_of_an_open_round(e):
    edit_record(e, lambda r: r.update(ring_root="00" * 32))


@forged(OPEN, "metrics differ")
def a_better_loss(e):
    e.close["metrics"]["items"][0]["value"] = "0.125"


@forged(OPEN, "rule's parameters is .* when computed again")
def another_rule(e):
    e.close["rule"]["params"] = "11" * 32


@forged(OPEN, "updates.root is")
def another_updates_root(e):
    e.close["updates"]["root"] = "22" * 32


@forged(MASKED, "another mask suite")
def another_suite(e):
    e.close["secagg"]["suite"] = 1


@forged(MASKED, "no masks' evidence")
def a_record_without_its_evidence(e):
    edit_record(e, lambda r: r.pop("secagg"))


@forged(MASKED, "of another job or round")
def the_record_of_another_round(e):
    edit_record(e, lambda r: r.update(round=r["round"] + 1))


def with_cfg(e, cfg, record):
    """The round under another cfg: in both entries, the record and the transcript."""
    record["cfg_object"], digest = e.put(cfg), named("cfg", cfg).hex()
    record["cfg"] = e.open["cfg"] = e.close["secagg"]["cfg"] = digest
    e.put_record(record)
    e.remake_transcript(record)
    e.put_record(record)


@forged(OPEN, "member 0 did not sign the root")
def another_learning_rate(e):
    record = e.record()
    plan = json.loads(e.get(record["plan"]))
    plan["strategy"]["server_learning_rate"] = "2"
    record["plan"] = e.put(canonical(plan))
    rule = canonical({"name": "fedavg", "server_learning_rate": "2"})
    e.close["rule"]["params"] = sha256(rule).hex()
    cfg = bytearray(e.cfg())
    cfg[24:56], cfg[153:185] = bytes.fromhex(record["plan"]), sha256(rule)
    with_cfg(e, bytes(cfg), record)


@forged(OPEN, "configuration is not what its plan, roster and federation make")
def a_clip_that_the_plan_does_not_have(e):
    cfg = bytearray(e.cfg())
    cfg[244:252] = struct.pack(">d", 1e9)
    with_cfg(e, bytes(cfg), e.record())


@forged(OPEN, "configuration is not what its plan, roster and federation make")
def a_key_of_the_servers_in_the_roster(e):
    cfg = bytearray(e.cfg())
    cfg[264 + 4 + 2:264 + 4 + 34] = e.entry_key.public_key().public_bytes_raw()
    with_cfg(e, bytes(cfg), e.record())


@forged(OPEN, "transcript's signature is not the aggregator's")
def a_transcript_signed_by_another_key(e):
    edit_record(e, lambda r: r.update(transcript_sig=base64_of(e.log_key.sign(b"T"))))


@forged(OPEN, "counts other sites than the ledger's cohort")
def another_site_in_the_place_of_the_dropped(e):
    cohort, dropped = e.close["cohort"]["items"], e.close["dropped"]["items"]
    if not dropped:
        raise Elsewhere
    cohort[0], dropped[0] = dropped[0], cohort[0]
    cohort.sort()


def later(e, kind):
    """An entry of the round after, which the whole log must bear."""
    found = [x for x in e.entries if x["type"] == kind and x["study"] == e.study and
             x["round"] == e.number + 1]
    if not found:
        raise Elsewhere
    return found[0]


@forged(OPEN, "base_model is not the model of the round before", "round-open names base_model")
def a_round_that_begins_elsewhere(e):
    for kind in ("round-open", "round-close"):
        entry = later(e, kind)
        entry["base_model"] = e.close["base_model"]
        if entry.get("status") == "aborted":
            entry["model"] = e.close["base_model"]


@forged(OPEN, "prev is not the round-close before it", "round-open names prev")
def a_round_that_skips_the_one_before(e):
    for kind in ("round-open", "round-close"):
        later(e, kind)["prev"] = e.open["prev"]


@forged(OPEN, "is of round 4, the next is")
def a_round_that_never_was(e):
    for kind in ("round-open", "round-close"):
        later(e, kind)["round"] = 4


@forged(OPEN, "accounts for more or fewer sites", r"accounts for \d \+ 0 sites")
def a_site_that_disappears(e):
    e.close["dropped"] = {"items": [], "n": 0}
    e.close["cohort"]["items"].pop()
    e.close["cohort"]["n"] -= 1
    e.close["updates"]["n"] -= 1


@forged(OPEN, "aborted and has another model",
        "aborted round-close names a model other than its base")
def an_aborted_round_with_a_model(e):
    e.close["status"] = "aborted"
