import { expect, test } from "vitest";
import { readResourceAttributes, resourceOf } from "../../src/telemetry/resource.ts";

test.each<[string, Readonly<Record<string, string>>]>([
  ["k8s.pod.name=web-1,k8s.node.name=", { "k8s.pod.name": "web-1", "k8s.node.name": "" }],
  [" team = shop%2Cweb , owner=J%C3%B6rg,", { team: "shop,web", owner: "Jörg" }],
  ["a=b=c", { a: "b=c" }],
])("%s is read", (text, attributes) => {
  expect(readResourceAttributes(text)).toEqual(attributes);
});

test.each(["a", "=b", "a=%zz", "a=1,b", "a=%ff"])("%s is malformed as a whole", (text) => {
  expect(readResourceAttributes(text)).toBeUndefined();
});

test("the service's name and version win over the attributes", () => {
  const resourceAttributes = { "service.name": "other", team: "shop" };
  expect(resourceOf({ serviceName: "web", serviceVersion: "1", resourceAttributes })).toEqual({
    "service.name": "web",
    "service.version": "1",
    team: "shop",
  });
});
