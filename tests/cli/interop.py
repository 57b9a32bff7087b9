#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""For tests/cli/interop.sh and tests/real/interop.sh: independent readers of what `schedrec export` writes.

    interop.py csv FILE.csv                the lines that `schedrec dump` prints, put together from the rows
    interop.py perfetto TRACE FILE.csv     decodes the trace with Google's library, by messages described here from the
                                           public field numbers, and compares it with the rows, event by event
    interop.py make-perf OUT [KIND]        writes a small perf.data of known events; KIND: compressed, pipe, cut
    interop.py rt-app PROFILE              plays the profile's mutexes in several orders: does every thread come to its
                                           end, and is no wake lost?

Each prints what it found and ends with status 1 when something differs.
"""
import csv
import json
import random
import struct
import sys

CONTEXT = {"-": 0, "h": 0x08, "s": 0x10, "hs": 0x18, "n": 0x40, "hn": 0x48, "sn": 0x50, "hsn": 0x58}
STATE = {"R": 0, "R+": 0x100, "S": 1, "D": 2, "T": 4, "t": 8, "X": 0x10, "Z": 0x20, "P": 0x40, "I": 0x80}


def rows(path):
    with open(path, encoding="utf-8", errors="surrogateescape", newline="") as f:
        yield from csv.DictReader(f, strict=True)


# ---- csv ----

def escaped(text):
    out = ""
    for byte in text.encode("utf-8", "surrogateescape"):
        c = chr(byte)
        out += c if " " < c < "\x7f" and c != "\\" else "\\x%02x" % byte
    return out


def task(comm, tid):
    return (escaped(comm) or "?") + ":" + tid


def fields(r):
    """The fields of a row's event as dump has them."""
    about = task(r["comm"], r["tid"])
    event = r["event"]
    if event == "sched_switch":
        return ("prev=%s prev_prio=%s prev_state=%s next=%s next_prio=%s"
                % (about, r["prio"], r["state"], task(r["other_comm"], r["other_tid"]), r["other_prio"]))
    if event in ("sched_waking", "sched_wakeup", "sched_wakeup_new"):
        return "task=%s prio=%s target_cpu=%s" % (about, r["prio"], r["to_cpu"])
    if event == "sched_migrate_task":
        return "task=%s prio=%s from=%s to=%s" % (about, r["prio"], r["from_cpu"], r["to_cpu"])
    if event == "sched_process_fork":
        return "parent=%s child=%s" % (task(r["other_comm"], r["other_tid"]), about)
    if event == "sched_process_exec":
        return "task=%s old_tid=%s file=%s" % (about, r["other_tid"], escaped(r["text"]))
    if event == "sched_process_exit":
        return "task=%s prio=%s group_dead=%s" % (about, r["prio"], r["value"] or "?")
    if event in ("task_rename", "comm"):
        return "tid=%s comm=%s" % (r["tid"], escaped(r["text"]))
    if event == "task_newtask":
        return "task=%s clone_flags=0x%x" % (about, int(r["value"]))
    if event == "lost":
        return "count=%s" % (r["value"] or "?")
    if event == "decision":
        return ("task=%s cause=%s from=%s to=%s cost_ns=%s"
                % (about, r["text"], r["from_cpu"], r["to_cpu"], r["value"]))
    if event == "bind":
        return "task=%s source=%s" % (about, r["value"])
    if event == "cpu_frequency":
        return "khz=%s target_cpu=%s" % (r["value"], r["to_cpu"])
    if event == "cpu_idle":
        return "state=%s target_cpu=%s" % ("-" if r["value"] == "-1" else r["value"], r["to_cpu"])
    raise ValueError("no such event: " + event)


def print_dump(path):
    first = None
    for r in rows(path):
        time = int(r["time_ns"])
        first = time if first is None else first
        print("%d.%09d %s %s %s %s %s" % (*divmod(time - first, 10**9), r["cpu"], task(r["ctx_comm"], r["ctx_tid"]),
                                          r["context"], r["event"], fields(r)))
    return 0


