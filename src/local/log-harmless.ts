/** Text that cannot steer a terminal, whoever wrote it. */

const SHORT: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

const written = (character: string): string => {
  const code = character.charCodeAt(0);
  return (
    SHORT[character] ??
    (code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`)
  );
};

/** Control characters (ESC, CSI, BEL, …), line separators and what turns the direction of text, written out. */
export const harmless = (text: string): string =>
  text.replaceAll(/[\p{Cc}\p{Bidi_Control}\p{Zl}\p{Zp}]/gu, written);

/** As `harmless`, of a line that is shown as it is: its colours go, its tabs stay. */
export const harmlessLine = (line: string): string =>
  line
    .replaceAll(/\p{Cc}\[[\d;]*m/gu, "")
    .split("\t")
    .map(harmless)
    .join("\t");
