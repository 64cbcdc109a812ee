"""A training step in headless Chromium: what its WebGPU computes is what numpy computes; what goes wrong is told."""

import base64
import json
import re
import sys
import urllib.error
import urllib.request
from contextlib import contextmanager

import numpy as np
import pytest

import memsim as ms
from memsim.webgpu import shaders
from memsim.webgpu.browser import Prediction, export_page, replay, serving
from memsim.webgpu.browser.contents import features_of, for_browser
from memsim.workloads import labels, training_step
from tests.strategies import least_cores
from tests.webgpu.chromium import browser
from tests.webgpu.samples import SIZES, compiled, drawn
from tests.webgpu.test_random_programs import SMALL

STEPS, BATCHES, LR = 40, 5, 0.1
OPEN = "window.memsim && window.memsim.state !== 'running'"


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("chromium")) as found:
        yield found


def quadrants(generator, count, batch=64):
    """Points, and whether their coordinates have one sign: no straight line tells."""
    x = generator.uniform(-1, 1, (count, batch, 2)).astype(np.float32)
    return x, np.eye(2, dtype=np.float32)[(x[..., 0] * x[..., 1] > 0).astype(int)]


def start(step, generator):
    return {
        name: (generator.normal(0, 1, node.shape) if name[0] == "w" else np.zeros(node.shape)).astype(np.float32)
        for name, node in step.updated.items()
    }


@pytest.fixture(scope="module")
def case():
    """A compiled step, its weights and its data."""
    x, y = ms.tensor("x", (64, 2)), labels("y", 64, 2)
    step = training_step(x, y, widths=[16, 16, 2], activation="tanh", lr=LR)
    generator = np.random.default_rng(5)
    xs, ys = quadrants(generator, BATCHES)
    return ms.compile(step.roots, ms.Chip.preset("a17_pro")), start(step, generator), {"x": xs, "y": ys}


