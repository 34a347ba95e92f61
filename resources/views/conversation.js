"use strict";

// A message in its conversation, in the place of what it was opened from.

const AROUND = 4; // messages on each side at first
const FURTHER = 10; // and of the next one, when there is to be more
const MAX_TOKENS = 4_000;

class Conversation {
  #host;
  #main;
  #back;
  #section = element("section", { hidden: "", "aria-label": "Conversation" });
  #opened; // {uri, quote, wanted, opener}
  #read; // what is known of the conversation, its messages by position
  #turn = 0;

  constructor(host, main, back) {
    this.#host = host;
    this.#main = main;
    this.#back = back;
    main.after(this.#section);
    addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.#read) this.close();
    });
  }

  /** Show the message at an address, and mark in it the quote, or the words that were wanted. */
  async open(what) {
    const fetched = await this.#fetch(what.uri, AROUND, what.opener);
    if (!fetched) return;
    this.#opened = what;
    this.#read = { ...fetched, messages: new Map() };
    this.#add(fetched);
    this.#main.hidden = true;
    this.#section.hidden = false;
    this.#focus(positionOf(what.uri));
  }

  /** Back to where it was opened from. */
  close() {
    this.#turn += 1;
    if (!this.#read) return;
    this.#read = undefined;
    this.#section.hidden = true;
    this.#main.hidden = false;
    this.#opened.opener.focus();
  }

  async #more(position, button) {
    const fetched = await this.#fetch(this.#opened.uri.replace(/\d+$/, position), FURTHER, button);
    if (!fetched) return;
    this.#add(fetched);
    this.#focus(position);
  }

  /** What our server has there; nothing where that fails, which is said beside the button, or comes too late. */
  async #fetch(uri, around, button) {
    const turn = (this.#turn += 1);
    document.querySelectorAll(".trouble").forEach((each) => each.remove());
    button.setAttribute("aria-busy", "true");
    try {
      const fetched = await this.#host.call("fetch", { uri, around, max_tokens: MAX_TOKENS });
      return turn === this.#turn ? fetched : undefined;
    } catch (error) {
      if (!(error instanceof Trouble)) throw error;
      if (turn === this.#turn) sayBeside(button, `${error.message} You can ask in the chat to read ${uri}.`);
    } finally {
      button.removeAttribute("aria-busy");
    }
  }

  #add({ text }) {
    for (const message of messagesOf(text)) this.#read.messages.set(message.position, message);
    this.#render();
  }

  #render() {
    const { title, metadata = {}, messages } = this.#read;
    const shown = [...messages.values()].sort((one, other) => one.position - other.position);
    const count = metadata.message_count ?? shown.length;
    const before = shown.length ? shown[0].position - 1 : -1;
    const after = shown.length ? shown.at(-1).position + 1 : count;
    this.#section.replaceChildren(
      element("button", { type: "button", class: "back", click: () => this.close() }, `← ${this.#back}`),
      element("h2", {}, title),
      line(metadata.source, count === 1 ? "1 message" : `${count} messages`),
      before >= 0 ? this.#furtherButton("Earlier messages", before) : "",
      element("ol", { class: "messages" }, ...shown.map((message) => this.#message(message))),
      after < count ? this.#furtherButton("Later messages", after) : "",
    );
  }

  #furtherButton(name, position) {
    return further(name, (button) => this.#more(position, button));
  }

  #message({ position, speaker, date, text }) {
    const { uri, quote, wanted } = this.#opened;
    const asked = position === positionOf(uri);
    const content = !asked ? [text] : quote ? withQuote(text, quote) : marked(text, wanted);
    const attributes = { id: `message-${position}`, tabindex: "-1", class: asked ? "asked" : undefined };
    return element(
      "li",
      { ...attributes, "aria-current": asked ? "true" : undefined },
      line(speaker && element("strong", {}, speaker), day(date), `#${position}`),
      element("p", { class: "said", dir: "auto" }, ...content),
    );
  }

  #focus(position) {
    const message = document.querySelector(`#message-${position}`) ?? this.#section.querySelector(".back");
    message.focus({ preventScroll: true });
    message.scrollIntoView({ block: "center" });
  }
}

/** Say what went wrong where it was asked for. */
function sayBeside(button, ...content) {
  const trouble = notice("trouble", ...content);
  const card = button.closest("li");
  if (card) card.append(trouble);
  else (button.closest("p") ?? button).after(trouble);
}

function positionOf(uri) {
  return Number(/\d+$/.exec(uri)?.[0]);
}

/** The messages of a stretch as `fetch` gives it: number, speaker and day in a line, then the text, quoted. */
function messagesOf(text) {
  const messages = [];
  for (const each of text.split("\n")) {
    const [, position, about] = /^#(\d+)(?: · (.*))?$/.exec(each) ?? [];
    if (position) messages.push({ position: Number(position), ...whoAndWhen(about ?? ""), text: "" });
    else if (messages.length) messages.at(-1).text += `${each.replace(/^> ?/, "")}\n`;
  }
  return messages.map((message) => ({ ...message, text: message.text.trimEnd() }));
}

function whoAndWhen(about) {
  const [, speaker, date] = /^(.*?)(?:(?:^| · )(\d{4,}-\d\d-\d\d))?$/.exec(about);
  return { speaker, date };
}
