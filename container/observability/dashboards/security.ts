/** Security events, their delivery, and rejected requests. */
import { type Dashboard, query, rateBy, selector } from "../panel.ts";

export const security: Dashboard = {
  uid: "breakwater-security",
  title: "Breakwater: security",
  description: "Security events, their delivery to sinks, and requests rejected by guards and limits.",
  jobMetric: '{__name__=~"security_events_total|guard_refusals_total"}',
  rows: [
    {
      title: "Events",
      panels: [
        {
          title: "Occurrences by type",
          description:
            "Per second. An event can stand for several equal occurrences; this counts occurrences.",
          unit: "short",
          shape: "stack",
          queries: [query("{{type}}", rateBy("type", "security_events_total"))],
        },
        {
          title: "Dropped occurrences",
          description: "Per second, by the queue that was full. No sink receives them.",
          unit: "short",
          queries: [query("{{type}} {{where}}", rateBy("type, where", "security_events_dropped_total"))],
        },
        {
          title: "Auto-blocked clients",
          description: "Repeat offenders that were blocked in the last hour.",
          unit: "short",
          queries: [query("blocked", `sum(increase(${selector("blocked_offenders_total")}[1h]))`)],
        },
      ],
    },
    {
      title: "Delivery",
      panels: [
        {
          title: "Attempts by sink and outcome",
          description: "Events per second. dead: rejected permanently, or not accepted within 24 hours.",
          unit: "short",
          queries: [
            query("{{sink}} {{outcome}}", rateBy("sink, outcome", "security_event_deliveries_total")),
          ],
        },
        {
          title: "Events in the outbox",
          description: "At most 100,000 wait per sink. All pods report the same table.",
          unit: "short",
          queries: [
            query("{{sink}} {{state}}", `max by (sink, state) (${selector("security_event_outbox_rows")})`),
          ],
        },
        {
          title: "Age of the oldest waiting event",
          description: "By sink. More than five minutes, for long, raises a ticket.",
          unit: "s",
          thresholds: { yellow: 60, red: 300 },
          queries: [
            query("{{sink}}", `max by (sink) (${selector("security_event_outbox_oldest_age_seconds")})`),
          ],
        },
      ],
    },
    {
      title: "Rejected requests",
      panels: [
        {
          title: "Rejections by guard",
          description: "Per second, at the edge.",
          unit: "reqps",
          shape: "stack",
          queries: [query("{{guard}}", rateBy("guard", "guard_refusals_total"))],
        },
        {
          title: "Requests over a limit",
          description: "Per second, by the limit's name.",
          unit: "reqps",
          queries: [query("{{policy}}", rateBy("policy", "rate_limit_decisions_total", 'outcome="limited"'))],
        },
        {
          title: "Responses 401, 403 and 429",
          description: "Per second, by tier.",
          unit: "reqps",
          queries: [
            query(
              "{{job}} {{http_response_status_code}}",
              rateBy(
                "job, http_response_status_code",
                "http_server_request_duration_seconds_count",
                'http_response_status_code=~"401|403|429"',
              ),
            ),
          ],
        },
      ],
    },
  ],
};
