#!/usr/bin/env python3
"""Check an audit bundle of a gate without gated: python3 check_bundle.py BUNDLE.zip KEY...

BUNDLE.zip may also be the folder of the unpacked members. KEY is the gate's public key, a note verifier key
(name+hash+base64) or a file of such, from when the gate was installed; keys of witnesses may follow. Prints what was
proved; answers 0, or 1 and the first fault. Needs Python 3.9 and nothing else. formats.md says what is checked here.
"""
import base64, binascii, hashlib, hmac, json, os, re, struct, sys
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

MEMBERS = ["README.txt", "manifest.sha256", "summary.json", "gate.pub", "head.txt", "day.txt", "previous.txt", "proof.json",
           "leaves.txt", "records.jsonl", "beside.jsonl", "later.jsonl", "personal.jsonl"]
OPTIONAL = {"day.txt", "previous.txt", "personal.jsonl"}
RECORDS = ["records.jsonl", "beside.jsonl", "later.jsonl"]


class Fault(Exception):
    pass


def need(ok, text):
    if not ok:
        raise Fault(text)


# The container: a zip file of stored members, of which every byte follows from names and contents.

def common(name, data):
    return struct.pack("<HIIIIHH", 0, 0x00210000, binascii.crc32(data), len(data), len(data), len(name), 0)


def local(name, data):
    return struct.pack("<IHH", 0x04034B50, 20, 0) + common(name, data) + name.encode()


def pack(members):
    body, directory = b"", b""
    for name, data in members.items():
        directory += struct.pack("<IHHH", 0x02014B50, 3 << 8 | 20, 20, 0) + common(name, data)
        directory += struct.pack("<HHHII", 0, 0, 0, 0o100600 << 16, len(body)) + name.encode()
        body += local(name, data) + data
    n = len(members)
    return body + directory + struct.pack("<IIHHIIH", 0x06054B50, 0, n, n, len(directory), len(body), 0)


def unpack(b):
    members, at = {}, 0
    for name in MEMBERS:
        if b[at + 30:at + 30 + len(name)] != name.encode() and name in OPTIONAL:
            continue
        need(len(b) >= at + 30 and b[at:at + 4] == b"PK\x03\x04" and b[at + 30:at + 30 + len(name)] == name.encode(),
             f"at byte {at} the zip file has not the header of {name}: it was changed or packed anew")
        size = int.from_bytes(b[at + 18:at + 22], "little")
        at += 30 + len(name)
        members[name] = b[at:at + size]
        at += size
    return members


def open_bundle(path):
    if os.path.isdir(path):
        names = sorted(os.listdir(path))
        for name in names:
            need(name in MEMBERS, f"{name!r} does not belong to an audit bundle")
        members, whole = {n: open(os.path.join(path, n), "rb").read() for n in MEMBERS if n in names}, None
    else:
        whole = open(path, "rb").read()
        members = unpack(whole)
    for name in MEMBERS:
        need(name in members or name in OPTIONAL, f"{name} is missing: this is not a whole audit bundle")
    return members, whole


# Ed25519 (RFC 8032, 5.1.7): whether sB = R + kA. With extended coordinates; slow, and good for a few signatures.

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P


