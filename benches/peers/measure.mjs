// Warm runs of several engines on one question, repetition by repetition, so that whatever the machine does meanwhile
// happens to all of them.

import { reason } from "./engines.mjs";
import { median } from "../../tests/browser/support/results.mjs";

/** Above this an engine is run less often: a cell would else take an hour. The table tells how often. */
export const SLOW_MS = 20_000;

/** Below this an engine is run more often, several times in its turn: whatever else the machine does lasts as long as such a run. */
export const SHORT_MS = 200;

/** How many times as often. */
export const OFTENER = 3;

/** More than this and what was computed is wrong. */
export const WRONG = 1e-2;

/** Whether one of the differences is too large, or no number. */
export const wrong = (differences) => !Object.values(differences).every((difference) => difference <= WRONG);

/**
 * Compares each engine's answer with the reference, warms it up and times it.
 * @param {{runs: number, warmUps: number, slowRuns: number}} how the comparison is the first of the warm-ups; of what is
 * slow there is no other, and `slowRuns` runs (where that is 0, the comparison's own time has to do)
 * @returns {Promise<Record<string, object>>} by engine: {wallMs, ownMs, n, wrong, differences, values, agree?}, the times being
 * medians; or {error}
 */
export async function interleave(engines, cell, { runs, warmUps, slowRuns }) {
  const taken = new Map();
  const results = {};
  const guarded = async (id, work) => {
    try {
      return await work();
    } catch (error) {
      taken.delete(id);
      results[id] = { error: reason(error) };
      return undefined;
    }
  };

  for (const engine of engines) {
    await guarded(engine.id, async () => {
      const { wallMs, ownMs, sinceNavigationMs, ...found } = await engine.check(cell);
      let last = wallMs;
      for (let i = 1; i < warmUps && last < SLOW_MS; i++) last = (await engine.time(cell)).wallMs;
      const wanted = last < SHORT_MS ? runs * OFTENER : last < SLOW_MS ? runs : slowRuns;
      taken.set(engine.id, { found: { ...found, wrong: wrong(found.differences) }, wanted, times: wanted > 0 ? [] : [{ wallMs, ownMs }] });
    });
  }

  for (let run = 0; run < runs; run++) {
    // Each goes first in turn, since what runs before may leave the processor warm or the caches cold.
    const order = engines.map((_, i) => engines[(i + run) % engines.length]);
    for (const { id, time } of order) {
      const { times, wanted } = taken.get(id) ?? { times: [], wanted: 0 };
      for (let turn = 0; turn < Math.ceil(wanted / runs) && times.length < wanted; turn++) {
        await guarded(id, async () => times.push(await time(cell)));
      }
    }
  }

  for (const [id, { found, times }] of taken) {
    const [wallMs, ownMs] = ["wallMs", "ownMs"].map((name) => median(times.map((time) => time[name])));
    results[id] = { wallMs, ownMs, n: times.length, ...found };
  }
  return results;
}
