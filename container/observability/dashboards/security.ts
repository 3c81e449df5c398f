/** What is refused, and whether those who watch are told of it. */
import { chosen, type Dashboard, query, rateBy } from "../panel.ts";

export const security: Dashboard = {
  uid: "breakwater-security",
  title: "Breakwater: security",
  description: "Security events, their way to the sinks, and what guards and limits refuse.",
  jobsOf: '{__name__=~"security_events_total|guard_refusals_total"}',
  rows: [
    {
      title: "Events",
      panels: [
        {
          title: "Occurrences by type",
          description: "A second. Events sum up equal occurrences; these are the occurrences.",
          unit: "short",
          shape: "stack",
          queries: [query("{{type}}", rateBy("type", "security_events_total"))],
        },
        {
          title: "Occurrences that were dropped",
          description: "A second, by where there was no room. Nobody is told of them.",
          unit: "short",
          queries: [query("{{type}} {{where}}", rateBy("type, where", "security_events_dropped_total"))],
        },
        {
          title: "Clients that were blocked by themselves",
          description: "In an hour, for what they did again and again.",
          unit: "short",
          queries: [query("blocked", `sum(increase(${chosen("blocked_offenders_total")}[1h]))`)],
        },
      ],
    },
    {
      title: "Delivery",
      panels: [
        {
          title: "Attempts by sink and outcome",
          description: "Events a second. dead: refused for good, or not taken for 24 hours.",
          unit: "short",
          queries: [
            query("{{sink}} {{outcome}}", rateBy("sink, outcome", "security_event_deliveries_total")),
          ],
        },
        {
          title: "Events in the outbox",
          description: "A sink has room for 100,000. All pods tell of the same table.",
          unit: "short",
          queries: [
            query("{{sink}} {{state}}", `max by (sink, state) (${chosen("security_event_outbox_rows")})`),
          ],
        },
        {
          title: "Age of the oldest event that waits",
          description: "By sink. Above five minutes for long there is a ticket.",
          unit: "s",
          alarm: { yellow: 60, red: 300 },
          queries: [
            query("{{sink}}", `max by (sink) (${chosen("security_event_outbox_oldest_age_seconds")})`),
          ],
        },
      ],
    },
    {
      title: "Refusals",
      panels: [
        {
          title: "Refusals by guard",
          description: "A second, at the edge.",
          unit: "reqps",
          shape: "stack",
          queries: [query("{{guard}}", rateBy("guard", "guard_refusals_total"))],
        },
        {
          title: "Requests above a limit",
          description: "A second, by the limit's name.",
          unit: "reqps",
          queries: [query("{{policy}}", rateBy("policy", "rate_limit_decisions_total", 'outcome="limited"'))],
        },
        {
          title: "Answers 401, 403 and 429",
          description: "A second, by tier.",
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
