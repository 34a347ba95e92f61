"use strict";

// Which words of a text a question asked for, and where in it a quote stands.

const SEGMENTER = new Intl.Segmenter(undefined, { granularity: "word" });
const FUNCTION_WORDS = new Set(
  ("about after all and any are been before but can could did does for from had has have her his how into its " +
    "just may more not now off our out she should some that the their them then there these they this those was " +
    "were what when where which who whom whose why will with would you your").split(" "),
);

function words(text) {
  return Array.from(SEGMENTER.segment(text));
}

/** A word without its accents and capitals. */
function bare(word) {
  return word.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
}

/** The words of a question that are worth a mark. */
function wantedOf(question) {
  const all = words(question ?? "").filter((each) => each.isWordLike).map((each) => bare(each.segment));
  return all.filter((word) => !FUNCTION_WORDS.has(word) && (word.length > 2 || !/^[a-z]+$/.test(word)));
}

/** Whether two words are one, or nearly: "move" and "moved", "open" and "opening". */
function alike(one, other) {
  let common = 0;
  while (common < one.length && one[common] === other[common]) common += 1;
  const rests = [one.length - common, other.length - common];
  return Math.max(...rests) === 0 || (common > 3 && Math.min(...rests) < 2 && Math.max(...rests) < 4);
}

/** The text, with what was wanted in `mark`. */
function marked(text, wanted) {
  if (!wanted?.length) return [text];
  return words(text).map(({ segment, isWordLike }) =>
    isWordLike && wanted.some((word) => alike(word, bare(segment))) ? element("mark", {}, segment) : segment,
  );
}

/** The text, with the quote in `mark`, whatever the space between its words; as it is where that is not in it. */
function withQuote(text, quote) {
  const words = quote.trim().split(/\s+/).map((word) => word.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&"));
  const found = new RegExp(words.join("\\s+"), "u").exec(text);
  if (!found || !found[0]) return [text];
  const stop = found.index + found[0].length;
  return [text.slice(0, found.index), element("mark", {}, found[0]), text.slice(stop)];
}
