// Runs the program of page.json on WebGPU. The JSON is data: texts of shaders, sizes, offsets and values.

export class Trouble extends Error {
  constructor(cause, mend) {
    super(mend ? `${cause}\nmend: ${mend}` : cause);
  }
}

// ---- values ----

export function bytesOf(text) {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

export function floatsOf(text) {
  return new Float32Array(bytesOf(text).buffer);
}

function half(bits) {
  const sign = bits & 0x8000 ? -1 : 1, exponent = (bits >> 10) & 31, fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

function decoded(buffer, dtype, elements) {
  if (dtype === "fp32") return new Float32Array(buffer).slice(0, elements);
  const bits = new Uint16Array(buffer).slice(0, elements);
  if (dtype === "fp16") return Float32Array.from(bits, half);
  if (dtype === "bf16") return new Float32Array(Uint32Array.from(bits, (b) => b << 16).buffer);
  throw new Trouble(`cannot decode ${dtype}`);
}

// How far found values are off, relative to |expected| + rms(expected).
export function largestError(found, expected) {
  if (found.length !== expected.length) return Infinity;
  let squares = 0;
  for (const e of expected) squares += e * e;
  const rms = Math.sqrt(squares / expected.length);
  let largest = 0;
  expected.forEach((e, n) => {
    const off = Math.abs(found[n] - e), scale = Math.abs(e) + rms;
    if (off !== 0) largest = Math.max(largest, Number.isNaN(off) ? Infinity : off / scale);
  });
  return largest;
}

// ---- the device ----

export async function openDevice(features) {
  if (!navigator.gpu) {
    if (!window.isSecureContext) {
      throw new Trouble(
        `browsers offer WebGPU only over https or from localhost, and this page came from ${location.host}`,
        "on a phone that is plugged in, run `adb reverse tcp:8000 tcp:8000` and open http://localhost:8000/",
      );
    }
    throw new Trouble(
      "this browser has no WebGPU (navigator.gpu is missing)",
      "use Chrome or Edge 113 or newer (121 on Android), Firefox 141 or Safari 26; on Linux, start Chrome with --enable-unsafe-webgpu",
    );
  }
  const adapter = await navigator.gpu.requestAdapter({ powerPreference: "high-performance" });
  if (!adapter) {
    throw new Trouble(
      "the browser has WebGPU, and finds no adapter for it",
      "see chrome://gpu; `--enable-unsafe-webgpu --use-webgpu-adapter=swiftshader` runs it on the CPU",
    );
  }
  const lacking = features.filter((feature) => !adapter.features.has(feature));
  if (lacking.length) throw new Trouble(`the adapter lacks ${lacking.join(", ")}`, "export the page without them");
  return { adapter, device: await adapter.requestDevice({ requiredFeatures: features }) };
}

export function adapterName(adapter) {
  const info = adapter.info ?? {};
  const words = [info.vendor, info.architecture, info.device, info.description].filter(Boolean);
  return [...new Set(words)].join(" ") || "an adapter that does not tell its name";
}

// Whether it runs on the CPU, so that its times say nothing.
export function isSoftware(adapter) {
  const info = adapter.info ?? {};
  return Boolean(info.isFallbackAdapter || /swiftshader|llvmpipe|lavapipe|warp/i.test(adapterName(adapter)));
}

// ---- the program ----

export class Runner {
  static async of(device, data) {
    const runner = new Runner(device, data);
    await runner.build();
    runner.reset();
    return runner;
  }

  constructor(device, data) {
    this.device = device;
    this.data = data;
    this.step = 0;
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    this.make = (bytes) => device.createBuffer({ size: Math.max(16, Math.ceil(bytes / 4) * 4), usage });
    this.buffers = new Map(Object.entries(data.buffers).map(([name, words]) => [name, this.make(4 * words)]));
    this.history = this.make(4 * data.steps);
    this.between = data.feed.map(({ from }) => this.make(4 * from.words)); // a buffer is not copied to itself
    this.streams = data.streams.map((stream) => {
      const values = bytesOf(stream.data), buffer = this.make(values.length);
      device.queue.writeBuffer(buffer, 0, values);
      return buffer;
    });
  }

  async build() {
    const modules = await Promise.all(this.data.shaders.map((text, number) => this.module(text, number)));
    const made = new Map();
    const pipeline = async (number) => {
      const described = { layout: "auto", compute: { module: modules[number], entryPoint: "main" } };
      try {
        return await this.device.createComputePipelineAsync(described);
      } catch (error) {
        throw new Trouble(`the browser refuses shader ${number}: ${error.message}`, "report this with the page");
      }
    };
    for (const { shader } of this.data.dispatches) if (!made.has(shader)) made.set(shader, pipeline(shader));
    this.commands = await Promise.all(
      this.data.dispatches.map(async (dispatch) => {
        const found = await made.get(dispatch.shader);
        return { pipeline: found, group: this.bound(found, dispatch), groups: dispatch.groups };
      }),
    );
  }

  async module(text, number) {
    this.device.pushErrorScope("validation"); // the messages below say more than the error that it catches
    const module = this.device.createShaderModule({ code: text });
    const caught = this.device.popErrorScope();
    const told = await module.getCompilationInfo();
    await caught;
    const errors = told.messages.filter((message) => message.type === "error");
    if (errors.length) {
      const { lineNum, message } = errors[0];
      throw new Trouble(`the browser refuses shader ${number}, line ${lineNum}: ${message}`, "report this with the page");
    }
    return module;
  }

  bound(pipeline, dispatch) {
    const words = new Uint32Array([...dispatch.parameters, 0, 0, 0]);
    const parameters = this.make(words.byteLength);
    this.device.queue.writeBuffer(parameters, 0, words);
    const entries = [{ binding: 0, resource: { buffer: parameters } }];
    for (const { binding, buffer } of dispatch.bindings) {
      entries.push({ binding, resource: { buffer: this.buffers.get(buffer) } });
    }
    return this.device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries });
  }

  reset() {
    for (const [name, values] of Object.entries(this.data.initial)) {
      this.device.queue.writeBuffer(this.buffers.get(name), 0, bytesOf(values));
    }
    this.device.queue.writeBuffer(this.buffers.get("problems"), 0, new Uint32Array(1));
    this.step = 0;
  }

  // Some steps in one submission, recorded in the history as long as it has room.
  submit(count) {
    const encoder = this.device.createCommandEncoder();
    for (let n = 0; n < count; n++, this.step++) this.encode(encoder);
    this.device.queue.submit([encoder.finish()]);
  }

  encode(encoder) {
    const { streams, feed, watch, steps } = this.data;
    const copy = (a, from, b, to, words) => encoder.copyBufferToBuffer(a, 4 * from, b, 4 * to, 4 * words);
    streams.forEach(({ buffer, offset, words, count }, n) => {
      copy(this.streams[n], (this.step % count) * words, this.buffers.get(buffer), offset, words);
    });
    const pass = encoder.beginComputePass();
    for (const { pipeline, group, groups } of this.commands) {
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, group);
      pass.dispatchWorkgroups(groups);
    }
    pass.end();
    feed.forEach(({ from }, n) => copy(this.buffers.get(from.buffer), from.offset, this.between[n], 0, from.words));
    feed.forEach(({ to }, n) => copy(this.between[n], 0, this.buffers.get(to.buffer), to.offset, to.words));
    if (this.step < steps) copy(this.buffers.get(watch.buffer), watch.offset, this.history, this.step, 1);
  }

  async read(buffer, offset, words) {
    const size = 4 * words;
    const copy = this.device.createBuffer({ size, usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ });
    const encoder = this.device.createCommandEncoder();
    encoder.copyBufferToBuffer(buffer, 4 * offset, copy, 0, size);
    this.device.queue.submit([encoder.finish()]);
    await copy.mapAsync(GPUMapMode.READ);
    const values = copy.getMappedRange().slice(0);
    copy.destroy();
    return values;
  }

  // The watched values of the first steps.
  async watched(steps) {
    return new Float32Array(await this.read(this.history, 0, steps));
  }

  async tensor({ buffer, offset, words, elements, dtype }) {
    return decoded(await this.read(this.buffers.get(buffer), offset, words), dtype, elements);
  }

  async checkProblems() {
    const [problem] = new Uint32Array(await this.read(this.buffers.get("problems"), 0, 1));
    if (problem) throw new Trouble("a gather's index is outside its region of rows", "correct the inputs");
  }
}
