"use strict";

// What both views are made of. What was stored is only ever inserted as text.

/** An element; its content are elements and texts. Of its attributes, functions hear events. */
function element(name, attributes = {}, ...content) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(key, value);
    else if (value !== undefined) made.setAttribute(key, value);
  }
  made.append(...content.flat().filter((part) => part !== undefined && part !== ""));
  made.normalize();
  return made;
}

/** One line of what is known: who, when, where. */
function line(...parts) {
  const known = parts.filter(Boolean).flatMap((part) => [" · ", part]);
  return element("p", { class: "line" }, ...known.slice(1));
}

/** The day of a date, as the text of a result has it: in UTC. */
function day(date) {
  const known = new Date(date ?? NaN);
  if (isNaN(known)) return undefined;
  const said = known.toLocaleDateString("en-GB", { dateStyle: "medium", timeZone: "UTC" });
  return element("time", { datetime: date }, said);
}

/** A button for more of what is shown. */
function further(name, act) {
  const button = element("button", { type: "button", class: "further", click: () => act(button) }, name);
  return button;
}

function notice(kind, ...content) {
  return element("p", { class: `notice ${kind}`, role: kind === "trouble" ? "alert" : undefined }, ...content);
}

/** Wear what the host wears. It tells only what has changed. */
function dress({ theme, styles, safeAreaInsets }) {
  const { style } = document.documentElement;
  if (theme) style.colorScheme = theme;
  for (const [name, value] of Object.entries(styles?.variables ?? {})) {
    if (name.startsWith("--") && value) style.setProperty(name, value);
  }
  for (const [side, width] of Object.entries(safeAreaInsets ?? {})) {
    style.setProperty(`--inset-${side}`, `${width}px`);
  }
}

/** The page around what a form shows: what was asked, how that stands, a conversation that is opened from it. */
class Page {
  #form;
  #main = document.querySelector("main");
  #state = document.querySelector("#state");
  #shown = document.querySelector("#shown");
  #asked = document.querySelector("#asked");

  /** A form says what was `asked`, its `state` (in words, with a kind), its `content`, and the way `back`. */
  constructor(form) {
    this.#form = form;
    this.given = {};
    this.host = new Host({
      "ui/notifications/tool-input": ({ arguments: given }) => this.#take(given ?? {}),
      "ui/notifications/tool-result": (result) => this.show(result),
      "ui/notifications/tool-cancelled": ({ reason }) => this.say(`Called off${reason ? `: ${reason}` : "."}`),
      "ui/notifications/host-context-changed": dress,
      "ui/resource-teardown": () => this.conversation.close(),
    });
    this.conversation = new Conversation(this.host, this.#main, form.back);
  }

  async begin(name) {
    try {
      dress(await this.host.meet(name));
    } catch (error) {
      if (!(error instanceof Trouble)) throw error;
      this.say(`${error.message} The result stands in the chat as text.`, "trouble");
    }
  }

  /** Whether a tool of our server is there for this view. */
  may(tool) {
    const offered = document.querySelector("meta[name=tools]").content.split(" ");
    return this.host.letsCall && offered.includes(tool);
  }

  say(text, kind = "") {
    this.#state.textContent = text;
    this.#state.className = kind && `notice ${kind}`;
  }

  show(result) {
    this.conversation.close();
    const values = result.isError ? undefined : valuesOf(result);
    this.say(...(values ? this.#form.state(values) : [""]));
    this.#shown.replaceChildren(...(values ? this.#form.content(values, this) : this.#asText(result)));
  }

  /** A button that opens a message in its conversation; its bare name where that cannot be done. */
  opener(name, { uri, quote, wanted, ...attributes }) {
    if (!this.may("fetch")) return element("span", attributes, name);
    const open = () => this.conversation.open({ uri, quote, wanted, opener });
    const opener = element("button", { type: "button", ...attributes, click: open }, name);
    return opener;
  }

  #take(given) {
    this.given = given;
    this.#asked.textContent = this.#form.asked(given) ?? this.#asked.textContent;
  }

  #asText(result) {
    const text = textOf(result) || "There is nothing to show.";
    return [result.isError ? notice("trouble", text) : element("pre", {}, text)];
  }
}
