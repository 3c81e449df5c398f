/** A terminal's line in parts, each of them coloured or not. */

const SGR = { red: 31, green: 32, yellow: 33, cyan: 36, faint: 2 } as const;

export type Colour = keyof typeof SGR;

export interface Part {
  readonly text: string;
  readonly colour?: Colour | undefined;
}

export const shortened = (text: string, most: number): string =>
  text.length <= most ? text : `${text.slice(0, Math.max(most - 1, 0))}…`;

/** The parts that have room, the last of these shortened where it has not enough. @param room in characters */
const fitting = (parts: readonly Part[], room: number): Part[] => {
  let left = room;
  return parts.flatMap((part) => {
    if (left < 2) return [];
    const text = shortened(part.text, left);
    left -= text.length + 1;
    return [{ ...part, text }];
  });
};

const painted = ({ text, colour }: Part): string =>
  colour === undefined ? text : `\u001b[${SGR[colour]}m${text}\u001b[0m`;

/**
 * One line: the parts with spaces between them, then what has to stand at its end.
 *
 * @param most how many characters it may have, colours not counted
 */
export const lineOf = (
  parts: readonly Part[],
  end: readonly Part[],
  { colour, most }: { readonly colour: boolean; readonly most: number },
): string => {
  const endLength = end.reduce((length, { text }) => length + text.length + 1, 0);
  const all = [...fitting(parts, most - endLength), ...end];
  return all.map((part) => (colour ? painted(part) : part.text)).join(" ");
};
