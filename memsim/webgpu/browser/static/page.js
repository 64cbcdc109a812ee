// The page: runs the steps, draws the watched value, checks what came out, tells what went wrong.
// `window.memsim` holds what was found, for whoever drives the browser.

import { adapterName, floatsOf, isSoftware, largestError, openDevice, Runner, Trouble } from "./runner.js";

const FORMAT = "memsim-webgpu-page/1";
const CHUNK_MS = 100; // steps are submitted in chunks of about so long, so that the page stays alive
const found = (window.memsim = { state: "running" });
const at = (id) => document.getElementById(id);

function show(id, text, kind) {
  const element = at(id);
  element.textContent = text;
  element.hidden = false;
  if (kind) element.className = kind;
}

function fail(error) {
  if (found.state === "failed") return; // the first error says most
  found.state = "failed";
  found.error = error instanceof Trouble ? error.message : `${error.name}: ${error.message}`;
  show("error", found.error);
  show("status", "Stopped.");
}

function row(body, cells) {
  const line = at(body).insertRow();
  cells.forEach((text, n) => {
    const cell = line.insertCell();
    cell.textContent = text;
    if (body === "costs" && n === 3) cell.className = "wide";
  });
  return line;
}

function shown(value, unit) {
  const prefixes = [[1, ""], [1e-3, "m"], [1e-6, "µ"], [1e-9, "n"]];
  const [scale, prefix] = prefixes.find(([size]) => value >= size) ?? prefixes.at(-1);
  return `${(value / scale).toPrecision(3)} ${prefix}${unit}`;
}

// ---- the chart ----

function draw(values, expected) {
  const canvas = at("chart"), paint = canvas.getContext("2d");
  const edge = { left: 90, right: 20, top: 20, bottom: 50 };
  const width = canvas.width - edge.left - edge.right, height = canvas.height - edge.top - edge.bottom;
  const finite = [...values, ...expected].filter(Number.isFinite);
  const top = Math.max(...finite, 1e-9) * 1.05, bottom = Math.min(0, ...finite);
  const x = (n) => edge.left + (width * n) / Math.max(1, expected.length - 1);
  const y = (value) => edge.top + (height * (top - value)) / (top - bottom);
  const style = getComputedStyle(document.documentElement);
  paint.clearRect(0, 0, canvas.width, canvas.height);
  paint.font = "24px system-ui, sans-serif";
  paint.strokeStyle = paint.fillStyle = getComputedStyle(canvas).color;
  paint.lineWidth = 1;
  paint.strokeRect(edge.left, edge.top, width, height);
  paint.textAlign = "right";
  for (const share of [0, 0.5, 1]) {
    const value = bottom + share * (top / 1.05 - bottom);
    paint.fillText(value.toPrecision(2), edge.left - 10, y(value) + 8);
  }
  paint.fillText(String(expected.length), edge.left + width, canvas.height - 12);
  paint.textAlign = "left";
  paint.fillText("step 1", edge.left, canvas.height - 12);
  const curve = (series, colour, wide, dashes) => {
    paint.strokeStyle = style.getPropertyValue(colour);
    paint.lineWidth = wide;
    paint.setLineDash(dashes);
    paint.beginPath();
    series.forEach((value, n) => paint.lineTo(x(n), y(value)));
    paint.stroke();
    paint.setLineDash([]);
  };
  curve(values, "--found", 4, []);
  curve(expected, "--expected", 4, [4, 10]);
}

// ---- the run ----

// Run so many steps in chunks; the seconds that those after the first took, and how many those were.
async function advance(runner, steps, seen) {
  let size = 1, timed = 0, seconds = 0;
  for (let done = 0; done < steps; ) {
    const count = Math.min(size, steps - done), began = performance.now();
    runner.submit(count);
    await runner.device.queue.onSubmittedWorkDone();
    const took = performance.now() - began;
    if (done > 0) [timed, seconds] = [timed + count, seconds + took / 1e3];
    done += count;
    size = Math.max(1, Math.min(64, 2 * size, Math.floor((CHUNK_MS * count) / Math.max(took, 0.1))));
    if (!(await seen(done))) break;
  }
  return { timed, seconds };
}

