#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A client of a served corpus that does not know how to behave. Nothing of it is schedrec's code: rows and requests are
# made by hand, as corpus/PROTOCOL.md says. It prints what went wrong, and ends with status 1 if anything did.
#
#   corpus_http.py URL [--ca FILE] [--token TOKEN] COMMAND ARG...
#
#   put FILE EVENTS [KEY=VALUE...]   one upload, prints the status; KEY=VALUE changes lines of the row (KEY= drops one)
#   many LIST CLIENTS                uploads all of a list of traces by so many clients at once; prints "SHA256 STATUS" of each
#   fetch LIST CLIENTS               downloads them all; each is to be byte-identical
#   fake MODE FILE                   a server on a free port (its URL is printed) that has one object, and is wrong in a way
#   ATTACK                           one of the functions named attack_* below
import base64
import hashlib
import http.client
import http.server
import os
import socket
import ssl
import sys
import threading
import time
import urllib.parse


class Client:
    def __init__(self, url, ca, token):
        parts = urllib.parse.urlsplit(url)
        self.host, self.port, self.tls = parts.hostname, parts.port, parts.scheme == "https"
        self.token = token
        self.context = ssl.create_default_context(cafile=ca) if self.tls else None

    def http(self, timeout=60):
        if self.tls:
            return http.client.HTTPSConnection(self.host, self.port, context=self.context, timeout=timeout)
        return http.client.HTTPConnection(self.host, self.port, timeout=timeout)

    def raw(self, timeout=60):
        s = socket.create_connection((self.host, self.port), timeout=timeout)
        return self.context.wrap_socket(s, server_hostname=self.host) if self.tls else s

    def request(self, method, path, body=None, headers=None, timeout=60):
        c = self.http(timeout)
        try:
            c.request(method, path, body, headers or {})
            r = c.getresponse()
            return r.status, r.read(), dict((k.lower(), v) for k, v in r.getheaders())
        finally:
            c.close()

    def say(self, data, timeout=10):
        """Raw bytes; the status that comes back, 0 when the connection just ends."""
        s, answer = self.raw(timeout), b""
        try:
            s.sendall(data)
            while b"\r\n\r\n" not in answer:
                got = s.recv(4096)
                if not got:
                    break
                answer += got
        except (ConnectionError, ssl.SSLError, socket.timeout):
            pass
        finally:
            s.close()
        return int(answer.split()[1]) if answer.startswith(b"HTTP/1.1 ") else 0


def row_of(data, events, changes=()):
    row = {
        "sha256": hashlib.sha256(data).hexdigest(),
        "token_sha256": hashlib.sha256(b"x" * 43).hexdigest(),
        "contributor": "00",
        "licence": "CC-BY-4.0",
        "program": "build",
        "machine": "4 cores",
        "consent": "1",
        "cpus": "4",
        "bytes": str(len(data)),
        "duration": "1000000000",
        "events": str(events),
    }
    for change in changes:
        key, value = change.split("=", 1)
        row[key] = value
    text = "schedrec-row 1\n" + "".join(f"{k} {v}\n" for k, v in row.items() if v != "")
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def upload_headers(c, data, events, changes=()):
    return {"Authorization": "Bearer " + c.token, "Schedrec-Row": row_of(data, events, changes), "If-None-Match": "*"}


def put(c, data, events, changes=(), timeout=120):
    name = hashlib.sha256(data).hexdigest()
    return c.request("PUT", "/v1/objects/" + name, data, upload_headers(c, data, events, changes), timeout)


def read_list(path):
    out = []
    with open(path) as f:
        for line in f:
            sha, size, events, name = line.split()
            with open(name, "rb") as t:
                out.append((sha, int(events), t.read()))
    return out


