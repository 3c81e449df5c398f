/** The switches that break the system, and the tour through them. */
import { useState } from "preact/hooks";
import type { FaultView, SystemState, TourStepView } from "../state.ts";
import { hasToken, setLoad, switchFault, undoAll } from "./api.tsx";
import { timeOf, titleOf } from "./format.tsx";

/** Does something, then shows what has changed; an error becomes the page's notice. */
export type Act = (action: () => Promise<unknown>) => void;

const DEFAULT_LOAD = 20;
const TRAFFIC = "Traffic";
/** Nodes with few switches share a group. */
const GROUPS: Readonly<Record<string, string>> = {
  clients: TRAFFIC,
  collector: "Collector and SIEM",
  siem: "Collector and SIEM",
};
/** The server's bound. */
const MAX_LOAD = 500;

export const Switches = ({ state, act }: { state: SystemState; act: Act }) => {
  const groups = [...Map.groupBy(state.faults, ({ node }) => GROUPS[node] ?? titleOf(node))];
  return (
    <div class="switches">
      {groups.map(([title, faults]) => (
        <fieldset key={title}>
          <legend>{title}</legend>
          {faults.map((fault) => (
            <Switch key={fault.name} fault={fault} act={act} />
          ))}
          {title === TRAFFIC && <Load requestsPerSecond={state.load.requestsPerSecond} act={act} />}
        </fieldset>
      ))}
    </div>
  );
};

/** A momentary fault has no state to show, only when it last happened. */
const Switch = ({ fault: { name, title, isMomentary, isOn }, act }: { fault: FaultView; act: Act }) => {
  const [doneAt, setDoneAt] = useState("");
  const change = async (): Promise<void> => {
    await switchFault(name, isMomentary || !isOn);
    if (isMomentary) setDoneAt(timeOf(Date.now()));
  };
  return (
    <button
      type="button"
      class="switch"
      data-fault={name}
      disabled={!hasToken}
      {...(isMomentary ? {} : { "aria-pressed": isOn })}
      onClick={() => act(change)}
    >
      {title}
      <code>{doneAt === "" ? name : `${name}: done at ${doneAt}`}</code>
    </button>
  );
};

const Load = ({ requestsPerSecond, act }: { requestsPerSecond: number; act: Act }) => {
  const [wanted, setWanted] = useState(DEFAULT_LOAD);
  const isOn = requestsPerSecond > 0;
  return (
    <>
      <label class="field">
        Requests per second
        <input
          type="number"
          min="1"
          max={MAX_LOAD}
          value={wanted}
          disabled={!hasToken}
          onInput={({ currentTarget }) => setWanted(currentTarget.valueAsNumber)}
        />
      </label>
      <button
        type="button"
        class="switch"
        data-fault="load"
        disabled={!hasToken || !(wanted >= 1 && wanted <= MAX_LOAD)}
        aria-pressed={isOn}
        onClick={() => act(() => setLoad(isOn ? 0 : wanted))}
      >
        Send requests
        <code>{isOn ? `${requestsPerSecond}/s` : "off"}</code>
      </button>
    </>
  );
};

export const UndoAll = ({ state, act }: { state: SystemState | undefined; act: Act }) => {
  const faults = state?.faults ?? [];
  const count = faults.filter(({ isOn }) => isOn).length + ((state?.load.requestsPerSecond ?? 0) > 0 ? 1 : 0);
  return (
    <button type="button" class="undo" disabled={!hasToken || count === 0} onClick={() => act(undoAll)}>
      {/* A new element, whose text has not moved. */}
      <span key={count}>{`Undo everything (${count})`}</span>
    </button>
  );
};

export const Tour = ({ state, act }: { state: SystemState; act: Act }) => (
  <ol class="tour">
    {state.tour.map((step) => (
      <Step
        key={step.title}
        step={step}
        fault={state.faults.find(({ name }) => name === step.fault)}
        act={act}
      />
    ))}
  </ol>
);

const Step = ({ step, fault, act }: { step: TourStepView; fault: FaultView | undefined; act: Act }) => (
  <li class={step.isDone ? "step done" : "step"}>
    <h3>{step.title}</h3>
    <p>{step.action}</p>
    {fault !== undefined && <Switch fault={fault} act={act} />}
    <ul>
      {step.see.map(({ text, isDone }) => (
        <li key={text} class={isDone ? "seen" : ""}>
          <span class="mark" role="img" aria-label={isDone ? "happened:" : "not yet:"}>
            {isDone ? "✓" : "○"}
          </span>
          {text}
        </li>
      ))}
    </ul>
    <p class="verdict">{step.isDone ? "✓ All three happened" : "Not all have happened yet"}</p>
  </li>
);
