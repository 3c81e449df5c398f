/** container/compose.yaml, and other YAML files. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { z } from "zod";
import { projectFolder } from "../../../src/local/state-dir.ts";

export const containerFolder = join(projectFolder, "container");

export const readYaml = (path: string): unknown => parse(readFileSync(join(projectFolder, path), "utf8"));

const service = z.object({
  image: z.string(),
  command: z.array(z.string()).default([]),
  ports: z.array(z.string()).default([]),
  environment: z.record(z.string(), z.string()).default({}),
  volumes: z.array(z.string()).default([]),
  depends_on: z.record(z.string(), z.object({ condition: z.string() })).default({}),
  healthcheck: z.object({ test: z.array(z.string()) }).optional(),
  restart: z.string().optional(),
  logging: z.object({ driver: z.string(), options: z.record(z.string(), z.string()) }).optional(),
  stop_grace_period: z.string().optional(),
  read_only: z.boolean().default(false),
  deploy: z.object({ resources: z.object({ limits: z.object({ cpus: z.string(), memory: z.string() }) }) }),
});

const compose = z.object({
  services: z.record(z.string(), service),
  volumes: z.record(z.string(), z.null()),
});

export const readCompose = (): z.infer<typeof compose> => compose.parse(readYaml("container/compose.yaml"));