def in_threads(n, items, work):
    lock, items = threading.Lock(), list(items)

    def one():
        while True:
            with lock:
                if not items:
                    return
                item = items.pop(0)
            work(item)

    threads = [threading.Thread(target=one) for _ in range(n)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()


# Commands: each returns a list of complaints.


def command_put(c, path, events, *changes):
    with open(path, "rb") as f:
        status, body, _ = put(c, f.read(), int(events), changes)
    print(status, body.decode(errors="replace").strip())
    return []


def command_many(c, path, clients):
    def work(item):
        sha, events, data = item
        try:
            status = put(c, data, events)[0]
        except (OSError, http.client.HTTPException):
            status = 0
        with lock:
            print(f"{sha} {status}", flush=True)

    lock = threading.Lock()
    in_threads(int(clients), read_list(path), work)
    return []


def command_fetch(c, path, clients):
    bad = []

    def work(item):
        sha, _, data = item
        status, body, headers = c.request("GET", "/v1/objects/" + sha)
        if status != 200 or body != data or headers.get("etag") != f'"{sha}"':
            bad.append(f"{sha}: status {status}, {len(body)} of {len(data)} bytes")

    in_threads(int(clients), read_list(path), work)
    return bad


def expect(bad, what, status, *wanted):
    if status not in wanted:
        bad.append(f"{what}: status {status}, not {' or '.join(map(str, wanted))}")


def attack_framing(c, path, events):
    """Both lengths, two lengths, none, chunks, bodies where none belongs, headers twice."""
    bad = []
    with open(path, "rb") as f:
        data = f.read()
    name, row = hashlib.sha256(data).hexdigest(), row_of(data, int(events))
    head = f"PUT /v1/objects/{name} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {c.token}\r\nSchedrec-Row: {row}\r\n"

    def chunk(d):
        return b"%x\r\n%s\r\n0\r\n\r\n" % (len(d), d)

    both = f"Content-Length: {len(data)}\r\nTransfer-Encoding: chunked\r\n\r\n"
    expect(bad, "both lengths", c.say((head + both).encode() + chunk(data)), 400)
    both = f"Transfer-Encoding: chunked\r\nContent-Length: {len(data)}\r\n\r\n"
    expect(bad, "both lengths, the other way round", c.say((head + both).encode() + chunk(data)), 400)
    expect(bad, "both lengths, unknown coding",
           c.say((head + f"Content-Length: {len(data)}\r\nTransfer-Encoding: xchunked\r\n\r\n").encode() + data), 400)
    expect(bad, "chunks", c.say((head + "Transfer-Encoding: chunked\r\n\r\n").encode() + chunk(data)), 411)
    expect(bad, "no length", c.say((head + "\r\n").encode()), 411)
    two = f"Content-Length: {len(data)}\r\nContent-Length: {len(data) - 1}\r\n\r\n"
    expect(bad, "two lengths", c.say((head + two).encode() + data), 400)
    for length in ("-1", "+5", "0x10", "1e3", "99999999999999999999", "5 5", ""):
        expect(bad, f"length '{length}'", c.say((head + f"Content-Length: {length}\r\n\r\n").encode() + b"x" * 16),
               400, 411, 413, 0)
    expect(bad, "coded body",
           c.say((head + f"Content-Encoding: gzip\r\nContent-Length: {len(data)}\r\n\r\n").encode() + data), 415)
    expect(bad, "two rows",
           c.say((head + f"Schedrec-Row: {row}\r\nContent-Length: {len(data)}\r\n\r\n").encode() + data), 400)
    for method in ("GET", "DELETE"):
        expect(bad, f"{method} with a body",
               c.say(f"{method} /v1/objects/{name} HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello".encode()), 413)
    # What follows the body of a refused request is not the next one.
    smuggled = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    s = c.raw(10)
    s.sendall(f"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: {len(smuggled)}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
              + smuggled)
    answer = b""
    try:
        while True:
            got = s.recv(4096)
            if not got:
                break
            answer += got
    except (OSError, ssl.SSLError):
        pass
    if answer.count(b"HTTP/1.1 ") > 1:
        bad.append("a request in the body of another was answered")
    expect(bad, "the object afterwards", c.request("GET", "/v1/objects/" + name)[0], 404)
    return bad


def attack_paths(c):
    """Nothing but the grammar names anything; the file system is never asked."""
    bad = []
    sha = "ab" * 32
    for path in ("/../../../../etc/passwd", "/v1/objects/../../etc/passwd", "/v1/objects/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
                 f"/v1/objects/{sha}/..", f"/v1/objects/{sha}%00", f"/v1/objects/{sha}%00.srz", f"//v1/objects/{sha}",
                 f"/v1//objects/{sha}", f"/v1/objects/{sha.upper()}", f"/v1/objects/{sha[:-1]}", f"/v1/objects/{sha}0",
                 f"/v1/objects/{sha[:-1]}g", f"/v1/objects/{sha[:-2]}%61b", "/v1/objects/", "/v1", "/tokens", "/index/a.db",
                 f"/v1/rows/{sha}/", f"/./v1/objects/{sha}", "/style.css/", "/V1/rows", "/entries/..", "*",
                 "/" + "a" * 3000, f"/v1/objects/{sha};x"):
        expect(bad, path[:80], c.say(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()), 404, 400)
    for path in ("/v1/rows?x=1", "/v1/rows?limit=0", "/v1/rows?limit=1001", "/v1/rows?limit=-1", "/v1/rows?limit=1&limit=2",
                 "/v1/rows?after=abc", "/v1/rows?q=%", "/v1/rows?q=%00", "/v1/rows?q=%0a", "/v1/rows?q=token_sha256%3d0",
                 "/v1/rows?q=" + "a" * 3000, "/healthz?x", f"/v1/objects/{sha}?a=b", "/entries?q=x",
                 "/healthz?limit=5", "/?q=x", f"/v1/objects/{sha}?q=x", f"/v1/rows/{sha}?after={sha}", "/metrics?limit=1"):
        expect(bad, path[:80], c.say(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()), 400)
    put = f"PUT /v1/objects/{sha}?x=1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {c.token}\r\nContent-Length: 1\r\n\r\nx"
    expect(bad, "PUT with a query", c.say(put.encode()), 400)
    # A NUL in the middle is the end to the HTTP library: then it is an object that is not there, or no request.
    for raw in (f"GET /v1/objects/{sha}\0/../../tokens HTTP/1.1\r\nHost: x\r\n\r\n", "GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n",
                f"GET /v1/objects/{sha} HTTP/1.1\r\nHost: x\r\nRange: bytes=\0\r\n\r\n"):
        expect(bad, repr(raw[:40]), c.say(raw.encode()), 404, 400, 200, 0)
    for method in ("POST", "PATCH", "OPTIONS", "TRACE", "CONNECT", "put", "X" * 200):
        expect(bad, method[:10], c.say(f"{method} /v1/objects/{sha} HTTP/1.1\r\nHost: x\r\n\r\n".encode()), 405, 400, 501)
    expect(bad, "PUT of rows", c.say(b"PUT /v1/rows HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"), 405)
    expect(bad, "no Host", c.say(b"GET / HTTP/1.1\r\n\r\n"), 400)
    for junk in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 100, b"\r\n" * 1000, b"\0" * 5000,
                 b"GET / HTTP/9.9\r\n\r\n", b"GET\r\n\r\n", b"A" * 100000):
        expect(bad, repr(junk[:20]), c.say(junk, 3), 400, 404, 405, 414, 431, 505, 200, 0)
    status, body, _ = c.request("GET", "/healthz")
    expect(bad, "afterwards", status, 200)
    return bad


