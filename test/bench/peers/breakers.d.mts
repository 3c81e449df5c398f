/** Makes a call under a breaker. */
export type Call = <T>(attempt: () => Promise<T>) => Promise<T>;

export function cockatielCount(): Call;
export function cockatielSampling(threshold?: number): Call;
export function opossum(): Call;
export function openCockatielCount(): Promise<Call>;
export function openOpossum(): Promise<Call>;
export function cockatielStack(timeoutMs: number): Call;
export function opossumStack(timeoutMs: number): Call;
