/** Where a command speaks: what it was asked for on one stream, why it failed on the other. */
export interface Terminal {
  readonly print: (line: string) => void;
  readonly fail: (line: string) => void;
}

export const processTerminal: Terminal = {
  print: (line) => void process.stdout.write(`${line}\n`),
  fail: (line) => void process.stderr.write(`✗ ${line}\n`),
};
