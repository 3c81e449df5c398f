/** What of Node's module the edge uses; workerd has it under the flag `nodejs_als`. */
declare module "node:async_hooks" {
  export class AsyncLocalStorage<T> {
    getStore(): T | undefined;
    run<R>(store: T, work: () => R): R;
  }
}
