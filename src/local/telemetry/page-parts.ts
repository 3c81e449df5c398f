/** What the receiver's pages show in one way. */

import { clockTime } from "../log-time.ts";
import { type Html, html } from "./html.ts";

/** The time of day where this runs, which is where it is looked at. */
export const timeView = (iso: string): Html =>
  html`<time class="number" datetime="${iso}">${clockTime(new Date(iso))}</time>`;

const HUES = 6;

/** Which colour a service has on a page: one of its own, as long as there are no more than colours. */
export const hueOf = (services: readonly string[], service: string): number =>
  Math.max(services.indexOf(service), 0) % HUES;

/** Rules by which what has the class `hue2` shows the third colour. */
export const hueRules = Array.from(
  { length: HUES },
  (_, hue) => `.hue${hue} { --hue: var(--s${hue}); }\n`,
).join("");

export const serviceView = (service: string, hue: number): Html =>
  html`<span class="service hue${hue}">${service}</span>`;

export const countText = (count: number, one: string, many = `${one}s`): string =>
  `${count} ${count === 1 ? one : many}`;