def by_hand(weights, data, steps):
    """The same training in double precision, written without memsim: losses, and the weights afterwards."""
    w = {name: value.astype(np.float64) for name, value in weights.items()}
    losses = []
    for step in range(steps):
        x, y = (data[name][step % BATCHES].astype(np.float64) for name in "xy")
        h1 = np.tanh(x @ w["w1"] + w["b1"])
        h2 = np.tanh(h1 @ w["w2"] + w["b2"])
        z = h2 @ w["w3"] + w["b3"]
        p = np.exp(z - z.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        losses.append(-np.mean(np.sum(y * np.log(p), 1)))
        d3 = (p - y) / len(x)
        d2 = d3 @ w["w3"].T * (1 - h2**2)
        d1 = d2 @ w["w2"].T * (1 - h1**2)
        gradients = {
            "w3": h2.T @ d3,
            "w2": h1.T @ d2,
            "w1": x.T @ d1,
            "b3": d3.sum(0),
            "b2": d2.sum(0),
            "b1": d1.sum(0),
        }
        w = {name: w[name] - LR * gradients[name] for name in w}
    return np.array(losses), w


@contextmanager
def opened(chromium, folder):
    """The page in the browser, once it has ended; gives what it found."""
    with serving(folder) as url:
        chromium.open(url)
        chromium.until(OPEN)
        yield chromium.run("return window.memsim")


def text(chromium, name):
    return chromium.run(f"return document.getElementById('{name}').innerText")


@pytest.fixture(scope="module")
def written(case, tmp_path_factory):
    program, weights, data = case
    predicted = [Prediction("a phone", 3e-4, 1.8e-4, {"static": 1.5e-4, "dram": 3e-5})]
    folder = tmp_path_factory.mktemp("page")
    return export_page(
        program, weights, folder, steps=STEPS, streams=data, predicted=predicted, title="Two <b>kinds</b>"
    )


def test_it_trains_as_numpy_does(chromium, written, case, tmp_path):
    _, weights, data = case
    losses, after = by_hand(weights, data, STEPS)
    assert losses[-5:].mean() < 0.8 * losses[:5].mean(), "it learns something"
    with opened(chromium, written.folder) as found:
        assert found["state"] == "done", found.get("error")
        assert found["ok"]
        np.testing.assert_allclose(found["values"]["loss"], losses, rtol=2e-5)
        for name, expected in after.items():
            assert np.abs(np.array(found["values"][name]) - expected.reshape(-1)).max() < 2e-5, name
        assert {check["tensor"] for check in found["checks"]} == {"loss, each step", *after}
        assert found["largest"] < 2e-5
        assert max(check["tolerance"] for check in found["checks"]) < 0.02
        if sys.platform == "linux":
            assert "swiftshader" in found["adapter"].lower()
        assert text(chromium, "verdict").startswith("Checked against memsim's interpreter, on numpy: max error ")
        assert text(chromium, "title") == "Two <b>kinds</b>", "text, never markup"
        assert re.search(r"a phone, predicted\s+300 µs\s+180 µJ\s+static 83%, dram 17%", text(chromium, "costs"))
        assert re.search(r"this device, measured\s+[\d.]+ [mµ]?s", text(chromium, "costs"))
        chromium.screenshot(tmp_path / "page.png")
        assert (tmp_path / "page.png").stat().st_size > 10_000
        drawn = (
            "const c = document.getElementById('chart'), d = c.getContext('2d').getImageData(0, 0, c.width, c.height)"
        )
        colours = "new Set(Array.from(d.data.filter((_, n) => n % 4 === 2)))"
        assert chromium.run(f"{drawn}; return {colours}.has(0xb2)"), "the curve is drawn, in its blue"


def test_it_repeats_the_step_for_a_measurement(chromium, written):
    with opened(chromium, written.folder) as found:
        assert found["state"] == "done"
        chromium.run("document.getElementById('seconds').value = 1; document.getElementById('start').click()")
        chromium.until("window.memsim.repeated")
        repeated = chromium.run("return window.memsim.repeated")
        assert repeated["steps"] >= 1
        assert 0.1 < repeated["seconds"] / repeated["steps"] / found["stepSeconds"] < 10, "the same step, as fast"
        assert "steps" in text(chromium, "repeated")


def tampered(written, folder, change):
    """The page with other data."""
    data = json.loads((written.folder / "page.json").read_text())
    change(data)
    for path in written.folder.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "page.json").write_text(json.dumps(data))
    return folder


def test_a_wrong_value_is_noticed(chromium, written, tmp_path):
    def change(data):
        (check,) = (c for c in data["check"]["tensors"] if c["tensor"] == "w2")
        values = np.frombuffer(base64.b64decode(check["expected"]), np.float32).copy()
        values[7] += 0.1
        check["expected"] = base64.b64encode(values.tobytes()).decode()

    with opened(chromium, tampered(written, tmp_path, change)) as found:
        assert (found["state"], found["ok"]) == ("done", False)
        assert [c["tensor"] for c in found["checks"] if not c["ok"]] == ["w2"]
        assert text(chromium, "verdict").startswith("DIFFERS from numpy: w2")


