"use strict";
// Draws /status.json once a second. Totals become rates here: what the page knows of the past is what it has seen itself.

const every = 1000, keep = 300; // milliseconds between two readings, and how many are kept
const patience = 5000;          // milliseconds that an answer may take
const seen = new Map();         // pipeline -> readings, oldest first
let chosen = "", last = null, answered = 0, charts = null;

const $ = (id) => document.getElementById(id);

function el(tag, props = {}, ...children) {
  const e = Object.assign(document.createElement(tag), props);
  e.append(...children);
  return e;
}

// say writes a text where it is another: who reads it, or hears it read, is not disturbed once a second.
function say(e, text) {
  if (e.textContent !== text) e.textContent = text;
}

// keyed draws items into a list: what is gone is removed, what is new gets its place, and what stays is only brought up to date, since it may have the focus, a
// selection or a sound that somebody listens to. While it has the focus or plays, it stays longer than its item.
function keyed(list, items, keyOf, make, update) {
  const keys = new Set(items.map(keyOf));
  for (const e of [...list.children]) if (!keys.has(e.dataset.key) && !inUse(e)) e.remove();
  const there = new Map([...list.children].map((e) => [e.dataset.key, e]));
  let at = list.firstElementChild;
  for (const item of items) {
    let e = there.get(keyOf(item));
    if (!e) {
      e = make(item);
      e.dataset.key = keyOf(item);
    }
    if (e === at) at = e.nextElementSibling;
    else list.insertBefore(e, at);
    update(e, item);
  }
}

const inUse = (e) => e.contains(document.activeElement) || [...e.querySelectorAll("audio")].some((a) => !a.paused);

// ---- words

const units = [[1e15, "P"], [1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]];
function count(n) {
  for (const [size, unit] of units) if (Math.abs(n) >= 10 * size || (size > 1e3 && Math.abs(n) >= size)) return (n / size).toFixed(1) + " " + unit;
  return n >= 100 || Number.isInteger(n) ? Math.round(n).toLocaleString("en") : n.toFixed(1);
}
function bytes(n) {
  for (const [size, unit] of [[2 ** 40, "TiB"], [2 ** 30, "GiB"], [2 ** 20, "MiB"], [2 ** 10, "KiB"]]) if (n >= size) return (n / size).toFixed(1) + " " + unit;
  return Math.round(n) + " B";
}
function span(seconds) {
  if (!isFinite(seconds)) return "not at this rate";
  if (seconds < 90) return seconds.toFixed(seconds < 10 ? 1 : 0) + " s";
  if (seconds < 5400) return Math.round(seconds / 60) + " min";
  if (seconds < 172800) return (seconds / 3600).toFixed(1) + " h";
  return Math.round(seconds / 86400) + " d";
}
const share = (x) => Math.round(100 * x) + " %";

// moment is a time of day, with its date unless that is today.
function moment(t) {
  const d = new Date(t);
  return d.toDateString() === new Date().toDateString() ? d.toLocaleTimeString("en-GB") : d.toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "medium" });
}

// ---- rates: differences over a window of some seconds, so that a batch is not a spike

function windowOf(name, n) {
  const all = seen.get(name) || [];
  return all.length < 2 ? null : [all[Math.max(0, all.length - 1 - n)], all[all.length - 1]];
}
// assigned is the part of that window in which the partitions are those of now: of others, a sum over those that are assigned is another one.
function assigned(name, n) {
  const all = (seen.get(name) || []).slice(-1 - n), now = all[all.length - 1];
  const from = all.findLastIndex((r) => r.p.assigned !== now.p.assigned) + 1;
  return from < all.length - 1 ? [all[from], now] : null;
}
function rates(a, b) {
  const dt = (b.t - a.t) / 1000;
  return b.p.stages.map((s, i) => ({
    done: Math.max(0, s.done - a.p.stages[i].done) / dt,
    busy: s.workers ? Math.min(1, Math.max(0, s.busy - a.p.stages[i].busy) / dt / s.workers) : null,
  }));
}

// ---- sections