def attack_heads(c):
    """Heads that are too long are refused, and take no memory."""
    bad = []
    for kib in (70, 200, 4096):
        expect(bad, f"a header of {kib} KiB",
               c.say(b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * (kib << 10) + b"\r\n\r\n"), 431, 413, 400, 0)
        expect(bad, f"a URL of {kib} KiB", c.say(b"GET /" + b"a" * (kib << 10) + b" HTTP/1.1\r\nHost: x\r\n\r\n"),
               414, 431, 404, 400, 0)
        expect(bad, f"{kib} headers", c.say(b"GET / HTTP/1.1\r\nHost: x\r\n" + b"Y: 1\r\n" * kib * 300 + b"\r\n"),
               431, 413, 400, 0)
    expect(bad, "afterwards", c.request("GET", "/healthz")[0], 200)
    return bad


def attack_garbage(c, *paths):
    """None of these files is let in."""
    bad = []
    for path in paths:
        with open(path, "rb") as f:
            data = f.read()
        status, body, _ = put(c, data, 1)
        if status != 422:
            bad.append(f"{path}: status {status} {body[:100]!r}")
        if c.request("GET", "/v1/objects/" + hashlib.sha256(data).hexdigest())[0] != 404:
            bad.append(f"{path}: it can be read")
    for size in (1, 8, 4096, 1 << 20):
        status = put(c, os.urandom(size), 1)[0]
        expect(bad, f"{size} random bytes", status, 422)
    return bad