# ---- perfetto ----

def messages():
    """The message classes, from the field numbers of Perfetto's published protos."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    kinds = {"u64": 4, "i64": 3, "i32": 5, "u32": 13, "bool": 8, "str": 9}
    wake = {"comm": (1, "str"), "pid": (2, "i32"), "prio": (3, "i32"), "success": (4, "i32"), "target_cpu": (5, "i32")}
    tables = {
        "Switch": {"prev_comm": (1, "str"), "prev_pid": (2, "i32"), "prev_prio": (3, "i32"), "prev_state": (4, "i64"),
                   "next_comm": (5, "str"), "next_pid": (6, "i32"), "next_prio": (7, "i32")},
        "Wake": wake,
        "Migrate": {"comm": (1, "str"), "pid": (2, "i32"), "prio": (3, "i32"), "orig_cpu": (4, "i32"),
                    "dest_cpu": (5, "i32")},
        "Fork": {"parent_comm": (1, "str"), "parent_pid": (2, "i32"), "child_comm": (3, "str"), "child_pid": (4, "i32")},
        "Exec": {"filename": (1, "str"), "pid": (2, "i32"), "old_pid": (3, "i32")},
        "Exit": {"comm": (1, "str"), "pid": (2, "i32"), "tgid": (3, "i32"), "prio": (4, "i32")},
        "Newtask": {"pid": (1, "i32"), "comm": (2, "str"), "clone_flags": (3, "u64"), "oom_score_adj": (4, "i32")},
        "Rename": {"pid": (1, "i32"), "oldcomm": (2, "str"), "newcomm": (3, "str"), "oom_score_adj": (4, "i32")},
        "Power": {"state": (1, "u32"), "cpu_id": (2, "u32")},
        "Event": {"timestamp": (1, "u64"), "pid": (2, "u32"), "common_flags": (5, "u32"), "sched_switch": (4, "Switch"),
                  "cpu_frequency": (11, "Power"), "cpu_idle": (13, "Power"), "sched_wakeup": (17, "Wake"),
                  "sched_waking": (20, "Wake"), "sched_wakeup_new": (114, "Wake"), "task_newtask": (235, "Newtask"),
                  "task_rename": (236, "Rename"), "sched_process_exec": (237, "Exec"),
                  "sched_process_exit": (238, "Exit"), "sched_process_fork": (239, "Fork"),
                  "sched_migrate_task": (491, "Migrate")},
        "Bundle": {"cpu": (1, "u32"), "event": (2, "Event*"), "lost_events": (3, "bool")},
        "Process": {"pid": (1, "i32"), "ppid": (2, "i32"), "cmdline": (3, "str*"), "is_kthread": (8, "bool")},
        "Thread": {"tid": (1, "i32"), "name": (2, "str"), "tgid": (3, "i32")},
        "ProcessTree": {"processes": (1, "Process*"), "threads": (2, "Thread*")},
        "Clock": {"clock_id": (1, "u32"), "timestamp": (2, "u64")},
        "ClockSnapshot": {"clocks": (1, "Clock*")},
        "Utsname": {"sysname": (1, "str"), "version": (2, "str"), "release": (3, "str"), "machine": (4, "str")},
        "SystemInfo": {"utsname": (1, "Utsname")},
        "Annotation": {"name": (10, "str"), "int_value": (4, "i64"), "string_value": (6, "str")},
        "TrackEvent": {"debug_annotations": (4, "Annotation*"), "type": (9, "i32"), "track_uuid": (11, "u64"),
                       "categories": (22, "str*"), "name": (23, "str")},
        "TrackDescriptor": {"uuid": (1, "u64"), "name": (2, "str")},
        "Packet": {"ftrace_events": (1, "Bundle"), "process_tree": (2, "ProcessTree"), "clock_snapshot": (6, "ClockSnapshot"),
                   "timestamp": (8, "u64"), "sequence": (10, "u32"), "track_event": (11, "TrackEvent"),
                   "sequence_flags": (13, "u32"), "system_info": (45, "SystemInfo"),
                   "track_descriptor": (60, "TrackDescriptor"), "for_testing": (900, "Testing")},
        "Testing": {"str": (1, "str")},
        "Trace": {"packet": (1, "Packet*")},
    }
    file = descriptor_pb2.FileDescriptorProto(name="trace.proto", package="p", syntax="proto2")
    for name, table in tables.items():
        message = file.message_type.add(name=name)
        for field_name, (number, kind) in table.items():
            field = message.field.add(name=field_name, number=number, label=3 if kind.endswith("*") else 1)
            kind = kind.rstrip("*")
            field.type = kinds.get(kind, 11)
            if kind not in kinds:
                field.type_name = ".p." + kind
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.MessageFactory(pool).GetPrototype(pool.FindMessageTypeByName("p.Trace"))


def unknown(message, where):
    """No field may be there that the descriptions lack."""
    assert len(message.SerializeToString()) >= 0
    for f in message.UnknownFields() if hasattr(message, "UnknownFields") else []:
        raise ValueError("field %d of %s is not known" % (f.field_number, where))
    for descriptor, value in message.ListFields():
        if descriptor.type == descriptor.TYPE_MESSAGE:
            for inner in value if descriptor.label == descriptor.LABEL_REPEATED else [value]:
                unknown(inner, descriptor.name)


def kernel_comm(comm, tid, cpu):
    return "swapper/%s" % cpu if tid == "0" else comm.encode("utf-8", "surrogateescape").decode("utf-8", "replace").replace(
        "\ufffd", "?")


def wanted(r):
    """A row as the decoded trace should have it; None: it has no place there."""
    event = r["event"]
    head = (int(r["time_ns"]), int(r["cpu"]), int(r["ctx_tid"]), CONTEXT[r["context"]], event)
    about = kernel_comm(r["comm"], r["tid"], r["cpu"]) if r["tid"] else None
    other = kernel_comm(r["other_comm"], r["other_tid"], r["cpu"]) if r["other_tid"] else None
    number = {k: int(r[k]) if r[k] else None for k in ("tid", "prio", "other_tid", "other_prio", "from_cpu", "to_cpu", "value")}
    if event == "sched_switch":
        return head + (about, number["tid"], number["prio"], STATE.get(r["state"], 0x4000), other, number["other_tid"],
                       number["other_prio"])
    if event in ("sched_waking", "sched_wakeup", "sched_wakeup_new"):
        return head + (kernel_comm(r["comm"], r["tid"], r["to_cpu"]), number["tid"], number["prio"], 1, number["to_cpu"])
    if event == "sched_migrate_task":
        return head + (kernel_comm(r["comm"], r["tid"], r["from_cpu"]), number["tid"], number["prio"], number["from_cpu"],
                       number["to_cpu"])
    if event == "sched_process_fork":
        return head + (other, number["other_tid"], about, number["tid"])
    if event == "sched_process_exec":
        return head + (r["text"], number["tid"], number["other_tid"])
    if event == "sched_process_exit":
        return head + (about, number["tid"], number["prio"])
    if event == "task_newtask":
        return head + (number["tid"], about, number["value"])
    if event == "task_rename":
        return head + (number["tid"], r["text"])
    if event in ("cpu_frequency", "cpu_idle"):
        return head + (number["value"] % 2**32, number["to_cpu"])
    if event == "decision":
        return (head[0], "decision", r["text"], r["comm"], number["tid"], head[1], number["from_cpu"], number["to_cpu"],
                number["value"])
    return None


def decoded(event, cpu):
    head = (event.timestamp, cpu, event.pid, event.common_flags)
    for name in ("sched_switch", "sched_waking", "sched_wakeup", "sched_wakeup_new", "sched_migrate_task",
                 "sched_process_fork", "sched_process_exec", "sched_process_exit", "task_newtask", "task_rename",
                 "cpu_frequency", "cpu_idle"):
        if not event.HasField(name):
            continue
        m = getattr(event, name)
        values = [getattr(m, f.name) for f in m.DESCRIPTOR.fields]
        if name == "sched_process_exit":
            values = [m.comm, m.pid, m.prio]
        elif name == "task_newtask":
            values = [m.pid, m.comm, m.clone_flags]
        elif name == "task_rename":
            values = [m.pid, m.newcomm]
        return head + (name,) + tuple(values)
    raise ValueError("an event of no kind")


def compare_perfetto(trace_path, csv_path):
    want = {}
    lost = 0
    for r in rows(csv_path):
        row = wanted(r)
        lost += r["event"] == "lost"
        if row:
            key = row[1]
            want.setdefault(key, []).append(row)
    trace = messages()()
    with open(trace_path, "rb") as f:
        trace.ParseFromString(f.read())
    unknown(trace, "Trace")
    got = {}
    bundles_lost = tracks = threads = largest = 0
    for packet in trace.packet:
        if packet.HasField("ftrace_events"):
            bundle = packet.ftrace_events
            bundles_lost += bundle.lost_events
            largest = max(largest, packet.ByteSize())
            for event in bundle.event:
                got.setdefault(bundle.cpu, []).append(decoded(event, bundle.cpu))
        if packet.HasField("track_event"):
            e = packet.track_event
            note = {a.name: a.string_value if a.HasField("string_value") else a.int_value for a in e.debug_annotations}
            assert e.type == 3 and e.track_uuid and list(e.categories) == ["policy"]
            got.setdefault("decision", []).append((packet.timestamp, "decision", e.name, note["task"], note["tid"],
                                                   note["cpu"], note["from"], note["to"], note["cost_ns"]))
        assert not packet.HasField("for_testing") or packet.for_testing.str.startswith(("schedrec scope ", "schedrec root "))
        tracks += packet.HasField("track_descriptor")
        threads += len(packet.process_tree.threads)
    n = sum(len(v) for v in got.values())
    for key in sorted(set(want) | set(got), key=str):
        a, b = want.get(key, []), got.get(key, [])
        for i in range(max(len(a), len(b))):
            x, y = a[i] if i < len(a) else None, b[i] if i < len(b) else None
            if x != y:
                print("event %d of %s: %s, not %s" % (i, key, y, x))
                return 1
    if bundles_lost > lost or (lost and not bundles_lost):
        print("%d bundles say that events were lost, for %d places" % (bundles_lost, lost))
        return 1
    print("%d events, %d decisions, %d tracks, %d threads, %d losses, largest packet %d"
          % (n, len(got.get("decision", [])), tracks, threads, bundles_lost, largest))
    return 0


# ---- rt-app ----

def play(threads, order):
    """Runs all threads until nobody can go on. True: all came to their ends. Lost wakes are an error."""
    at = [0] * len(threads)
    locked = set()
    there = set()
    moved = True
    while moved:
        moved = False
        for i in order():
            events = threads[i]
            while at[i] < len(events):
                kind, what = events[at[i]]
                if kind == "lock":
                    if what in locked:
                        break
                    locked.add(what)
                elif kind == "unlock":
                    if what not in locked:
                        print("thread %d, event %d: the wake of %s is lost" % (i, at[i], what))
                        return False
                    locked.remove(what)
                elif kind == "barrier":
                    there.add(i)
                    if len(there) < len(threads):
                        break
                at[i] += 1
                moved = True
                if random.random() < 0.2:
                    break
    stuck = [(i, at[i], threads[i][at[i]]) for i in range(len(threads)) if at[i] < len(threads[i])]
    if stuck:
        print("%d threads are stuck: %s" % (len(stuck), stuck[:3]))
    return not stuck


def check_rtapp(path):
    with open(path, encoding="utf-8") as f:
        profile = json.load(f, object_pairs_hook=lambda pairs: pairs)
    profile = dict(profile)
    names = [name for name, _ in profile["tasks"]]
    if len(set(n[:15] for n in names)) != len(names):
        print("two threads have one name")
        return 1
    threads = []
    counts = {}
    for _, body in profile["tasks"]:
        events = []
        for _, phase in dict(body)["phases"]:
            keys = [k for k, _ in phase]
            if len(set(keys)) != len(keys):
                print("a phase has a key twice")
                return 1
            for key, value in phase:
                kind = key.rstrip("0123456789")
                counts[kind] = counts.get(kind, 0) + 1
                if kind in ("lock", "unlock", "barrier"):
                    events.append((kind, value))
        threads.append(events)
    n = len(threads)
    random.seed(1)
    orders = [lambda: range(n), lambda: reversed(range(n)), lambda: random.sample(range(n), n),
              lambda: random.sample(range(n), n)]
    for order in orders:
        if not play(threads, order):
            return 1
    print("%d threads, %s" % (n, " ".join("%s=%d" % kv for kv in sorted(counts.items()))))
    return 0


# ---- perf.data ----

FORMAT = """name: %s
ID: %d
format:
\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;
\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;
\tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;
\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;

