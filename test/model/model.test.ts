import { test } from 'node:test';
import { runModel } from './run-model.ts';

test('whatever is written, killed and started in any order, every agent gets its entries and no acknowledged write is lost', async (t) => {
  const seed = 20_251_126;
  await runModel({ seed, runs: 5, commands: 40, shrink: false, say: (text) => t.diagnostic(text) });
});
