"use strict";

// What was found, each in a card that opens it in its conversation.

let cards = 0;

/** A card: whose it is and when, then what was said; its number is that by which the text of a result names it. */
function opening(title, { page, uri, quote, wanted, about, number }, ...said) {
  about.id = `about-${(cards += 1)}`;
  const opener = page.opener(title, { uri, quote, wanted, class: "title", "aria-describedby": about.id });
  const known = number ? element("span", { class: "number", "aria-hidden": "true" }, `[${number}] `) : "";
  const opens = opener.tagName === "BUTTON" ? "opens" : undefined;
  const click = (event) => openUnlessSelecting(event, opener);
  return element("li", { class: opens, click }, element("h2", {}, known, opener), about, ...said);
}

/** The card of a hit or of a near miss, among what was said around it. */
function card(hit, { number, wanted, page }) {
  return opening(
    hit.title,
    { page, uri: hit.url, wanted, about: line(hit.speaker, day(hit.date)), number },
    ...(hit.before ?? []).map(beside),
    element("p", { class: "said", dir: "auto" }, ...marked(hit.text, wanted)),
    ...(hit.after ?? []).map(beside),
    hit.why ? line(...reasons(hit.why)) : "",
  );
}

function beside(text) {
  return element("p", { class: "beside", dir: "auto" }, text);
}

function reasons(why) {
  const largest = Object.entries(why).sort(([, one], [, other]) => other - one);
  return largest.map(([name, value]) => `${name} ${value.toFixed(2)}`);
}

/** A click anywhere on a card opens it, but not the end of a selection. */
function openUnlessSelecting(event, opener) {
  const selects = !getSelection().isCollapsed;
  if (!selects && !event.target.closest("button, .trouble")) opener.click();
}