%s
print fmt: %s
"""

SWITCH_FIELDS = """\tfield:char prev_comm[16];\toffset:8;\tsize:16;\tsigned:0;
\tfield:pid_t prev_pid;\toffset:24;\tsize:4;\tsigned:1;
\tfield:int prev_prio;\toffset:28;\tsize:4;\tsigned:1;
\tfield:long prev_state;\toffset:32;\tsize:8;\tsigned:1;
\tfield:char next_comm[16];\toffset:40;\tsize:16;\tsigned:0;
\tfield:pid_t next_pid;\toffset:56;\tsize:4;\tsigned:1;
\tfield:int next_prio;\toffset:60;\tsize:4;\tsigned:1;
"""

WAKE_FIELDS = """\tfield:__data_loc char[] comm;\toffset:8;\tsize:4;\tsigned:0;
\tfield:pid_t pid;\toffset:12;\tsize:4;\tsigned:1;
\tfield:int prio;\toffset:16;\tsize:4;\tsigned:1;
\tfield:int target_cpu;\toffset:20;\tsize:4;\tsigned:1;
"""

STATES = '"%s", { 0x1, "S" }, { 0x2, "D" }, { 0x4, "T" }, { 0x8, "t" }, { 0x10, "X" }, { 0x20, "Z" }, { 0x40, "P" }, { 0x80, "I" }'


def make_perf(path, kind):
    """CPU 0: 10 wakes 20 from an interrupt, is preempted by it; CPU 1's records stand first, and 9 are lost on it."""
    pack = struct.pack

    def record(number, body, misc=0):
        return pack("<IHH", number, misc, 8 + len(body)) + body

    def sample(time, cpu, raw):
        raw += b"\0" * (-(len(raw) + 4) % 8)
        return record(9, pack("<QIIQII", 7, 1, 1, time, cpu, 0) + pack("<I", len(raw)) + raw)

    def switch(flags, prev, prio, state, following, next_prio):
        return (pack("<HBBi", 300, flags, 0, prev[1]) + prev[0].ljust(16, b"\0") + pack("<iiq", prev[1], prio, state) +
                following[0].ljust(16, b"\0") + pack("<ii", following[1], next_prio))

    def waking(flags, ctx, comm, pid, prio, cpu):
        return (pack("<HBBi", 301, flags, 0, ctx) + pack("<Iiii", (len(comm) + 1) << 16 | 24, pid, prio, cpu) + comm + b"\0")

    trailer = pack("<IIQIIQ", 1, 1, 0, 0, 0, 7)
    data = record(3, pack("<II", 10, 20) + b"worker\0\0" + trailer)
    data += record(7, pack("<IIIIQ", 10, 3, 20, 3, 0) + trailer)
    data += sample(1000, 1, switch(0, (b"idle", 0), 120, 0, (b"other", 30), 98))
    data += sample(2500, 1, switch(0, (b"other", 30), 98, 0x10, (b"idle", 0), 120))
    data += record(2, pack("<QQ", 7, 9) + pack("<IIQIIQ", 1, 1, 2600, 1, 0, 7))
    data += sample(1500, 0, waking(0x08, 10, b"worker", 20, 120, 0))
    data += sample(1600, 0, switch(0, (b"main", 10), 120, 0x100, (b"worker", 20), 120))
    data += sample(2000, 0, switch(0, (b"worker", 20), 120, 2, (b"main", 10), 120))
    data += record(68, b"")
    if kind == "compressed":
        data += record(81, b"\x28\xb5\x2f\xfd1234")

    sample_type = 1 << 16 | 2 | 4 | 1 << 7 | 1 << 10
    attr = pack("<IIQQQQQ", 2, 128, 300, 1, sample_type, 0, 1 << 18 | 1 << 25).ljust(92, b"\0") + pack("<i", 1)
    attr = attr.ljust(128, b"\0")
    ids_at, attrs_at = 104, 112
    data_at = attrs_at + 144
    header = b"PERFILE2" + pack("<QQQQQQQQ", 104, 144, attrs_at, 144, data_at, len(data), 0, 0)
    header += pack("<QQQQ", 1 << 1 | 1 << 4 | 1 << 11, 0, 0, 0)

    def block(text):
        return pack("<Q", len(text)) + text

    formats = [FORMAT % ("sched_switch", 300, SWITCH_FIELDS, STATES), FORMAT % ("sched_waking", 301, WAKE_FIELDS, '"%s"')]
    if kind == "wide":
        formats = [f.replace("common_flags;\toffset:2;\tsize:1;", "common_flags;\toffset:2;\tsize:30;") for f in formats]
    if kind == "wide-pid":
        formats = [f.replace("common_pid;\toffset:4;\tsize:4;", "common_pid;\toffset:4;\tsize:40;") for f in formats]
    tracing = b"\x17\x08\x44tracing0.6\0\0\x08" + pack("<I", 4096)
    tracing += b"header_page\0" + block(b"x") + b"header_event\0" + block(b"y") + pack("<I", 0) + pack("<I", 1)
    tracing += b"sched\0" + pack("<I", len(formats)) + b"".join(block(f.encode()) for f in formats)
    release = pack("<I", 8) + b"6.1.0\0\0\0"
    command = pack("<I", 2) + pack("<I", 8) + b"perf\0\0\0\0" + pack("<I", 8) + b"record\0\0"
    sections = [tracing, release, command]
    at = data_at + len(data) + 16 * len(sections)
    table = b""
    for s in sections:
        table += pack("<QQ", at, len(s))
        at += len(s)
    out = header + pack("<Q", 7) + attr + pack("<QQ", ids_at, 8) + data + table + b"".join(sections)
    if kind == "pipe":
        out = b"PERFILE2" + pack("<Q", 16) + out[104:]
    if kind == "cut":
        out = out[:data_at + len(data) - 40]
    with open(path, "wb") as f:
        f.write(out)
    return 0


if __name__ == "__main__":
    if sys.argv[1] == "make-perf":
        sys.exit(make_perf(sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else ""))
    if sys.argv[1] == "csv":
        sys.exit(print_dump(sys.argv[2]))
    if sys.argv[1] == "perfetto":
        sys.exit(compare_perfetto(sys.argv[2], sys.argv[3]))
    sys.exit(check_rtapp(sys.argv[2]))