function drawTabs(status) {
  const tabs = $("tabs"), all = status.pipelines.map((p) => p.name);
  for (const tab of [...tabs.children]) if (!all.includes(tab.dataset.key)) tab.remove(); // also the one that has the focus: its pipeline is no more
  keyed(tabs, status.pipelines, (p) => p.name, (p) => el("button", { type: "button", textContent: p.name, onclick: () => choose(p.name) }), (tab, p) => {
    const i = all.indexOf(p.name), on = p.name === chosen;
    tab.setAttribute("role", "tab");
    tab.setAttribute("aria-selected", on);
    tab.setAttribute("aria-controls", "pipeline");
    tab.id = "tab-" + i;
    if (on) $("pipeline").setAttribute("aria-labelledby", tab.id);
    tab.tabIndex = on ? 0 : -1;
    const troubled = p.faults.filter(lasts).map(placeOf).join(", ");
    tab.classList.toggle("troubled", troubled !== "" || p.dead.length > 0);
    tab.title = troubled ? "in trouble: " + troubled : p.dead.length > 0 ? "has dead letters" : "";
  });
  tabs.onkeydown = (e) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[e.key];
    if (!step) return;
    choose(all[(all.indexOf(chosen) + step + all.length) % all.length]);
    tabs.children[all.indexOf(chosen)].focus();
  };
}

function figure(id, label, value, small = "") {
  let box = $("figures").querySelector(`[data-id=${id}]`);
  if (!box) {
    box = el("div", {}, el("dt"), el("dd", {}, el("span"), el("small")));
    box.dataset.id = id;
    $("figures").append(box);
  }
  say(box.firstChild, label);
  say(box.lastChild.firstChild, value);
  say(box.lastChild.lastChild, small);
}

function drawFigures(p, w) {
  const over = (w, f) => (w ? Math.max(0, f(w[1].p) - f(w[0].p)) / ((w[1].t - w[0].t) / 1000) : 0);
  const per = (f) => over(w, f), same = assigned(p.name, 4);
  figure("rows", "rows", count(per((x) => x.rows)) + "/s", count(p.rows) + " since the start");
  figure("records", "records", count(per((x) => x.records)) + "/s", count(p.records) + " since the start");
  figure("lag", "lag", p.lagKnown ? count(p.lag) : "not known", !p.lagKnown ? "no partition is assigned" : p.lag === 0 ? "caught up" : "to catch up: " + (same ? span(p.lag / over(same, (x) => x.durable)) : "not known yet"));
  figure("cost", "steps computed", count(per((x) => x.cost)) + "/s", p.cost ? share(p.cost / p.paddedCost) + " useful, the rest is padding" : "none yet");
  figure("memory", "memory budget", share(p.held / p.budget), bytes(p.held) + " of " + bytes(p.budget));
  figure("commit", "commit age", p.commitAge ? span(p.commitAge) : "0 s", p.commitAge ? "without durable progress" : "all that was read is durable");
  const dead = p.dead.reduce((n, d) => n + d.count, 0);
  figure("dead", "dead letters", count(dead), p.records ? share(dead / p.records) + " of the records" : "");
  figure("skipped", "skipped", count(p.skipped), p.lost ? count(p.lost) + " lost to retention" : "for other pipelines");
}

const names = { read: "Read", fetch: "Fetch", preprocess: "Preprocess", batch: "Batch", infer: "Infer", heads: "Heads", write: "Write" };
const queues = { read: " in flight", fetch: " waiting", preprocess: " waiting", batch: " waiting" }; // what is in the queues that have a limit

