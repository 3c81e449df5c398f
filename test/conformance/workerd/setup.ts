/**
 * Gives the tests in workerd a Redis. It runs in a process of its own, as what is imported here is resolved as workerd
 * would have it.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import type { TestProject } from "vitest/node";

declare module "vitest" {
  interface ProvidedContext {
    redis: { readonly url: string; readonly token: string };
  }
}

export default async (project: TestProject): Promise<() => Promise<void>> => {
  const program = new URL("./redis-process.ts", import.meta.url).pathname;
  const child = spawn(process.execPath, [program], { stdio: ["pipe", "pipe", "inherit"] });
  const exited = once(child, "exit");
  const [line] = await Promise.race([
    once(child.stdout, "data"),
    exited.then(() => Promise.reject(new Error("the Redis of the tests in workerd did not start"))),
  ]);
  project.provide("redis", JSON.parse(String(line)));
  return async () => {
    child.stdin.end();
    await exited;
  };
};
