import type { Tour } from "../tour.ts";

export const tour: Tour = {
  principal: "demo",
  scopes: ["notes:write"],
  steps: [
    { title: "write a note", method: "POST", path: "/v1/notes", body: { name: "mine", text: "it works" } },
    { title: "read it", method: "GET", path: "/v1/notes/mine" },
    { title: "read the sample", method: "GET", path: "/v1/notes/sample" },
  ],
};