function drawFlow(p, w) {
  const flow = $("flow");
  if (flow.children.length !== p.stages.length) {
    flow.replaceChildren(...p.stages.map((s) => el("li", {}, el("b", { textContent: names[s.name] }), el("span", { className: "rate" }),
      el("small", { className: "busyness" }), gauge("busy", names[s.name] + " busy"), el("small", { className: "waiting" }), gauge("queue", names[s.name] + " queue"))));
  }
  const rate = w ? rates(...w) : null;
  let slowest = -1;
  p.stages.forEach((s, i) => {
    if (rate && rate[i].busy !== null && rate[i].busy > 0.05 && (slowest < 0 || rate[i].busy > rate[slowest].busy)) slowest = i;
  });
  p.stages.forEach((s, i) => {
    const li = flow.children[i], [, speed, busyness, busy, waiting, queue] = li.children;
    say(speed, rate ? (s.unit === "bytes" ? bytes(rate[i].done) : count(rate[i].done) + " " + s.unit) + "/s" : "–");
    set(busy, s.workers > 0, rate ? rate[i].busy : 0);
    say(busyness, s.workers ? share(rate ? rate[i].busy : 0) + " busy, " + s.workers + (s.workers > 1 ? " workers" : " worker") : "");
    set(queue, s.limit > 0, s.limit ? s.queue / s.limit : 0);
    say(waiting, s.limit ? count(s.queue) + " of " + count(s.limit) + queues[s.name] + (s.name === "fetch" ? ", " + bytes(p.held) + " of " + bytes(p.budget) + " held" : "") : "");
    li.classList.toggle("slowest", i === slowest);
  });
  say($("bottleneck"), slowest < 0 ? "Nothing is busy: the pipeline waits for " + (p.lagKnown ? "records." : "partitions.") :
    names[p.stages[slowest].name] + " is the busiest stage, " + share(rate[slowest].busy) + " of its workers' time" + (rate[slowest].busy < 0.7 ? "; nothing holds the pipeline up." : ": the bottleneck."));
}

// drawOutputs draws where what is written goes. Writers go from one output to the next, so that the one that takes most of their time holds all of them up.
function drawOutputs(p, w) {
  const dt = w ? (w[1].t - w[0].t) / 1000 : 1;
  const per = (of) => (w ? Math.max(0, of(w[1].p) - of(w[0].p)) / dt : 0);
  const writers = p.stages.find((s) => s.name === "write").workers;
  const first = seen.get(p.name)[0].p; // files are durable once in minutes
  const now = p.written.map((o, i) => {
    const busy = writers ? Math.min(1, per((x) => x.written[i].busy) / writers) : 0;
    const came = o.settled - first.written[i].settled;
    return { o, rows: per((x) => x.written[i].rows), busy, wait: came > 0 ? (o.wait - first.written[i].wait) / came : null, fault: p.faults.find((f) => f.output === o.name && lasts(f)) };
  });
  const most = now.reduce((a, b) => (b.busy > 0.05 && (!a || b.busy > a.busy) ? b : a), null);
  keyed($("outputs"), now, (n) => n.o.name, outputBox, (li, n) => {
    const [kind, where, speed, busyness, busy, filling, fill, wait, trouble] = li.children;
    say(kind, n.o.kind);
    say(where, n.o.name + (n.o.bestEffort ? ", best effort" : ""));
    say(speed, w ? count(n.rows) + " rows/s" : "–");
    say(busyness, share(n.busy) + " of the writers' time");
    set(busy, true, n.busy);
    say(filling, n.o.limit ? bytes(n.o.held) + " of " + bytes(n.o.limit) + " buffered" : "");
    set(fill, n.o.limit > 0, n.o.limit ? n.o.held / n.o.limit : 0);
    say(wait, count(n.o.waiting) + " rows not durable yet" + (n.wait === null ? "" : ", others after " + span(n.wait)));
    say(trouble, n.fault ? "in trouble: " + n.fault.class : "");
    li.classList.toggle("slowest", n === most);
    li.classList.toggle("troubled", !!n.fault);
  });
  const dead = (x) => x.dead.reduce((n, d) => n + d.count, 0);
  say($("letters-now"), count(per(dead)) + " letters/s, " + count(dead(p)) + " since the start");
  say($("commits-now"), count(per((x) => x.stages.find((s) => s.name === "write").done)) + " commits/s, " + (p.commitAge ? "a partition without durable progress for " + span(p.commitAge) : "all that was read is durable")); // of the partition that has stalled the longest
  say($("slowest-output"), !most ? "No output takes the writers' time." : most.o.name + " (" + most.o.kind + ") takes the longest, " + share(most.busy) + " of the writers' time" + (most.busy < 0.7 ? "; no output holds the pipeline up." : ": it holds the others up."));
}

