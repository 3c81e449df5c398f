/** With what the origin's process ends. */
export const EXIT = {
  /** Stopped by a signal, every request answered. */
  stopped: 0,
  failure: 1,
  /** EX_CONFIG of sysexits.h: a wrong configuration; starting again will not help. */
  configuration: 78,
} as const;
