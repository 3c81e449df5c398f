/** Leave to send one request to one origin of a pool, and what comes of it. */
import type { Permit } from "../circuit-breaker/circuit-breaker.ts";
import type { Member } from "./endpoint.ts";

/** Why nothing of use came: what an origin that is away looks like from here. */
export type Absence =
  /** No connection, or one that broke. */
  | "broken"
  /** Something in its place said that it is away. */
  | "gateway"
  /** It did not answer in all the time that there was. */
  | "timed_out";

/** Small, because there is one for every attempt. The first end that it is told counts, and only that. */
export class PoolAttempt {
  readonly granted = true;
  /** Of the origin, in the order in which the pool was given them. */
  readonly origin: number;
  /** Made to find out how the origin is: another one should be asked soon where it does not answer. */
  readonly isLook: boolean;
  readonly #now: () => number;
  readonly #startedMs: number;
  readonly #period: number;
  readonly #failuresBefore: number;
  readonly #breaksBefore: number;
  readonly #isProbe: boolean;
  readonly #mostMs: number;
  readonly #permit: Permit;
  /** Undefined once it has ended. */
  #member: Member | undefined;

  constructor(
    member: Member,
    permit: Permit,
    about: { readonly isLook: boolean; readonly nowMs: number; readonly mostMs: number },
    now: () => number,
  ) {
    this.origin = member.index;
    this.isLook = about.isLook;
    this.#now = now;
    this.#startedMs = about.nowMs;
    this.#failuresBefore = member.failures;
    this.#breaksBefore = member.breaks;
    this.#isProbe = member.isEjected;
    this.#mostMs = about.mostMs;
    this.#permit = permit;
    this.#member = member;
    this.#period = member.begun(about.isLook, about.nowMs);
  }

  /** It answered; how long it took counts. */
  answered(): void {
    const member = this.#end();
    if (member === undefined) return;
    const nowMs = this.#now();
    const latencyMs = Math.max(0, nowMs - this.#startedMs);
    member.heardAtMs = nowMs;
    if (this.isLook) member.latency.replace(latencyMs, nowMs);
    else member.latency.observe(latencyMs, nowMs);
    member.succeeded(this.#failuresBefore, nowMs);
    this.#permit.ok();
  }

  /** It is there, and what it said is neither good nor bad: a failure is often fast, and is no reason to prefer it. */
  erred(): void {
    const member = this.#end();
    if (member === undefined) return;
    member.heardAtMs = this.#now();
    this.#permit.ok();
  }

  /** It is there, and did not do it. @param retryAfterMs for how long it asked not to be called, 0 where it did not */
  refused(retryAfterMs: number): void {
    const member = this.#end();
    if (member === undefined) return;
    member.heardAtMs = this.#now();
    member.refused(this.isLook, member.heardAtMs, retryAfterMs);
    this.#permit.ok();
  }

  /** It seems to be away. */
  absent(why: Absence): void {
    const member = this.#end();
    if (member === undefined) return;
    const nowMs = this.#now();
    const isHeard = member.heardAtMs >= this.#startedMs && member.heardAtMs <= nowMs;
    if (why === "timed_out" && !this.#isProbe && isHeard) {
      // It has answered others meanwhile: this one is slow, the origin is there.
      member.latency.observe(Math.max(0, nowMs - this.#startedMs), nowMs);
      this.#permit.ignore();
      return;
    }
    // Connections that broke together are one event: behind one address one pod of many may have gone.
    const isNews = why !== "broken" || this.#isProbe || this.#breaksBefore === member.breaks;
    member.failed(this.isLook, nowMs);
    if (isNews && why === "broken") member.breaks += 1;
    if (isNews) this.#permit.fail();
    else this.#permit.ignore();
  }

  /** Another one was faster, and nobody waits for this one any more. */
  outrun(): void {
    const member = this.#end();
    if (member === undefined) return;
    const nowMs = this.#now();
    member.latency.outrun(Math.max(0, nowMs - this.#startedMs), nowMs, this.#mostMs);
    // One that is not well yet stays away until it is as good as the others.
    if (this.#isProbe) this.#permit.fail();
    else this.#permit.ignore();
  }

  /** Its end says nothing: its client has gone, or there was hardly any time. */
  ignore(): void {
    if (this.#end() !== undefined) this.#permit.ignore();
  }

  #end(): Member | undefined {
    const member = this.#member;
    this.#member = undefined;
    member?.inFlight.leave(this.#period);
    return member;
  }
}
