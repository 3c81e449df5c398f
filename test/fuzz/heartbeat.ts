/** The input under test of each lane, in memory that two threads share: the watching one can read it while the other hangs. */

/** A longer input is cut. */
const MAX_BYTES = 256 * 1024;
const HEADER_BYTES = 8;

export interface Heartbeat {
  /** By the thread that tests: the input, as JSON. */
  begin(input: string): void;
  end(): void;
  /** By the thread that watches. The number changes with each input; it is even between two. */
  readonly beat: number;
  readonly input: string;
}

/** More lanes share a heartbeat. */
export const MAX_LANES = 16;
const LANE_BYTES = HEADER_BYTES + MAX_BYTES;

export const heartbeatMemory = (): SharedArrayBuffer => new SharedArrayBuffer(MAX_LANES * LANE_BYTES);

/** @param memory from `heartbeatMemory` */
export const createHeartbeat = (memory: SharedArrayBuffer, lane: number): Heartbeat => {
  const [beats, length] = [0, 1];
  const at = (lane % MAX_LANES) * LANE_BYTES;
  const header = new Int32Array(memory, at, 2);
  const bytes = new Uint8Array(memory, at + HEADER_BYTES, MAX_BYTES);
  const encoder = new TextEncoder();
  return {
    begin: (input) => {
      Atomics.store(header, length, encoder.encodeInto(input, bytes).written);
      Atomics.add(header, beats, 1);
    },
    end: () => void Atomics.add(header, beats, 1),
    get beat() {
      return Atomics.load(header, beats);
    },
    get input() {
      return new TextDecoder().decode(bytes.slice(0, Atomics.load(header, length)));
    },
  };
};
