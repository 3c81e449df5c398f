/** What commands of several words share: `keys create …`, `limits set …`. */

/** The command's words do not make sense; the message says which. */
export class UsageError extends Error {}

/** By name; each gets the words behind its own. */
export type Subcommands<Context> = Readonly<
  Record<string, (context: Context, args: string[]) => Promise<void>>
>;

const MAX_PRINCIPAL_LENGTH = 200;

/** @throws UsageError */
export const readPrincipal = (text: string | undefined): string => {
  if (!text || text.length > MAX_PRINCIPAL_LENGTH)
    throw new UsageError(`--principal is missing, or longer than ${MAX_PRINCIPAL_LENGTH} characters`);
  if (!text.isWellFormed()) throw new UsageError("--principal is no well-formed Unicode");
  return text;
};

const isArgumentError = (error: unknown): error is Error =>
  error instanceof TypeError && "code" in error && String(error.code).startsWith("ERR_PARSE_ARGS");

/** @throws UsageError, also where `parseArgs` refuses the words */
export const runWords = async (run: () => Promise<void>): Promise<void> => {
  try {
    await run();
  } catch (error) {
    throw isArgumentError(error) ? new UsageError(error.message) : error;
  }
};

/** @throws UsageError */
export const runSubcommand = async <Context>(
  subcommands: Subcommands<Context>,
  context: Context,
  [name, ...args]: string[],
): Promise<void> => {
  if (name === undefined) throw new UsageError("a command is missing");
  const run = Object.hasOwn(subcommands, name) ? subcommands[name] : undefined;
  if (run === undefined) throw new UsageError(`there is no command ${name}`);
  await runWords(() => run(context, args));
};
