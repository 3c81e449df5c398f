/** Node's options for workers that share the heap of the process which starts them. */

export interface HeapShare {
  readonly execArgv: string[];
  readonly nodeOptions: string;
}

/** With less no worker begins, MiB. */
const LEAST_MIB = 64;

/** V8 takes either sign between the words. */
const HEAP_OPTION = /^--max[-_](old[-_]space|heap)[-_]size/;
/** The one of them that Node lets stand apart from its value. */
const APART = /^--max[-_]old[-_]space[-_]size[-_]percentage$/;

const withoutHeapOptions = (options: readonly string[]): string[] =>
  options.filter(
    (option, index) => !HEAP_OPTION.test(option) && !(index > 0 && APART.test(options[index - 1] ?? "")),
  );

/**
 * Each of `count` workers gets the same part of the heap; every other option stays as it is.
 *
 * @param limitMiB what all of them may use together: V8's limit, which counts the young generation too
 * @param nodeOptions NODE_OPTIONS
 */
export const heapShare = (
  limitMiB: number,
  count: number,
  execArgv: readonly string[],
  nodeOptions: string,
): HeapShare => {
  const shareMiB = Math.max(LEAST_MIB, Math.floor(limitMiB / count));
  return {
    // --max-old-space-size would give each worker a whole young generation on top of its part.
    execArgv: [...withoutHeapOptions(execArgv), `--max-heap-size=${shareMiB}`],
    nodeOptions: withoutHeapOptions(nodeOptions.split(" ")).join(" "),
  };
};
