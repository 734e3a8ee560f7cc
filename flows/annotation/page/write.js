// Write mode: see the difference, ask one question with two options, say whose answer is which.

import { get } from "/static/api.js";
import { ask, button, el, enter, key, share, shortcut, toast } from "/static/dom.js";
import { flagger } from "/static/flags.js";
import { Viewer } from "/static/viewer.js";

const BLANK = {
  difference: "", question: "", option_1: "", option_2: "",
  answer_a: null, pattern: null, statement_a: "", statement_b: "",
};

export class Write {
  constructor(page, item) {
    Object.assign(this, { page, item });
    this.draft = { ...BLANK, ...(page.outbox.draftOf(item.subject) ?? item.draft ?? {}) };
    this.viewer = new Viewer(item.images.map((id, index) => ({ id, label: "AB"[index] })));
    this.flag = flagger(page, item);
    this.fields = {};
    this.problem = el("p", { class: "problem", role: "alert" });
    this.told = el("div", { class: "told" });
    this.element = el("div", { class: "work" }, this.left(), this.form());
    this.fill();
    this.keys = {
      d: ["difference", () => enter(this.fields.difference)],
      q: ["question", () => enter(this.fields.question)],
      "1": ["first option", () => enter(this.fields.option_1)],
      "2": ["second option", () => enter(this.fields.option_2)],
      a: ["turn the answers round", () => this.answer(this.draft.answer_a === 1 ? 2 : 1)],
      p: ["pattern", () => this.fields.pattern.focus()],
      s: ["statements", () => this.openStatements()],
      g: ["flag a concern", () => this.flag.run()],
      k: ["skip this pair", () => this.skip()],
      n: ["another pair; this one waits", () => this.later()],
      "Ctrl+Enter": ["save, next pair", () => this.submit()],
      ...this.viewer.keys,
    };
    this.submit = this.submit.bind(this);
    this.tell();
  }

  left() {
    const { clip_cosine, ssl_cosine } = this.item;
    const meter = (name, value, title) => el("div", { class: "cosine", title },
      el("span", {}, name), el("meter", { min: 0, max: 1, value, "aria-label": title }), el("b", {}, share(value)));
    this.viewer.tools.append(el("div", { class: "cosines" },
      meter("CLIP", clip_cosine, "Cosine by the encoder that takes them for the same"),
      meter("SSL", ssl_cosine, "Cosine by the encoder that tells them apart")));
    return el("div", { class: "left" }, this.viewer.element, this.told);
  }

  form() {
    const text = (name, label, letter, options = {}) => {
      const field = el(options.rows ? "textarea" : "input", {
        name, maxLength: this.page.about.text_max, autocomplete: "off", spellcheck: true,
        ...shortcut(letter),
        placeholder: options.placeholder ?? "", ...(options.rows ? { rows: options.rows } : {}),
        oninput: () => this.change(name, field.value),
      });
      this.fields[name] = field;
      return el("label", { class: options.class ?? "" },
        el("span", {}, label, letter ? key(letter) : null), field);
    };
    this.sides = [1, 2].map((value) => el("button", {
      type: "button", class: "side", onclick: () => this.answer(value), ...shortcut("a"),
    }));
    const none = el("option", { value: "" }, "Choose one");
    this.fields.pattern = el("select", {
      name: "pattern", ...shortcut("p"), onchange: () => this.change("pattern", this.fields.pattern.value || null),
    }, none, this.page.about.patterns.map((name) =>
      el("option", { value: name }, name === "none" ? "None of these" : name)));
    this.statements = el("details", { class: "statements" },
      el("summary", {}, "Statements, optional", key("s")),
      text("statement_a", "True of A alone"), text("statement_b", "True of B alone"));
    return el("form", { class: "form", onsubmit: (event) => event.preventDefault() },
      text("difference", "What differs?", "d", { rows: 2, placeholder: "A has\u2026, B has\u2026" }),
      text("question", "One question", "q", { placeholder: "Asked of each image alone" }),
      el("div", { class: "row options" },
        text("option_1", "Option (1)", "1"), text("option_2", "Option (2)", "2")),
      el("div", { class: "field" },
        el("span", { class: "label" }, "Which answer belongs to which image?", key("a")),
        el("div", { class: "sides", role: "group", "aria-label": "Which answer belongs to which image" },
          this.sides)),
      el("label", {}, el("span", {}, "Pattern", key("p")), this.fields.pattern),
      this.statements, this.flag.note, this.problem,
      el("div", { class: "row actions" },
        button("Skip", "k", () => this.skip(), "quiet"),
        this.flag.button,
        button("Later", "n", () => this.later(), "quiet"),
        button(this.item.written ? "Save change" : "Save, next", "Ctrl+Enter",
          () => this.submit(), "primary")));
  }

