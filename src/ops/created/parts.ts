/** The parts of the template that `npm run create -- NAME --without PART` leaves out. */

/** One replacement in a file, in the template's names. */
export interface Edit {
  readonly path: string;
  readonly from: string;
  readonly to: string;
}

export interface Part {
  readonly title: string;
  /** Files and folders. */
  readonly removed: readonly string[];
  /** Files and folders inside of the removed ones. */
  readonly kept?: readonly string[];
  /** Files and folders, after the removal; texts follow their new paths. */
  readonly moved?: Readonly<Record<string, string>>;
  readonly edits?: readonly Edit[];
}

/** Always left out, because it works once. */
export const CREATE: Part = {
  title: "create",
  removed: ["src/ops/create.ts", "src/ops/starter", "test/ops/create.test.ts"],
  edits: [
    { path: "package.json", from: '    "create": "node src/ops/create.ts",\n', to: "" },
    { path: "tsconfig.json", from: '    { "path": "src/ops/starter" },\n', to: "" },
    { path: "test/tsconfig.json", from: '    "../src/ops/starter",\n', to: "" },
    { path: "src/ops/tsconfig.json", from: '  "exclude": ["starter"],\n', to: "" },
  ],
};

export const PARTS: Readonly<Record<string, Part>> = {
  shop: {
    title: "the sample shop; a small API of notes takes its place",
    removed: ["src/contract/api", "src/origin/api", "test/shop"],
    kept: ["src/origin/api/config.ts", "src/origin/api/jobs.ts", "src/origin/api/migrations.ts"],
    moved: { "src/ops/starter/src": "src", "src/ops/starter/test": "test" },
  },
};
