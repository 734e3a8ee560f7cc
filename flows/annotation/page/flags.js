// Flagging and skipping, which all modes share.

import { ask, button, el } from "/static/dom.js";

export function flagger(page, item) {
  const note = el("p", { class: "flagged", hidden: !item.flag }, `\u2691 ${item.flag}`);
  const run = async () => {
    const reason = await ask("Flag a concern", {
      value: item.flag,
      hint: "What is wrong, for those who look at it later. Leave it blank to take a flag back.",
      submit: "Flag",
      kept: `mmvp-flag:${item.subject}`,
    });
    if (reason === null) return;
    item.flag = reason.trim();
    page.outbox.add("flagged", item.subject, { reason: item.flag });
    note.textContent = `\u2691 ${item.flag}`;
    note.hidden = !item.flag;
  };
  return { note, run, button: button("Flag", "g", run, "quiet") };
}
