#!/usr/bin/env node
/** Stands for wrangler and the platform: their state is the JSON file FAKE_WRANGLER, the output that of wrangler 4.115. */
import { readFileSync, renameSync, writeFileSync } from "node:fs";

const path = process.env.FAKE_WRANGLER;
const state = JSON.parse(readFileSync(path, "utf8"));
const args = process.argv.slice(2);
const print = (value) =>
  process.stdout.write(`${typeof value === "string" ? value : JSON.stringify(value, null, 2)}\n`);
const fail = (message) => {
  process.stderr.write(`✘ [ERROR] ${message}\n`);
  process.exitCode = 1;
};

const deploy = (specs) => {
  state.deployments.push(specs.join(" "));
  if (state.failures.includes(state.deployments.length))
    return fail("A request to the Cloudflare API failed.");
  state.shares = specs.map((spec) => spec.split("@")).map(([version, percent]) => [version, Number(percent)]);
};

process.stderr.write("▲ [WARNING] a warning, as wrangler may print it\n");
if (args.at(args.indexOf("--env") + 1) !== "production") fail("the environment is missing");
else
  switch (args.slice(0, 2).join(" ")) {
    case "deployments status":
      print({
        id: "1",
        versions: state.shares.map(([version_id, percentage]) => ({ version_id, percentage })),
      });
      break;
    case "versions list":
      print(state.versions);
      break;
    case "versions upload":
      print(`Uploaded edge (1.23 sec)\nWorker Version ID: ${state.fresh}`);
      break;
    case "versions deploy":
      deploy(args.filter((each) => each.includes("@")));
      break;
    default:
      fail("unknown command");
  }
writeFileSync(`${path}.new`, JSON.stringify(state));
renameSync(`${path}.new`, path);
