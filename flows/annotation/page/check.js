// Check mode and disputes: answer blind, one image at a time; then judge with both in sight.

import { ask, button, el, key, shortcut } from "/static/dom.js";
import { flagger } from "/static/flags.js";
import { Viewer } from "/static/viewer.js";

const MEANING = {
  clear: ["c", "the question is good and both answers are right"],
  ambiguous: ["a", "an image allows either answer, or neither"],
  wrong: ["w", "an answer is wrong"],
  leak: ["l", "the wording gives the answer away"],
};

function option(options, choice) {
  return choice ? options[choice - 1] : "cannot tell";
}

export function asking(options, choose) {
  const buttons = options.map((text, index) =>
    el("button", {
      type: "button", class: "choice", onclick: () => choose(index + 1), ...shortcut(String(index + 1)),
    },
      key(String(index + 1)), el("span", {}, text)));
  buttons.push(el("button", { type: "button", class: "choice faint", onclick: () => choose(null), ...shortcut("0") },
    key("0"), el("span", {}, "Cannot tell")));
  const keys = {
    "1": ["the first option", () => choose(1)],
    "2": ["the second option", () => choose(2)],
    "0": ["cannot tell", () => choose(null)],
  };
  return { element: el("div", { class: "choices" }, buttons), keys };
}

export class Check {
  constructor(page, item) {
    Object.assign(this, { page, item });
    this.flag = flagger(page, item);
    this.problem = el("p", { class: "problem", role: "alert" });
    this.element = el("div", { class: item.image ? "work single" : "work" });
    this.keys = { g: ["flag a concern", () => this.flag.run()] };
    if (item.image) this.blind();
    else this.both();
    Object.assign(this.keys, this.viewer.keys, this.keys);
  }

  blind() {
    const { item } = this;
    this.viewer = new Viewer([{ id: item.image, label: "" }]);
    const asked = asking(item.options, (choice) =>
      this.act("answered", { image: item.image, choice }));
    Object.assign(this.keys, asked.keys);
    this.element.append(this.viewer.element, el("div", { class: "form" },
      el("p", { class: "step" }, "One image, nothing else told"),
      el("h1", { class: "question" }, item.question), asked.element,
      this.flag.note, this.problem, el("div", { class: "row actions" }, this.flag.button)));
  }

  // Both images, the writer's key beside the answers that were given.
  pair(answers) {
    const { item } = this;
    this.viewer = new Viewer(item.images.map((id, index) => ({ id, label: "AB"[index] })));
    const rows = item.images.map((id, index) => el("tr", {},
      el("th", {}, "AB"[index]), el("td", {}, option(item.options, item.key[id])),
      answers.map((given) => {
        const same = given[id] === item.key[id];
        return el("td", { class: same ? "same" : "differs" },
          `${same ? "\u2713" : "\u2717"} ${option(item.options, given[id])}`);
      })));
    return [
      el("h1", { class: "question" }, item.question),
      el("p", { class: "hint" }, `(1) ${item.options[0]}   (2) ${item.options[1]}`), rows,
      [el("p", { class: "hint" }, `Pattern: ${item.pattern}`),
        item.statements.map((text, index) =>
          text ? el("p", { class: "hint" }, el("b", {}, "AB"[index]), ` ${text}`) : null)].flat(),
    ];
  }

  both() {
    const { item } = this;
    const [question, options, rows, more] = this.pair([item.answers]);
    const head = el("tr", {}, ["", "Writer", "You"].map((text) => el("th", {}, text)));
    const verdicts = Object.entries(MEANING).map(([verdict, [letter, text]]) =>
      el("button", {
        type: "button", class: `choice ${verdict}`, onclick: () => this.judge(verdict),
        ...shortcut(letter),
      },
        key(letter), el("span", {}, el("b", {}, verdict), el("small", {}, text))));
    for (const [verdict, [letter]] of Object.entries(MEANING)) {
      this.keys[letter] = [verdict, () => this.judge(verdict)];
    }
    this.element.append(this.viewer.element, el("div", { class: "form" },
      question, options, el("table", { class: "answers" }, head, rows),
      item.difference ? el("p", { class: "difference" }, item.difference) : null, more,
      el("p", { class: "step" }, "Your verdict"), el("div", { class: "choices" }, verdicts),
      this.flag.note, this.problem, el("div", { class: "row actions" }, this.flag.button)));
  }

  async judge(verdict) {
    let note = "";
    if (verdict !== "clear") {
      note = await ask(`Why ${verdict}?`, {
        hint: "The writer reads this, without your name.", kept: `mmvp-note:${this.item.subject}`,
      });
      if (note === null) return;
    }
    await this.act("judged", { verdict, note: note.trim() });
  }

  async act(kind, body) {
    if (this.busy) return;
    this.busy = true;
    const id = this.page.outbox.add(kind, this.item.subject, body);
    const refused = (await this.page.outbox.settled()).find((one) => one.event_id === id);
    this.busy = false;
    if (!refused) await this.page.go(this.item.mode);
    else {
      this.problem.textContent = refused.why;
      this.problem.append(" ", button("Next", "", () => this.page.go(this.item.mode), "quiet"));
    }
  }

  close() {
    this.viewer.close();
  }
}

export class Dispute extends Check {
  both() {
    const { item } = this;
    const [question, options, rows, more] = this.pair(item.checks.map((check) => check.answers));
    const head = el("tr", {}, el("th", {}), el("th", {}, item.writers.join(", ")),
      item.checks.map((check) => el("th", {}, check.who)));
    const verdicts = el("tr", {}, el("th", {}, "verdict"), el("td", {}, "clear"),
      item.checks.map((check) =>
        el("td", { class: check.verdict === "clear" ? "same" : "differs" }, check.verdict)));
    const notes = item.checks.filter((check) => check.note).map((check) =>
      el("p", { class: "difference" }, el("b", {}, `${check.who}: `), check.note));
    const flags = Object.entries(item.flags).map(([who, reason]) =>
      el("p", { class: "flagged" }, `\u2691 ${who}: ${reason}`));
    this.keys.y = ["accept the question", () => this.decide(true)];
    this.keys.n = ["reject the question", () => this.decide(false)];
    this.element.append(this.viewer.element, el("div", { class: "form" },
      question, options, el("table", { class: "answers" }, head, rows, verdicts),
      item.difference ? el("p", { class: "difference" }, item.difference) : null, more,
      notes, flags, this.flag.note, this.problem,
      el("p", { class: "step" }, "Your decision"),
      el("div", { class: "choices" },
        el("button", { type: "button", class: "choice clear", onclick: () => this.decide(true), ...shortcut("y") },
          key("y"), el("span", {}, el("b", {}, "accept"))),
        el("button", { type: "button", class: "choice wrong", onclick: () => this.decide(false), ...shortcut("n") },
          key("n"), el("span", {}, el("b", {}, "reject")))),
      el("div", { class: "row actions" }, this.flag.button)));
  }

  async decide(accepted) {
    const note = await ask(accepted ? "Accept the question" : "Reject the question", {
      hint: "Why? (optional; the writer reads this)", submit: accepted ? "Accept" : "Reject",
      kept: `mmvp-note:${this.item.subject}`,
    });
    if (note !== null) await this.act("decided", { accepted, note: note.trim() });
  }
}
