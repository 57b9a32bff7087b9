#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""browser.py REPORT.html DIR: opens a report in a headless Chromium, works with it, and writes what it saw as lines
"key value" to stdout. Screenshots (light, dark, narrow, whole pages) and report.pdf go to DIR. The browser is driven
through its debugging pipe; it has no network but what it asks for, which is counted. Status 3: no browser."""
import base64
import json
import os
import select
import shutil
import subprocess
import sys
import time

LIMIT = 60  # seconds for one answer


class Browser:
    def __init__(self, profile):
        program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
        if not program:
            sys.exit(3)
        to_r, self.out = os.pipe()
        self.inp, from_w = os.pipe()
        # The browser reads its commands from descriptor 3 and answers on 4.
        self.process = subprocess.Popen(
            ["sh", "-c", 'exec "$0" "$@" 3<&%d 4>&%d' % (to_r, from_w), program, "--headless=new", "--no-sandbox",
             "--remote-debugging-pipe", "--disable-gpu", "--no-first-run", "--disable-extensions", "--hide-scrollbars",
             "--disable-background-networking", "--disable-component-update", "--disable-sync", "--user-data-dir=" + profile,
             "about:blank"], pass_fds=(to_r, from_w), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        os.close(to_r)
        os.close(from_w)
        self.buffer, self.number, self.events = b"", 0, []
        target = self.send("Target.createTarget", {"url": "about:blank"})["targetId"]
        self.session = None
        self.session = self.send("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]

    def message(self, until):
        while b"\0" not in self.buffer:
            left = until - time.monotonic()
            if left <= 0 or not select.select([self.inp], [], [], left)[0]:
                raise TimeoutError("no answer from the browser")
            more = os.read(self.inp, 1 << 20)
            if not more:
                raise EOFError("the browser ended")
            self.buffer += more
        one, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(one)

    def send(self, method, params=None):
        self.number += 1
        command = {"id": self.number, "method": method, "params": params or {}}
        if getattr(self, "session", None):
            command["sessionId"] = self.session
        data = json.dumps(command).encode() + b"\0"
        while data:
            data = data[os.write(self.out, data):]
        until = time.monotonic() + LIMIT
        while True:
            m = self.message(until)
            if m.get("id") == self.number:
                if "error" in m:
                    raise RuntimeError("%s: %s" % (method, m["error"]))
                return m["result"]
            if "method" in m:
                self.events.append(m)

    def run(self, script):
        r = self.send("Runtime.evaluate", {"expression": script, "returnByValue": True, "awaitPromise": True})
        if "exceptionDetails" in r:
            raise RuntimeError(str(r["exceptionDetails"]))
        return r["result"].get("value")

    def settle(self):
        # Two frames, so that what waits for one is drawn.
        self.run("new Promise(r => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(r, 50))))")

    def load(self, url, width, height=900, dark=False):
        self.send("Emulation.setDeviceMetricsOverride",
                  {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False})
        self.send("Emulation.setEmulatedMedia",
                  {"features": [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]})
        self.send("Page.navigate", {"url": url})
        until = time.monotonic() + LIMIT
        while not self.run("document.readyState === 'complete' && location.href !== 'about:blank'"):
            if time.monotonic() > until:
                raise TimeoutError("the page did not load")
            time.sleep(0.05)
        self.settle()

    def screenshot(self, path, whole=True):
        data = self.send("Page.captureScreenshot", {"format": "png", "captureBeyondViewport": whole})["data"]
        with open(path, "wb") as f:
            f.write(base64.b64decode(data))

    def key(self, key, code, shift=False):
        for kind in ("keyDown", "keyUp"):
            self.send("Input.dispatchKeyEvent", {"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code,
                                                 "modifiers": 8 if shift else 0,
                                                 **({"text": "\r"} if key == "Enter" and kind == "keyDown" else {})})

    def end(self):
        try:
            self.session = None
            self.send("Browser.close")
            self.process.wait(10)
        except (TimeoutError, EOFError, OSError, RuntimeError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()


# Whatever must not happen is caught before the page's own scripts run.
WATCH = """
window.violations = []; window.hacked = 0; window.errors = [];
document.addEventListener('securitypolicyviolation', (e) => violations.push(e.violatedDirective + ' ' + e.blockedURI +
	' ' + e.sample));