def test_a_kernel_left_out_is_noticed(chromium, written, tmp_path):
    def change(data):
        data["dispatches"] = [d for d in data["dispatches"] if d["kernel"] != "grad_w1"]

    with opened(chromium, tampered(written, tmp_path, change)) as found:
        assert not found["ok"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda d: d["shaders"].__setitem__(0, "fn {"), r"the browser refuses shader 0, line 1: .*\nmend: report this"),
        (lambda d: d.__setitem__("format", "other"), r"page.json is of format other, not memsim-webgpu-page/1\nmend: "),
        (lambda d: d["feed"][0]["to"].__setitem__("offset", 1 << 20), r"WebGPU: .*"),
        (lambda d: d.__setitem__("features", ["a-feature"]), r"the adapter lacks a-feature\nmend: "),
    ],
    ids=["shader", "format", "offset", "feature"],
)
def test_what_goes_wrong_is_told(chromium, written, tmp_path, change, told):
    with opened(chromium, tampered(written, tmp_path, change)) as found:
        assert found["state"] == "failed"
        assert re.match(told, found["error"], re.DOTALL), found["error"]
        assert text(chromium, "error").split() == found["error"].split()


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("delete Navigator.prototype.gpu", "this browser has no WebGPU"),
        (
            "delete Navigator.prototype.gpu; Object.defineProperty(window, 'isSecureContext', {value: false})",
            "browsers offer WebGPU only over https or from localhost",
        ),
        ("GPU.prototype.requestAdapter = async () => null", "finds no adapter"),
    ],
)
def test_a_browser_without_webgpu_is_told(chromium, written, script, told):
    added = chromium.before_each_page(script)
    try:
        with opened(chromium, written.folder) as found:
            assert found["state"] == "failed"
            assert told in found["error"]
            assert "mend: " in text(chromium, "error")
    finally:
        chromium.forget(added)


def test_types_of_16_bits_are_decoded(chromium, tmp_path):
    x, y = ms.tensor("x", (32, 4), "bf16"), ms.tensor("y", (32, 4), "bf16")
    half = ms.tensor("h", (32, 4), "fp16")
    roots = (
        (x * 0.5 + y).named("x_next"),
        (half * 0.75).named("h_next"),
        ms.workloads.mean(ms.workloads.mean(ms.workloads.cast(x, "fp32"))).named("loss"),
    )
    program = ms.compile(roots, ms.Chip.preset("toy"))
    generator = np.random.default_rng(0)
    values = {t.name: generator.standard_normal(t.shape).astype(t.type.numpy) for t in program.tensors}
    page = export_page(program, values, tmp_path, steps=3)
    assert {(f["from"]["tensor"], f["to"]["tensor"]) for f in page.data["feed"]} == {("x_next", "x"), ("h_next", "h")}
    with opened(chromium, tmp_path) as found:
        assert found["ok"], found
        a, b = (values[name].astype(np.float64) for name in "xy")
        for _ in range(3):
            a = a * 0.5 + b
        np.testing.assert_allclose(found["values"]["x"], a.reshape(-1), rtol=0.02, atol=0.02)
        np.testing.assert_allclose(found["values"]["h"], values["h"].reshape(-1) * 0.75**3, rtol=0.004)


REFUSED = """
const [texts] = arguments;
const adapter = await navigator.gpu.requestAdapter(), device = await adapter.requestDevice();
const told = texts.map(async (code) => (await device.createShaderModule({code}).getCompilationInfo()).messages);
return (await Promise.all(told)).flat().filter((m) => m.type === "error").map((m) => `line ${m.lineNum}: ${m.message}`);
"""


@pytest.mark.parametrize("name", [*SIZES, "random"])
def test_browsers_accept_the_shaders_of_every_workload(chromium, written, name):
    """Their compiler is another than wgpu's, and stricter: it proves that barriers are uniform."""
    programs = filter(None, (drawn(seed, **SMALL) for seed in range(40))) if name == "random" else [compiled(name)[0]]
    made = [shader for program in programs for shader in shaders(program, cores=program.cores or least_cores(program))]
    with serving(written.folder) as url:
        chromium.open(url + "page.css")  # any document of localhost will do
        assert chromium.run(REFUSED, sorted({for_browser(shader.text) for shader in made})) == []
        assert chromium.run(REFUSED, ["fn main() { let x: u32 = 1.5; }"]), "an error would be found"


# ---- serving ----


def fetched(url, host=None):
    request = urllib.request.Request(url, headers={"Host": host} if host else {})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, "", b""


