/** What PostgreSQL's log says. */

/** Whether a line says why something failed. */
export const isEssential = (line: string): boolean =>
  /\b(FATAL|PANIC|ERROR|error):|could not|cannot/.test(line);

/** The reason of a failure in one line, without time and process id. */
export function essenceOf(lines: readonly string[]): string {
  const line = lines.findLast(isEssential) ?? lines.at(-1) ?? "it said nothing";
  return line.replace(/^.*?\b(FATAL|PANIC|ERROR|LOG):\s+/, "").trim();
}
