// How far all are, how far they agree, how each question stands, and one's own pairs.

import { get } from "/static/api.js";
import { el, share, words } from "/static/dom.js";

const AGREEMENT = {
  answers: "answers about single images, the writer's among them",
  verdicts: "whether a question is clear",
  patterns: "patterns, where several write about one pair",
};

function table(head, rows) {
  return el("div", { class: "scroll" }, el("table", {},
    el("thead", {}, el("tr", {}, head.map((text) => el("th", {}, text)))),
    el("tbody", {}, rows.map((cells) => el("tr", {}, cells.map((cell) => el("td", {}, cell)))))));
}

function chip(stands) {
  return el("span", { class: `chip ${stands}` }, stands);
}

export class Progress {
  static async open(page) {
    return new Progress(page, await get("/api/progress?whole"));
  }

  constructor(page, found) {
    this.page = page;
    this.keys = {};
    this.element = el("div", { class: "progress" },
      page.about.modes.includes("study") ? this.study(found) : this.writing(found));
  }

  study(found) {
    return [el("h1", {}, "Study"), table(["participant", "answered", "of"],
      Object.entries(found.people).map(([who, count]) => [who, String(count), String(found.total)]))];
  }

  writing(found) {
    const { counts } = found;
    const tiles = ["wanted", "written", "checked", "accepted", "disputed", "rejected", "skipped", "flagged"];
    return [
      el("h1", {}, counts.complete ? "The set is complete" : "Progress"),
      el("div", { class: "tiles" }, tiles.map((name) =>
        el("div", { class: "tile" }, el("b", {}, String(counts[name])), el("span", {}, name)))),
      el("h2", {}, "Agreement"),
      table(["of", "Krippendorff\u2019s \u03b1", "units", "judgements"],
        Object.entries(found.agreement).map(([name, one]) =>
          [AGREEMENT[name], share(one.alpha), String(one.units), String(one.judgements)])),
      el("h2", {}, "People"),
      table(["name", "written", "skipped", "checked", "decided"],
        Object.entries(found.people).map(([who, one]) =>
          [who, ...["written", "skipped", "checked", "decided"].map((name) => String(one[name]))])),
      el("h2", {}, "Patterns"),
      table(["pairs of", "written", "accepted"],
        Object.entries(found.patterns).map(([name, one]) =>
          [name, String(one.written), String(one.accepted)])),
      found.mine.length ? el("h2", {}, "Your pairs") : null,
      el("ul", { class: "mine" }, found.mine.map((pair) => this.pair(pair))),
      el("h2", {}, "Questions"),
      table(["question", "stands", "answers right", "agreement", "verdicts", "flags"],
        found.questions.map((row) => [
          row.question ? words(row.question) : "hidden until you have checked it", chip(row.standing),
          `${row.answers_right} of ${row.answers}`, share(row.agreement),
          Object.entries(row.verdicts).map(([name, count]) => `${count} ${name}`).join(", "),
          row.flags ? `\u2691 ${row.flags}` : "",
        ])),
    ];
  }

  pair(pair) {
    return el("li", {}, el("button", {
      type: "button", class: "mine", onclick: () => this.page.go("write", { subject: pair.subject }),
    },
    pair.images.map((id) => el("img", { src: `/images/${id}/small`, alt: "", loading: "lazy" })),
    el("span", {}, words(pair.question || "nothing asked yet"), " ", chip(pair.stands),
      pair.flag ? ` \u2691 ${pair.flag}` : "",
      pair.notes.map((note) => el("small", {}, words(`${note.says}${note.note ? `: ${note.note}` : ""}`))))));
  }

  close() {}
}
