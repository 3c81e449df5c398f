/** YAML's own faults. The parser's messages are not repeated: they quote the file, which may hold secrets. */
import type { Document, LineCounter, YAMLError } from "yaml";

const SENTENCES: Partial<Record<YAMLError["code"], string>> = {
  BAD_ALIAS: "an alias that YAML does not allow",
  BAD_DIRECTIVE: "a directive that is not known",
  BAD_DQ_ESCAPE: "an escape in double quotes that YAML does not know",
  BAD_INDENT: "wrong indentation",
  BAD_SCALAR_START: "a value that must stand in quotes",
  BLOCK_AS_IMPLICIT_KEY: "wrong indentation, or a second colon",
  BLOCK_IN_FLOW: "a block within brackets",
  KEY_OVER_1024_CHARS: "a key without end",
  MISSING_CHAR: "a quote, bracket, comma or space is missing",
  MULTILINE_IMPLICIT_KEY: "a line without a colon, or a quote that is not closed",
  MULTIPLE_DOCS: "a second document; there must be one",
  RESOURCE_EXHAUSTION: "brackets too deep",
  TAB_AS_INDENT: "a tab; only spaces indent",
  TAG_RESOLVE_FAILED: "a tag that is not known",
  UNEXPECTED_TOKEN: "something that does not belong there",
};

const MAX_FAULTS = 10;

/** One sentence a line, since one mistake often makes many errors. */
export const yamlFaults = (
  document: Pick<Document, "errors" | "warnings">,
  lines: LineCounter,
  fileName: string,
): readonly string[] => {
  const byLine = new Map<number, string>();
  for (const { code, pos } of [...document.errors, ...document.warnings]) {
    const { line } = lines.linePos(pos[0]);
    if (!byLine.has(line)) byLine.set(line, SENTENCES[code] ?? "not YAML");
    if (byLine.size === MAX_FAULTS) break;
  }
  return [...byLine].map(([line, sentence]) => `${fileName}:${line} must be YAML, but has ${sentence}`);
};
