// The page: who is here, which mode, keys, what is saved.

import { get, post } from "/static/api.js";
import { Check, Dispute } from "/static/check.js";
import { button, el, key, share, toast } from "/static/dom.js";
import { NO_CONNECTION, Outbox } from "/static/outbox.js";
import { Progress } from "/static/progress.js";
import { Study } from "/static/study.js";
import { Write } from "/static/write.js";

const MODES = {
  write: ["Write", (page, item) => new Write(page, item)],
  check: ["Check", (page, item) => new Check(page, item)],
  adjudicate: ["Decide", (page, item) => new Dispute(page, item)],
  study: ["Study", (page, item) => new Study(page, item)],
};
const NOTHING = {
  write: "No pair is free now: as many are begun as are wanted. Check what others wrote.",
  check: "There is nothing for you to check now. Write, or come back when others have written.",
  adjudicate: "No question is in dispute now.",
  study: "You have answered every question. Thank you!",
};
const SAID = { saved: "Saved", saving: "Saving\u2026", offline: "Offline, kept here", stopped: "Not saved" };
const UNSAVED = "Not saved yet, kept here";
const ARROWS = { ArrowLeft: "\u2190", ArrowRight: "\u2192", ArrowUp: "\u2191", ArrowDown: "\u2193" };
const REFRESH_MS = 10000;

const main = document.getElementById("main");

class Page {
  constructor(about) {
    this.about = about;
    this.outbox = new Outbox(about.who, about.mining, this.saving, this.refused);
    document.getElementById("who").textContent = about.who;
    document.getElementById("help").onclick = () => this.help();
    const modes = [...about.modes.map((mode) => [mode, MODES[mode][0]]), ["progress", "Progress"]];
    this.tabs = Object.fromEntries(modes.map(([mode, text]) =>
      [mode, el("button", { type: "button", onclick: () => this.go(mode) },
        el("span", {}, text), el("span", { class: "badge" }))]));
    document.getElementById("tabs").replaceChildren(...Object.values(this.tabs));
    document.addEventListener("keydown", (event) => this.press(event));
    setInterval(() => document.hidden || this.count(), REFRESH_MS);
    addEventListener("hashchange", () => location.reload());
  }

  saving = (state, problem) => {
    const place = document.getElementById("save");
    const told = state === "offline" && problem && problem !== NO_CONNECTION;
    place.textContent = told ? UNSAVED : SAID[state];
    if (told && place.title !== problem) toast(`Not saved: ${problem}. It is tried again.`);
    place.title = problem;
    place.dataset.state = state;
    if (state === "stopped") toast(problem);
  };

  refused = (refused) => toast(refused.map((one) => one.why).join("; "));

  async go(mode, options = {}) {
    let view, found;
    try {
      if (mode === "progress") view = await Progress.open(this);
      else {
        found = await post("/api/next", { mode, ...options });
        if (found.mining !== this.about.mining) return await this.anew();
        view = found.mode ? MODES[mode][1](this, found) : this.nothing(mode, found);
      }
    } catch (error) {
      const passing = !error.status || error.status === 503;
      const told = error.status ? error.message : "No connection to the server";
      toast(passing ? `${told}; it is tried again.` : told);
      if (this.mode !== undefined) return;
      stop(`The page cannot start: ${told}.`);
      if (passing) setTimeout(() => this.mode === undefined && this.go(mode, options), 2000);
      return;
    }
    this.view?.close();
    Object.assign(this, { view, mode });
    for (const [name, tab] of Object.entries(this.tabs)) {
      tab.setAttribute("aria-current", name === mode ? "page" : "false");
    }
    main.replaceChildren(view.element);
    main.setAttribute("aria-label", this.tabs[mode].firstChild.textContent);
    main.dataset.mode = found && !found.mode ? "nothing" : mode;
    main.dataset.subject = found?.subject ?? "";
    scrollTo(0, 0);
    main.focus({ preventScroll: true }); // screen readers go on from here, and letters act
    this.count();
  }

  // The server was started again for other pairs: what was typed about these is sent first.
  async anew() {
    await this.outbox.settled();
    location.reload();
  }

  nothing(mode, found) {
    const back = () => this.go(mode, { subject: found.before });
    const look = () => this.go(mode);
    return {
      element: el("div", { class: "empty" }, el("p", {}, NOTHING[mode]), found.before
        ? button("Back to the last question", "b", back)
        : button("Look again", "r", look, "primary")),
      keys: found.before ? { b: ["back", back] } : { r: ["look again", look] },
      close() {},
    };
  }