function outputBox({ o }) {
  return el("li", {}, el("b"), el("small"), el("span", { className: "rate" }), el("small", { className: "busyness" }), gauge("busy", o.name + " busy"),
    el("small", { className: "filling" }), gauge("queue", o.name + " buffer"), el("small", { className: "wait" }), el("small", { className: "trouble" }));
}

function gauge(kind, label) {
  const m = el("div", { className: "meter " + kind }, el("i"));
  m.setAttribute("role", "meter");
  m.setAttribute("aria-label", label);
  m.setAttribute("aria-valuemin", 0);
  m.setAttribute("aria-valuemax", 100);
  return m;
}

function set(meter, shown, x) {
  meter.hidden = !shown;
  meter.firstChild.style.width = 100 * Math.min(1, x) + "%";
  meter.setAttribute("aria-valuenow", Math.round(100 * x));
}

// quantile of the times that came between two counts of buckets, in milliseconds: as if those of a bucket were spread evenly in it. What is above all bounds counts as the last.
function quantile(q, before, after, bounds) {
  const came = after.map((n, i) => n - before[i]), all = came.reduce((sum, n) => sum + n, 0);
  if (all <= 0) return null;
  let left = q * all;
  for (let i = 0; i < bounds.length; i++) {
    const low = i > 0 ? bounds[i - 1] : 0;
    if (left <= came[i]) return 1000 * (low + ((bounds[i] - low) * left) / came[i]);
    left -= came[i];
  }
  return 1000 * bounds[bounds.length - 1];
}

const latest = 15; // readings that percentiles are of: fewer would be of too few batches
const lines = {
  rate: [["rows/s", "--accent"], ["records/s", "--second"]],
  latency: [["records, half", "--accent"], ["records, 99 %", "--accent"], ["batches, half", "--second"], ["batches, 99 %", "--second"]],
  time: [["fetch", "--accent"], ["preprocess", "--second"], ["queue", "--soft"], ["infer", "--third"]],
};
const dashes = [[], [8, 4], [2, 3], [8, 3, 2, 3]]; // of a chart's first line, its second and so on, for who does not tell them apart by their colours

// series are the lines of each chart.
function series(name, bounds) {
  const all = seen.get(name) || [], xs = [], out = {};
  for (const id in lines) out[id] = lines[id].map(() => []);
  const push = (id, ...values) => values.forEach((v, i) => out[id][i].push(v));
  for (let i = 1; i < all.length; i++) {
    const a = all[Math.max(0, i - 3)], b = all[i], dt = (b.t - a.t) / 1000, r = (f) => f(b.p) - f(a.p);
    const stage = (n) => (x) => x.stages[n], objects = r((x) => stage(2)(x).done), samples = r((x) => x.samples);
    const per = (n, f) => (n > 0 ? (1000 * r(f)) / n : null);
    const from = all[Math.max(0, i - latest)];
    xs.push(b.t / 1000);
    push("rate", r((x) => x.rows) / dt, r((x) => x.records) / dt);
    push("latency", ...["took", "ran"].flatMap((of) => [0.5, 0.99].map((q) => quantile(q, from.p[of], b.p[of], bounds))));
    push("time", per(objects, (x) => stage(1)(x).busy), per(objects, (x) => stage(2)(x).busy), per(samples, (x) => stage(3)(x).wait), per(samples, (x) => stage(4)(x).busy));
  }
  return { xs, out };
}

