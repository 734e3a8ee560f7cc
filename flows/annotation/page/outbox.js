// What a person did, kept in this browser until the server says that it is on its disk.
//
// Acts are sent in their order, one request at a time. Each has an id made here, so sending one
// twice does no harm. What is not acknowledged survives a reload and a lost connection.

const PREFIX = "mmvp-outbox";
const WAIT_MS = 200;
const RETRY_MS = [1000, 2000, 4000, 8000];
const AT_ONCE = 50;
export const NO_CONNECTION = "no connection";

export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

export class Outbox {
  constructor(who, mining, onchange, onrefused) {
    Object.assign(this, { who, mining, onchange, onrefused });
    this.prefix = `${PREFIX}:${mining}:${who}:`;
    let tab = sessionStorage.getItem(PREFIX);
    if (!tab) sessionStorage.setItem(PREFIX, (tab = newId()));
    this.name = this.prefix + tab;
    this.acts = this.kept();
    this.state = "saved";
    this.sending = 0; // acts of the request under way; they must not change any more
    this.failures = 0;
    this.waiting = [];
    addEventListener("online", () => this.send());
    this.acts.length ? this.send() : this.tell("saved");
  }

  // Acts of this tab, and of tabs that were closed before they could send.
  kept() {
    const acts = [];
    for (const name of Object.keys(localStorage).filter((one) => one.startsWith(this.prefix))) {
      acts.push(...JSON.parse(localStorage.getItem(name)));
      if (name !== this.name) localStorage.removeItem(name);
    }
    this.acts = acts;
    this.keep();
    return acts;
  }

  // Acts about other pairs, kept when the server was started again for these.
  async sendOthers() {
    for (const name of Object.keys(localStorage)) {
      const [prefix, mining, who] = name.split(":");
      if (prefix !== PREFIX || who !== this.who || mining === this.mining) continue;
      let acts = JSON.parse(localStorage.getItem(name));
      while (acts.length) {
        if (!(await this.post(mining, acts.slice(0, AT_ONCE))).ok) break; // the next start tries again
        acts = acts.slice(AT_ONCE);
        if (acts.length) localStorage.setItem(name, JSON.stringify(acts));
        else localStorage.removeItem(name);
      }
    }
  }

  post(mining, acts) {
    return fetch("/api/acts", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ who: this.who, mining, acts }),
      signal: AbortSignal.timeout(20000),
    });
  }

  keep() {
    if (!this.acts.length) return localStorage.removeItem(this.name);
    try {
      localStorage.setItem(this.name, JSON.stringify(this.acts));
    } catch {
      // No room in this browser: it is sent all the same.
    }
  }

  // A draft that nobody has sent yet makes way for the one that follows it.
  add(kind, subject, body) {
    const last = this.acts.length - 1;
    const before = last >= this.sending ? this.acts[last] : null;
    if (kind === "draft" && before && before.kind === kind && before.subject === subject) {
      // A new name: an earlier page may have sent the old one already.
      Object.assign(before, { body, event_id: newId() });
    } else {
      this.acts.push({ event_id: newId(), kind, subject, body });
    }
    const { event_id } = this.acts[this.acts.length - 1];
    this.keep();
    this.tell(this.failures ? "offline" : "saving", this.problem);
    if (!this.timer) this.timer = setTimeout(() => this.send(), this.failures ? 1000 : WAIT_MS);
    return event_id;
  }

  draftOf(subject) {
    return this.acts.filter((act) => act.kind === "draft" && act.subject === subject).at(-1)?.body;
  }

  // Resolves once all that is there now is on the server's disk; gives the refusals on the way.
  settled() {
    return new Promise((resolve) => {
      if (!this.acts.length) resolve([]);
      else { this.waiting.push({ resolve, refused: [] }); this.send(); }
    });
  }

  async send() {
    clearTimeout(this.timer);
    this.timer = 0;
    if (this.sending || !this.acts.length || this.stopped) return;
    const acts = this.acts.slice(0, AT_ONCE);
    this.sending = acts.length;
    let problem = null, refused = [];
    try {
      const answer = await this.post(this.mining, acts);
      const told = await answer.json();
      if (answer.ok) refused = told.refused;
      else {
        problem = told.error;
        this.stopped = [401, 403, 409].includes(answer.status);
      }
    } catch {
      problem = NO_CONNECTION;
    }
    this.sending = 0;
    if (problem !== null) this.again(problem);
    else this.done(acts, refused);
  }

  again(problem) {
    this.failures += 1;
    this.problem = problem;
    this.tell(this.stopped ? "stopped" : "offline", problem);
    if (this.stopped) return;
    const wait = RETRY_MS[Math.min(this.failures, RETRY_MS.length) - 1];
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.send(), wait);
  }

  done(acts, refused) {
    this.failures = 0;
    this.problem = "";
    const sent = new Set(acts.map((act) => act.event_id));
    this.acts = this.acts.filter((act) => !sent.has(act.event_id));
    this.keep();
    this.waiting.forEach((one) => one.refused.push(...refused));
    if (this.acts.length) {
      this.tell("saving");
      this.timer ||= setTimeout(() => this.send(), WAIT_MS);
    } else {
      this.tell("saved");
      this.waiting.splice(0).forEach((one) => one.resolve(one.refused));
    }
    if (refused.length) this.onrefused(refused);
  }

  tell(state, problem = "") {
    this.state = state;
    this.onchange(state, problem, this.acts.length);
  }
}