  async count() {
    let found;
    try {
      found = await get(`/api/progress?subject=${main.dataset.subject ?? ""}`);
    } catch {
      return; // the next time will do
    }
    this.news(found);
    const place = document.getElementById("counts");
    if (this.tabs.study) {
      place.textContent = `${found.people[this.about.who]} of ${found.total} answered`;
      return;
    }
    const { counts, agreement } = found;
    place.replaceChildren(
      el("progress", { max: counts.wanted, value: counts.accepted, "aria-label": "accepted" }),
      el("span", { class: "many" },
        `${counts.accepted} of ${counts.wanted} pairs accepted \u00b7 ${counts.written} written \u00b7 `
        + `${counts.checked} checked \u00b7 ${counts.disputed} in dispute \u00b7 `
        + `agreement \u03b1 ${share(agreement.answers.alpha)} on answers, `
        + `${share(agreement.verdicts.alpha)} on verdicts`),
      el("span", { class: "few" },
        `${counts.accepted}/${counts.wanted} \u00b7 ${counts.disputed} in dispute \u00b7 `
        + `\u03b1 ${share(agreement.answers.alpha)}`),
      counts.complete ? " \u00b7 complete" : "");
    this.badge("check", found.to_check);
    this.badge("adjudicate", found.disputes);
  }

  // What changed since this page was opened; nobody is taken away from what they do.
  news(found) {
    const more = this.pairs !== undefined && this.pairs !== found.pairs;
    this.pairs = found.pairs;
    let text = found.news ?? "", act = null;
    if (found.mining !== this.about.mining) {
      text = "This page works on other pairs now. What you type here is kept with the ones before.";
      act = button("Go there", "", () => this.anew());
    } else if (found.gone) {
      text = "This pair is not among the mined ones any more. What you typed is kept.";
      act = button("Take another", "", () => this.go("write"));
    }
    const place = document.getElementById("news");
    place.hidden = !text;
    if (place.firstChild?.textContent !== text) place.replaceChildren(el("span", {}, text), act ?? "");
    if (more) toast(`A run has mined anew: there are ${found.pairs} pairs now.`);
    if (more && main.dataset.mode === "nothing") this.go(this.mode);
  }

  badge(mode, count) {
    if (this.tabs[mode]) this.tabs[mode].lastChild.textContent = count || "";
  }

  press(event) {
    if (document.querySelector("dialog[open]") || event.altKey) return;
    const typing = event.target.matches("input, textarea, select");
    if (event.key === "Escape") {
      if (typing) event.target.blur();
      else this.view?.viewer?.escape();
      return;
    }
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      this.view?.keys["Ctrl+Enter"]?.[1]();
      return;
    }
    if (typing || event.ctrlKey || event.metaKey) return;
    if (event.key === "?") this.help();
    else if (this.view?.keys[event.key]) {
      event.preventDefault();
      this.view.keys[event.key][1]();
    } else if (event.key === "m") {
      const modes = Object.keys(this.tabs);
      this.go(modes[(modes.indexOf(this.mode) + 1) % modes.length]);
    }
  }

  help() {
    const texts = new Map();
    const all = { ...this.view?.keys, m: ["next mode"], Esc: ["leave a field, or flicker"], "?": ["these keys"] };
    for (const [name, [text]] of Object.entries(all)) {
      texts.set(text, [...(texts.get(text) ?? []), ARROWS[name] ?? name]);
    }
    const dialog = el("dialog", { class: "keys", "aria-label": "Keys" }, el("h2", {}, "Keys"),
      el("dl", {}, [...texts].map(([text, names]) =>
        el("div", {}, el("dt", {}, names.map((name) => el("kbd", {}, name))), el("dd", {}, text)))),
      button("Close", "Esc", () => dialog.close(), "primary"));
    dialog.addEventListener("close", () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
  }
}

function stop(text) {
  main.replaceChildren(el("div", { class: "empty" }, el("p", {}, text)));
}

async function begin() {
  const token = location.hash.slice(1);
  try {
    if (token) {
      history.replaceState(null, "", "/");
      await post("/enter", { token });
    }
    const page = new Page(await get("/api/about"));
    page.outbox.sendOthers().catch(() => {}); // the next start tries again
    // What was left unsent comes first: it may end the pair that would be shown.
    await Promise.race([page.outbox.settled(), new Promise((done) => setTimeout(done, 3000))]);
    await page.go(page.about.modes[0] ?? "progress");
  } catch (error) {
    if (error.status === 401) {
      stop(token ? "This link opens nothing: ask for a new one." : "Open the link that was made for you.");
    } else {
      stop(`The page cannot start: ${error.message}. It is tried again.`);
      setTimeout(begin, 2000);
    }
  }
}

begin();