def point(b):
    y = int.from_bytes(b, "little") & (1 << 255) - 1
    if y >= P:
        return None
    xx = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(xx, (P + 3) // 8, P)
    if (x * x - xx) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if (x * x - xx) % P or x == 0 and b[31] >> 7:
        return None
    if x & 1 != b[31] >> 7:
        x = P - x
    return x, y, 1, x * y % P


def plus(p, q):
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(n, p):
    q = (0, 1, 1, 0)
    while n:
        if n & 1:
            q = plus(q, p)
        p, n = plus(p, p), n >> 1
    return q


BASE = point((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def ed25519(key, message, sig):
    a, r, s = point(key), point(sig[:32]), int.from_bytes(sig[32:], "little")
    if len(sig) != 64 or a is None or r is None or s >= L:
        return False
    k = int.from_bytes(hashlib.sha512(sig[:32] + key + message).digest(), "little") % L
    p, q = times(s, BASE), plus(r, times(k, a))
    return (p[0] * q[2] - q[0] * p[2]) % P == 0 and (p[1] * q[2] - q[1] * p[2]) % P == 0


# Signed notes (c2sp.org/signed-note), tree heads (c2sp.org/tlog-checkpoint), cosignatures (c2sp.org/tlog-cosignature).

def b64(text):
    raw = base64.b64decode(text, validate=True)
    if base64.b64encode(raw).decode() != text:
        raise ValueError("not canonical base64")
    return raw


class Key:
    def __init__(self, text):
        try:
            self.text = text
            self.name, number, encoded = text.split("+", 2)
            raw = b64(encoded)
            self.kind, self.key = raw[0], raw[1:]
            self.id = hashlib.sha256(self.name.encode() + b"\n" + raw).digest()[:4]
            ok = len(self.key) == 32 and self.kind in (1, 4) and self.id.hex() == number
        except (ValueError, IndexError):
            ok = False
        need(ok, f"{text!r} is not a note verifier key: it reads name+hash+base64")

    def verify(self, message, sig):
        if self.kind == 1:
            return ed25519(self.key, message, sig)
        seen = b"cosignature/v1\ntime %d\n" % int.from_bytes(sig[:8], "big")
        return len(sig) == 72 and ed25519(self.key, seen + message, sig[8:])


class Head:
    def __init__(self, member, data):
        try:
            text, sigs = data.decode().split("\n\n")
            self.origin, size, root = text.split("\n")
            self.text, self.size, self.root = (text + "\n").encode(), int(size), b64(root)
            lines = sigs.split("\n")
            ok = str(self.size) == size and self.size >= 0 and len(self.root) == 32 and lines.pop() == "" and 0 < len(lines) <= 100
            self.sigs = []
            for line in lines:
                dash, name, sig = line.split(" ")
                ok = ok and dash == "\u2014" and name and len(b64(sig)) > 4
                self.sigs.append((name, b64(sig)))
        except ValueError:
            ok = False
        need(ok, f"{member}: not a tree head")

    def signers(self, member, keys):
        """The keys that signed, and the names of those that nobody here knows."""
        by, unknown = [], []
        for name, sig in self.sigs:
            known = [k for k in keys if k.name == name and k.id == sig[:4]]
            if not known:
                unknown.append(name)
                continue
            need(known[0].verify(self.text, sig[4:]), f"{member}: the signature of {name} is not good")
            by.append((known[0], sig[4:]))
        return by, unknown

    def signed_by(self, key):
        return any(key.verify(self.text, sig[4:]) for name, sig in self.sigs if name == key.name and sig[:4] == key.id)

    def short_root(self):
        return base64.b32encode(self.root[:10]).decode()


# The tree (RFC 6962, 2.1).

def leaf_hash(record):
    return hashlib.sha256(b"\0" + record).digest()


def node_hash(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()


def root_over(size, leaves, nodes):
    """The root over the leaves 0..size-1, some of which are given as (seq, hash), seq from 1; nodes stand for the largest
    subtrees without a given leaf, from left to right. None where these are too few or too many."""
    leaves, nodes = leaves[::-1], nodes[::-1]

    def over(lo, hi):
        if not leaves or leaves[-1][0] > hi:
            return nodes.pop()
        if hi - lo == 1:
            return leaves.pop()[1]
        k = lo + (1 << (hi - lo - 1).bit_length() - 1)
        left = over(lo, k)
        return node_hash(left, over(k, hi))

    try:
        root = over(0, size)
    except IndexError:
        return None
    return None if leaves or nodes else root


def consistent(head, old, proof, what):
    """RFC 9162, 2.1.4.2."""
    need(old.origin == head.origin and 1 <= old.size <= head.size, f"{what}: it is not an older head of {head.origin}")
    ok = False
    if old.size == head.size:
        ok = not proof and old.root == head.root
    elif proof or old.size & (old.size - 1) == 0:
        path = list(proof)
        if old.size & (old.size - 1) == 0:
            path.insert(0, old.root)
        fn, sn = old.size - 1, head.size - 1
        while fn & 1:
            fn, sn = fn >> 1, sn >> 1
        fr = sr = path[0]
        ok = True
        for c in path[1:]:
            ok = ok and sn != 0
            if fn & 1 or fn == sn:
                fr, sr = node_hash(c, fr), node_hash(c, sr)
                while fn and not fn & 1:
                    fn, sn = fn >> 1, sn >> 1
            else:
                sr = node_hash(sr, c)
            fn, sn = fn >> 1, sn >> 1
        ok = ok and fr == old.root and sr == head.root and sn == 0
    need(ok, f"{what}: the ledger of head.txt does not begin with the {old.size} entries of this head, or the proof was changed")


# The day.

def strict(pairs):
    names = [k for k, _ in pairs]
    if len(set(names)) != len(names):
        raise ValueError("a name stands twice")
    return dict(pairs)


def parse(name, data):
    try:
        return json.loads(data, object_pairs_hook=strict)
    except ValueError as e:
        raise Fault(f"{name}: {e}")


def lines_of(name, data):
    lines = data.split(b"\n")
    need(lines[-1] == b"", f"{name}: its last line does not end")
    return lines[:-1]


def when(text):
    """Microseconds since 1970 of a time as records write it."""
    m = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?(Z|[+-]\d\d:\d\d)", text)
    need(m, f"{text!r} is not a time")
    t = datetime.fromisoformat(m[1] + m[3].replace("Z", "+00:00"))
    return (t - datetime(1970, 1, 1, tzinfo=timezone.utc)) // timedelta(microseconds=1) + int((m[2] or "").ljust(6, "0"))


# Kinds that a command can record while the box does not watch.
BY_COMMAND = {"roster", "key", "epoch", "erase", "keep", "export", "trip", "backup", "correction", "account"}


MINUTE = 60 * 10**6
ALIVE = 70 * MINUTE


class Watch:
    """When the box was watching, from entries in the order of seq. All times in microseconds."""

    def __init__(self, start):
        self.start, self.gaps, self.stretches, self.stretch = start, [], [], None
        self.watching, self.seen, self.latest, self.seq, self.before = False, None, None, 0, None
        self.boot = {"id": None, "began": 0, "mono": 0, "trusted": False, "behind": False, "gaps": 0, "opens": False}

    def waits(self):
        return self.boot["opens"] and self.boot["behind"] and not self.boot["trusted"]

    def shift(self, by):
        for i in range(self.boot["gaps"], len(self.gaps)):
            a, b, cause = self.gaps[i]
            self.gaps[i] = (a if i == self.boot["gaps"] and self.boot["opens"] else a + by, b + by, cause)

    def moment(self, e, said):
        """When it was written, and how long after the one before it."""
        b, trusted, mono = self.boot, e["clock"] == "trusted", e["mono"]
        if self.seen is not None and b["id"] and b["id"] == e["boot"]:
            passed = max(0, mono - b["mono"])
            at, b["mono"] = self.seen + passed, max(mono, b["mono"])
            if not trusted:
                return at, passed
            began = said + b["began"] - mono
            if not b["trusted"]:
                self.shift(said - at)
            elif b["opens"] and began < self.gaps[b["gaps"]][1] - MINUTE:
                self.gaps[b["gaps"]] = (self.gaps[b["gaps"]][0], began, self.gaps[b["gaps"]][2])
            b["trusted"] = True
            return said, passed
        if trusted and b["opens"] and not b["trusted"] and said < self.seen:
            a, z, _ = self.gaps[b["gaps"]]
            self.shift(a - z)
            self.seen += a - z
        behind = not trusted and self.seen is not None and said < self.seen
        at = self.seen if behind else said
        passed = 0 if self.seen is None else max(0, at - self.seen)
        self.boot = {"id": e["boot"], "began": mono, "mono": mono, "trusted": trusted, "behind": behind, "gaps": len(self.gaps), "opens": False}
        return at, passed

    def silent(self, a, b):
        if self.watching and b - a > ALIVE:
            self.gaps.append((a, b, "silent"))

    def add(self, e):
        said, kind, self.seq = when(e["time"]), e["kind"], e["seq"]
        if self.seq == 1:
            self.before = "restored" if kind == "epoch" else "not-installed"
        if e.get("detail", {}).get("late"):
            self.stretches.append((said, said))
            return
        if not self.watching and (self.seen is not None or self.before) and kind in BY_COMMAND:
            self.latest = said if self.seen is None or e["boot"] != self.boot["id"] else self.seen + e["mono"] - self.boot["mono"]
            return
        at, passed = self.moment(e, said)
        since, gaps = at - passed, len(self.gaps)
        if kind == "start":
            cause = "not-stopped" if self.watching else "stopped"
            if self.seen is None:
                since, cause = self.start, self.before
            if cause:
                self.boot["opens"] = self.boot["opens"] or self.boot["began"] == e["mono"] and self.boot["gaps"] == gaps
                self.gaps.append((since, at, cause))
        elif kind == "outage":
            a, b = when(e["detail"]["from"]) + at - said, when(e["detail"]["to"]) + at - said
            if a < since or a > b:
                a = since
            self.silent(since, a)
            self.gaps.append((a, b, e["reason"]))
        else:
            self.silent(since, at)
        self.watching, self.seen, self.latest = kind != "stop", at, at
        if self.stretch is not None and len(self.gaps) == gaps:
            a, b = self.stretches[self.stretch]
            if said >= b and abs(said - b - passed) <= MINUTE:
                self.stretches[self.stretch] = (a, said)
                return
        self.stretch = len(self.stretches)
        self.stretches.append((said, said))

    def close(self, end, size):
        to = min(end, self.latest) if self.seq == size else end
        if to <= self.start:
            return [(self.start, end, "not-yet")]
        gaps, told = list(self.gaps), []
        if self.seen is None:
            gaps.append((self.start, to, "not-installed"))
        elif self.seq < size:
            pass
        elif not self.watching:
            gaps.append((self.seen, to, "stopped"))
        elif to - self.seen > ALIVE:
            gaps.append((self.seen, to, "no-later-entry"))
        for a, b, cause in gaps:
            a, b = max(a, self.start), min(b, to)
            parts, at = [], a
            for x, y in sorted(self.stretches) + [(b, b)]:
                if y < at or x > b:
                    continue
                if x - at >= 10**6:
                    parts.append((at, x, cause))
                at = y
            if parts:
                told += parts
                self.stretches.append((a, b))
        return sorted(told, key=lambda g: g[0])


def not_watching(day, zone, entries, first, last, size):
    """The times in which the box was not watching, from the entries before first up to last+1 or later; None where one of these
    is not given."""
    if zone is None:
        return None
    def midnight(d):
        return int(d.replace(tzinfo=zone).timestamp()) * 10**6
    date = datetime.fromisoformat(day)
    w, end = Watch(midnight(date)), midnight(date + timedelta(days=1))
    own = entries.get(first) if last >= first else None
    def tells(e):
        if e["seq"] == 1:
            return True
        if e["kind"] in BY_COMMAND or e.get("detail", {}).get("late"):
            return False
        return own is None or own["clock"] != "trusted" or own["boot"] != e["boot"] or when(own["time"]) + e["mono"] - own["mono"] < w.start
    at = max(first - 1, 1)
    while at in entries and not tells(entries[at]):
        at -= 1
    while at <= min(last + 1, size) or w.waits() and at <= size:
        if at not in entries:
            return None
        w.add(entries[at])
        at += 1
    return w.close(end, size)


def opened_by_hand(day, zone, own, until):
    """When lanes stood open by hand, from the day's own entries in their order; microseconds."""
    def midnight(d):
        return int(d.replace(tzinfo=zone).timestamp()) * 10**6
    begins, ends = midnight(datetime.fromisoformat(day)), min(until, midnight(datetime.fromisoformat(day) + timedelta(days=1)))
    times = {}
    for e in own:
        if e["kind"] != "by-hand":
            continue
        at, ref, how = when(e["time"]), e.get("ref", 0), e.get("reason", "")
        t = {"lane": e.get("lane", ""), "direction": e.get("direction", ""), "from": at, "to": None, "lasted": 0, "heads": ""}
        if not ref:
            times[e["seq"]] = dict(t, reason=how, began=e)
            continue
        if how == "answered-fault":
            times.pop(ref, None)
            continue
        t = times.setdefault(ref, dict(t, reason=e.get("detail", {}).get("why", ""), began=None) | {"from": begins})
        if how != "goes-on" and not t["heads"]:
            t["to"], t["lasted"], t["heads"] = at, at - t["from"], e.get("detail", {}).get("heads", "")
            if t["began"] and t["began"]["boot"] == e["boot"]:
                t["lasted"] = e["mono"] - t["began"]["mono"]
    for t in times.values():
        if not t["heads"]:
            t["to"] = max(ends, t["from"])
            t["lasted"] = t["to"] - t["from"]
    return [(seq, t["lane"], t["direction"], t["from"] // 10**6, t["to"] // 10**6, max(t["lasted"], 0) // 10**6, t["reason"], t["heads"])
            for seq, t in times.items()]


class Check:
    def __init__(self, members, keys):
        self.m = members
        self.head = Head("head.txt", members["head.txt"])
        need(self.head.size > 0, "head.txt: it was signed before the first entry, and proves nothing of any day")
        self.keys = [k for k in keys if k.name == self.head.origin and k.kind == 1]
        self.others, self.saw = [k for k in keys if k not in self.keys], []
        need(self.keys, f"head.txt is of {self.head.origin!r}, and the key given is of {', '.join(k.name for k in keys)}")
        self.head.signers("head.txt", self.keys + self.others)
        self.summary, self.proof = parse("summary.json", members["summary.json"]), parse("proof.json", members["proof.json"])
        need(self.summary.get("v") == 1 and self.proof.get("v") == 1, "a bundle of another version than 1")
        self.said = []

    def run(self):
        self.records()
        self.day()
        self.follow_keys()
        self.older_heads()
        self.personal()
        return self.said

    def hashes(self, what, list_):
        try:
            out = [b64(x) for x in list_]
            if all(len(h) == 32 for h in out):
                return out
        except (ValueError, TypeError):
            pass
        raise Fault(f"proof.json: {what}: not hashes")

    def records(self):
        """Prove that the given records stand where they say in the tree, and name the first that does not."""
        wanted = [x.decode("utf-8", "replace") for x in lines_of("leaves.txt", self.m["leaves.txt"])]
        self.entries, self.raw, self.files, leaves, fault = {}, {}, {}, [], None
        for name in RECORDS:
            self.files[name], newest = [], 0
            try:
                for n, line in enumerate(lines_of(name, self.m[name]), 1):
                    where = f"line {n} of {name}"
                    need(len(line) <= 65535, f"{where} is longer than a record")
                    e = parse(where, line)
                    need(isinstance(e, dict) and type(e.get("seq")) is int and newest < e["seq"] <= self.head.size, f"{where} stands in the wrong place")
                    newest = e["seq"]
                    leaves.append((newest, leaf_hash(line)))
                    self.files[name].append(newest)
                    self.entries.setdefault(newest, e)
                    self.raw[newest] = line
            except Fault as e:
                fault = e
                break
        have = [f"{seq} {h.hex()}" for seq, h in leaves]
        i = next((i for i, (a, b) in enumerate(zip(have, wanted)) if a != b), min(len(have), len(wanted)))
        differs = i < max(len(have), len(wanted))
        seq = wanted[i].split(" ")[0] if i < len(wanted) else str(leaves[i][0]) if i < len(leaves) else "?"
        bad = f"entry {seq}: its record is not the one in the tree, or it is missing"
        if fault:
            raise Fault(f"{bad} ({fault})")
        ordered = sorted(leaves)
        twice = next((a[0] for a, b in zip(ordered, ordered[1:]) if a[0] == b[0]), None)
        need(twice is None, bad if differs else f"entry {twice} is given twice")
        root = root_over(self.head.size, ordered, self.hashes("nodes", self.proof["nodes"]))
        if root != self.head.root:
            need(not differs, bad)
            self.complete()
            raise Fault("the records do not come to the root of head.txt with the hashes of proof.json")
        need(not differs, f"leaves.txt: line {i + 1} is not the hash of its record")
        self.complete()

    def complete(self):
        s, size, day = self.summary, self.head.size, self.files["records.jsonl"]
        def given(seq):
            return seq < 1 or seq > size or seq in self.entries
        for seq in day:
            for beside in (seq - 1, seq + 1):
                need(given(beside), f"entry {beside}: it is missing, between the records of the day or beside them")
        if day:
            need(s["first"] == day[0] and s["last"] == day[-1], f"summary.json: the day is from entry {day[0]} to {day[-1]}")
        else:
            need(s["last"] == s["first"] - 1 and 0 <= s["last"] <= size and given(s["first"]) and given(s["last"]),
                 "summary.json: a day without entries, between entries that are not given")
        need(given(size), f"entry {size}: it is missing, the newest of all")

    def day(self):
        s, day, verdicts = self.summary, set(self.files["records.jsonl"]), {}
        need(re.fullmatch(r"\d{4}-\d\d-\d\d", s["day"]), "summary.json: day")
        for seq in sorted(self.entries):
            e = self.entries[seq]
            need(e.get("v") == 1 and isinstance(e.get("time"), str) and isinstance(e.get("kind"), str), f"entry {seq}: not a record")
            own = e["time"][:10]
            need((own == s["day"]) == (seq in day), f"entry {seq} is of {own}, " + (f"not of {s['day']}" if seq in day else "and not among its records"))
            need(day or not (seq == s["last"] and own > s["day"] or seq == s["first"] and own < s["day"]),
                 f"entry {seq} is of {own}: between it and the next there may be entries of {s['day']}")
            if e["kind"] in ("start", "epoch"):  # those of older versions say nothing of them
                for key in ("gate", "time_zone"):
                    said = e.get("detail", {}).get(key, s.get(key))
                    need(said == s.get(key), f"entry {seq} says {key} {said!r}, summary.json {s.get(key)!r}")
            p, verdict = e.get("passage"), e.get("verdict")
            if p and (p in verdicts or seq in day and (e["kind"] == "check" or e["kind"] == "open" and verdict)):
                verdicts[p] = verdict if verdict and e["kind"] != "check" else verdicts.get(p, "")
        passages = {"admit": 0, "refuse": 0, "hold": 0}
        for v in verdicts.values():
            passages[v] = passages.get(v, 0) + 1
        h, until = self.head, self.entries[self.head.size]["time"]
        epoch = s["epoch"]
        need(type(epoch) is int and epoch >= 1 and (epoch == 1 or h.origin.endswith(f"/{epoch}")), "summary.json: epoch")
        want = {"v": 1, "gate": s["gate"], "origin": h.origin, "epoch": epoch, "time_zone": s["time_zone"], "day": s["day"], "first": s["first"],
                "last": s["last"], "entries": len(day), "passages": passages, "not_watching": s["not_watching"], "opened_by_hand": s.get("opened_by_hand"), "until": until, "size": h.size, "paper": h.short_root()}
        for k in want.keys() | s.keys():
            need(s.get(k) == want.get(k), f"summary.json says {k} {s.get(k)!r} where the records say {want.get(k)!r}")
        try:
            zone = ZoneInfo(s["time_zone"])
        except (ZoneInfoNotFoundError, ValueError):
            zone = None
            self.say("not checked: when the box was not watching, and when lanes were open by hand: this Python has no time zones (python3 -m pip install tzdata)")
        gaps = not_watching(s["day"], zone, self.entries, s["first"], s["last"], h.size)
        if zone:
            # to whole seconds, as summary.json has them
            gaps = gaps and [(a // 10**6, b // 10**6, c) for a, b, c in gaps]
            told = s["not_watching"] and [(when(g["from"]) // 10**6, when(g["to"]) // 10**6, g["cause"]) for g in s["not_watching"]]
            need((gaps is None) == (s["not_watching"] is None) and (gaps or []) == (told or []), "summary.json: not_watching is not what the records say")
            open_ = opened_by_hand(s["day"], zone, [self.entries[seq] for seq in self.files["records.jsonl"]], when(until))
            told = [(t["entry"], t["lane"], t["direction"], when(t["from"]) // 10**6, when(t["to"]) // 10**6, t["seconds"], t["reason"], t["heads"])
                    for t in s.get("opened_by_hand", [])]
            need(open_ == told, "summary.json: opened_by_hand is not what the records say")
        if day:
            self.say(f"{len(day)} records of {s['day']}, entries {s['first']} to {s['last']}, stand at these positions in the ledger of {h.size} entries whose head {h.origin} signed")
        else:
            self.say(f"no entry is of {s['day']}: entry {s['last']} is the last before it, entry {s['first']} the first after it")
        self.say("passages: " + ", ".join(f"{n} {v}" for v, n in passages.items()))
        self.say("not proved: that there are no more later entries about the day")
        if until[:10] <= s["day"]:
            self.say(f"the day may have more entries: the newest one under head.txt is of {until}, and what came after it is not in this bundle")
        else:
            self.say(f"the newest entry under head.txt is of {until}: of after that this bundle says nothing")
        for g in s["not_watching"] or []:
            self.say(f"not watching: {g['from']} to {g['to']} ({g['cause']})")
        for t in s.get("opened_by_hand", []):
            heads = {"": "went on", "uncounted": "uncounted"}.get(t["heads"], t["heads"] + " counted")
            self.say(f"open, not registered: lane {t['lane']}, {t['from']} to {t['to']} ({t['reason']}), {heads}")

    def follow_keys(self):
        chain, size = [], 0
        for rot in self.proof["rotations"]:
            h = Head("proof.json", rot["note"].encode())
            need(h.size > size, f"proof.json: the key change at entry {h.size} stands in the wrong place")
            size = h.size
            consistent(self.head, h, self.hashes("a key change", rot["hashes"]), f"proof.json: the key change at entry {size}")
            e = self.entries.get(size, {})
            need(e.get("kind") == "key" and e.get("reason") == "rotated", f"entry {size}: it should name the new key, and is not given or does not")
            was, anew = Key(e["detail"]["was"]), Key(e["detail"]["verifier"])
            chain = chain or [was]
            need(chain[-1].text == was.text and h.signed_by(was) and h.signed_by(anew), f"proof.json: the key change at entry {size} is not signed by the old and the new key")
            chain.append(anew)
        if {k.text for k in chain} & {k.text for k in self.keys}:
            for k in chain:
                if k.text not in {x.text for x in self.keys}:
                    self.keys.append(k)
                    self.say(f"a change of key was followed: {k.text}")
        by, unknown = self.head.signers("head.txt", self.keys + self.others)
        own = [k.text for k, _ in by if k.text in {x.text for x in self.keys}]
        need(own, "head.txt: the key given did not sign it, and no change of key leads from that one to the signer")
        need(not chain or chain[-1].text in own, f"head.txt: it is signed by a key that was replaced at entry {size}")
        need(self.m["gate.pub"].decode("utf-8", "replace") in [k + "\n" for k in own], "gate.pub: it is not the key that signed head.txt")
        self.say(f"head.txt is the tree head of {self.head.size} entries, signed by {self.head.origin} (short root {self.head.size}:{self.head.short_root()})")
        self.witnesses("head.txt", by, unknown)

    def witnesses(self, name, by, unknown):
        for k, sig in by:
            if k.kind == 4:
                self.saw.append(k.text)
                self.say(f"{name}: the witness {k.name} saw it at {datetime.fromtimestamp(int.from_bytes(sig[:8], 'big'), timezone.utc).isoformat()}")
        for who in unknown:
            self.say(f"not checked: the signature of {who} on {name}: give its key too")

    def older_heads(self):
        s, proofs = self.summary, list(self.proof["consistency"])
        for name, size in (("previous.txt", s["first"] - 1), ("day.txt", s["last"])):
            if name not in self.m:
                if 1 <= size < self.head.size and (name == "previous.txt" or self.files["records.jsonl"]):
                    self.say(f"not proved: that nothing up to entry {size} was changed later: no head of then is in the bundle")
                continue
            h = Head(name, self.m[name])
            need(h.size == size, f"{name} counts {h.size} entries instead of {size}")
            by, unknown = h.signers(name, self.keys + self.others)
            need(any(k.text in {x.text for x in self.keys} for k, _ in by), f"{name}: no key that is known signed it")
            need(proofs and proofs[0]["from"] == size, f"proof.json: no consistency proof from the {size} entries of {name}")
            consistent(self.head, h, self.hashes("consistency", proofs.pop(0)["hashes"]), name)
            self.say(f"nothing up to entry {size} was changed since {h.origin} signed the head of {size} entries ({name})")
            self.witnesses(name, by, unknown)
        need(not proofs, "proof.json: a consistency proof of which there is no head")
        for k in self.others:
            need(k.kind != 4 or k.text in self.saw, f"the witness {k.name} signed no head of this bundle: without its key the rest can be checked")

    def personal(self):
        if "personal.jsonl" not in self.m:
            return
        want = {seq: self.entries[seq]["personal"] for name in ("records.jsonl", "later.jsonl") for seq in self.files[name] if "personal" in self.entries[seq]}
        rows, shown, hidden = {}, 0, 0
        for line in lines_of("personal.jsonl", self.m["personal.jsonl"]):
            p = parse("personal.jsonl", line)
            need(set(p) in ({"seq", "field", "hash"}, {"seq", "field", "salt", "value", "hash"}) and p["seq"] in want, "personal.jsonl: a line that belongs to no record")
            kept = bytes.fromhex(p["hash"])
            if "salt" in p:
                made = hmac.digest(bytes.fromhex(p["salt"]), p["field"].encode() + b"\0" + p["value"].encode(), "sha256")
                need(made == kept, f"entry {p['seq']}: personal field {p['field']!r} is not what was recorded")
            shown, hidden = shown + ("salt" in p), hidden + ("salt" not in p)
            rows.setdefault(p["seq"], []).append(kept)
        for seq in sorted(rows):
            need(hashlib.sha256(b"".join(sorted(rows[seq]))).hexdigest() == want[seq], f"entry {seq}: its personal fields are not those that its record committed to")
        self.say(f"{shown} personal fields are those that the records committed to; of {hidden} more only the hash is given: erased, or left out")
        if len(want) > len(rows):
            self.say(f"of the personal fields of {len(want) - len(rows)} entries nothing is given: erased, or left out")

    def say(self, text):
        self.said.append(text)


def manifest(members):
    """The members that are not as manifest.sha256 has them."""
    want = {n: f"{hashlib.sha256(d).hexdigest()}  {n}\n" for n, d in members.items() if n != "manifest.sha256"}
    have = members["manifest.sha256"].decode("utf-8", "replace")
    altered = [n for n in want if want[n] not in have.splitlines(True)]
    return altered or ([] if have == "".join(want.values()) else ["manifest.sha256 itself"])


def check(path, keys):
    members, whole = open_bundle(path)
    altered = manifest(members)
    try:
        said = Check(members, keys).run()
    except Fault as e:
        raise Fault(f"{e} (not as manifest.sha256 has it: {', '.join(altered)})" if altered else str(e))
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as e:
        raise Fault(f"not written as gated writes it: {e!r} (not as manifest.sha256 has it: {', '.join(altered) or 'none'})")
    need(not altered, f"not as manifest.sha256 has it: {', '.join(altered)}")
    need(whole is None or whole == pack(members), "the headers or the directory of the zip file were changed")
    return said


def main(args):
    if len(args) < 2:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    try:
        keys = [Key(k) for a in args[1:] for k in (open(a, encoding="utf-8-sig").read() if os.path.exists(a) else a).split()]
        for line in check(args[0], keys):
            print(line)
    except (Fault, OSError) as e:
        print(f"{args[0]}: {e}", file=sys.stderr)
        return 1
    print("not proved: that the whole ledger was never replaced. Compare the head with one that left the box earlier")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
