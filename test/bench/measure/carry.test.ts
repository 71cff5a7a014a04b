import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { accessLog } from '../../../bench/inputs/line-kinds.ts';
import { carry } from '../../../bench/measure/carry.ts';
import { startFixture } from '../../../bench/measure/fixture.ts';
import { logfleet } from '../../../bench/tools/logfleet.ts';
import type { Tool } from '../../../bench/tools/tool.ts';
import { workloads } from '../../../bench/workloads/list.ts';
import { tempDir } from '../../support/temp-dir.ts';

const MIB = 2 ** 20;

/** Does nothing, and ends at once. */
const idler: Tool = {
  ...logfleet('none'),
  command: async () => ({ command: 'sh', args: ['-c', 'echo no such broker; exit 3'] }),
};

test('a tiny backlog is carried, read back, measured and written down', async () => {
  await using folder = await tempDir('bench');
  await using fixture = await startFixture();
  const said: string[] = [];
  const tools = [logfleet('standard'), logfleet('none')];
  const options = {
    ...{ tools, missing: ['kcat (nobody looked)'], rounds: 1, mib: 1, agents: undefined, seconds: 1 },
    out: folder.path,
    say: (line: string) => said.push(line),
  };
  const backlog = workloads.find(({ name }) => name === 'backlog');
  assert.ok(backlog && 'run' in backlog);
  await backlog.run(fixture, options);

  const text = await readFile(folder.at('RESULTS.md'), 'utf8');
  assert.match(text, /^## backlog$/m);
  assert.match(text, /\| logfleet, headers standard \| .* \| each line once, unaltered \|/);
  assert.match(text, /Not\son\sthis\smachine:\skcat\s\(nobody\slooked\)/);
  assert.match(await readFile(folder.at('results', 'backlog.svg'), 'utf8'), /^<svg /);
  const { input, rounds, speeds } = JSON.parse(await readFile(folder.at('results', 'backlog.json'), 'utf8'));
  const [pass] = rounds['logfleet-lean'].runs;
  assert.equal(pass.records, input.records);
  assert.ok(pass.seconds > 0 && pass.cpuSeconds > 0 && pass.peakRssMib > 10 && pass.endedAfterSeconds > 0);
  assert.equal(speeds.length, 2);

  const failed = await carry(fixture, idler, await fixture.input('tiny', accessLog, 1, 1000), {
    task: 'lines',
    compression: 'lz4',
  });
  assert.match(failed.failure ?? '', /^0 of 6 records, then it ended after .* s: no such broker$/);

  const other = await fixture.input('other', accessLog, 1, MIB);
  const altered = { ...other, checksum: other.checksum + 1 };
  const verified = await carry(fixture, tools[1] as Tool, altered, { task: 'lines', compression: 'zstd' }, true);
  assert.equal(verified.faithful, false);
});
