/** With what the origin's process ends. A second signal ends it with 128 and the signal's number, as in a shell. */
export const EXIT = {
  /** Stopped by a signal, after the drain. */
  stopped: 0,
  /** An error that nobody caught, after the drain; or one that waiting does not mend. */
  failure: 1,
  /** EX_CONFIG of sysexits.h: a wrong configuration; starting again will not help. */
  configuration: 78,
} as const;