async function check(runner, data) {
  const values = { [data.watch.tensor]: await runner.watched(data.steps) };
  const rows = [{ tensor: `${data.watch.tensor}, each step`, key: data.watch.tensor, ...data.check.history }];
  for (const span of data.check.tensors) {
    values[span.tensor] = await runner.tensor(span);
    rows.push({ ...span, key: span.tensor });
  }
  await runner.checkProblems();
  found.values = Object.fromEntries(Object.entries(values).map(([name, array]) => [name, Array.from(array)]));
  found.checks = rows.map(({ tensor, key, expected, tolerance }) => {
    const error = largestError(values[key], floatsOf(expected));
    return { tensor, elements: values[key].length, error, tolerance, ok: error <= tolerance };
  });
  for (const { tensor, elements, error, tolerance } of found.checks) {
    row("checks", [tensor, elements.toLocaleString("en"), error.toExponential(1), tolerance.toExponential(1)]);
  }
  found.largest = Math.max(...found.checks.map(({ error }) => error));
  const wrong = found.checks.filter(({ ok }) => !ok).map(({ tensor }) => tensor);
  found.ok = wrong.length === 0;
  const error = `max error ${found.largest.toExponential(1)}`;
  if (found.ok) show("verdict", `Checked against memsim's interpreter, on numpy: ${error}.`, "agrees");
  else show("verdict", `DIFFERS from numpy: ${wrong.join(", ")}; ${error}.`, "differs");
}

function measured(adapter, { timed, seconds }) {
  found.stepSeconds = timed ? seconds / timed : null;
  const time = found.stepSeconds === null ? "–" : shown(found.stepSeconds, "s");
  row("costs", ["this device, measured", time, "–", isSoftware(adapter) ? "a software adapter: its time says nothing" : ""]);
}

function predictions(predicted) {
  for (const { chip, time_s: time, energy_j: energy, parts } of predicted) {
    const largest = Object.entries(parts).sort(([, a], [, b]) => b - a).slice(0, 4);
    const shares = largest.map(([part, joules]) => `${part} ${Math.round((100 * joules) / energy)}%`).join(", ");
    row("costs", [`${chip}, predicted`, shown(time, "s"), shown(energy, "J"), shares]);
  }
}

async function run() {
  const answer = await fetch("page.json");
  if (!answer.ok) throw new Trouble(`page.json: ${answer.status} ${answer.statusText}`, "export the page again");
  const data = await answer.json();
  if (data.format !== FORMAT) throw new Trouble(`page.json is of format ${data.format}, not ${FORMAT}`, "export the page again");
  document.title = data.title;
  show("title", data.title);
  show("chart-title", `${data.watch.tensor} over ${data.steps} steps`);
  predictions(data.predicted);
  const expected = floatsOf(data.check.history.expected);
  draw([], expected);
  const { adapter, device } = await openDevice(data.features);
  found.adapter = adapterName(adapter);
  show("adapter", `Adapter: ${found.adapter}.`);
  device.lost.then(({ reason, message }) => {
    if (reason !== "destroyed") fail(new Trouble(`the device was lost: ${message}`, "reload the page"));
  });
  device.addEventListener("uncapturederror", ({ error }) => fail(new Trouble(`WebGPU: ${error.message.trim()}`, "report this with the page")));
  show("status", "Building pipelines.");
  const runner = await Runner.of(device, data);
  const times = await advance(runner, data.steps, async (done) => {
    show("status", `Step ${done} of ${data.steps}.`);
    draw(await runner.watched(done), expected);
    return found.state === "running";
  });
  if (found.state !== "running") return;
  await check(runner, data);
  if (found.state !== "running") return;
  measured(adapter, times);
  show("status", `${data.steps} steps done.`);
  found.state = "done";
  repeatable(runner, data);
}

// ---- for a measurement of energy: the same step again and again ----

function repeatable(runner, data) {
  let going = false;
  at("start").disabled = false;
  at("stop").addEventListener("click", () => (going = false));
  at("repeat").addEventListener("submit", async (event) => {
    event.preventDefault();
    [at("start").disabled, at("stop").disabled, going] = [true, false, true];
    const limit = at("seconds").valueAsNumber || 60, began = performance.now();
    runner.reset();
    try {
      const { timed, seconds } = await advance(runner, Infinity, async (done) => {
        const elapsed = (performance.now() - began) / 1e3;
        show("repeated", `${done} steps in ${elapsed.toFixed(1)} s.`);
        return going && elapsed < limit && found.state === "done";
      });
      found.repeated = { steps: timed, seconds };
      const rate = timed ? `, ${shown(seconds / timed, "s")} each` : "";
      show("repeated", `${timed + 1} steps${rate}. Energy of a step: (power while it ran - power at rest) x time of a step.`);
    } catch (error) {
      fail(error);
    }
    [at("start").disabled, at("stop").disabled] = [false, true];
  });
}

run().catch(fail);
