// Plays the cameras of a session in step: one clock, to which every video is held.
// A camera that the browser does not play shows stills of the same instant.
"use strict";

// Further off than this is brought back by a seek; nearer by playing a little faster or slower.
const SEEK_S = 0.25, NEAR_S = 0.02, STILL_MS = 400, STEP_MS = 40;

class Player {
  constructor(section) {
    this.controls = section.querySelector(".controls");
    this.start = Number(this.controls.dataset.startMs);
    this.end = Number(this.controls.dataset.endMs);
    this.cameras = [...section.querySelectorAll(".camera")].map((figure) => new Camera(figure));
    this.button = this.controls.querySelector('[data-do="play"]');
    this.slider = this.controls.querySelector("input");
    this.output = this.controls.querySelector("output");
    this.speed = this.controls.querySelector("select");
    this.playing = false;
    this.now = this.start;
    this.controls.hidden = false;
    this.button.addEventListener("click", () => this.toggle());
    this.controls.querySelector('[data-do="back"]').addEventListener("click", () => this.step(-1));
    this.controls.querySelector('[data-do="on"]').addEventListener("click", () => this.step(1));
    this.slider.addEventListener("input", () => this.seek(Number(this.slider.value)));
    this.speed.addEventListener("change", () => this.restart());
    document.addEventListener("keydown", (event) => this.key(event));
    // Where all of them are there, if that is before the end.
    const all = Math.ceil(Math.max(this.start, ...this.cameras.map((camera) => camera.offset)));
    this.seek(all < this.end ? all : this.start);
  }

  key(event) {
    if (event.target.matches("input, select, textarea, button, a, summary") || event.ctrlKey || event.metaKey || event.altKey) return;
    const act = { " ": () => this.toggle(), k: () => this.toggle(), ArrowLeft: () => this.step(-1), ArrowRight: () => this.step(1), Home: () => this.seek(this.start) }[event.key];
    if (act) { event.preventDefault(); act(); }
  }

  toggle() { this.playing ? this.pause() : this.play(); }

  step(way) { this.pause(); this.seek(this.now + way * STEP_MS); }

  play() {
    if (this.now >= this.end - 1) this.seek(this.start);
    this.playing = true;
    this.restart();
    this.show();
    requestAnimationFrame(() => this.tick());
  }

  pause() {
    this.playing = false;
    this.cameras.forEach((camera) => camera.pause());
    this.seek(this.now);
  }

  restart() { this.since = performance.now(); this.from = this.now; }

  tick() {
    if (!this.playing) return;
    const rate = Number(this.speed.value);
    // A video that has not arrived yet holds all of them: in step is worth more than on time.
    if (this.cameras.some((camera) => camera.waits(this.now))) this.restart();
    else this.now = this.from + (performance.now() - this.since) * rate;
    if (this.now >= this.end) { this.now = this.end; this.pause(); return; }
    this.cameras.forEach((camera) => camera.follow(this.now, rate));
    this.show();
    requestAnimationFrame(() => this.tick());
  }

  seek(t) {
    this.now = Math.min(Math.max(t, this.start), this.end);
    this.restart();
    this.cameras.forEach((camera) => camera.place(this.now));
    this.show();
  }

  show() {
    this.button.textContent = this.playing ? "Pause" : "Play";
    this.button.setAttribute("aria-pressed", String(this.playing));
    this.slider.value = String(Math.round(this.now));
    this.output.textContent = `${(this.now / 1000).toFixed(2)} s`;
    this.slider.setAttribute("aria-valuetext", this.output.textContent);
  }
}

class Camera {
  constructor(figure) {
    this.figure = figure;
    this.offset = Number(figure.dataset.offsetMs);
    this.drift = Number(figure.dataset.driftPpb) / 1e9;
    this.length = Number(figure.dataset.lengthMs);
    this.video = figure.querySelector("video");
    this.image = figure.querySelector("img");
    this.shown = null;
    if (!this.video) return;
    this.video.controls = false;
    // One that cannot be opened has failed, perhaps before this script ran.
    this.video.addEventListener("error", () => this.fallBack());
    if (this.video.error) this.fallBack();
  }

  // The recording's own time at a time of the session, in ms.
  own(t) { return (t - this.offset) * (1 + this.drift); }

  inside(t) { const own = this.own(t); return own >= 0 && own <= this.length; }

  waits(t) {
    return Boolean(this.video) && this.inside(t) && (this.video.readyState < 2 || this.video.seeking);
  }

  place(t) {
    this.figure.classList.toggle("outside", !this.inside(t));
    const own = Math.min(Math.max(this.own(t), 0), this.length);
    if (this.video) this.video.currentTime = own / 1000;
    else this.still(own, true);
  }

  follow(t, rate) {
    const own = this.own(t), inside = this.inside(t);
    this.figure.classList.toggle("outside", !inside);
    if (!this.video) { if (inside) this.still(own, false); return; }
    if (!inside) { this.pause(); return; }
    const late = own / 1000 - this.video.currentTime;
    if (Math.abs(late) > SEEK_S * Math.max(1, rate)) this.video.currentTime = own / 1000;
    const nudge = Math.abs(late) > NEAR_S ? Math.max(-0.15, Math.min(0.15, late)) : 0;
    this.video.playbackRate = rate * (1 + this.drift + nudge);
    if (this.video.paused && !this.video.ended) this.video.play().catch(() => {});
  }

  pause() { if (this.video) this.video.pause(); }

  still(own, exact) {
    if (!this.image || !this.image.dataset.still) return;
    const at = exact ? Math.round(own) : Math.floor(own / STILL_MS) * STILL_MS;
    // The one before must have come, or they would pile up.
    if (at === this.shown || (!exact && !this.image.complete)) return;
    this.shown = at;
    this.image.src = `${this.image.dataset.still}${at}?side=640`;
  }

  fallBack() {
    const { still } = this.video.dataset;
    this.figure.querySelector(".why").hidden = false;
    if (still) {
      this.image = document.createElement("img");
      Object.assign(this.image, { className: "stepped", alt: `${this.video.getAttribute("aria-label")} as stills`, width: this.video.width, height: this.video.height });
      this.image.dataset.still = still;
      this.image.src = this.video.poster;
      this.video.replaceWith(this.image);
    }
    this.video = null;
  }
}

document.querySelectorAll(".player").forEach((section) => { section.player = new Player(section); });

// A sheet is drawn when it is asked for; one that cannot be says so in words.
document.querySelectorAll(".sheet img").forEach((image) => {
  const tell = () => {
    const box = image.parentElement;
    box.classList.add("none");
    box.textContent = "No picture of it: what is stored is of other versions of the views (stillhouse extract), or a view's weights are not here.";
  };
  image.addEventListener("error", tell);
  if (image.complete && !image.naturalWidth && image.loading !== "lazy") tell();
});
