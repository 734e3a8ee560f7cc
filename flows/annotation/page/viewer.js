// One image, or two beside each other: zoom and pan at the same place in both, and flicker.

import { el, button } from "/static/dom.js";

const LARGEST = 16;
const FLICKER_MS = 450; // slower than three flashes a second

export class Viewer {
  constructor(images) {
    this.images = images;
    this.scale = 1;
    this.x = this.y = 0; // of the middle, in widths and heights of a frame
    this.pointers = new Map();
    this.pictures = images.map(({ id, label }) =>
      el("img", {
        src: `/images/${id}`, alt: label ? `Image ${label}` : "The image", draggable: false,
      }));
    this.frames = images.map(({ label }, index) =>
      el("figure", { class: "frame", data: { label } },
        this.pictures[index], label ? el("figcaption", {}, label) : null));
    this.tools = el("div", { class: "tools" },
      button("\u2212", "", () => this.zoom(1 / 1.5), "quiet", "Zoom out"),
      button("+", "", () => this.zoom(1.5), "quiet", "Zoom in"),
      button("Fit", "z", () => this.fit(), "quiet fit"),
      images.length > 1 ? button("Flicker", "f", () => this.flicker(), "quiet flickers") : null,
      images.length > 1
        ? button("Other", "x", () => this.other(), "quiet", "Other image at the same place") : null);
    this.stage = el("div", { class: `stage of${images.length}` }, this.frames);
    this.element = el("section", { class: "viewer", "aria-label": "Images" },
      this.stage, this.tools);
    for (const frame of this.frames) this.listen(frame);
    this.keys = {
      "+": ["zoom in", () => this.zoom(1.5)],
      "-": ["zoom out", () => this.zoom(1 / 1.5)],
      z: ["fit", () => this.fit()],
      ArrowLeft: ["move the view", () => this.pan(0.1, 0)],
      ArrowRight: ["move the view", () => this.pan(-0.1, 0)],
      ArrowUp: ["move the view", () => this.pan(0, 0.1)],
      ArrowDown: ["move the view", () => this.pan(0, -0.1)],
    };
    if (images.length > 1) {
      this.keys.f = ["flicker between the images", () => this.flicker()];
      this.keys.x = ["the other image at the same place", () => this.other()];
    }
  }

  listen(frame) {
    frame.addEventListener("wheel", (event) => {
      event.preventDefault();
      const [fx, fy] = this.place(frame, event);
      this.zoom(Math.exp(-event.deltaY / 300), fx, fy);
    }, { passive: false });
    frame.addEventListener("dblclick", (event) => {
      const [fx, fy] = this.place(frame, event);
      if (this.scale > 1) this.fit();
      else this.zoom(3, fx, fy);
    });
    frame.addEventListener("pointerdown", (event) => {
      frame.setPointerCapture(event.pointerId);
      this.pointers.set(event.pointerId, this.place(frame, event));
    });
    frame.addEventListener("pointermove", (event) => {
      if (!this.pointers.has(event.pointerId)) return;
      const before = [...this.pointers.values()];
      this.pointers.set(event.pointerId, this.place(frame, event));
      this.drag(before, [...this.pointers.values()]);
    });
    for (const end of ["pointerup", "pointercancel"]) {
      frame.addEventListener(end, (event) => this.pointers.delete(event.pointerId));
    }
  }

  // Where a pointer is in a frame, from -0.5 to 0.5.
  place(frame, event) {
    const box = frame.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width - 0.5,
      (event.clientY - box.top) / box.height - 0.5];
  }

  drag(before, after) {
    const middle = (points) => [0, 1].map((axis) =>
      points.reduce((sum, point) => sum + point[axis], 0) / points.length);
    const [mx, my] = middle(after), [bx, by] = middle(before);
    this.x += mx - bx;
    this.y += my - by;
    if (after.length === 2) {
      const apart = (points) => Math.hypot(points[0][0] - points[1][0], points[0][1] - points[1][1]);
      this.zoom(apart(after) / Math.max(apart(before), 0.01), mx, my);
    } else this.show();
  }

  // Zoom by a factor; what is at (fx, fy) of the frame stays there.
  zoom(factor, fx = 0, fy = 0) {
    const scale = Math.min(LARGEST, Math.max(1, this.scale * factor));
    const ratio = scale / this.scale;
    this.x = fx - (fx - this.x) * ratio;
    this.y = fy - (fy - this.y) * ratio;
    this.scale = scale;
    this.show();
  }

  pan(dx, dy) {
    this.x += dx;
    this.y += dy;
    this.show();
  }

  fit() {
    this.scale = 1;
    this.show();
  }

  show() {
    const most = (this.scale - 1) / 2;
    this.x = Math.min(most, Math.max(-most, this.x));
    this.y = Math.min(most, Math.max(-most, this.y));
    for (const picture of this.pictures) {
      picture.style.transform =
        `translate(${this.x * 100}%, ${this.y * 100}%) scale(${this.scale})`;
    }
    this.stage.classList.toggle("zoomed", this.scale > 1);
    this.stage.dataset.scale = this.scale.toFixed(2);
  }

  // Who wants no motion turns the images over with each press.
  flicker() {
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) this.other();
    else if (this.beat) this.stopFlicker();
    else {
      this.turn(0);
      this.beat = setInterval(() => this.turn(1 - this.turned), FLICKER_MS);
    }
  }

  other() {
    clearInterval(this.beat);
    this.beat = 0;
    this.turn(this.turned === undefined ? 1 : 1 - this.turned);
  }

  turn(index) {
    this.turned = index;
    this.stage.classList.add("one");
    this.frames.forEach((frame, place) => frame.classList.toggle("hidden", place !== index));
  }

  stopFlicker() {
    clearInterval(this.beat);
    this.beat = 0;
    this.turned = undefined;
    this.stage.classList.remove("one");
    this.frames.forEach((frame) => frame.classList.remove("hidden"));
  }

  // Leave flicker or the other image; says whether there was something to leave.
  escape() {
    const left = this.turned !== undefined;
    this.stopFlicker();
    return left;
  }

  close() {
    clearInterval(this.beat);
  }
}
