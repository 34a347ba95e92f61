"use strict";

const answer = {
  back: "Back to the answer",

  asked: (given) => given.question,

  state({ answered, reason, confidence }) {
    if (!answered) return [reason, "refusal"];
    return [confidence === "high" ? "" : "It is not certain that this answers the question."];
  },

  content: (reply, page) => [...notices(reply), ...(reply.answered ? given(reply, page) : missed(reply, page))],
};

function notices({ account }) {
  return account?.notice ? [notice("degraded", account.notice)] : [];
}

function given(reply, page) {
  const sources = new Map(reply.citations.map((citation) => [String(citation.n), citation]));
  return [
    element("p", { class: "answer", dir: "auto" }, ...withCitations(reply.text, sources, page)),
    element("h2", { class: "label" }, "Sources"),
    element("ol", { class: "cards" }, ...reply.citations.map((citation) => source(citation, page))),
    line(written(reply.account ?? {})),
  ];
}

/** The text of an answer; [n] opens citation n. */
function withCitations(text, sources, page) {
  return text.split(/(\[\d+\])/).map((part) => {
    const citation = sources.get(/^\[(\d+)\]$/.exec(part)?.[1]);
    if (!citation) return part;
    const label = `Source ${citation.n}: ${citation.title}`;
    const { uri, quote } = citation;
    return page.opener(part, { uri, quote, class: "citation", "aria-label": label });
  });
}

function source(citation, page) {
  const { n, uri, quote, title, speaker, date, verified } = citation;
  const about = line(speaker, day(date), standing(verified));
  const said = element("blockquote", { class: "said", dir: "auto" }, quote);
  return opening(title, { page, uri, quote, about, number: n }, said);
}

function standing(verified) {
  if (!verified) return element("span", { class: "unverified" }, "not verified");
  const meaning = "It stands word for word in the stored message.";
  return element("span", { class: "verified", title: meaning }, "✓ verified");
}

function written({ model, cached }) {
  const by = model ? `Written by ${model} from these sources.` : "Quoted from the store; no model wrote this.";
  return cached ? `${by} Kept from an earlier call.` : by;
}

function missed({ nearest = [] }, page) {
  if (!nearest.length) return [];
  const wanted = wantedOf(page.given.question);
  return [
    element("h2", { class: "label" }, "Nearest misses, which do not answer"),
    element("ol", { class: "cards" }, ...nearest.map((miss) => card(miss, { wanted, page }))),
  ];
}

new Page(answer).begin("mcp-rag answer");
