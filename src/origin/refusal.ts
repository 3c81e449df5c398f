import type { Problem } from "../contract/problem.ts";

/** A problem thrown from where it cannot be returned; it is answered, and rolls a transaction back on its way. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.code);
    this.problem = problem;
  }
}
