/** Label selectors: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/ */
import type { ILabelSelector } from "@kubernetes-models/apimachinery/apis/meta/v1/LabelSelector";

/** An empty selector matches everything, a missing one nothing. */
export const matches = (
  selector: ILabelSelector | undefined,
  labels: Readonly<Record<string, string>>,
): boolean => {
  if (selector === undefined) return false;
  const equal = Object.entries(selector.matchLabels ?? {}).every(([key, value]) => labels[key] === value);
  const expressed = (selector.matchExpressions ?? []).every(({ key, operator, values = [] }) => {
    const value = labels[key];
    switch (operator) {
      case "In":
        return value !== undefined && values.includes(value);
      case "NotIn":
        return value === undefined || !values.includes(value);
      case "Exists":
        return value !== undefined;
      case "DoesNotExist":
        return value === undefined;
      default:
        return false;
    }
  });
  return equal && expressed;
};