function drawCharts(p, bounds) {
  const { xs, out } = series(p.name, bounds);
  if (xs.length < 2) return;
  if (!charts) {
    const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name);
    const line = ([label, name], i) => ({ label, stroke: color(name), dash: dashes[i], width: 2, spanGaps: true, value: (u, v) => (v == null ? "–" : count(v)) });
    const axes = [0, 1].map(() => ({ stroke: color("--soft"), grid: { stroke: color("--line"), width: 1 }, ticks: { stroke: color("--line") } }));
    axes[0].space = 80; // what a label with its date takes
    Object.assign(axes[1], { size: 56, values: (u, all) => all.map(count) });
    charts = Object.keys(lines).map((id) => new uPlot({ width: $(id).clientWidth, height: 200, axes, series: [{}, ...lines[id].map(line)], legend: { markers: { width: 0 } }, cursor: { drag: { setScale: false } }, scales: { y: { range: (u, lo, hi) => [0, Math.max(hi * 1.1, 1)] } } }, [xs, ...out[id]], $(id)));
    for (const id in lines) [...$(id).querySelectorAll(".u-marker")].slice(1).forEach((marker, i) => marker.append(piece(color(lines[id][i][1]), dashes[i]))); // the first is of the time
  } else {
    Object.keys(lines).forEach((id, i) => charts[i].setData([xs, ...out[id]]));
  }
  const end = (id) => out[id].map((line) => count(line.findLast((v) => v !== null) || 0));
  const [rows, records] = end("rate"), [half, most, halfBatch, mostBatch] = end("latency"), [fetching, preparing, queued, inferring] = end("time");
  say($("rate-said"), "now " + rows + " rows and " + records + " records a second");
  say($("latency-said"), "now half of the records within " + half + " and 99 of 100 within " + most + ", batches within " + halfBatch + " and " + mostBatch);
  say($("time-said"), "now fetch " + fetching + ", preprocess " + preparing + ", queue " + queued + ", infer " + inferring);
}

// piece is a short piece of a line, for the legend.
function piece(color, dash) {
  const of = (tag, attributes) => {
    const e = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const name in attributes) e.setAttribute(name, attributes[name]);
    return e;
  };
  const svg = of("svg", { width: 32, height: 4, "aria-hidden": true });
  svg.append(of("line", { x2: 32, y1: 2, y2: 2, stroke: color, "stroke-width": 2, "stroke-dasharray": dash.join(" ") }));
  return svg;
}

function forgetCharts() {
  if (charts) charts.forEach((c) => c.destroy());
  charts = null;
}

const lasts = (f) => f.until === 0;
const placeOf = (f) => f.output || "the pipeline";

function drawFaults(p, now) {
  const kind = (f) => p.outputs.filter((k, i) => f.output === "outputs[" + i + "]").map((k) => " (" + k + ")").join("");
  $("troubles").hidden = p.faults.length === 0;
  keyed($("faults"), p.faults, (f) => f.output, () => el("article", {}, el("h3"), el("p"), el("blockquote"), el("p")), (article, f) => {
    const [name, when, message, advice] = article.children, tried = f.tries ? ", " + f.tries + (f.tries > 1 ? " tries" : " try") : "", once = f.until === f.since; // it happened then, and does not last
    article.classList.toggle("over", f.until > 0);
    say(name, placeOf(f) + kind(f) + ": " + (f.until && !once ? "was " : "") + f.class);
    say(when, once ? "at " + moment(f.since) : "since " + moment(f.since) + tried + (f.until ? "; well again since " + moment(f.until) : ", " + span((now - f.since) / 1000) + " by now" + (f.tries ? ", and tried again" : "")));
    say(message, f.message);
    say(advice, f.advice);
  });
}

function drawDead(p) {
  $("dead-none").hidden = p.dead.length > 0;
  keyed($("dead"), p.dead, (d) => d.reason, deadArticle, (article, d) => {
    const [name, advice, list, command, none] = article.children, last = p.letters.filter((l) => l.reason === d.reason).slice(0, 3);
    say(name, d.reason + ": " + count(d.count));
    say(advice, d.advice);
    keyed(list, last, (l) => l.partition + "/" + l.offset, () => el("li"), (li, l) => say(li, l.partition + " offset " + l.offset + ": " + l.message));
    say(command.firstChild, p.replay ? p.replay + " --reason " + d.reason : "");
    command.hidden = !p.replay;
    none.hidden = !command.hidden;
  });
}

