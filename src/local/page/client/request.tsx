/** Sends one request, and shows what each tier did with it. */
import { useState } from "preact/hooks";
import type { RequestOrder, RequestReport } from "../state.ts";
import { hasToken, readReport, sendRequest } from "./api.tsx";
import type { Act } from "./controls.tsx";
import { millis, titleOf } from "./format.tsx";

const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"] as const;
/** Spans and log lines arrive some seconds late. */
const LOOKS = 12;
const LOOK_MS = 1_000;

export const RequestSender = ({ examplePath, act }: { examplePath: string; act: Act }) => {
  const [method, setMethod] = useState<RequestOrder["method"]>("GET");
  const [path, setPath] = useState(examplePath);
  const [body, setBody] = useState("");
  const [withKey, setWithKey] = useState(true);
  const [report, setReport] = useState<RequestReport>();
  const send = async (): Promise<void> => {
    const json: unknown = body === "" || method === "GET" ? undefined : JSON.parse(body);
    let latest = await sendRequest({ method, path, withKey, ...(json === undefined ? {} : { body: json }) });
    setReport(latest);
    for (let look = 0; look < LOOKS; look += 1) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
      latest = await readReport(latest.id);
      setReport((shown) => (shown?.id === latest.id ? latest : shown));
    }
  };
  return (
    <>
      <form
        class="request"
        onSubmit={(event) => {
          event.preventDefault();
          act(send);
        }}
      >
        <label class="field">
          Method
          <select
            value={method}
            onChange={({ currentTarget }) =>
              setMethod(METHODS.find((each) => each === currentTarget.value) ?? "GET")
            }
          >
            {METHODS.map((each) => (
              <option key={each}>{each}</option>
            ))}
          </select>
        </label>
        <label class="field path">
          Path
          <input type="text" value={path} onInput={({ currentTarget }) => setPath(currentTarget.value)} />
        </label>
        <label class="field path">
          Body, JSON
          <input
            type="text"
            value={body}
            disabled={method === "GET"}
            onInput={({ currentTarget }) => setBody(currentTarget.value)}
          />
        </label>
        <label class="check">
          <input
            type="checkbox"
            checked={withKey}
            onChange={({ currentTarget }) => setWithKey(currentTarget.checked)}
          />
          with the demo key
        </label>
        <button type="submit" class="switch" disabled={!hasToken}>
          Send
        </button>
      </form>
      <div class="report">
        {report === undefined ? <p>No request sent yet.</p> : <Report report={report} />}
      </div>
    </>
  );
};

const Report = ({ report }: { report: RequestReport }) => (
  <>
    <p class="outcome">
      <strong class={report.status >= 500 ? "bad" : report.status >= 400 ? "uneasy" : "good"}>
        {report.status}
      </strong>{" "}
      in {millis(report.durationMs)} ms, request <code>{report.id}</code>{" "}
      {report.hasTrace ? <a href={`/traces/${report.id}`}>its trace</a> : "its trace has not arrived yet"}
    </p>
    <section>
      <h3>Guards at the edge</h3>
      <ol>
        {report.guards.map(({ name, verdict, detail, durationMs }) => (
          <li key={name} class={verdict === "rejected" ? "bad" : verdict === "not run" ? "quiet" : ""}>
            {verdict === "passed" ? "✓" : verdict === "rejected" ? "✕" : "–"} {name}:{" "}
            {detail.startsWith(verdict) ? detail : verdict}
            {durationMs !== null && `, ${durationMs} ms`}
          </li>
        ))}
      </ol>
    </section>
    <section>
      <h3>Attempts at origins</h3>
      <ol>
        {report.attempts.map(({ cause, origin, outcome, durationMs }, place) => (
          // A key's lookup at an origin is an attempt of its own, with the same number.
          <li key={place}>
            {titleOf(origin)}: {outcome} ({cause}), {durationMs} ms
          </li>
        ))}
      </ol>
      {report.attempts.length === 0 && <p>None: the edge answered by itself.</p>}
    </section>
    <label class="field">
      Log lines of both tiers
      <textarea readOnly value={report.logs.map(({ source, line }) => `${source}  ${line}`).join("\n")} />
    </label>
    <label class="field">
      Response
      <textarea
        readOnly
        value={`${report.headers.map(([name, value]) => `${name}: ${value}`).join("\n")}\n\n${report.body}`}
      />
    </label>
  </>
);