addEventListener('error', (e) => errors.push(String(e.message)));
addEventListener('unhandledrejection', (e) => errors.push(String(e.reason)));
for (const f of ['alert', 'confirm', 'prompt']) window[f] = () => { hacked++; };
"""

# Marks of the drawn charts, by part; of a canvas the number of different colours.
MARKS = """(() => {
	const out = {};
	for (const s of document.querySelectorAll('main section')) {
		const marks = [...s.querySelectorAll('figure svg path, figure svg circle, figure svg rect')].filter((e) => {
			if (e.closest('.legend')) return false;
			const b = e.getBoundingClientRect(); return b.width + b.height > 0; }).length;
		const colours = [...s.querySelectorAll('canvas')].map((c) => {
			const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data, seen = new Set();
			for (let i = 0; i < d.length; i += 4) if (d[i + 3]) seen.add((d[i] << 16) | (d[i + 1] << 8) | d[i + 2]);
			return seen.size; });
		out[s.id] = { marks, canvases: colours.length, least: colours.length ? Math.min(...colours) : 0 };
	}
	return out; })()"""

FOCUSABLE = """(() => [...document.querySelectorAll('a[href], button, select, summary, [tabindex="0"]')].filter((e) =>
	e.getClientRects().length && e.checkVisibility({ contentVisibilityAuto: true, visibilityProperty: true })).length)()"""

# Text that is cut off or lies on other text, in the charts that are drawn as SVG.
OVERLAPS = """(() => {
	let n = 0;
	for (const svg of document.querySelectorAll('figure .chart svg')) {
		const boxes = [...svg.querySelectorAll('text')].filter((t) => t.textContent.trim()).map((t) => [t.getBoundingClientRect(), t.textContent]);
		for (let i = 0; i < boxes.length; i++)
			for (let k = i + 1; k < boxes.length; k++) {
				const a = boxes[i][0], b = boxes[k][0];
				const w = Math.min(a.right, b.right) - Math.max(a.left, b.left), h = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
				if (w > 1 && h > 3) n++;
			}
	}
	return n; })()"""

WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def tab_through(b, limit):
    """Presses Tab from the top: how many different elements had the focus, and in what parts of the page."""
    seen, visible = [], 0
    for _ in range(limit):
        b.key("Tab", 9)
        one = b.run("""(() => { const e = document.activeElement;
			if (!e || e === document.body) return null;
			window.ids = window.ids || new Map();
			if (!ids.has(e)) ids.set(e, ids.size);
			const s = getComputedStyle(e);
			return [ids.get(e), s.outlineStyle !== 'none' || e.className === 'skip', e.tagName + '.' + e.className]; })()""")
        if one is None or (seen and one[0] == seen[0]):
            break
        if one[0] not in seen:
            seen.append(one[0])
            visible += bool(one[1])
    return len(seen), visible


def main():
    report, out = os.path.abspath(sys.argv[1]), sys.argv[2]
    url = "file://" + report
    b = Browser(os.path.join(out, "profile"))
    try:
        for domain in ("Page", "Runtime", "Network", "Log"):
            b.send(domain + ".enable")
        b.send("Page.addScriptToEvaluateOnNewDocument", {"source": WATCH})
        b.load(url, 1280)
        tell("ready", b.run("document.documentElement.hasAttribute('data-ready')"))
        tell("title", b.run("document.title"))
        tell("first", b.run("document.querySelector('main').innerText.slice(0, 160).replace(/\\s+/g, ' ')"))
        tell("parts", b.run("[...document.querySelectorAll('main > section')].map(s => s.id).join(' ')"))
        for part, m in b.run(MARKS).items():
            tell("marks." + part, m["marks"])
            tell("canvases." + part, m["canvases"])
            tell("colours." + part, m["least"])
        tell("timelines", b.run("[...document.querySelectorAll('#timelines article > p, #timelines figcaption, #timelines .legend')].map(e => e.textContent).join(' ')"))
        tell("nights", b.run("[...document.querySelectorAll('#nights > p, #nights .legend')].map(e => e.textContent).join(' ')"))
        tell("night_options", b.run("[...document.querySelectorAll('#nights option')].map(e => e.textContent).join(' ')"))
        tell("tables", b.run("document.querySelectorAll('table').length"))
        tell("figures", b.run("document.querySelectorAll('figure').length"))
        # Behind every chart: a table in the same part.
        tell("figures_without_table", b.run(
            "[...document.querySelectorAll('figure')].filter(f => !f.closest('article, section').querySelector('table')).length"))
        tell("unnamed", b.run("""[...document.querySelectorAll('button, a, select, [tabindex="0"]')].filter(e =>
			!(e.textContent.trim() || e.getAttribute('aria-label') || (e.labels && e.labels.length))).length"""))
        tell("overlaps.wide", b.run(OVERLAPS))
        tell("too_wide.wide", b.run(WIDE))
        b.screenshot(os.path.join(out, "light.png"))
        background = "getComputedStyle(document.body).backgroundColor"
        tell("background.light", b.run(background))

        focusable = b.run(FOCUSABLE)
        reached, visible = tab_through(b, focusable + 20)
        tell("focusable", focusable)
        tell("reached", reached)
        tell("focus_visible", visible)
        # The keyboard works the theme, a table's order, a choice and a chart.
        for theme in ("light", "dark"):
            b.run("document.getElementById('theme').focus()")
            b.key("Enter", 13)
            tell("theme." + theme, b.run("document.documentElement.getAttribute('data-theme')"))
        tell("background.chosen_dark", b.run(background))
        b.key("Enter", 13)
        tell("sorted", b.run("""(() => { const t = document.querySelector('main table'); if (!t) return 'none';
			const n = t.querySelectorAll('tbody tr').length; t.querySelector('thead button').focus(); return n; })()"""))
        b.key("Enter", 13)
        tell("aria_sort", b.run("(document.querySelector('main th[aria-sort]') || document.body).getAttribute('aria-sort')"))
        tell("choices", b.run("""(() => { let n = 0; for (const s of document.querySelectorAll('select')) {
			for (let i = s.options.length - 1; i >= 0 && i > s.options.length - 8; i--) { s.selectedIndex = i;
				s.dispatchEvent(new Event('change', { bubbles: true })); n++; }
			s.selectedIndex = 0; s.dispatchEvent(new Event('change', { bubbles: true })); } return n; })()"""))
        b.settle()
        tell("chart_keys", b.run("document.querySelectorAll('.chart[tabindex]').length"))
        if b.run("(() => { const c = document.querySelector('.chart[tabindex]'); if (c) c.focus(); return !!c; })()"):
            for _ in range(3):
                b.key("ArrowRight", 39)
            tell("readout", b.run("document.querySelector('.readout').textContent"))

        b.load(url, 1280, dark=True)
        tell("background.dark", b.run(background))
        b.screenshot(os.path.join(out, "dark.png"))
        b.load(url, 390)
        tell("overlaps.narrow", b.run(OVERLAPS))
        tell("too_wide.narrow", b.run(WIDE))
        b.screenshot(os.path.join(out, "narrow.png"))

        b.load(url, 1280, dark=True)
        was = {"closed": b.run("document.querySelectorAll('details:not([open])').length"),
               "more": b.run("[...document.querySelectorAll('button.more')].filter(e => !e.hidden).length")}
        # What the page makes of itself for the paper is seen behind its own listener.
        b.run("addEventListener('beforeprint', () => { window.paper = document.querySelectorAll('details:not([open])').length; })")
        pdf = b.send("Page.printToPDF", {"printBackground": True, "preferCSSPageSize": True})["data"]
        pdf = base64.b64decode(pdf)
        with open(os.path.join(out, "report.pdf"), "wb") as f:
            f.write(pdf)
        tell("pdf_pages", pdf.count(b"/Type /Page\n") + pdf.count(b"/Type /Page ") + pdf.count(b"/Type /Page/"))
        tell("pdf_closed", b.run("window.paper === undefined ? -1 : window.paper"))
        # On paper: light, and no chart wider than it.
        b.send("Emulation.setEmulatedMedia", {"media": "print", "features": [{"name": "prefers-color-scheme", "value": "dark"}]})
        b.settle()
        tell("pdf_charts", b.run("""getComputedStyle(document.body).backgroundColor === 'rgb(255, 255, 255)' &&
			[...document.querySelectorAll('.chart > *')].every((e) => e.getBoundingClientRect().width <= 700)"""))
        # Nothing is closed there, and no table waits for a click; the numbers of what one arm did against another are all there.
        numbers = "document.querySelectorAll('#shifts .rows')[0].querySelectorAll('tbody tr').length"
        closed = "document.querySelectorAll('details:not([open])').length"
        more = "[...document.querySelectorAll('button.more')].filter(e => !e.hidden).length"
        has_shifts = b.run("!!document.querySelector('#shifts .rows')")
        tell("print.closed", b.run(closed))
        tell("print.more", b.run(more))
        tell("print.numbers", b.run(numbers) if has_shifts else 0)
        tell("print.hidden", b.run("[...document.querySelectorAll('tbody tr')].filter(e => !e.getClientRects().length).length"))
        b.screenshot(os.path.join(out, "print.png"))
        # Afterwards all is as it was.
        b.send("Emulation.setEmulatedMedia", {"media": "screen"})
        b.settle()
        tell("printed.closed", b.run(closed) == was["closed"])
        tell("printed.more", b.run(more) == was["more"])
        tell("hacked", b.run("hacked"))
        tell("violations", b.run("JSON.stringify(violations)"))
        tell("errors", b.run("JSON.stringify(errors)"))
        tell("scripts", b.run("document.scripts.length"))
        tell("markup", b.run("document.querySelectorAll('img, iframe, object, embed, link, base, form, script[src], b, i').length"))
        tell("handlers", b.run("""[...document.querySelectorAll('*')].filter(e => [...e.attributes].some(a =>
			a.name.startsWith('on'))).length"""))
        requests = [e["params"]["request"]["url"] for e in b.events if e["method"] == "Network.requestWillBeSent"]
        tell("requests", len([r for r in requests if not r.startswith(url)]))
        tell("console", json.dumps(sorted(set(
            [e["params"]["args"][0].get("value", "?") for e in b.events
             if e["method"] == "Runtime.consoleAPICalled" and e["params"]["type"] in ("error", "warning", "assert")] +
            [e["params"]["entry"]["text"] for e in b.events if e["method"] == "Log.entryAdded"] +
            [e["params"]["exceptionDetails"].get("exception", {}).get("description", "exception") for e in b.events
             if e["method"] == "Runtime.exceptionThrown"]))[:5]))
    finally:
        b.end()


def tell(key, value):
    if isinstance(value, bool):
        value = "yes" if value else "no"
    print(key, value, flush=True)


main()
