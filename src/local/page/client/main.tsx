/** The protection page: reads the system's state once a second and shows it. */
import { render } from "preact";
import { useCallback, useEffect, useState } from "preact/hooks";
import { hasToken, readState } from "./api.tsx";
import { Charts, extend, type History } from "./charts.tsx";
import { type Act, Switches, Tour, UndoAll } from "./controls.tsx";
import { RequestSender } from "./request.tsx";
import { Tables } from "./tables.tsx";
import { Topology } from "./topology.tsx";

const POLL_MS = 1_000;
/** For the server's next reading to end, milliseconds. */
const READING_MS = 150;

const Page = () => {
  const [history, setHistory] = useState<History>([]);
  const [isLive, setLive] = useState(true);
  const [notice, setNotice] = useState("");
  /** @returns milliseconds until the next state */
  const poll = useCallback(async (): Promise<number> => {
    try {
      const state = await readState();
      setHistory((before) => extend(before, state));
      setLive(true);
      return Math.min(POLL_MS, Math.max(READING_MS, state.atMs + POLL_MS + READING_MS - Date.now()));
    } catch {
      setLive(false);
      return POLL_MS;
    }
  }, []);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let isOver = false;
    const loop = async (): Promise<void> => {
      const waitMs = document.hidden ? POLL_MS : await poll();
      if (!isOver) timer = setTimeout(loop, waitMs);
    };
    void loop();
    return () => {
      isOver = true;
      clearTimeout(timer);
    };
  }, [poll]);
  const act: Act = (action) => {
    setNotice("");
    action()
      .catch((error: unknown) => setNotice(error instanceof Error ? error.message : String(error)))
      .finally(poll);
  };
  const state = history.at(-1);
  return (
    <>
      <header>
        <h1>Breakwater</h1>
        <p class={isLive ? "live good" : "live bad"} role="status">
          {isLive ? "● live" : "✕ no answer"}
        </p>
        <nav aria-label="Pages">
          <a href="/traces">Traces</a> <a href="/logs.json">Logs</a> <a href="/metrics">Metrics</a>{" "}
          <a href="/state.json">This page as JSON</a> <a href={`${state?.edgeUrl ?? ""}/docs`}>API docs</a>
        </nav>
        <UndoAll state={state} act={act} />
        <p class="notice" role="alert">
          {notice || (hasToken ? "" : "Read only: open the address with the token that npm start prints.")}
        </p>
      </header>
      <main>
        {state === undefined ? (
          <p>Waiting for the system …</p>
        ) : (
          <>
            <section aria-label="System">
              <h2>The system now</h2>
              <Topology state={state} />
            </section>
            <section aria-label="Switches">
              <h2>Break it</h2>
              <Switches state={state} act={act} />
            </section>
            <section aria-label="Charts">
              <h2>Last two minutes</h2>
              <Charts history={history} />
            </section>
            <section aria-label="Tour">
              <h2>Tour: five faults, and what to see</h2>
              <Tour state={state} act={act} />
            </section>
            <section aria-label="Figures">
              <h2>Figures</h2>
              <Tables state={state} />
            </section>
            <section aria-label="Request">
              <h2>Send a request</h2>
              <RequestSender examplePath={state.examplePath} act={act} />
            </section>
          </>
        )}
      </main>
    </>
  );
};

render(<Page />, document.body);