function deadArticle(d) {
  const code = el("code"), said = el("span", { className: "note" });
  said.setAttribute("role", "status");
  const button = el("button", { type: "button", textContent: "copy", onclick: () => copy(code, said) });
  button.setAttribute("aria-label", "copy the command that replays " + d.reason);
  return el("article", {}, el("h3"), el("p"), el("ul"), el("div", { className: "command" }, code, button, said),
    el("p", { className: "note", textContent: "No command replays them: this worker's configuration is in no file, and a command has to be told how to reach topics and letters." }));
}

// copy puts a command on the clipboard and says so. Where the browser gives none, as to a page of plain http that is not of this machine, the command is selected, to be copied by hand.
async function copy(code, said) {
  said.textContent = ""; // or a second time is not heard
  try {
    await navigator.clipboard.writeText(code.textContent);
    said.textContent = "copied";
  } catch {
    getSelection().selectAllChildren(code);
    said.textContent = "selected: copy it by hand";
  }
}

function drawRecent(p) {
  $("private").hidden = !p.private;
  keyed($("recent"), p.recent, (it) => it.partition + "/" + it.offset + "/" + it.serial, recentItem, (li, it) => {
    const results = li.lastElementChild, all = it.results || [], fate = it.dead ? "a dead letter: " + it.dead : !it.computed ? "on its way" : all.length ? "" : "computed: there is nothing in it";
    const n = all.length + " " + fate;
    if (results.dataset.n === n) return;
    results.dataset.n = n;
    results.replaceChildren(...all.map(resultBox), ...(fate ? [el("p", { className: "note", textContent: fate })] : []));
  });
}

function recentItem(it) {
  const li = el("li", {}, el("b", { textContent: it.id }), el("div", { className: "note", textContent: it.partition + " offset " + it.offset + ", " + bytes(it.bytes) }));
  if (it.media.startsWith("image/")) li.append(el("img", { src: it.object, alt: "the picture " + it.id, loading: "lazy" }));
  if (it.media.startsWith("audio/")) {
    const canvas = el("canvas", { width: 480, height: 96 });
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", "waveform of " + it.id);
    const audio = el("audio", { src: it.object, controls: true, preload: "none" });
    audio.setAttribute("aria-label", "recording " + it.id);
    li.append(canvas, audio);
    waveform(canvas, it.object);
  }
  if (it.text) li.append(el("blockquote", { textContent: it.text }));
  li.append(el("div", { className: "results" }));
  return li;
}

function resultBox(r) {
  const box = el("div", { className: "result" }, el("span", { textContent: r.head + (r.score && !r.bars ? " " + r.score.toFixed(2) : "") }));
  if (r.value) box.append(el("div", { textContent: r.value }));
  for (const b of r.bars || []) {
    const m = el("div", { className: "meter" }, el("i"));
    m.firstChild.style.width = 100 * Math.min(1, Math.max(0, b.score)) + "%";
    box.append(el("div", { className: "bar" }, el("span", { textContent: b.label }), el("span", { textContent: b.score.toFixed(3) }), m));
  }
  return box;
}

async function waveform(canvas, path) {
  try {
    const body = await (await fetch(path)).arrayBuffer();
    const sound = await new OfflineAudioContext(1, 1, 16000).decodeAudioData(body);
    const wave = sound.getChannelData(0), g = canvas.getContext("2d"), n = canvas.width / 2, step = Math.max(1, Math.floor(wave.length / n));
    g.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--accent");
    for (let x = 0; x < n; x++) {
      let most = 0;
      for (let i = x * step; i < Math.min(wave.length, (x + 1) * step); i++) most = Math.max(most, Math.abs(wave[i]));
      const h = Math.max(1, most * canvas.height);
      g.fillRect(2 * x, (canvas.height - h) / 2, 1, h);
    }
  } catch {
    canvas.hidden = true; // a format that this browser does not decode
  }
}

