// Make elements. Text goes in as text, never as markup: questions come from people.

export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "class") element.className = value;
    else if (name === "data") Object.assign(element.dataset, value);
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element && name !== "list") element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

// A hint for the eye; screen readers get it as a shortcut of what it belongs to.
export function key(name) {
  return el("kbd", { "aria-hidden": "true" }, name);
}

const SPOKEN = { "Ctrl+Enter": "Control+Enter", Esc: "Escape" };

export function shortcut(letter) {
  return letter ? { "aria-keyshortcuts": SPOKEN[letter] ?? letter } : {};
}

export function button(text, letter, run, kind = "", label = "") {
  return el(
    "button",
    {
      type: "button", class: kind, onclick: run, title: label, ...shortcut(letter),
      ...(label ? { "aria-label": label } : {}),
    },
    el("span", {}, text),
    letter ? key(letter) : null,
  );
}

// Words of people, as many lines as there is room for; the whole of them on hover.
export function words(text) {
  return el("span", { class: "words", title: text }, text);
}

// Put the cursor behind what is there.
export function enter(field) {
  field.focus();
  field.setSelectionRange?.(field.value.length, field.value.length);
}

let hiding = 0;

export function toast(text) {
  const place = document.getElementById("toast");
  place.textContent = text;
  place.hidden = false;
  clearTimeout(hiding);
  hiding = setTimeout(() => { place.hidden = true; }, 8000);
}

// Ask for a line of text; null if the person thinks better of it.
export function ask(title, { value = "", hint = "", submit = "Save", kept = "" } = {}) {
  return new Promise((resolve) => {
    const before = kept ? localStorage.getItem(kept) : null;
    const field = el("textarea", {
      value: before ?? value, rows: 3, maxLength: 2000, "aria-label": hint || title,
    });
    const dialog = el("dialog", { class: "ask", "aria-label": title });
    let answer = null;
    const done = () => { answer = field.value; dialog.close(); };
    field.addEventListener("input", () => kept && localStorage.setItem(kept, field.value));
    field.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.shiftKey) { event.preventDefault(); done(); }
    });
    dialog.append(
      el("h2", {}, title),
      hint ? el("p", { class: "hint" }, hint) : "",
      field,
      el("div", { class: "row" },
        button("Cancel", "Esc", () => dialog.close(), "quiet"),
        button(submit, "Enter", done, "primary")),
    );
    dialog.addEventListener("close", () => {
      if (kept) localStorage.removeItem(kept);
      dialog.remove();
      resolve(answer);
    });
    document.body.append(dialog);
    dialog.showModal();
    enter(field);
  });
}

export function share(value) {
  return value === null || value === undefined ? "\u2013" : value.toFixed(2);
}