def test_only_the_page_is_served_and_only_to_this_machine(written):
    (written.folder / "secret.txt").write_text("secret")
    with serving(written.folder) as url:
        port = url.split(":")[2].strip("/")
        assert fetched(url)[:2] == (200, "text/html; charset=utf-8")
        assert fetched(url + "page.json?x=1")[1] == "application/json; charset=utf-8"
        assert fetched(url, "127.0.0.1")[0] == 200
        for path in ("secret.txt", "../page.json", "page.json/", "%2e%2e/page.json"):
            assert fetched(url + path)[0] == 404
        assert fetched(url, f"evil.example:{port}")[0] == 403
    (written.folder / "secret.txt").unlink()


# ---- what cannot be a page ----


def one(dtype="fp32", role="dram"):
    """A step that halves a tensor and gives its sum."""
    return ms.parse(f"""
    program halve
    tensor w {role} {dtype} [4]
    tensor w_next {role} {dtype} [4]
    tensor loss dram fp32 [1]
    kernel main blocks (x 1) {{
      ring w sram {dtype} [4]
      ring n sram {dtype} [4]
      ring s sram fp32 [1]
      queue load {{ load w <- w[0] }}
      queue compute {{ n = mul(w, 0.5)  s = sum(w, axis 0)  pop w  push n  push s }}
      queue store {{ store w_next[0] <- n  pop n  store loss[0] <- s  pop s }}
    }}
    """)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"steps": 0}, "0 steps"),
        ({"steps": 1 << 21}, "2,097,152 steps that watch loss"),
        ({"watch": "w"}, r"1 steps that watch w, fp32 \[4\]"),
        ({"watch": "lost"}, "there is no tensor 'lost'"),
        ({"feed": {"w_next": "loss"}}, r"w_next is dram fp32 \[4\], and loss dram fp32 \[1\]"),
        ({"feed": {"v": "w"}}, "there is no tensor 'v'"),
        ({"streams": {"w": np.zeros(4)}}, r"an array \[4\] for w, which is dram \[4\]"),
        ({"streams": {"w": np.zeros((0, 4))}}, r"an array \[0, 4\] for w"),
    ],
)
def test_what_does_not_fit_is_refused(options, told, tmp_path):
    with pytest.raises(ms.MemsimError, match=told) as caught:
        export_page(one(), {}, tmp_path / "page", **{"steps": 1, **options})
    assert caught.value.mend
    assert not (tmp_path / "page").exists()


def test_types_that_the_page_cannot_decode_are_refused(tmp_path):
    with pytest.raises(ms.MemsimError, match="w is fp8_e4m3 in dram"):
        export_page(one("fp8_e4m3"), {}, tmp_path, steps=1)
    with pytest.raises(ms.MemsimError, match="is no Program"):
        export_page("halve", {}, tmp_path)


def test_a_folder_that_cannot_be_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ms.MemsimError, match="cannot write the page"):
        export_page(one(), {}, tmp_path / "file", steps=1)


def test_a_replay_is_the_loop_that_it_says():
    start = np.arange(4, dtype=np.float32)
    found = replay(one(), {"w": start}, steps=3)
    assert found.history.tolist() == [6, 3, 1.5]
    assert found.tensors["w"].tolist() == (start / 8).tolist()
    dealt = replay(one(), {"w": start}, steps=3, feed={}, streams={"w": np.stack([start, start + 1])})
    assert dealt.history.tolist() == [6, 10, 6]


def test_shaders_enable_what_browsers_insist_on():
    plain = "fn main() { let x = 1; }"
    assert (for_browser(plain), features_of(plain)) == (plain, [])
    added = for_browser("fn main() { let x = subgroupAdd(1); }")
    assert added.startswith("enable subgroups;\n")
    assert for_browser(added) == added
    assert features_of("enable f16;\n" + added) == ["shader-f16", "subgroups"]


def test_what_cannot_be_served_is_refused(written, tmp_path):
    with pytest.raises(ms.MemsimError, match=r"there is no index.html\n  mend: write the page"), serving(tmp_path):
        pass
    with serving(written.folder) as url:
        port = int(url.split(":")[2].strip("/"))
        with pytest.raises(ms.MemsimError, match="cannot listen"), serving(written.folder, port):
            pass