  fill() {
    for (const [name, field] of Object.entries(this.fields)) field.value = this.draft[name] ?? "";
    this.statements.open = Boolean(this.draft.statement_a || this.draft.statement_b);
    this.showSides();
  }

  showSides() {
    const { option_1, option_2, answer_a } = this.draft;
    const texts = [option_1.trim() || "(1)", option_2.trim() || "(2)"];
    this.sides.forEach((side, index) => {
      side.replaceChildren(...["A", "B"].map((image, place) =>
        el("span", { class: "words" }, el("b", {}, `${image} `), texts[(index + place) % 2])));
      side.setAttribute("aria-pressed", String(answer_a === index + 1));
    });
  }

  change(name, value) {
    this.draft[name] = value;
    this.problem.textContent = "";
    this.showSides();
    this.page.outbox.add("draft", this.item.subject, { ...this.draft });
  }

  answer(value) {
    this.change("answer_a", value);
  }

  openStatements() {
    this.statements.open = true;
    enter(this.fields.statement_a);
  }

  // What is missing, and the field where it goes; the server checks the same.
  missing() {
    const { draft, fields } = this;
    for (const [name, words] of [["question", "Ask one question."],
      ["option_1", "Give the first option."], ["option_2", "Give the second option."]]) {
      if (!draft[name].trim()) return [words, fields[name]];
    }
    if (draft.option_1.trim().toLowerCase() === draft.option_2.trim().toLowerCase()) {
      return ["The two options must differ.", fields.option_2];
    }
    if (!draft.answer_a) return ["Say which answer belongs to which image.", this.sides[0]];
    if (!draft.pattern) return ["Choose a pattern.", fields.pattern];
    if (Boolean(draft.statement_a.trim()) !== Boolean(draft.statement_b.trim())) {
      return ["Write both statements, or none.",
        draft.statement_a.trim() ? fields.statement_b : fields.statement_a];
    }
    return null;
  }

  async submit() {
    const missing = this.missing();
    if (missing) {
      this.problem.textContent = missing[0];
      missing[1].focus();
      return;
    }
    await this.act("written", { ...this.draft });
  }

  async skip() {
    const reason = await ask("Skip this pair", {
      hint: "Another writer may get it. Why is there nothing to ask? (optional)",
      submit: "Skip",
    });
    if (reason !== null) await this.act("skipped", { reason: reason.trim() });
  }

  async act(kind, body) {
    if (this.busy) return;
    this.busy = true;
    const id = this.page.outbox.add(kind, this.item.subject, body);
    const refused = (await this.page.outbox.settled()).find((one) => one.event_id === id);
    this.busy = false;
    if (refused) this.problem.textContent = refused.why;
    else await this.page.go("write");
  }

  async later() {
    await this.page.outbox.settled();
    await this.page.go("write", { fresh: true });
  }

  async tell() {
    let found;
    try {
      found = await get(`/api/told/${this.item.subject}`);
    } catch (error) {
      if (error.status) toast(error.message);
      return;
    }
    const values = found.told.map(({ label, caption, attributes }) =>
      Object.entries({ label, caption, ...attributes }).filter(([, value]) => value));
    const maps = values.map((one) => new Map(one));
    const facts = values.map((one, index) =>
      el("dl", {}, el("dt", { class: "head" }, "AB"[index]), one.flatMap(([name, value]) => {
        const differs = maps[1 - index].get(name) !== value;
        return [el("dt", {}, name), el("dd", { class: differs ? "differing" : "" }, value)];
      })));
    if (values.some((one) => one.length)) this.told.append(el("h2", {}, "What the corpus tells"), el("div", { class: "row" }, facts));
    if (!found.similar.length) return;
    this.told.append(el("h2", {}, "Similar pairs"), el("ul", { class: "similar" },
      found.similar.map((pair) => el("li", {},
        pair.images.map((id) => el("img", { src: `/images/${id}/small`, alt: "", loading: "lazy" })),
        el("p", {}, pair.question ?? `CLIP ${share(pair.clip_cosine)}, SSL ${share(pair.ssl_cosine)}`)))));
  }

  close() {
    this.viewer.close();
  }
}
