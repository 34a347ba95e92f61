"use strict";

const search = {
  back: "Back to what was found",

  asked: (given) => given.query,

  state({ results, total, confidence }) {
    if (!total) return ["Nothing is stored that fits.", "refusal"];
    if (confidence === "none") return ["Nothing in the store answers this. The nearest misses:", "refusal"];
    const count = `${results.length} of ${total} ${total === 1 ? "hit" : "hits"}`;
    return confidence === "low" ? [`${count}, and it is not certain that they answer this.`] : [count];
  },

  content(values, page) {
    const list = element("ol", { class: "cards" });
    const degraded = values.notice ? [notice("degraded", values.notice)] : [];
    return [...degraded, list, ...this.page(values, list, page)];
  },

  /** Put a page of hits at the end of the list. Gives the button for the next, if there is one. */
  page({ results, next_cursor: cursor }, list, page) {
    const wanted = wantedOf(page.given.query);
    for (const hit of results) list.append(card(hit, { number: list.children.length + 1, wanted, page }));
    if (!cursor || !page.may("search")) return [];
    return [further("More", (button) => this.more(cursor, list, button, page))];
  },

  async more(cursor, list, button, page) {
    const shown = list.children.length;
    document.querySelectorAll(".trouble").forEach((each) => each.remove());
    button.disabled = true;
    try {
      const values = await page.host.call("search", { ...page.given, cursor });
      button.replaceWith(...this.page(values, list, page));
      page.say(...this.state({ ...values, results: list.children }));
      list.children[shown]?.querySelector("button")?.focus();
    } catch (error) {
      if (!(error instanceof Trouble)) throw error;
      button.disabled = false;
      sayBeside(button, `${error.message} You can ask for more in the chat.`);
    }
  },
};

new Page(search).begin("mcp-rag search");
