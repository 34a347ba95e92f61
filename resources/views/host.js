"use strict";

// The host that shows this view: JSON-RPC 2.0 over postMessage, as MCP Apps has it (revision 2026-01-26).

const REVISION = "2026-01-26";
const PATIENCE = 60_000; // milliseconds

/** What went wrong, in words for who looks at the view. */
class Trouble extends Error {}

class Host {
  capabilities = {};
  #asked = new Map();
  #answers;
  #last = 0;
  #size = "";

  /** `answers` has a function for each method that the host may use; what it returns is the answer. */
  constructor(answers) {
    this.#answers = { __proto__: null, ping: () => ({}), ...answers };
    addEventListener("message", ({ source, data }) => {
      if (source === parent && data?.jsonrpc === "2.0") this.#hear(data);
    });
  }

  /** Shake hands. Nothing of the host's comes before that. */
  async meet(name) {
    const met = await this.ask("ui/initialize", {
      protocolVersion: REVISION,
      appInfo: { name, version: "1.0.0" },
      appCapabilities: { availableDisplayModes: ["inline", "fullscreen"] },
    });
    this.capabilities = met.hostCapabilities ?? {};
    this.tell("ui/notifications/initialized", {});
    new ResizeObserver(() => this.#tellSize()).observe(document.body);
    return met.hostContext ?? {};
  }

  tell(method, params) {
    // Whose origin it is, a view is not told; what it says is of no use to another.
    parent.postMessage({ jsonrpc: "2.0", method, params }, "*");
  }

  ask(method, params) {
    const id = ++this.#last;
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => this.#settle(id, { trouble: "The client did not answer." }), PATIENCE);
      this.#asked.set(id, { resolve, reject, late });
      parent.postMessage({ jsonrpc: "2.0", id, method, params }, "*");
    });
  }

  get letsCall() {
    return "serverTools" in this.capabilities;
  }

  /** What a tool of our server gives. */
  async call(name, given) {
    const result = await this.ask("tools/call", { name, arguments: given });
    if (result.isError) throw new Trouble(textOf(result));
    const values = valuesOf(result);
    if (!values) throw new Trouble("The client passed the result on without its values.");
    return values;
  }

  #hear(message) {
    if (message.error) this.#settle(message.id, { trouble: `The client refused: ${message.error.message}` });
    else if (message.method === undefined) this.#settle(message.id, message);
    else if (message.id === undefined) this.#answers[message.method]?.(message.params ?? {});
    else this.#answer(message);
  }

  #answer({ id, method, params }) {
    const answer = this.#answers[method];
    const said = answer
      ? { result: answer(params ?? {}) ?? {} }
      : { error: { code: -32601, message: `A view knows no ${method}.` } };
    parent.postMessage({ jsonrpc: "2.0", id, ...said }, "*");
  }

  #settle(id, { result, trouble }) {
    const asked = this.#asked.get(id);
    if (!asked) return;
    this.#asked.delete(id);
    clearTimeout(asked.late);
    if (trouble) asked.reject(new Trouble(trouble.replace(/\.?$/, ".")));
    else asked.resolve(result);
  }

  #tellSize() {
    const size = { width: innerWidth, height: Math.ceil(document.body.getBoundingClientRect().height) };
    if (this.#size === JSON.stringify(size)) return;
    this.#size = JSON.stringify(size);
    this.tell("ui/notifications/size-changed", size);
  }
}

function textOf(result) {
  return (result.content ?? []).map((block) => block.text ?? "").join("\n").trim();
}

/** What a result has for programs. Some clients are given it as their only text. */
function valuesOf(result) {
  if (result.structuredContent) return result.structuredContent;
  try {
    return JSON.parse(textOf(result));
  } catch {
    return undefined;
  }
}
