#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A second reader of .srz files, written from formats/FORMAT.md alone: it proves that the text says enough.

    reader.py [--dump] FILE
    reader.py --attributes FILE
    reader.py --check FILE...

prints an event a line: TIME_NS STREAM CPU KIND FLAGS CTX KEY=VALUE...; with --dump as `schedrec dump --no-names` does;
with --attributes the entries of that section: TIME_NS TID KEY=VALUE...;
with --check for each file whether it is good, or else why not. Status 4: the file breaks a rule. An incomplete file is
shown as far as it goes, with a line on stderr. It also checks what the text says that a reader need not.
It follows the text word for word and is slow: nothing here is to be shared with schedrec's reader, nor to look like it.
"""

import struct
import sys
import zlib

MIB = 1 << 20
U64 = (1 << 64) - 1
NO_STATE = (1 << 32) - 1
META, NAMES, CHUNK, INDEX, END, TASKS, MACHINE, WORK, ATTRIBUTES = 1, 2, 3, 4, 5, 16, 17, 18, 19
KINDS = [None, "sched_switch", "sched_waking", "sched_wakeup", "sched_wakeup_new", "sched_migrate_task",
         "sched_process_fork", "sched_process_exec", "sched_process_exit", "task_rename", "task_newtask", "comm",
         "lost", "decision", "bind", "cpu_frequency", "cpu_idle"]
STATES = ["R", "R+", "S", "D", "T", "t", "X", "Z", "P", "I", "?"]
CAUSES = ["none", "fork", "exec", "wake", "newidle", "tick", "active", "kernel"]


class Damaged(Exception):
    pass


def need(good, text):
    if not good:
        raise Damaged(text)


class Bytes:
    """Bytes that are read from the front."""

    def __init__(self, data, what):
        self.data, self.at, self.what = data, 0, what

    def byte(self):
        need(self.at < len(self.data), f"{self.what}: cut")
        self.at += 1
        return self.data[self.at - 1]

    def take(self, n):
        need(n <= len(self.data) - self.at, f"{self.what}: cut")
        self.at += n
        return self.data[self.at - n:self.at]

    def varint(self, most=U64):
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 127) << shift
            if byte < 128:
                break
            shift += 7
            need(shift < 70, f"{self.what}: a number of more than 10 bytes")
        need(value <= most, f"{self.what}: {value} is above {most}")
        return value

    def zigzag(self, most=U64):
        value = self.varint(most)
        return value >> 1 if value % 2 == 0 else -(value >> 1) - 1

    def text(self, most):
        text = self.take(self.varint(most))
        need(0 not in text, f"{self.what}: a NUL in a text")
        return text

    def left(self):
        return len(self.data) - self.at

    def end(self):
        need(not self.left(), f"{self.what}: {self.left()} bytes are left over")


class Bits:
    """Numbers packed from the lowest bit of each byte."""

    def __init__(self, data, what):
        self.n, self.size, self.at, self.what = int.from_bytes(data, "little"), 8 * len(data), 0, what

    def take(self, n):
        need(n <= self.size - self.at, f"{self.what}: cut")
        self.at += n
        return self.n >> (self.at - n) & ((1 << n) - 1)


def inflate(stored, length, what):
    machine = zlib.decompressobj(-15)
    try:
        data = machine.decompress(stored, length + 1)
    except zlib.error as error:
        raise Damaged(f"{what}: {error}") from error
    need(len(data) == length and machine.eof and not machine.unused_data, f"{what}: does not inflate to its length")
    return data


# Coded columns

class Tables:
    """The tables of a column, and how a context finds its own. levels: (size, groups) from the coarsest."""

    def __init__(self, src, levels):
        lists, total = [], 1
        for size, groups in levels:
            level = {}
            for _ in range(src.byte()):
                group, = struct.unpack("<H", src.take(2))
                need(group < groups, "coded: a group that cannot be")
                level[group] = total
                total += 1
            lists.append((size, level))
        need(total <= 64, "coded: too many tables")
        self.levels = lists[::-1]
        self.tables = [self.table(src) for _ in range(total)]
        self.cache = {}

    @staticmethod
    def table(src):
        first, count = src.byte(), src.byte() + 1
        need(first + count <= 256, "coded: a table beyond symbol 255")
        # how many bytes these bits take is known only behind them
        bits, start = Bits(src.data[src.at:src.at + 224], "coded table"), src.at
        frequencies, rest = [0] * count, None
        for i in range(count):
            n = bits.take(4)
            need(n < 12 or n == 15, "coded: a frequency of 12 to 14 bits")
            if n == 15:
                need(rest is None, "coded: two rests")
                rest = i
            elif n:
                more = min(n - 1, 3)
                frequencies[i] = (1 << more | bits.take(more)) << (n - 1 - more)
        need(rest is not None and sum(frequencies) < 2048, "coded: nothing for the rest")
        frequencies[rest] = 2048 - sum(frequencies)
        src.at = start + (bits.at + 7) // 8
        ranges, begin = [], 0
        for i, f in enumerate(frequencies):
            ranges += [(first + i, f, begin)] * f
            begin += f
        return ranges

    def of(self, context):
        table = self.cache.get(context)
        if table is None:
            number = 0
            for size, level in self.levels:
                if context // size in level:
                    number = level[context // size]
                    break
            table = self.cache[context] = self.tables[number]
        return table


def decode_part(words, n, tables, context):
    need(len(words) >= 2, "coded: a part without a state")
    x, at, out = words[0] << 16 | words[1], 2, bytearray()
    need(x >= 1 << 16, "coded: a state that is too low")
    one = two = 0
    for i in range(n):
        symbol, f, begin = tables.of(context(i, one, two))[x & 2047]
        x = f * (x >> 11) + (x & 2047) - begin
        if x < 1 << 16:
            need(at < len(words), "coded: words are missing")
            x = x << 16 | words[at]
            at += 1
        out.append(symbol)
        one, two = symbol, one
    need(at == len(words) and x == 1 << 16, "coded: a part does not end as it should")
    return out


def decode_coded(stored, n, ops, n_ops):
    """ops: None, or for the times the ops column."""
    src = Bytes(stored, "coded column")
    simple = False
    if ops is None:
        levels = [(256, 256), (1, 65536)]
    else:
        contexts = n_ops * (n_ops + 1) * 64
        need(n_ops < 256, "coded: times with 256 ops")
        simple = contexts > 65536
        if simple:
            levels = [(n_ops + 1, n_ops), (1, contexts // 64)]
        else:
            levels = [((n_ops + 1) * 64, n_ops), (64, contexts // 64), (1, contexts)]
    tables = Tables(src, levels)
    lengths = [n // 4] * 3 + [n - n // 4 * 3] if n >= 4096 else [n]
    sizes = [src.varint(16 * MIB) for _ in lengths[1:]]
    need(2 * sum(sizes) <= src.left() and src.left() % 2 == 0, "coded: parts that do not fit")
    sizes.append(src.left() // 2 - sum(sizes))
    out = bytearray()
    for length, size in zip(lengths, sizes):
        words, start = struct.unpack(f"<{size}H", src.take(2 * size)), len(out)

        def context(i, one, two, start=start):
            if ops is None:
                return 256 * one + two
            p = ops[start + i - 1] + 1 if i else 0
            c = ops[start + i] * (n_ops + 1) + p
            return c if simple else c * 64 + one // 4

        out += decode_part(words, length, tables, context)
    src.end()
    return bytes(out)


def decode_sparse(stored, length):
    src, out = Bytes(stored, "sparse column"), bytearray(length)
    at = 0
    while src.left():
        at += src.varint()
        need(at < length, "sparse: longer than the column")
        out[at] = src.byte()
        at += 1
    return bytes(out)


# Chunks

class Head:
    pass


def read_head(src):
    h = Head()
    h.stream, h.events, h.unit = src.varint(1), src.varint(131072), src.varint(1000000)
    need(h.events and h.unit, "chunk: no events, or no unit")
    h.first = src.varint()
    h.last = h.first + src.varint()
    need(h.last * h.unit <= U64, "chunk: its times are beyond 64 bits")
    h.first_cpu, h.last_cpu = src.varint(4095), src.varint(4095)
    h.cpus, cpu = [], -1
    for _ in range(src.varint(4096)):
        cpu += src.varint(4095) + 1
        need(cpu < 4096, "chunk: a CPU above 4095")
        h.cpus.append((cpu, src.varint()))
        need(h.cpus[-1][1], "chunk: a CPU without events")
    need(sum(n for _, n in h.cpus) == h.events, "chunk: the CPUs' events do not add up")
    h.ops = []
    for _ in range(src.varint(256)):
        kind, flags, n = src.varint(), src.varint(), src.varint()
        kind, must = kind >> 1, kind & 1
        need(n, "chunk: an op without events")
        need(kind and (kind <= 16 or not must), f"chunk: kind {kind} is not known")
        need(flags < 32, "chunk: op flags that are not known")
        need(kind == 1 or not flags & 16, "chunk: prev of no switch")
        h.ops.append((kind, flags, n))
    need(sum(n for _, _, n in h.ops) == h.events, "chunk: the ops' events do not add up")
    h.lost = src.varint()
    h.columns, total = [], 0
    for _ in range(src.varint(255)):
        number, coding, length, stored = src.varint(), src.varint(), src.varint(16 * MIB), src.varint(16 * MIB)
        h.columns.append((number >> 1, number & 1, coding, length, stored))
        total += length if 1 <= number >> 1 <= 17 else 0
    need(total <= 16 * MIB, "chunk: its columns are too long together")
    return h


def read_columns(src, h):
    columns, seen = {}, set()
    for number, must, coding, length, stored in h.columns:
        data = src.take(stored)
        if not 1 <= number <= 17:
            need(not must, f"column {number}: not known")
            continue
        need(number not in seen, f"column {number}: twice")
        seen.add(number)
        what = f"column {number}"
        need(length, f"{what}: without bytes")
        if coding == 0:
            need(stored == length, f"{what}: lengths that do not fit")
        elif coding == 1:
            data = inflate(data, length, what)
        elif coding == 2:
            need(stored == 1, f"{what}: lengths that do not fit")
            data = data * length
        elif coding == 3:
            ops = None
            if number == 2:
                ops = columns.get(1)
                need(ops is not None, "coded times before the ops")
                ops = ops.data
                need(len(ops) == length == h.events and max(ops) < len(h.ops), "coded times do not fit the ops")
            data = decode_coded(data, length, ops, len(h.ops))
        elif coding == 4:
            data = decode_sparse(data, length)
        else:
            raise Damaged(f"{what}: coding {coding} is not known")
        columns[number] = Bytes(data, what)
    src.end()
    for number in range(1, 18):
        columns.setdefault(number, Bytes(b"", f"column {number}"))
    return columns


def read_times(columns, h):
    """The events in their order: (time in units, CPU, op)."""
    ops, times = columns[1].take(h.events), columns[2].take(h.events)
    bits = Bits(columns[3].take(columns[3].left()), "bits")
    counts, events, at = [0] * len(h.ops), [], 0
    for cpu, n in h.cpus:
        time = h.first
        for i in range(at, at + n):
            magnitude = times[i]
            need(not 4 <= magnitude < 8, "times: a magnitude of 4 to 7")
            if magnitude >= 8:
                size = magnitude // 4 + 1
                magnitude = (4 | magnitude % 4) << (size - 3) | bits.take(size - 3)
            time += magnitude
            need(time <= h.last, "times: behind the last")
            need(ops[i] < len(h.ops), "an op that is not listed")
            counts[ops[i]] += 1
            events.append((time, cpu, ops[i]))
        at += n
    need(counts == [n for _, _, n in h.ops], "an op not as often as listed")
    need(bits.size - bits.at < 8, "bits: longer than the events need")
    need(not bits.take(bits.size - bits.at), "bits: what fills up the last byte is not 0")
    events.sort(key=lambda e: e[:2])
    need(events[0][:2] == (h.first, h.first_cpu), "the first event is not where the head says")
    need(events[-1][:2] == (h.last, h.last_cpu), "the last event is not where the head says")
    return events


def signed16(value):
    return (value + 32768) % 65536 - 32768


class Slot:
    def __init__(self, number, tid, cpu):
        self.number, self.tid, self.prio, self.cpu, self.state, self.woke, self.after = number, tid, 120, cpu, 0, 0, 0


class Cpu:
    def __init__(self, number):
        self.number, self.cur, self.waking, self.incoming, self.woken, self.irq_wakee = number, None, 0, 0, 0, 0
        self.khz, self.idle = 0, (0, 0)


class Model:
    def __init__(self, columns):
        self.columns = columns
        self.slots, self.recent, self.tid = [Slot(0, 0, 0)], [0], 0
        self.cpus, self.name, self.source = {}, 0, 0

    def cpu(self, number):
        if number not in self.cpus:
            self.cpus[number] = Cpu(number)
        return self.cpus[number]

    def sym(self, column, foretold, cpu):
        symbol = self.columns[column].byte()
        if symbol == 0:
            return self.slots[foretold]
        if symbol == 254:
            self.tid += self.columns[8].zigzag()
            need(0 < self.tid < 1 << 31, "tids: not a tid")
            number = len(self.slots)
            self.slots.append(Slot(number, self.tid, cpu))
        elif symbol == 255:
            number = self.columns[7].varint()
            need(number < len(self.slots), "far: no such slot")
        else:
            need(symbol <= len(self.recent), "a place that the list does not have")
            number = self.recent.pop(symbol - 1)
        self.recent.insert(0, number)
        del self.recent[253:]
        return self.slots[number]

    def prio(self, slot):
        slot.prio = signed16(slot.prio + self.columns[9].zigzag(65535))
        return slot.prio

    def value_cpu(self, foretold, least=0):
        cpu = foretold + self.columns[10].zigzag(65535)
        cpu = signed16(cpu) if least < 0 else cpu % 65536
        need(least <= cpu <= 4095, f"CPU {cpu}")
        return cpu

    def next_name(self):
        self.name = (self.name + self.columns[12].zigzag(NO_STATE)) & NO_STATE
        return self.name

    def event(self, number, kind, flags):
        """The ctx and the fields of an event on this CPU."""
        cpu, column = self.cpu(number), self.columns
        if flags & 8:
            ctx = self.sym(6, cpu.woken, number)
            if kind <= 10 or kind in (15, 16):
                cpu.cur = ctx.number
        elif kind > 16 and cpu.cur is None:
            ctx = self.slots[0]
        else:
            need(cpu.cur is not None, "a ctx that is not known")
            ctx = self.slots[cpu.cur]
        if kind == 1:
            return ctx.tid, self.switch(cpu, ctx, flags)
        if kind in (2, 3, 4):
            return ctx.tid, self.wake(cpu, ctx, kind, flags)
        if kind == 5:
            task = self.sym(6, cpu.waking, number)
            prio, origin = self.prio(task), self.value_cpu(task.cpu)
            task.cpu = self.value_cpu(number)
            self.cpu(task.cpu).incoming = task.number
            return ctx.tid, [("task", task.tid), ("prio", prio), ("from", origin), ("to", task.cpu)]
        if kind == 6:
            parent = self.sym(6, ctx.number, number)
            child = self.sym(6, cpu.waking, number)
            child.prio = parent.prio
            cpu.waking = child.number
            return ctx.tid, [("parent", parent.tid), ("child", child.tid)]
        if kind == 7:
            task = self.sym(6, ctx.number, number)
            old = self.sym(6, task.number, number)
            return ctx.tid, [("task", task.tid), ("old_tid", old.tid), ("file", self.next_name())]
        if kind == 8:
            task = self.sym(6, ctx.number, number)
            prio, dead = self.prio(task), column[12].byte()
            need(dead <= 2, "group_dead")
            return ctx.tid, [("task", task.tid), ("prio", prio), ("group_dead", dead)]
        if kind in (9, 11):
            task = self.sym(6, ctx.number, number)
            return ctx.tid, [("tid", task.tid), ("comm", self.next_name())]
        if kind == 10:
            task = self.sym(6, cpu.waking, number)
            cpu.waking = task.number
            return ctx.tid, [("task", task.tid), ("clone_flags", column[12].varint())]
        if kind == 12:
            return ctx.tid, [("count", column[12].varint()), ("span_us", column[12].varint(NO_STATE))]
        if kind == 13:
            return ctx.tid, self.decision(cpu)
        if kind == 14:
            task = self.sym(6, cpu.waking, number)
            source = (self.source + column[12].zigzag(NO_STATE)) & NO_STATE
            self.source = (source + 1) & NO_STATE
            return ctx.tid, [("task", task.tid), ("source", source)]
        if kind in (15, 16):
            return ctx.tid, self.power(cpu, kind)
        column[13].take(column[13].varint())
        return ctx.tid, None

    def switch(self, cpu, ctx, flags):
        prev = self.sym(6, cpu.waking, cpu.number) if flags & 16 else ctx
        state = self.columns[11].byte()
        need(state <= len(STATES), "a state that is not known")
        if state:
            prev.state = state - 1
        if cpu.woken:
            task = self.sym(4, cpu.woken, cpu.number)
        else:
            task = self.sym(15, prev.after, cpu.number)
        prev.after = task.number
        prev_prio = self.prio(prev)
        next_prio = self.prio(task)
        if cpu.woken == task.number:
            cpu.woken = 0
        cpu.cur = task.number
        task.cpu = cpu.number
        return [("prev", prev.tid), ("prev_prio", prev_prio), ("prev_state", prev.state), ("next", task.tid),
                ("next_prio", next_prio)]

    def wake(self, cpu, ctx, kind, flags):
        if kind == 2 and flags & 7:
            task = self.sym(16, cpu.irq_wakee, cpu.number)
            cpu.irq_wakee = cpu.waking = task.number
        elif kind == 2:
            task = self.sym(5, ctx.woke, cpu.number)
            ctx.woke = cpu.waking = task.number
        elif cpu.waking:
            task = self.sym(17, cpu.waking, cpu.number)
            cpu.waking = 0
        else:
            task = self.sym(17, cpu.incoming, cpu.number)
            cpu.incoming = 0
        prio = self.prio(task)
        task.cpu = self.value_cpu(task.cpu)
        if kind == 2:
            self.cpu(task.cpu).incoming = task.number
        else:
            self.cpu(task.cpu).woken = task.number
        return [("task", task.tid), ("prio", prio), ("target_cpu", task.cpu)]

    def decision(self, cpu):
        task = self.sym(6, cpu.waking, cpu.number)
        origin = self.value_cpu(task.cpu, -1)
        to = self.value_cpu(origin, -1)
        cause = self.columns[12].byte()
        need(cause < len(CAUSES), "a cause that is not known")
        if to != -1:
            task.cpu = to
        return [("task", task.tid), ("cause", cause), ("from", origin), ("to", to),
                ("cost_ns", self.columns[12].varint(NO_STATE))]

    def power(self, cpu, kind):
        target = self.value_cpu(cpu.number)
        of, step = self.cpu(target), self.columns[14].zigzag(NO_STATE)
        if kind == 15:
            of.khz = (of.khz + step) & NO_STATE
            return [("khz", of.khz), ("target_cpu", target)]
        state = (of.idle[0] + step) & NO_STATE
        of.idle = (of.idle[1], state)
        return [("state", state), ("target_cpu", target)]


def read_chunk(payload):
    src = Bytes(payload, "chunk")
    h = read_head(src)
    columns = read_columns(src, h)
    order = read_times(columns, h)
    model, events, lost = Model(columns), [], 0
    for time, cpu, op in order:
        kind, flags, _ = h.ops[op]
        ctx, fields = model.event(cpu, kind, flags)
        if kind == 12:
            lost += fields[0][1]
        events.append((time * h.unit, h.stream, cpu, kind, flags & 7, ctx, fields))
    need(min(lost, U64) == h.lost, "chunk: lost counts do not add up")
    for column in columns.values():
        column.end()
    return h, events


# The file

class File:
    def __init__(self, data):
        self.data, self.sections, self.chunks = data, [], []
        self.meta, self.names, self.events, self.attributes = {}, [], [], []
        self.names_size = 0
        self.ended = None
        self.complete = self.whole(len(data) - 40) == (END, 40)
        self.index = None

    def whole(self, at):
        """(id, size) of the section at that offset, if it is whole."""
        header = self.data[at:at + 24] if at >= 20 else b""
        if len(header) < 24 or zlib.crc32(header[:20]) != struct.unpack("<I", header[20:])[0]:
            return None
        number, _, stored, _, crc = struct.unpack("<IIIII", header[:20])
        payload = self.data[at + 24:at + 24 + stored]
        if len(payload) < stored or zlib.crc32(payload) != crc:
            return None
        return number & 0x7fffffff, 24 + stored

    def read(self):
        data = self.data
        need(len(data) >= 20 and data[:8] == b"\x89srz\r\n\x1a\n", "not a .srz file")
        version, zero, flags, crc = struct.unpack("<HHII", data[8:20])
        need(crc == zlib.crc32(data[:16]), "the file header's CRC is wrong")
        need(version == 1, f"version {version} is not known")
        need(not zero and not flags >> 16, "the header has flags that are not known")
        if self.complete:
            offset, _ = struct.unpack("<QQ", data[-16:])
            found = self.whole(offset)
            need(offset < len(data) and found and found == (INDEX, len(data) - 40 - offset), "the end names no index")
        at = 20
        while at < len(data):
            found = self.whole(at)
            if not found:
                need(not self.complete, f"the section at {at} is not whole")
                break
            self.section(at, found[1])
            at += found[1]
        if not self.complete:
            print(f"reader.py: incomplete, {len(data) - at} bytes are left over", file=sys.stderr)
        self.check_order()

    def section(self, at, size):
        number, coding, zeros, stored, length = struct.unpack("<IB3sII", self.data[at:at + 16])
        must, number = number >> 31, number & 0x7fffffff
        payload = self.data[at + 24:at + size]
        need(self.ended is None, "a section behind the end")
        need(self.index is None or number == END, "a section behind the index")
        need(max(stored, length) <= 16 * MIB, "a section is too long")
        known = number in (META, NAMES, CHUNK, INDEX, END, TASKS, MACHINE, WORK, ATTRIBUTES)
        need(known or not must, f"section {number} is not known")
        need(zeros == b"\0\0\0", "a section header with bytes that are to be 0")
        need(must or number > TASKS, f"section {number} without its must bit")
        if number not in (INDEX, END):
            self.sections.append((number, must, stored))
        if not known:
            return
        need(coding <= 1, f"section {number}: coding {coding} is not known")
        if coding:
            need(number != CHUNK, "a chunk is not as it is")
            payload = inflate(payload, length, f"section {number}")
        need(len(payload) == length, f"section {number}: lengths that do not fit")
        if number == META:
            self.read_meta(payload)
        elif number == NAMES:
            self.read_names(payload)
        elif number == TASKS:
            self.read_tasks(Bytes(payload, "tasks"))
        elif number == ATTRIBUTES:
            self.read_attributes(Bytes(payload, "attributes"))
        elif number == CHUNK:
            h, events = read_chunk(payload)
            self.chunks.append((h, events))
            self.events += events
        elif number == INDEX:
            self.index = at
            self.read_index(Bytes(payload, "index"))
        elif number == END:
            need(len(payload) == 16 and self.index is not None, "the end is not as it must be")
            need(struct.unpack("<QQ", payload) == (self.index, at + size), "the end names other places")
            self.ended = at
            need(at + size == len(self.data), "something stands behind the end")

    def read_meta(self, payload):
        src = Bytes(payload, "meta")
        while src.left():
            key = src.text(255)
            need(key, "meta: no key")
            self.meta[key] = src.text(65535)
        need(len(self.meta) <= 4096, "meta: too many keys")
        need(sum(len(k) + len(v) for k, v in self.meta.items()) <= 4 * MIB, "meta: too long")

    def read_names(self, payload):
        src = Bytes(payload, "names")
        need(src.varint() == len(self.names), "names: not the next index")
        for _ in range(src.varint(4194304 - len(self.names))):
            self.names.append(src.text(4095))
            self.names_size += len(self.names[-1]) + 1
            need(self.names_size <= 64 * MIB, "names: too many")
        src.end()

    @staticmethod
    def read_masks(src):
        masks = []
        for _ in range(src.varint(4096)):
            at, ranges = 0, []
            for _ in range(src.varint(2048)):
                first = at + src.varint(4096)
                at = first + src.varint(4096) + 1
                need(at <= 4096, f"{src.what}: a CPU above 4095")
                ranges.append(f"{first}-{at - 1}")
            masks.append(",".join(ranges))
        return masks

    def read_attributes(self, src):
        masks = [None] + self.read_masks(src)
        groups = [None]
        for _ in range(src.varint(4096)):
            path, version = src.text(4095), src.varint(2)
            need(version, "attributes: no version of a hierarchy")
            groups.append((path, version, src.varint(1), src.varint(NO_STATE), src.varint(), src.varint()))
        sets = [self.read_set(src, masks, groups) for _ in range(src.varint(65536))]
        time, self.attributes = 0, []
        for _ in range(src.varint(524288)):
            time += src.varint()
            need(time <= U64, "attributes: a time beyond 64 bits")
            tid, number = src.varint((1 << 31) - 1), src.varint()
            need(number < len(sets), "attributes: no such set")
            self.attributes.append((time, tid, sets[number]))
        src.end()

    @staticmethod
    def read_set(src, masks, groups):
        fields = [("policy", src.varint(255)), ("rt_prio", src.varint(99)), ("nice", src.zigzag())]
        fields += [(key, src.varint()) for key in ("runtime", "deadline", "period")]
        fields += [(key, src.varint(1024)) for key in ("util_min", "util_max")]
        fields += [("session", src.varint(NO_STATE)), ("session_nice", src.zigzag())]
        need(all(-20 <= value <= 19 for key, value in fields if key.endswith("nice")), "attributes: nice")
        fields += [("mask", masks[src.varint(len(masks) - 1)]), ("group", groups[src.varint(len(groups) - 1)])]
        return fields

    @staticmethod
    def read_tasks(src):
        masks = len(File.read_masks(src))
        tid = 0
        for _ in range(src.varint(524288)):
            tid += src.zigzag()
            need(0 < tid < 1 << 31, "tasks: not a tid")
            need(0 <= tid + src.zigzag() < 1 << 31, "tasks: not a tgid")
            src.varint((1 << 31) - 1)
            src.text(15)
            src.varint(255)
            need(-20 <= src.zigzag() <= 19, "tasks: nice")
            src.varint(99)
            src.varint(255)
            src.varint(255)
            src.varint(4095)
            need(src.varint() < masks, "tasks: no such mask")
        src.end()

    def read_index(self, src):
        need(src.varint(524288) == len(self.sections), "index: not as many sections")
        chunks, first = iter(self.chunks), 0
        for number, must, stored in self.sections:
            need((src.varint(), src.varint()) == (number << 1 | must, stored), "index: another section")
            if number != CHUNK:
                continue
            h, _ = next(chunks)
            cpus = 0
            for cpu, _ in h.cpus:
                cpus |= 1 << cpu % 64
            stream, events, unit = src.varint(), src.varint(), src.varint()
            first = (first + src.zigzag()) & U64
            need((stream, events, unit, first) == (h.stream, h.events, h.unit, h.first * h.unit) and
                 [src.varint() for _ in range(4)] == [h.last - h.first, h.first_cpu, h.last_cpu, cpus],
                 "index: another chunk")
        self.check_counts(src)

    def check_counts(self, src):
        counts, highest, listed = {}, 0, {}
        for _, _, cpu, kind, _, _, _ in self.events:
            counts[kind] = counts.get(kind, 0) + 1
            highest = max(highest, cpu + 1)
        for _ in range(src.varint(4096)):
            kind = src.varint()
            need(kind and kind not in listed, "index: a kind that is 0 or twice there")
            listed[kind] = src.varint()
        need({k: n for k, n in counts.items() if k <= 16} == {k: n for k, n in listed.items() if k <= 16},
             "index: other numbers of events")
        lost = min(sum(h.lost for h, _ in self.chunks), U64)
        need(src.varint() == lost, "index: another number of lost events")
        need(src.varint(4096) == highest, "index: another number of CPUs")
        src.end()

    def check_order(self):
        for stream in (0, 1):
            behind = before = (-1, -1)
            cpu_last = {}
            for h, events in self.chunks:
                if h.stream != stream:
                    continue
                first, last = (h.first * h.unit, h.first_cpu), (h.last * h.unit, h.last_cpu)
                need(first >= behind, "a chunk begins too early")
                behind, before = max(behind, before), last
                for event in events:
                    need(cpu_last.get(event[2], 0) <= event[0], "times decrease on a CPU")
                    cpu_last[event[2]] = event[0]
        # stable: in the order of recording where all else is the same
        self.events.sort(key=lambda e: e[:3])

    def name(self, number):
        text = self.names[number] if number < len(self.names) else b"?"
        return "".join(chr(b) if 32 < b < 127 and b != 92 else f"\\x{b:02x}" for b in text)


def show_value(key, value, name):
    if key in ("file", "comm"):
        return name(value)
    if key == "prev_state":
        return STATES[value]
    if key == "cause":
        return CAUSES[value]
    if key == "clone_flags":
        return hex(value)
    if key == "group_dead":
        return "01?"[value]
    if key == "count" and not value:
        return "?"
    if key == "state" and value == NO_STATE:
        return "-"
    return str(value)


def line(event, name):
    time, stream, cpu, kind, flags, ctx, fields = event
    text = "".join(f" {key}={show_value(key, value, name)}" for key, value in fields)
    return f"{time} {stream} {cpu} {KINDS[kind]} {flags} {ctx}{text}"


def dump_line(event, name, start):
    time, _, cpu, kind, flags, ctx, fields = event
    since = time - start
    text = ""
    for key, value in fields:
        task = "?:" if key in ("task", "prev", "next", "parent", "child") else ""
        text += f" {key}={task}{show_value(key, value, name)}"
    letters = "".join(letter for bit, letter in ((1, "h"), (2, "s"), (4, "n")) if flags & bit) or "-"
    return f"{since // 10**9}.{since % 10**9:09} {cpu} ?:{ctx} {letters} {KINDS[kind]}{text}"


def read(path):
    with open(path, "rb") as src:
        file = File(src.read())
    file.read()
    return file


def check(paths):
    for path in paths:
        try:
            read(path)
            print(f"{path}: good")
        except Damaged as error:
            print(f"{path}: {error}")
    return 0


def show(path, how):
    try:
        file = read(path)
    except Damaged as error:
        print(f"reader.py: {path}: {error}", file=sys.stderr)
        return 4
    if how == "--attributes":
        for time, tid, fields in file.attributes:
            print(time, tid, *(f"{key}={value}" for key, value in fields))
        return 0
    known = [event for event in file.events if event[6] is not None]
    for event in known:
        print(dump_line(event, file.name, known[0][0]) if how else line(event, file.name))
    return 0


def main(args):
    how = args.pop(0) if args and args[0] in ("--dump", "--attributes", "--check") else ""
    if not args or (len(args) > 1 and how != "--check"):
        print(__doc__.strip(), file=sys.stderr)
        return 2
    try:
        return check(args) if how == "--check" else show(args[0], how)
    except OSError as error:
        print(f"reader.py: {error}", file=sys.stderr)
        return 3


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
