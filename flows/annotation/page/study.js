// The study: a benchmark's questions one at a time, in an order drawn for each participant.

import { button, el } from "/static/dom.js";
import { asking } from "/static/check.js";
import { flagger } from "/static/flags.js";
import { Viewer } from "/static/viewer.js";

export class Study {
  constructor(page, item) {
    Object.assign(this, { page, item });
    this.flag = flagger(page, item);
    this.viewer = new Viewer([{ id: item.image, label: "" }]);
    this.problem = el("p", { class: "problem", role: "alert" });
    const asked = asking(item.options, (choice) => this.choose(choice));
    this.keys = {
      ...this.viewer.keys, ...asked.keys,
      g: ["flag a concern", () => this.flag.run()],
      b: ["back to the question before", () => this.back()],
    };
    if (item.choice !== "none yet") {
      asked.element.children[item.choice ? item.choice - 1 : 2].classList.add("taken");
    }
    this.element = el("div", { class: "work single" }, this.viewer.element,
      el("div", { class: "form" },
        el("p", { class: "step" }, `Question ${item.number} of ${item.total}`),
        el("progress", { max: item.total, value: item.answered, "aria-label": "answered" }),
        el("h1", { class: "question" }, item.question), asked.element,
        this.flag.note, this.problem,
        el("div", { class: "row actions" },
          item.before ? button("Back", "b", () => this.back(), "quiet") : null,
          this.flag.button)));
  }

  async choose(choice) {
    if (this.busy) return;
    this.busy = true;
    const id = this.page.outbox.add("chosen", this.item.subject, { choice });
    const refused = (await this.page.outbox.settled()).find((one) => one.event_id === id);
    this.busy = false;
    if (refused) this.problem.textContent = refused.why;
    else await this.page.go("study");
  }

  async back() {
    if (this.item.before) await this.page.go("study", { subject: this.item.before });
  }

  close() {
    this.viewer.close();
  }
}