def attack_rows(c, path, events):
    """Rows that are none, or of another object, or lie."""
    bad = []
    with open(path, "rb") as f:
        data = f.read()
    name, events = hashlib.sha256(data).hexdigest(), int(events)
    for status, changes in ((422, ["licence=WTFPL"]), (422, ["licence="]), (422, ["consent="]), (422, ["token_sha256="]),
                            (422, ["sha256=" + "0" * 64]), (422, ["bytes=5"]), (422, [f"events={events + 1}"]),
                            (422, ["lost=7"]), (422, ["program=<b>"]), (400, ["machine=a\x01b"]), (400, ["machine=" + "m" * 200]),
                            (400, ["feature.x=nan"]), (400, ["feature.x=1e999"]), (400, ["feature.X=1"]),
                            (400, ["cpus=-1"]), (400, ["machine=\u202e"]), (400, ["contributor=xyz"])):
        expect(bad, changes[0], put(c, data, events, changes)[0], status)
    auth = {"Authorization": "Bearer " + c.token}
    for row in (None, "", "!", "AAAA", "A" * 20000, base64.urlsafe_b64encode(b"schedrec-row 1\n").decode()):
        headers = dict(auth) if row is None else dict(auth, **{"Schedrec-Row": row})
        expect(bad, f"row {row!r:.20}", c.request("PUT", "/v1/objects/" + name, data, headers)[0], 400, 431)
    # Bytes under another name.
    changed = bytearray(data)
    changed[len(data) // 2] ^= 1
    status = c.request("PUT", "/v1/objects/" + name, bytes(changed), upload_headers(c, data, events))[0]
    expect(bad, "a changed byte", status, 422)
    expect(bad, "the object afterwards", c.request("GET", "/v1/objects/" + name)[0], 404)
    return bad


def attack_tokens(c, path, events):
    bad = []
    with open(path, "rb") as f:
        data = f.read()
    name = hashlib.sha256(data).hexdigest()
    good = c.token
    for token in ("", "x", "srt_", good[:-1], good + "x", good[:-1] + ("A" if good[-1] != "A" else "B"),
                  good[:4] + "0" * 16 + good[20:], good.upper()):
        c.token = token
        expect(bad, f"token {token[:8]}", put(c, data, int(events))[0], 401)
    headers = upload_headers(c, data, int(events))
    for scheme in ("Basic eDp4", "Bearer", good, "Digest " + good):
        headers["Authorization"] = scheme
        expect(bad, scheme[:8], c.request("PUT", "/v1/objects/" + name, data, headers)[0], 401)
    del headers["Authorization"]
    expect(bad, "no token", c.request("PUT", "/v1/objects/" + name, data, headers)[0], 401)
    expect(bad, "no deletion token", c.request("DELETE", "/v1/objects/" + name)[0], 401)
    c.token = "srt_" + "0" * 16 + "_" + "A" * 43
    statuses = [put(c, data, int(events))[0] for _ in range(12)]
    if statuses[-1] != 429:
        bad.append(f"after many wrong tokens: {statuses}")
    c.token = good
    expect(bad, "the right token from that address", put(c, data, int(events))[0], 201)
    return bad


def attack_at_once(c, path):
    """64 clients at once, each with its own object, and then all with the same one."""
    bad, traces = [], read_list(path)
    gate = threading.Barrier(64)

    def one(item, out):
        sha, events, data = item
        gate.wait()
        try:
            out.append((sha, put(c, data, events)[0]))
        except (OSError, http.client.HTTPException) as e:
            out.append((sha, repr(e)))

    for items in (traces[:64], [traces[64]] * 64):
        out = []
        threads = [threading.Thread(target=one, args=(i, out)) for i in items]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        wrong = [s for s in out if s[1] not in (200, 201, 412)]
        if wrong:
            bad.append(f"{len(wrong)} of 64 uploads were not taken: {wrong[:3]}")
        for sha in {s[0] for s in out}:
            if sum(1 for s in out if s == (sha, 201)) != 1:
                bad.append(f"{sha} was stored {sum(1 for s in out if s == (sha, 201))} times")
    return bad


def drip(c, head, body, seconds, pace=1.0):
    """Sends a byte each second; when the server ended it, or None."""
    s = c.raw(5)
    start = time.monotonic()
    s.settimeout(0.05)
    try:
        s.sendall(head)
        for i in range(int(seconds / pace)):
            s.sendall(body[i % len(body):i % len(body) + 1])
            end = time.monotonic() + pace
            while time.monotonic() < end:
                try:
                    if not s.recv(4096):
                        return time.monotonic() - start
                except (socket.timeout, ssl.SSLWantReadError, TimeoutError):
                    pass
    except (ConnectionError, ssl.SSLError, OSError):
        return time.monotonic() - start
    finally:
        s.close()
    return None


def attack_drip(c, path, events, limit_s):
    """Heads, bodies and reading at a byte a second end in time, and others are served meanwhile."""
    bad, ends = [], {}
    with open(path, "rb") as f:
        data = f.read()
    name, row = hashlib.sha256(data).hexdigest(), row_of(data, int(events))
    head = (f"PUT /v1/objects/{name} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {c.token}\r\nSchedrec-Row: {row}\r\n"
            f"Content-Length: {len(data)}\r\n\r\n").encode()
    limit = float(limit_s)

    def work(key, *args):
        ends[key] = drip(c, *args)

    threads = [threading.Thread(target=work, args=(("head", i), b"GET / HTTP/1.1\r\nHost: x\r\nX: ", b"a", limit * 2))
               for i in range(8)]
    threads += [threading.Thread(target=work, args=(("body", i), head, data, limit * 2)) for i in range(8)]
    for t in threads:
        t.start()
    slowest = 0
    while any(t.is_alive() for t in threads):
        start = time.monotonic()
        expect(bad, "meanwhile", c.request("GET", "/healthz")[0], 200)
        slowest = max(slowest, time.monotonic() - start)
        time.sleep(0.5)
    for key, end in sorted(ends.items()):
        if end is None or end > limit:
            bad.append(f"{key}: it lived for {end} s")
    if slowest > 5:
        bad.append(f"another client waited {slowest:.1f} s")
    print(f"ended after {min(e or 999 for e in ends.values()):.1f} to {max(e or 999 for e in ends.values()):.1f} s; "
          f"others waited at most {slowest * 1000:.0f} ms")
    return bad


def attack_slow_reader(c, sha, size, limit_s):
    """Who does not read what it asked for is cut off: the rest does not come."""
    s = c.raw(20)
    s.sendall(f"GET /v1/objects/{sha} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    time.sleep(float(limit_s) + 2)
    got = 0
    try:
        while True:
            n = len(s.recv(1 << 20))
            if not n:
                break
            got += n
    except (OSError, ssl.SSLError):
        pass
    finally:
        s.close()
    print(f"{got} of {size} bytes came")
    return [] if got < int(size) else ["it got all of it"]


def attack_truncated(c, path, events):
    """Bodies that end too soon leave nothing."""
    bad = []
    with open(path, "rb") as f:
        data = f.read()
    name, row = hashlib.sha256(data).hexdigest(), row_of(data, int(events))
    head = (f"PUT /v1/objects/{name} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {c.token}\r\nSchedrec-Row: {row}\r\n"
            f"Content-Length: {len(data)}\r\n\r\n").encode()
    for part in (0, 1, len(data) // 2, len(data) - 1):
        s = c.raw()
        s.sendall(head + data[:part])
        s.close()
    for part in (1, len(data) // 2):
        s = c.raw()
        s.sendall(head + data[:part])
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        s.close()
    time.sleep(1)
    expect(bad, "the object", c.request("GET", "/v1/objects/" + name)[0], 404)
    return bad


def attack_crowd(c, connections):
    """More connections than an address may have: the others are closed, the server goes on."""
    bad, sockets, closed = [], [], 0
    for _ in range(int(connections)):
        try:
            s = socket.create_connection((c.host, c.port), timeout=5)
            sockets.append(s)
        except OSError:
            closed += 1
    time.sleep(1)
    for s in sockets:
        s.settimeout(0.01)
        try:
            if not s.recv(1):
                closed += 1
        except (socket.timeout, TimeoutError):
            pass
        except OSError:
            closed += 1
    for s in sockets:
        s.close()
    if not closed:
        bad.append("none was turned away")
    time.sleep(1)
    expect(bad, "afterwards", c.request("GET", "/healthz")[0], 200)
    print(f"{closed} of {connections} were turned away")
    return bad


def attack_ranges(c, path):
    """Conditions and ranges of an object that is there."""
    bad = []
    with open(path, "rb") as f:
        data = f.read()
    name, size = hashlib.sha256(data).hexdigest(), len(data)
    url, tag = "/v1/objects/" + name, f'"{hashlib.sha256(data).hexdigest()}"'

    def get(headers, method="GET"):
        return c.request(method, url, None, headers)

    for value, first, last in (("0-0", 0, 0), ("10-19", 10, 19), (f"{size - 1}-", size - 1, size - 1), ("-5", size - 5, size - 1),
                               (f"5-{size * 2}", 5, size - 1), (f"-{size * 2}", 0, size - 1)):
        status, body, headers = get({"Range": "bytes=" + value})
        if status != 206 or body != data[first:last + 1] or headers.get("content-range") != f"bytes {first}-{last}/{size}":
            bad.append(f"range {value}: {status}, {len(body)} bytes, {headers.get('content-range')}")
    for value in (f"{size}-", f"{size + 5}-{size + 9}", "-0", "9223372036854775807-"):
        status, _, headers = get({"Range": "bytes=" + value})
        if status != 416 or headers.get("content-range") != f"bytes */{size}":
            bad.append(f"range {value}: {status}, {headers.get('content-range')}")
    for value in ("bytes=5-1", "bytes=a-b", "bytes=0-1,5-6", "lines=1-2", "bytes=", "bytes=99999999999999999999-"):
        status, body, _ = get({"Range": value})
        if status != 200 or body != data:
            bad.append(f"{value}: {status}")
    expect(bad, "If-None-Match", get({"If-None-Match": tag})[0], 304)
    expect(bad, "If-None-Match: *", get({"If-None-Match": "*"})[0], 304)
    expect(bad, "a list of tags", get({"If-None-Match": f'"a", W/{tag}'})[0], 304)
    expect(bad, "another tag", get({"If-None-Match": '"' + "0" * 64 + '"'})[0], 200)
    expect(bad, "If-Match", get({"If-Match": f'"a", {tag}'})[0], 200)
    expect(bad, "If-Match: *", get({"If-Match": "*"})[0], 200)
    expect(bad, "If-Match, another", get({"If-Match": '"a"'})[0], 412)
    expect(bad, "If-Match, a weak one", get({"If-Match": f"W/{tag}"})[0], 412)
    remove = {"Schedrec-Deletion-Token": "x" * 43}
    expect(bad, "DELETE, If-Match of another", get(dict(remove, **{"If-Match": '"a"'}), "DELETE")[0], 412)
    expect(bad, "DELETE, If-None-Match", get(dict(remove, **{"If-None-Match": "*"}), "DELETE")[0], 412)
    absent = dict(upload_headers(c, b"x", 1), **{"If-Match": "*"})
    expect(bad, "PUT of what is to be there", c.request("PUT", "/v1/objects/" + hashlib.sha256(b"x").hexdigest(), b"x", absent)[0], 412)
    expect(bad, "If-Range, the same", get({"Range": "bytes=1-2", "If-Range": tag})[0], 206)
    expect(bad, "If-Range, another", get({"Range": "bytes=1-2", "If-Range": '"x"'})[0], 200)
    status, body, headers = get({}, "HEAD")
    if status != 200 or body or headers.get("content-length") != str(size) or headers.get("etag") != tag:
        bad.append(f"HEAD: {status}, {headers}")
    for value in ("0-0", f"{size}-"):
        status, _, headers = get({"Range": "bytes=" + value}, "HEAD")
        if status != 200 or headers.get("content-length") != str(size) or "content-range" in headers:
            bad.append(f"HEAD with a range of {value}: {status}, {headers}")
    # What has no body must not say that its length is another than that of a GET; and it has none.
    _, _, headers = get({"If-None-Match": tag})
    if headers.get("content-length") != str(size) or headers.get("etag") != tag:
        bad.append(f"304: {headers}")
    s, answer = c.raw(10), b""
    s.sendall(f"GET {url} HTTP/1.1\r\nHost: x\r\nIf-None-Match: *\r\n\r\n".encode())
    s.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    while True:
        got = s.recv(4096)
        if not got:
            break
        answer += got
    s.close()
    heads = answer.split(b"\r\n\r\n")
    if len(heads) != 3 or not heads[0].startswith(b"HTTP/1.1 304") or not heads[1].startswith(b"HTTP/1.1 200"):
        bad.append(f"behind a 304: {answer[-300:]!r}")
    return bad


def attack_pages(c, count):
    """Rows in pages of any size are the same rows, in order, each once."""
    bad = []
    for limit in (7, 200, 1000):
        after, rows, pages = "", [], 0
        while True:
            path = f"/v1/rows?limit={limit}" + (f"&after={after}" if after else "")
            status, body, headers = c.request("GET", path)
            expect(bad, path, status, 200)
            page = [line[7:] for line in body.decode().split("\n") if line.startswith("sha256 ")]
            rows += page
            pages += 1
            if len(page) > limit or not page or len(body) > 1 << 18:
                bad.append(f"limit {limit}: {len(page)} rows in {len(body)} bytes")
            if "schedrec-more" not in headers or not page:
                break
            after = page[-1]
        if rows != sorted(set(rows)) or len(rows) != int(count):
            bad.append(f"limit {limit}: {len(rows)} rows in {pages} pages, not {count}")
    return bad


def attack_page(c, markup):
    """What a row says is text on the page, and nothing there may run."""
    bad = []
    for path in ("/", "/entries", "/style.css", "/metrics", "/v1/rows"):
        status, body, headers = c.request("GET", path)
        expect(bad, path, status, 200)
        if markup.encode() in body and headers.get("content-type", "").startswith("text/html"):
            bad.append(f"{path}: {markup} came through")
        policy = headers.get("content-security-policy", "")
        if "default-src 'none'" not in policy or "unsafe" in policy or headers.get("x-content-type-options") != "nosniff":
            bad.append(f"{path}: headers {headers}")
        html = headers.get("content-type", "").startswith("text/html")
        for word in (b"<script", b"javascript:", b"onload", b"style=") if html else (b"token_sha256",):
            if word in body:
                bad.append(f"{path}: has {word}")
    return bad


class Fake(http.server.BaseHTTPRequestHandler):
    """Servers that a client has to cope with."""
    protocol_version = "HTTP/1.1"
    mode, data, count = "", b"", {}

    def log_message(self, *args):
        pass

    def answer(self, status, body=b"", headers=(), length=None):
        self.send_response(status)
        for k, v in headers:
            self.send_header(k, v)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def tries(self):
        self.count[self.mode] = self.count.get(self.mode, 0) + 1
        return self.count[self.mode]

    def send_object(self):
        data, size, first = self.data, len(self.data), 0
        if self.mode == "wrong":
            data = bytes([data[0] ^ 1]) + data[1:]
        elif self.mode == "redirect":
            return self.answer(302, headers=[("Location", "file:///etc/passwd")])
        elif self.mode == "busy" and self.tries() < 3:
            return self.answer(503, b"later\n", [("Retry-After", "1")])
        elif self.mode == "dead" and self.tries() < 3:
            self.close_connection = True
            return self.connection.shutdown(socket.SHUT_RDWR)
        elif self.mode == "down":
            return self.answer(500, b"\x1b[31mred\n")
        elif self.mode == "elsewhere" and "Range" in self.headers:
            return self.answer(206, data[5:], [("Content-Range", f"bytes 5-{size - 1}/{size}")])
        if self.mode in ("cut", "elsewhere", "no-ranges"):
            if "Range" in self.headers and self.mode == "cut":
                if self.headers.get("If-Range") is None:
                    return self.answer(400)
                first = int(self.headers["Range"][6:-1])
            # Each time a third of all comes.
            end = min(size, first + size // 3 + 1)
            if self.mode == "no-ranges" and self.tries() > 2:
                end = size
            self.send_response(206 if first else 200)
            if first:
                self.send_header("Content-Range", f"bytes {first}-{size - 1}/{size}")
            self.send_header("Content-Length", str(size - first))
            self.end_headers()
            self.wfile.write(data[first:end])
            if end < size:
                self.close_connection = True
            return None
        return self.answer(200, data)

    def send_rows(self):
        row = b"schedrec-row 1\nsha256 " + b"%064x" + b"\nlicence CC-BY-4.0\nbytes 5\n\n"
        if self.mode == "same-page":
            return self.answer(200, row % 5, [("Schedrec-More", "1")])
        if self.mode == "no-order":
            return self.answer(200, row % 5 + row % 4)
        if self.mode == "no-rows":
            return self.answer(200, b"<html>hello\n\n")
        if self.mode == "flood":
            return self.answer(200, b"x" * (8 << 20))
        if self.mode == "nul":
            return self.answer(200, b"\0", [("Schedrec-More", "1")])
        if self.mode == "silent":
            return time.sleep(300)
        name = hashlib.sha256(self.data).hexdigest().encode()
        return self.answer(200, b"schedrec-row 1\nsha256 " + name + b"\nbytes %d\n\n" % len(self.data))

    def do_GET(self):
        if self.path.startswith("/v1/objects/"):
            return self.send_object()
        if self.path.startswith("/v1/rows?"):
            return self.send_rows()
        name = hashlib.sha256(self.data).hexdigest().encode()
        return self.answer(200, b"schedrec-row 1\nsha256 " + name + b"\nbytes %d\n" % len(self.data))


def command_fake(c, mode, path):
    with open(path, "rb") as f:
        Fake.mode, Fake.data = mode, f.read()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Fake)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


def main():
    args = sys.argv[1:]
    url, ca, token = args.pop(0), None, ""
    while args and args[0].startswith("--"):
        if args[0] == "--ca":
            ca = args[1]
        else:
            token = args[1]
        args = args[2:]
    name = args.pop(0)
    work = globals().get("command_" + name) or globals()["attack_" + name]
    bad = work(Client(url, ca, token), *args)
    for line in bad[:10]:
        print(line)
    sys.exit(1 if bad else 0)


main()