function drawPlaces(p) {
  const row = () => el("tr", {}, el("th", { scope: "row" }), el("td"), el("td"), el("td"), el("td"));
  keyed($("places"), p.places, (at) => at.partition, row, (tr, at) => {
    const said = [at.partition, count(at.lag), ...[at.durable, at.read, at.end].map((n) => n.toLocaleString("en"))];
    said.forEach((text, i) => say(tr.children[i], text));
    tr.children[1].classList.toggle("behind", at.lag > 0);
  });
  say($("places-more"), p.partitions === 0 ? "None is assigned now." : p.partitions > p.places.length ? "The " + p.places.length + " that lag most, of " + p.partitions + "." : "");
}

function drawModel(p) {
  const facts = [["class", p.class], ["model", p.model], ["precision", p.precision], ["model digest", p.digest], ["preprocess digest", p.preprocess], ["decoders", p.decoders || "built in"], ["heads", p.heads.join(", ")], ["outputs", p.outputs.join(", ")]];
  if ($("model").children.length === 0) $("model").append(...facts.flatMap(([k]) => [el("dt", { textContent: k }), el("dd")]));
  facts.forEach(([, v], i) => say($("model").children[2 * i + 1], v));
}

// ---- the loop

// clear takes away what is drawn of a pipeline, so that nothing of it is taken for another's.
function clear() {
  for (const id of ["figures", "flow", "outputs", "faults", "dead", "recent", "places"]) $(id).replaceChildren();
  forgetCharts();
}

function choose(name) {
  if (name === chosen) return;
  chosen = name;
  history.replaceState(null, "", "#" + encodeURIComponent(name));
  clear();
  if (last) draw(last);
}

function draw(status) {
  last = status;
  const found = status.pipelines.find((p) => p.name === chosen) || status.pipelines[0];
  say($("version"), status.version);
  say($("up"), ", up " + span((Date.parse(status.now) - Date.parse(status.started)) / 1000));
  $("pipeline").hidden = !found;
  if (found) chosen = found.name;
  drawTabs(status);
  if (!found) return;
  const w = windowOf(found.name, 4);
  say($("about"), found.modality + " from " + found.topics.join(", ") + ", " + found.class);
  drawFigures(found, w);
  drawFlow(found, w);
  drawOutputs(found, w);
  drawCharts(found, status.bounds);
  drawFaults(found, Date.parse(status.now));
  drawDead(found);
  drawRecent(found);
  drawPlaces(found);
  drawModel(found);
}

// sayPhase is only of what has just been answered: what is drawn again, as in a window of another size, may be old.
function sayPhase(said, kind) {
  say($("phase"), said);
  $("phase").className = "badge " + kind;
}

async function ask() {
  try {
    const answer = await fetch("status.json", { cache: "no-store", signal: AbortSignal.timeout(patience) }); // of a worker that hangs, connections do not end
    if (!answer.ok) throw new Error(answer.statusText);
    const status = await answer.json();
    answered = Date.now();
    return status;
  } catch {
    sayPhase("no answer from the worker" + (answered ? " since " + moment(answered) : ""), "gone");
    return null;
  }
}

function keepTotals(status) {
  if (last && last.started !== status.started) { // another worker, perhaps with other pipelines and outputs: its totals begin anew
    seen.clear();
    clear();
  }
  for (const p of status.pipelines) {
    const all = seen.get(p.name) || [];
    const { recent, letters, places, faults, ...totals } = p;
    all.push({ t: Date.parse(status.now), p: totals });
    if (all.length > keep) all.shift();
    seen.set(p.name, all);
  }
}

async function tick() {
  const status = await ask();
  setTimeout(tick, every);
  if (!status) return;
  try {
    keepTotals(status);
    draw(status);
    const troubled = status.pipelines.some((p) => p.faults.some(lasts));
    sayPhase(status.phase + (troubled ? ", in trouble" : ""), troubled ? "troubled" : status.phase);
  } catch (fault) {
    sayPhase("this page has a fault: reload it", "gone");
    throw fault; // the browser's console has it, and where
  }
}

chosen = decodeURIComponent(location.hash.slice(1));
window.addEventListener("resize", () => { forgetCharts(); if (last) draw(last); });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { forgetCharts(); if (last) draw(last); });
tick();
